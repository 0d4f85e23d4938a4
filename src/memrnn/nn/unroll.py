"""A controller and its memory over time: one step, and a loop with a choice of gradients."""

import enum
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

from memrnn.errors import MemrnnError
from memrnn.nn._fast import fast_hidden_states
from memrnn.nn._scan import scan
from memrnn.nn.controllers import AffineController, Controller
from memrnn.nn.memories import AffineMemory, Memory


class State(NamedTuple):
    """The states of a controller and its memory between two time steps.

    Attributes:
        controller: the controller's state, any pytree whose first leaf is the hidden state.
        memory: the memory's state, any pytree.

    Examples:
        >>> import memrnn
        >>> network = memrnn.get_model("lstm-4+jm-3").build(memrnn.OneHot(2), classes=3, seed=0)
        >>> state = network.init(batch=5, horizon=9)
        >>> state.hidden.shape
        (5, 4)
    """

    controller: Any
    memory: Any

    @property
    def hidden(self) -> Float[Array, "batch hidden"]:
        """The hidden state, the first leaf of the controller's state."""
        return jax.tree.leaves(self.controller)[0]


class Rule(enum.Enum):
    """How `unroll` is computed and differentiated.

    REFERENCE is `jax.lax.scan` over `step`: the definition, for every controller and memory. JAX
    differentiates it in every way. FAST gives the same numbers up to rounding, with a hand-written
    gradient, for an `AffineController` and an `AffineMemory`: in reverse mode only, and not through
    the returned state.

    Examples:
        >>> import memrnn
        >>> memrnn.FAST, memrnn.REFERENCE
        (<Rule.FAST: 'fast'>, <Rule.REFERENCE: 'reference'>)
    """

    REFERENCE = "reference"
    FAST = "fast"


REFERENCE = Rule.REFERENCE
"""`jax.lax.scan` over `step`, with every derivative that JAX has; see `Rule`."""
FAST = Rule.FAST
"""The hand-written gradient, for an `AffineController` and an `AffineMemory`; see `Rule`."""


def init(controller: Controller, memory: Memory, batch: int, horizon: int | None) -> State:
    """The state before the first step of a batch of sequences; see `Memory.init`."""
    return State(controller.init(batch), memory.init(batch, horizon))


def step(
    controller: Controller,
    memory: Memory,
    state: State,
    x: Float[Array, "batch features"],
    hidden_mask: Float[Array, "batch hidden"] | None = None,
    gate_noise: Float[Array, "batch gates"] | None = None,
) -> State:
    """One time step: read the memory, run the controller, update the memory.

        r_t = memory.read(m_{t-1})
        c_t = controller.step(c_{t-1}, [x_t; r_t])
        m_t = memory.step(m_{t-1}, h_t)

    where the hidden state h_t is the first leaf of c_t.

    Args:
        hidden_mask, gate_noise: see `unroll`.
    """
    inputs = jnp.concatenate([x, memory.read(state.memory)], axis=-1)
    if hidden_mask is None and gate_noise is None:
        after = State(controller.step(state.controller, inputs), state.memory)
    else:
        assert isinstance(controller, AffineController)  # as `unroll` demands
        own = controller.step(state.controller, inputs, hidden_mask, gate_noise)
        after = State(own, state.memory)
    seen = after.hidden if hidden_mask is None else after.hidden * hidden_mask
    return after._replace(memory=memory.step(state.memory, seen))


