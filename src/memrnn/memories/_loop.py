"""How a memory runs along a loop over time, and how the loop runs back."""

import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

if TYPE_CHECKING:
    from memrnn.memories._memory import Memory


class Loop(abc.ABC):
    """The updates of a memory as one or several loops, each with a loop that runs back.

    `memrnn.unroll` puts the controller into these loops; the hidden state of each step gives the
    drive of the next update, so nothing about a step is known before the one before it is done.

    Forward, for each of `lengths(state, updates)` in turn:

        fixed, carry = start(state)
        carry, reading, saved = step(fixed, carry, drive)               once an update
        state = stop(state, carry, updates)

    Backward, for the same loops in reverse order, with `adjoint` None at the end of time:

        fixed, carry, inputs = start_back(state, drives, saved, adjoint)
        carry, d_drive = step_back(fixed, carry, inputs[t], d_reading)  once an update, t falling
        adjoint, d_memory = stop_back(carry, saved, adjoint)

    where `state` is that after the loop; it is made again by `stop`, so that only what the loops
    carry has to be kept. `cotangent(state, adjoint)` at last is the cotangent of the first state.
    """

    @abc.abstractmethod
    def lengths(self, state: Any, updates: int) -> Sequence[int]:
        """How many updates each loop makes; they add up to `updates`."""

    @abc.abstractmethod
    def start(self, state: Any) -> tuple[Any, Any]:
        """What the loop does not change, and what it carries before its first update."""

    @abc.abstractmethod
    def step(
        self, fixed: Any, carry: Any, drive: Float[Array, "batch drive"]
    ) -> tuple[Any, Any, Any]:
        """One update: the next carry, the reading, and what the way back needs."""

    @abc.abstractmethod
    def stop(self, state: Any, carry: Any, updates: int) -> Any:
        """The state after the loop; `state` is that before it."""

    @abc.abstractmethod
    def readings(self, carry: Any, saved: Any) -> Float[Array, "time batch reading"]:
        """All readings of a loop; `carry` is what it carried at its end."""

    @abc.abstractmethod
    def start_back(
        self,
        after: Any,
        drives: Float[Array, "time batch drive"],
        saved: Any,
        adjoint: Any,
    ) -> tuple[Any, Any, Any]:
        """What the loop back does not change, carries, and takes in at each step, time first."""

    @abc.abstractmethod
    def step_back(
        self, fixed: Any, carry: Any, now: Any, d_reading: Float[Array, "batch reading"]
    ) -> tuple[Any, Float[Array, "batch drive"]]:
        """One update back: the next carry and the drive's cotangent."""

    @abc.abstractmethod
    def stop_back(self, carry: Any, saved: Any, adjoint: Any) -> tuple[Any, Any]:
        """The adjoint for the loop before, and the cotangent of the memory's parameters.

        Parameters that act through `Memory.affine` or `Memory.initial_state` get theirs from the
        drives and the first state; None where there are no others.
        """

    @abc.abstractmethod
    def cotangent(self, state: Any, adjoint: Any) -> Any:
        """The cotangent of the first loop's first state."""


class PlainLoop(Loop):
    """One loop over `Memory.update` and `Memory.reading`, differentiated by JAX.

    The way back carries only what truly depends on the next step, the cotangent of the state:
    the derivatives of all steps depend on saved states only and are computed before it at once.
    """

    def __init__(self, memory: "Memory"):
        self._memory = memory
        self._parameters, self._static = eqx.partition(memory, eqx.is_inexact_array)

    def lengths(self, state: Any, updates: int) -> Sequence[int]:
        del state
        return (updates,)

    def start(self, state: Any) -> tuple[None, Any]:
        return None, state

    def step(self, fixed: None, carry: Any, drive: Array) -> tuple[Any, Any, Any]:
        state = self._memory.update(carry, drive)
        return state, self._memory.reading(state), carry

    def stop(self, state: Any, carry: Any, updates: int) -> Any:
        del state, updates
        return carry

    def readings(self, carry: Any, saved: Any) -> Array:
        # What was read in a step is in the next state: cheaper read again than saved.
        readings = jax.vmap(self._memory.reading)(saved)
        return jnp.concatenate([readings[1:], self._memory.reading(carry)[None]])

    def start_back(
        self, after: Any, drives: Array, saved: Any, adjoint: Any
    ) -> tuple[None, Any, Any]:
        def pull(state: Any, drive: Array) -> Any:
            # A state may count in integers, which have no derivative.
            state, counts = eqx.partition(state, eqx.is_inexact_array)

            def remember(parameters: Any, state: Any, drive: Array) -> tuple[Any, Array]:
                memory = eqx.combine(parameters, self._static)
                after = memory.update(eqx.combine(state, counts), drive)
                return eqx.filter(after, eqx.is_inexact_array), memory.reading(after)

            return jax.vjp(remember, self._parameters, state, drive)[1]

        if adjoint is None:
            adjoint = jax.tree.map(jnp.zeros_like, eqx.filter(after, eqx.is_inexact_array))
        d_parameters = jax.tree.map(jnp.zeros_like, self._parameters)
        return None, (d_parameters, adjoint), jax.vmap(pull)(saved, drives)

    def step_back(self, fixed: None, carry: Any, now: Any, d_reading: Array) -> tuple[Any, Array]:
        d_parameters, d_state = carry
        d_remember, d_state, d_drive = now((d_state, d_reading))
        return (jax.tree.map(jnp.add, d_parameters, d_remember), d_state), d_drive

    def stop_back(self, carry: Any, saved: Any, adjoint: Any) -> tuple[Any, Any]:
        del saved, adjoint
        d_parameters, d_state = carry
        return d_state, d_parameters

    def cotangent(self, state: Any, adjoint: Any) -> Any:
        no_bits = jax.tree.map(
            lambda leaf: np.zeros(leaf.shape, jax.dtypes.float0),
            eqx.filter(state, eqx.is_inexact_array, inverse=True),
        )
        return eqx.combine(adjoint, no_bits)
