"""How the fast gradient runs a memory along a loop over time, and how the loop runs back."""

import abc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

if TYPE_CHECKING:
    from memrnn.nn.memories._memory import AffineMemory


class Loop(abc.ABC):
    """The updates of a memory as one or several loops, each with a loop that runs back.

    `memrnn.FAST` puts the controller into these loops; the hidden state of each step gives the
    controls of the next update, so nothing about a step is known before the one before it is done.

    The loops have a layout of the memory's state of their own:

        layout = enter(state, updates, fresh=...)
        ... the loops ...
        state = leave(layout, state, updates)

    Forward, for each of `lengths(layout, updates)` in turn:

        fixed, carry = start(layout)
        carry, reading, saved = step(fixed, carry, controls)               once per update
        layout = stop(layout, carry, updates)

    Backward, for the same loops in reverse order, with `adjoint` None at the end of time:

        fixed, carry, inputs = start_back(layout, controls, saved, adjoint)
        carry, d_controls = step_back(fixed, carry, inputs[t], d_reading)  once per update
        adjoint, d_memory = stop_back(carry, saved, adjoint)

    where `layout` is that after the loop; it is made again by `stop`, so that only what the loops
    carry has to be kept. `cotangent(layout, adjoint)` at last is the cotangent of the first layout.

    Arrays of a layout have the strings on their first axis, or are scalars that hold for all
    strings. `enter` and `leave` are differentiated by JAX.

    Attributes:
        small: whether a step is so little work that on a GPU starting it takes longer.
    """

    small: ClassVar[bool] = True

    @abc.abstractmethod
    def enter(self, state: Any, updates: int, *, fresh: bool) -> Any:
        """The layout of a state for a number of updates.

        Args:
            fresh: whether the state is as `Memory.init` made it.
        """

    @abc.abstractmethod
    def leave(self, layout: Any, state: Any, updates: int) -> Any:
        """The state after the updates, of the same structure and shapes as `state` before them."""

    @abc.abstractmethod
    def lengths(self, layout: Any, updates: int) -> Sequence[int]:
        """How many updates each loop makes; they add up to `updates`."""

    @abc.abstractmethod
    def start(self, layout: Any) -> tuple[Any, Any]:
        """What the loop does not change, and what it carries before its first update."""

    @abc.abstractmethod
    def step(
        self, fixed: Any, carry: Any, controls: Float[Array, "batch controls"]
    ) -> tuple[Any, Any, Any]:
        """One update: the next carry, the reading, and what the way back needs."""

    @abc.abstractmethod
    def stop(self, layout: Any, carry: Any, updates: int) -> Any:
        """The layout after the loop; `layout` is that before it."""

    @abc.abstractmethod
    def readings(self, carry: Any, saved: Any) -> Float[Array, "time batch reading"]:
        """All readings of a loop; `carry` is what it carried at its end."""

    @abc.abstractmethod
    def start_back(
        self,
        after: Any,
        controls: Float[Array, "time batch controls"],
        saved: Any,
        adjoint: Any,
    ) -> tuple[Any, Any, Any]:
        """What the loop back does not change, carries, and takes in at each step, time first."""

    @abc.abstractmethod
    def step_back(
        self, fixed: Any, carry: Any, now: Any, d_reading: Float[Array, "batch reading"]
    ) -> tuple[Any, Float[Array, "batch controls"]]:
        """One update back: the next carry and the controls' cotangent."""

    @abc.abstractmethod
    def stop_back(self, carry: Any, saved: Any, adjoint: Any) -> tuple[Any, Any]:
        """The adjoint for the loop before, and the cotangent of the memory's parameters.

        Parameters that act through `controls` or `init` get theirs from the controls and the
        first state; None where there are no others.
        """

    @abc.abstractmethod
    def cotangent(self, layout: Any, adjoint: Any) -> Any:
        """The cotangent of the first loop's first layout; None in place of integers."""


class PlainLoop(Loop):
    """One loop over `update` and `read`, differentiated by JAX; the layout is the state itself.

    The way back carries only what truly depends on the next step, the cotangent of the state:
    the derivatives of all steps depend on saved states only and are computed before it at once.

    Args:
        update: computes what `memory.update` does, with a derivative of its own.
    """

    def __init__(
        self,
        memory: "AffineMemory",
        update: Callable[[Any, Any, Array], Any] | None = None,
    ):
        self._memory = memory
        self._update = update or (lambda memory, *arguments: memory.update(*arguments))
        self._parameters, self._static = eqx.partition(memory, eqx.is_inexact_array)

    def enter(self, state: Any, updates: int, *, fresh: bool) -> Any:
        del updates, fresh
        return state

    def leave(self, layout: Any, state: Any, updates: int) -> Any:
        del state, updates
        return layout

    def lengths(self, layout: Any, updates: int) -> Sequence[int]:
        del layout
        return (updates,)

    def start(self, layout: Any) -> tuple[None, Any]:
        return None, layout

    def step(self, fixed: None, carry: Any, controls: Array) -> tuple[Any, Any, Any]:
        state = self._update(self._memory, carry, controls)
        return state, self._memory.read(state), carry

    def stop(self, layout: Any, carry: Any, updates: int) -> Any:
        del layout, updates
        return carry

    def readings(self, carry: Any, saved: Any) -> Array:
        # What was read in a step is in the next state: cheaper read again than saved.
        readings = jax.vmap(self._memory.read)(saved)
        return jnp.concatenate([readings[1:], self._memory.read(carry)[None]])

    def start_back(
        self, after: Any, controls: Array, saved: Any, adjoint: Any
    ) -> tuple[None, Any, Any]:
        def pull(state: Any, controls: Array) -> Any:
            # A state may count in integers, which have no derivative.
            state, counts = eqx.partition(state, eqx.is_inexact_array)

            def remember(parameters: Any, state: Any, controls: Array) -> tuple[Any, Array]:
                memory = eqx.combine(parameters, self._static)
                after = self._update(memory, eqx.combine(state, counts), controls)
                return eqx.filter(after, eqx.is_inexact_array), memory.read(after)

            return jax.vjp(remember, self._parameters, state, controls)[1]

        if adjoint is None:
            adjoint = jax.tree.map(jnp.zeros_like, eqx.filter(after, eqx.is_inexact_array))
        d_parameters = jax.tree.map(jnp.zeros_like, self._parameters)
        return None, (d_parameters, adjoint), jax.vmap(pull)(saved, controls)

    def step_back(self, fixed: None, carry: Any, now: Any, d_reading: Array) -> tuple[Any, Array]:
        d_parameters, d_state = carry
        d_remember, d_state, d_controls = now((d_state, d_reading))
        return (jax.tree.map(jnp.add, d_parameters, d_remember), d_state), d_controls

    def stop_back(self, carry: Any, saved: Any, adjoint: Any) -> tuple[Any, Any]:
        del saved, adjoint
        d_parameters, d_state = carry
        return d_state, d_parameters

    def cotangent(self, layout: Any, adjoint: Any) -> Any:
        del layout
        return adjoint
