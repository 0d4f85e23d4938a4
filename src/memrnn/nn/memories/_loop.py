"""How the fast rule runs the updates of a memory over time, and how it differentiates them."""

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
    """The updates of a memory as one or several loops, each with a loop for the backward pass.

    `memrnn.FAST` puts the controller into these loops; the hidden state of each step gives the
    controls of the next update, so nothing about a step is known before the one before it is done.

    The loops have a layout of the memory's state of their own:

        layout = layout_of(state, updates, fresh=...)
        ... the loops ...
        state = state_of(layout, state)

    Forward pass, for each of `lengths(layout, updates)` in turn:

        constants, carry = start(layout)
        carry, reading, residuals = step(constants, carry, controls)               per update
        layout = stop(layout, carry, updates)

    Backward pass, for the same loops in reverse order, with `adjoint` None at the end of time:

        constants, carry, inputs = start_backward(layout, controls, residuals, adjoint)
        carry, d_controls = step_backward(constants, carry, inputs[t], d_reading)  per update
        adjoint, d_memory = stop_backward(carry, residuals, adjoint)

    where `layout` is that after the loop; it is made again by `stop`, so that only what the loops
    carry has to be kept. `layout_cotangent(layout, adjoint)` is the cotangent of the first layout.

    Arrays of a layout have the strings on their first axis, or are scalars that hold for all
    strings. `layout_of` and `state_of` are differentiated by JAX.

    Attributes:
        small: whether a step is so little work that on a GPU starting it takes longer.
    """

    small: ClassVar[bool] = True

    @abc.abstractmethod
    def layout_of(self, state: Any, updates: int, *, fresh: bool) -> Any:
        """The layout of a state for a number of updates; `fresh` if it is as `Memory.init` made it."""

    @abc.abstractmethod
    def state_of(self, layout: Any, like: Any) -> Any:
        """The state that a layout holds, with structure and shapes of another state."""

    @abc.abstractmethod
    def lengths(self, layout: Any, updates: int) -> Sequence[int]:
        """How many updates each loop makes; they add up to `updates`."""

    @abc.abstractmethod
    def start(self, layout: Any) -> tuple[Any, Any]:
        """What the loop does not change, and what it carries before its first update."""

    @abc.abstractmethod
    def step(
        self, constants: Any, carry: Any, controls: Float[Array, "batch controls"]
    ) -> tuple[Any, Any, Any]:
        """One update: the next carry, the reading, and the residuals for the backward pass."""

    @abc.abstractmethod
    def stop(self, layout: Any, carry: Any, updates: int) -> Any:
        """The layout after the loop; `layout` is that before it."""

    @abc.abstractmethod
    def readings(self, carry: Any, residuals: Any) -> Float[Array, "time batch reading"]:
        """All readings of a loop; `carry` is the last one."""

    @abc.abstractmethod
    def start_backward(
        self,
        after: Any,
        controls: Float[Array, "time batch controls"],
        residuals: Any,
        adjoint: Any,
    ) -> tuple[Any, Any, Any]:
        """What the backward loop does not change, carries, and takes in per step, time first."""

    @abc.abstractmethod
    def step_backward(
        self, constants: Any, carry: Any, inputs: Any, d_reading: Float[Array, "batch reading"]
    ) -> tuple[Any, Float[Array, "batch controls"]]:
        """The backward step of an update: the next carry and the controls' cotangent."""

    @abc.abstractmethod
    def stop_backward(self, carry: Any, residuals: Any, adjoint: Any) -> tuple[Any, Any]:
        """The adjoint for the loop before, and the cotangent of the memory's parameters.

        Parameters that act through `controls` or `init` get theirs from the controls and the
        first state; None where there are no others.
        """

    @abc.abstractmethod
    def layout_cotangent(self, layout: Any, adjoint: Any) -> Any:
        """The cotangent of the first loop's first layout; None in place of integers."""


class AutodiffLoop(Loop):
    """One loop over `update` and `read`, differentiated by JAX; the layout is the state itself.

    The backward loop carries only what truly depends on the next step, the cotangent of the state:
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
        self._update = update or type(memory).update
        self._parameters, self._static = eqx.partition(memory, eqx.is_inexact_array)

    def layout_of(self, state: Any, updates: int, *, fresh: bool) -> Any:
        del updates, fresh
        return state

    def state_of(self, layout: Any, like: Any) -> Any:
        del like
        return layout

    def lengths(self, layout: Any, updates: int) -> Sequence[int]:
        del layout
        return (updates,)

    def start(self, layout: Any) -> tuple[None, Any]:
        return None, layout

    def step(self, constants: None, carry: Any, controls: Array) -> tuple[Any, Any, Any]:
        state = self._update(self._memory, carry, controls)
        return state, self._memory.read(state), carry

    def stop(self, layout: Any, carry: Any, updates: int) -> Any:
        del layout, updates
        return carry

    def readings(self, carry: Any, residuals: Any) -> Array:
        # What was read in a step is in the next state: cheaper read again than saved.
        readings = jax.vmap(self._memory.read)(residuals)
        return jnp.concatenate([readings[1:], self._memory.read(carry)[None]])

    def start_backward(
        self, after: Any, controls: Array, residuals: Any, adjoint: Any
    ) -> tuple[None, Any, Any]:
        def pullback(state: Any, controls: Array) -> Any:
            # A state may count in integers, which have no derivative.
            state, counts = eqx.partition(state, eqx.is_inexact_array)

            def update_and_read(parameters: Any, state: Any, controls: Array) -> tuple[Any, Array]:
                memory = eqx.combine(parameters, self._static)
                after = self._update(memory, eqx.combine(state, counts), controls)
                return eqx.filter(after, eqx.is_inexact_array), memory.read(after)

            return jax.vjp(update_and_read, self._parameters, state, controls)[1]

        if adjoint is None:
            adjoint = jax.tree.map(jnp.zeros_like, eqx.filter(after, eqx.is_inexact_array))
        d_parameters = jax.tree.map(jnp.zeros_like, self._parameters)
        return None, (d_parameters, adjoint), jax.vmap(pullback)(residuals, controls)

    def step_backward(
        self, constants: None, carry: Any, inputs: Any, d_reading: Array
    ) -> tuple[Any, Array]:
        d_parameters, d_state = carry
        d_update, d_state, d_controls = inputs((d_state, d_reading))
        return (jax.tree.map(jnp.add, d_parameters, d_update), d_state), d_controls

    def stop_backward(self, carry: Any, residuals: Any, adjoint: Any) -> tuple[Any, Any]:
        del residuals, adjoint
        d_parameters, d_state = carry
        return d_state, d_parameters

    def layout_cotangent(self, layout: Any, adjoint: Any) -> Any:
        del layout
        return adjoint
