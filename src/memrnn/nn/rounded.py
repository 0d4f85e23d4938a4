"""Networks that are rounded after every operation: their pieces, each in a wrapper."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from memrnn.nn.controllers import Controller
from memrnn.nn.memories import Memory
from memrnn.nn.network import Network
from memrnn.runtime.precision import Rounding, cast, parse_precision
from memrnn.runtime.rounding import round_to, rounded

T = TypeVar("T")

_SEED = 0
_CONTROLLER, _UPDATE, _READ, _OUTPUT = range(4)
"""Streams of random numbers of stochastic roundings."""

Counted = tuple[Any, Int[Array, ""]]
"""A state, and how many steps it has seen."""


def in_precision(network: Network, name: str) -> Network:
    """A network that computes in a precision; call it, and use it, in the scope of `computed_in`.

    In a native format its parameters are cast. Else it computes in float32, and parameters, inputs
    and the result of every operation of the component, or of the whole network, are rounded. Such
    a network runs by the rule REFERENCE: a `jax.lax.scan` over one step.

    Stochastic roundings draw from a fixed seed, the number of the step, and the number of the
    operation in it; parameters are rounded to the nearest number.

    Args:
        network: in a native format.
        name: of the precision, see `parse_precision`.

    Raises:
        MemrnnError: if there is no such precision.

    Examples:
        >>> import memrnn
        >>> from memrnn.nn.rounded import in_precision
        >>> from memrnn.runtime.precision import computed_in, scope
        >>> network = memrnn.get_model("elman-3").build(memrnn.OneHot(2), classes=3, seed=0)
        >>> with scope(computed_in("e5m2")):
        ...     rounded = in_precision(network, "e5m2")
        >>> sorted(set(abs(rounded.output.weight.ravel()).tolist()))[:3]  # 2 bits of mantissa
        [0.013671875, 0.09375, 0.1875]
    """
    precision = parse_precision(name)
    if not isinstance(precision, Rounding):
        return cast(network, precision)
    network = cast(network, "float32")
    if precision.component == "memory":
        memory = RoundedMemory.of(network.memory, precision)
        return eqx.tree_at(lambda one: one.memory, network, memory)
    controller = RoundedController.of(network.controller, precision)
    if precision.component == "controller":
        return eqx.tree_at(lambda one: one.controller, network, controller)
    return RoundedNetwork(
        _nearest(network.embedding, precision),
        controller,
        RoundedMemory.of(network.memory, precision),
        _nearest(network.output, precision),
        rounding=precision,
    )


def is_rounded(network: Network) -> bool:
    """Whether `in_precision` has made a network that rounds after every operation."""
    return isinstance(network.memory, RoundedMemory) or isinstance(
        network.controller, RoundedController
    )


class RoundedController(Controller):
    """A controller whose inputs, parameters and operations are rounded."""

    inner: Controller
    rounding: Rounding = eqx.field(static=True)

    @staticmethod
    def of(inner: Controller, rounding: Rounding) -> "RoundedController":
        return RoundedController(_nearest(inner, rounding), rounding)

    @property
    def input_size(self) -> int:
        return self.inner.input_size

    @property
    def hidden_size(self) -> int:
        return self.inner.hidden_size

    def init(self, batch: int) -> Counted:
        return _from_start(self.inner.init(batch))

    def step(self, state: Counted, inputs: Float[Array, "batch input"]) -> Counted:
        return _next(self.inner.step, self.rounding, _CONTROLLER, state, inputs)


class RoundedMemory(Memory):
    """A memory whose inputs, parameters and operations are rounded."""

    inner: Memory
    rounding: Rounding = eqx.field(static=True)

    @staticmethod
    def of(inner: Memory, rounding: Rounding) -> "RoundedMemory":
        return RoundedMemory(_nearest(inner, rounding), rounding)

    @property
    def reading_size(self) -> int:
        return self.inner.reading_size

    def init(self, batch: int, horizon: int | None) -> Counted:
        return _from_start(self.inner.init(batch, horizon))

    def read(self, state: Counted) -> Float[Array, "batch reading"]:
        state, count = state
        return rounded(self.inner.read, self.rounding, _key(self.rounding, _READ, count))(state)

    def step(self, state: Counted, hidden: Float[Array, "batch hidden"]) -> Counted:
        return _next(self.inner.step, self.rounding, _UPDATE, state, hidden)

    def diagnostics(self, state: Counted) -> dict[str, Float[Array, " batch"]]:
        return self.inner.diagnostics(state[0])

    def memory_estimate(self, updates: int, *, gradient: bool = True) -> tuple[int, int]:
        # The rule REFERENCE runs all strings at a time.
        return 0, sum(self.inner.memory_estimate(updates, gradient=gradient))


class RoundedNetwork(Network):
    """A network whose controller and memory are rounded, and whose output layer is."""

    rounding: Rounding = eqx.field(static=True, kw_only=True)

    def logits(self, hidden: Float[Array, "... hidden"]) -> Float[Array, "... classes"]:
        return rounded(super().logits, self.rounding, _key(self.rounding, _OUTPUT))(hidden)


def _from_start(state: Any) -> Counted:
    return state, jnp.int32(0)


def _next(
    step: Callable[[Any, Array], Any], rounding: Rounding, stream: int, state: Counted, x: Array
) -> Counted:
    state, count = state
    key = _key(rounding, stream, count)
    after = rounded(step, rounding, key)(state, round_to(x, rounding, key))
    return after, count + 1


def _key(rounding: Rounding, *numbers: int | Array) -> Any:
    if not rounding.stochastic:
        return None
    return functools.reduce(jax.random.fold_in, numbers, jax.random.key(_SEED))


def _nearest(tree: T, rounding: Rounding) -> T:
    """Parameters, rounded to the nearest number."""
    parameters, rest = eqx.partition(tree, eqx.is_inexact_array)
    to_nearest = rounding._replace(component=None, stochastic=False)
    return eqx.combine(_rounded_leaves(to_nearest, parameters), rest)


@functools.partial(jax.jit, static_argnums=0)
def _rounded_leaves(rounding: Rounding, tree: Any) -> Any:
    return jax.tree.map(lambda leaf: round_to(leaf, rounding), tree)
