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

    The loops have a layout of the memory's state of their own. `layout_of` makes it for a number of
    updates, with `fresh` of a state that is as `Memory.init` made it. `state_of` makes it a state
    again, with the structure and shapes of another state. JAX differentiates both. Arrays of a
    layout have the strings on their first axis, or are scalars that hold for all strings.

    Forward pass, for each of `lengths(layout, updates)`, which add up to the number of updates:

        constants, carry = start(layout)
        carry, reading, residuals = step(constants, carry, controls)               per update
        layout = stop(layout, carry, updates)

    Backward pass, for the same loops in reverse order, with `adjoint` None at the end of time:

        constants, carry, inputs = start_backward(layout, controls, residuals, adjoint)
        carry, d_controls = step_backward(constants, carry, inputs[t], d_reading)  per update
        adjoint, d_memory = stop_backward(carry, residuals, adjoint)

    where `layout` is that after the loop; it is made again by `stop`, so that only what the loops
    carry has to be kept. `readings` gives all readings of a loop from its last carry. `d_memory` is
    the cotangent of parameters that act neither through `controls` nor `init`, None where there
    are none. `layout_cotangent` is that of the first layout, with None in place of integers.

    Attributes:
        small: whether a step is so little work that on a GPU starting it takes longer.

    Examples:
        >>> import numpy as np
        >>> from memrnn.nn.memories import Loop, Superposition
        >>> memory = Superposition(4, sizes=(3,), rng=np.random.default_rng(0))
        >>> isinstance(memory.loop(), Loop)
        True
    """

    small: ClassVar[bool] = True

    @abc.abstractmethod
    def layout_of(self, state: Any, updates: int, *, fresh: bool) -> Any: ...

    @abc.abstractmethod
    def state_of(self, layout: Any, like: Any) -> Any: ...

    @abc.abstractmethod
    def lengths(self, layout: Any, updates: int) -> Sequence[int]: ...

    @abc.abstractmethod
    def start(self, layout: Any) -> tuple[Any, Any]: ...

    @abc.abstractmethod
    def step(
        self, constants: Any, carry: Any, controls: Float[Array, "batch controls"]
    ) -> tuple[Any, Float[Array, "batch reading"], Any]: ...

    @abc.abstractmethod
    def stop(self, layout: Any, carry: Any, updates: int) -> Any: ...

    @abc.abstractmethod
    def readings(self, carry: Any, residuals: Any) -> Float[Array, "time batch reading"]: ...

    @abc.abstractmethod
    def start_backward(
        self,
        layout: Any,
        controls: Float[Array, "time batch controls"],
        residuals: Any,
        adjoint: Any,
    ) -> tuple[Any, Any, Any]: ...

    @abc.abstractmethod
    def step_backward(
        self, constants: Any, carry: Any, inputs: Any, d_reading: Float[Array, "batch reading"]
    ) -> tuple[Any, Float[Array, "batch controls"]]: ...

    @abc.abstractmethod
    def stop_backward(self, carry: Any, residuals: Any, adjoint: Any) -> tuple[Any, Any]: ...

    @abc.abstractmethod
    def layout_cotangent(self, layout: Any, adjoint: Any) -> Any: ...


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
        self, layout: Any, controls: Array, residuals: Any, adjoint: Any
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
            adjoint = jax.tree.map(jnp.zeros_like, eqx.filter(layout, eqx.is_inexact_array))
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