def unroll(
    controller: Controller,
    memory: Memory,
    xs: Float[Array, "time batch features"],
    state: State | None = None,
    *,
    horizon: int | None = None,
    rule: Rule | None = None,
    hidden_mask: Float[Array, "batch hidden"] | None = None,
    gate_noise: Float[Array, "time batch gates"] | None = None,
) -> tuple[Float[Array, "time batch hidden"], State]:
    """Runs a controller with its memory over a batch of sequences: n inputs, n steps.

    Segments of a sequence, each from the state that the one before returned, give what the whole
    sequence gives.

    Args:
        controller: the recurrent cell.
        memory: what it reads and updates.
        xs: `x_1 ... x_n`, n >= 0, time first.
        state: the state to start from; None for the state before the first step. To truncate the
            gradient in time, pass it through `jax.lax.stop_gradient`.
        horizon: where `state` is None, the number of steps that the new state must serve in all,
            further segments included; by default n. For more steps than can be known, start from
            `Network.init(batch, None)`.
        rule: `REFERENCE` or `FAST`; by default `FAST` for an `AffineController` with an
            `AffineMemory`, else `REFERENCE`.
        hidden_mask: factors of the hidden state where the controller's weights and the memory's
            controls multiply it, the same in all steps; for an `AffineController`. State dropout
            draws them. The states that are returned are without them.
        gate_noise: is added to what the controller's gates get from the input, `W_ih u_t + b_ih`;
            for an `AffineController`.

    Returns:
        The hidden states `h_1 ... h_n`, and the state after the last step.

    Raises:
        MemrnnError: for a rule that controller or memory do not allow, for a state and a horizon,
            for a controller or a memory that computes in another type than that of `xs`, and,
            under `FAST`, for a gradient through the returned state.

    Examples:
        >>> import jax.numpy as jnp
        >>> import memrnn
        >>> network = memrnn.get_model("elman-4+jm-2").build(memrnn.OneHot(3), classes=4, seed=0)
        >>> xs = jnp.ones((3, 2, 3))  # 3 steps of 2 sequences
        >>> fast, _ = memrnn.unroll(network.controller, network.memory, xs)
        >>> rule = memrnn.REFERENCE
        >>> plain, _ = memrnn.unroll(network.controller, network.memory, xs, rule=rule)
        >>> fast.shape, bool(jnp.allclose(fast, plain, atol=1e-6))
        ((3, 2, 4), True)

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), section 2 and appendix B.
    """
    fresh = state is None
    if state is None:
        state = init(controller, memory, xs.shape[1], len(xs) if horizon is None else horizon)
    elif horizon is not None:
        raise MemrnnError("A horizon is for a new state; the given state has one already.")
    _check_types(controller, memory, state, xs.dtype)
    if hidden_mask is not None:
        as_affine(controller, "A mask of the hidden state")
    if gate_noise is not None:
        as_affine(controller, "Gate noise")
    if rule is not REFERENCE and len(xs) > 0:
        if isinstance(controller, AffineController) and isinstance(memory, AffineMemory):
            hidden, *after = fast_hidden_states(
                controller, memory, xs, *state, hidden_mask, gate_noise, fresh=fresh
            )
            arrays, rest = eqx.partition(State(*after), eqx.is_inexact_array)
            return hidden, eqx.combine(_without_gradient(arrays), rest)
        if rule is FAST:
            raise MemrnnError(
                "The rule FAST needs an AffineController and an AffineMemory, not "
                f"{type(controller).__name__} and {type(memory).__name__}; take REFERENCE."
            )

    def scan_step(state: State, inputs: tuple[Array, Array | None]) -> tuple[State, Array]:
        x, noise = inputs
        state = step(controller, memory, state, x, hidden_mask, noise)
        return state, state.hidden

    last, hidden = scan(scan_step, state, (xs, gate_noise))
    return hidden, last


def _check_types(
    controller: Controller, memory: Memory, state: State, dtype: jax.typing.DTypeLike
) -> None:
    """Refuses a component with a type of its own: scores would not be of the type they name."""
    reading = jax.eval_shape(memory.read, state.memory)
    for what, component, own in (
        ("controller", controller, state.hidden.dtype),
        ("memory", memory, reading.dtype),
    ):
        if own != dtype:
            raise MemrnnError(
                f"The {what} {type(component).__name__} computes in {own}, but its input is "
                f"{jnp.dtype(dtype)}; take the type of new arrays from a parameter, as in "
                "jnp.zeros(shape, self.weight.dtype)."
            )


def as_affine(controller: Controller, what: str) -> AffineController:
    """The controller, for what needs an `AffineController`.

    Raises:
        MemrnnError: if it is none.
    """
    if not isinstance(controller, AffineController):
        kind = type(controller).__name__
        raise MemrnnError(f"{what} needs an AffineController, not {kind}.")
    return controller


@jax.custom_vjp
def _without_gradient(state: State) -> State:
    """The same state; a gradient through it is an error, not zero."""
    return state


def _forward(state: Any) -> tuple[State, None]:
    return jax.tree.map(lambda leaf: leaf.value, state), None


def _backward(residuals: None, cotangents: State) -> tuple[None]:
    del residuals
    if any(not isinstance(leaf, SymbolicZero) for leaf in jax.tree.leaves(cotangents)):
        raise MemrnnError(
            "The rule FAST gives no gradient through the returned state; unroll with "
            "rule=REFERENCE, or pass the state through jax.lax.stop_gradient."
        )
    return (None,)


_without_gradient.defvjp(_forward, _backward, symbolic_zeros=True)
