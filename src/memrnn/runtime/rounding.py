"""Rounding after every operation of a function, to a format with few bits."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal
from jaxtyping import Array, Float, PRNGKeyArray

from memrnn.errors import MemrnnError
from memrnn.runtime.precision import Rounding

_EXPONENT, _MANTISSA = 8, 23
"""Bits of exponent and mantissa that float32 has."""

_CALLS = frozenset(
    {"jit", "pjit", "closed_call", "remat2", "checkpoint", "custom_jvp_call", "custom_vjp_call"}
)
"""Operations that only call a function, which is rounded inside."""

_MOVES = frozenset(
    {
        "abs", "broadcast_in_dim", "concatenate", "copy", "dynamic_slice", "dynamic_update_slice",
        "expand_dims", "gather", "max", "min", "neg", "pad", "reduce_max", "reduce_min", "reshape",
        "rev", "scatter", "select_n", "slice", "sort", "split", "squeeze", "stop_gradient",
        "transpose",
    }
)  # fmt: skip
"""Operations whose results are among their operands, but for a sign: nothing is left to round."""


def round_to(
    values: Float[Array, "..."], rounding: Rounding, key: PRNGKeyArray | None = None
) -> Float[Array, "..."]:
    """Rounds float32 numbers.

    To the nearest number with `mantissa` explicit bits, ties to even, or, if the rounding is
    stochastic, up with a probability equal to the distance from the number below in units of the
    spacing. What is then too large for `exponent` bits becomes infinite, and what is smaller than
    the smallest normal number becomes 0. To the nearest number the result is, bit for bit, that of
    `jax.lax.reduce_precision`, which XLA computes on a CPU in half as much time again.

    Args:
        key: for a stochastic rounding.
    """
    if (dropped := _MANTISSA - rounding.mantissa) > 0:
        below = jnp.uint32((1 << dropped) - 1)
        bits = jax.lax.bitcast_convert_type(values, jnp.uint32)
        if rounding.stochastic:
            assert key is not None
            added = jax.random.bits(key, values.shape, jnp.uint32) & below
        else:
            added = (below >> 1) + ((bits >> jnp.uint32(dropped)) & 1)
        # A carry out of the mantissa raises the exponent, as it should.
        whole = jax.lax.bitcast_convert_type((bits + added) & ~below, jnp.float32)
        values = jnp.where(jnp.isfinite(values), whole, values) if rounding.stochastic else whole
    if rounding.exponent < _EXPONENT:
        bias = 2 ** (rounding.exponent - 1) - 1
        largest, smallest = (2 - 2.0**-rounding.mantissa) * 2.0**bias, 2.0 ** (1 - bias)
        size = jnp.abs(values)
        small = jnp.where(size < smallest, values * 0, values)
        values = jnp.where(size > largest, values * jnp.inf, small)
    return values


def rounded(
    function: Callable[..., Any], rounding: Rounding, key: PRNGKeyArray | None = None
) -> Callable[..., Any]:
    """The function with every floating-point result of every operation rounded.

    It is traced to a jaxpr, whose operations are rounded one by one, those of loops, branches and
    called functions too. An operation is what JAX has a primitive for: a matrix product or a sum
    over an axis is one, and what it adds up is rounded once, at the end. Arguments and arrays
    that the function closes over are taken as they are.

    Args:
        function: of arrays, or trees of arrays, in float32. Its custom derivatives are lost.
        key: for a stochastic rounding; every operation folds in its number, and every iteration of
            a loop its own.

    Raises:
        MemrnnError: when it is called, for an operation that calls a function in a way not known
            here: what it computes inside would not be rounded.
    """

    def call(*arguments: Any) -> Any:
        closed, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
        results = _Interpreter(rounding, key).call(closed, jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(shapes), results)

    return call


class _Interpreter:
    """Runs a jaxpr, and numbers its roundings."""

    def __init__(self, rounding: Rounding, key: PRNGKeyArray | None):
        self.rounding, self.key, self.count = rounding, key, 0

    def call(self, closed: ClosedJaxpr, arguments: Sequence[Any]) -> list[Any]:
        return self._run(closed.jaxpr, closed.consts, arguments)

    def _run(self, jaxpr: Jaxpr, consts: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
        values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *arguments), strict=True))

        def read(atoms: Sequence[Any]) -> list[Any]:
            return [atom.val if isinstance(atom, Literal) else values[atom] for atom in atoms]

        for equation in jaxpr.eqns:
            results = self._results(equation, read(equation.invars))
            values.update(zip(equation.outvars, results, strict=True))
        return read(jaxpr.outvars)

    def _results(self, equation: JaxprEqn, inputs: list[Any]) -> Sequence[Any]:
        name, params = equation.primitive.name, equation.params
        if name in _CALLS:
            inner = params["jaxpr"] if "jaxpr" in params else params["call_jaxpr"]
            closed = isinstance(inner, ClosedJaxpr)
            return self.call(inner, inputs) if closed else self._run(inner, (), inputs)
        if name in ("scan", "while", "cond"):
            return getattr(self, f"_{name}")(params, inputs)
        inner = any(isinstance(value, Jaxpr | ClosedJaxpr) for value in params.values())
        if inner and not name.startswith("scatter"):  # a scatter's jaxpr is its one operation
            raise MemrnnError(
                f"The operation {name} calls a function that cannot be rounded inside."
            )
        results = equation.primitive.bind(*inputs, **params)
        if name == "concatenate":
            # Else XLA reads slices of it through a pad, which is slower: `benchmarks/rounding.py`.
            results = jax.lax.optimization_barrier(results)
        results = results if equation.primitive.multiple_results else [results]
        return results if name in _MOVES else [self._round(value) for value in results]

    def _round(self, value: Any) -> Any:
        if not jnp.issubdtype(value.dtype, jnp.floating):
            return value
        self.count += 1
        return round_to(value, self.rounding, self._folded())

    def _folded(self) -> PRNGKeyArray | None:
        return None if self.key is None else jax.random.fold_in(self.key, self.count)

    def _inside(self, iteration: Array) -> "_Interpreter":
        """For an iteration of a loop, with a key of its own."""
        self.count += 1
        folded = self._folded()
        key = None if folded is None else jax.random.fold_in(folded, iteration)
        return _Interpreter(self.rounding, key)

    def _scan(self, params: dict[str, Any], inputs: list[Any]) -> Sequence[Any]:
        fixed, carried = params["num_consts"], params["num_consts"] + params["num_carry"]
        consts, carry, xs = inputs[:fixed], inputs[fixed:carried], inputs[carried:]

        def body(carry: tuple[Array, list[Any]], xs: list[Any]) -> Any:
            iteration, state = carry
            results = self._inside(iteration).call(params["jaxpr"], [*consts, *state, *xs])
            split = params["num_carry"]
            return (iteration + 1, results[:split]), results[split:]

        options = {name: params[name] for name in ("length", "reverse", "unroll")}
        (_, carry), ys = jax.lax.scan(body, (jnp.int32(0), carry), xs, **options)
        return [*carry, *ys]

    def _while(self, params: dict[str, Any], inputs: list[Any]) -> Sequence[Any]:
        of_condition = params["cond_nconsts"]
        first = of_condition + params["body_nconsts"]
        fixed, consts = inputs[:of_condition], inputs[of_condition:first]

        def condition(carry: tuple[Array, list[Any]]) -> Array:
            return self._inside(carry[0]).call(params["cond_jaxpr"], [*fixed, *carry[1]])[0]

        def body(carry: tuple[Array, list[Any]]) -> Any:
            inner = self._inside(carry[0])
            return carry[0] + 1, inner.call(params["body_jaxpr"], [*consts, *carry[1]])

        return jax.lax.while_loop(condition, body, (jnp.int32(0), inputs[first:]))[1]

    def _cond(self, params: dict[str, Any], inputs: list[Any]) -> Sequence[Any]:
        index, *operands = inputs

        def branch(closed: ClosedJaxpr) -> Callable[..., list[Any]]:
            inner = self._inside(jnp.int32(0))
            return lambda *operands: inner.call(closed, operands)

        return jax.lax.switch(index, [branch(one) for one in params["branches"]], *operands)
