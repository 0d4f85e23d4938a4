"""Formats with few bits, against NumPy and ml_dtypes; functions that are rounded inside."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from memrnn import MemrnnError
from memrnn.runtime.precision import Rounding, canonical_precision, computed_in
from memrnn.runtime.rounding import round_to, rounded
from rounding_reference import nearest


def numbers(count: int = 20_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    some = rng.normal(size=count) * 2.0 ** rng.integers(-40, 40, count)
    halves = rng.integers(-64, 64, count) / 16  # ties
    odd = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 3e38, 57344, 61439, 61440, 2.0**-14]
    return np.concatenate([some, halves, odd]).astype(np.float32)


@pytest.mark.parametrize(("exponent", "mantissa"), [(5, 2), (4, 3), (8, 7), (2, 1), (5, 10)])
def test_nearest(exponent: int, mantissa: int) -> None:
    found = round_to(jnp.asarray(numbers()), Rounding(exponent, mantissa))
    np.testing.assert_array_equal(found, nearest(numbers(), exponent, mantissa))


@pytest.mark.parametrize("exponent", range(2, 9))
def test_nearest_is_what_jax_calls_reduced_precision(exponent: int) -> None:
    values = jnp.asarray(numbers(2000))
    for mantissa in (1, 2, 7, 22, 23):
        found = round_to(values, Rounding(exponent, mantissa))
        expected = jax.lax.reduce_precision(values, exponent, mantissa)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(jnp.signbit(found), jnp.signbit(expected))


@pytest.mark.parametrize(
    ("name", "exponent", "mantissa"),
    [("float8_e5m2", 5, 2), ("float8_e4m3", 4, 3), ("bfloat16", 8, 7), ("float16", 5, 10)],
)
def test_hardware_formats(name: str, exponent: int, mantissa: int) -> None:
    """They agree above the smallest normal number; below, hardware has subnormal ones."""
    values = numbers()
    with np.errstate(over="ignore"):
        native = values.astype(getattr(ml_dtypes, name, name)).astype(np.float32)
    normal = ~(np.abs(native) <= 2.0 ** (2 - 2 ** (exponent - 1)))
    assert normal.mean() > 0.5
    found = np.asarray(round_to(jnp.asarray(values), Rounding(exponent, mantissa)))
    np.testing.assert_array_equal(found[normal], native[normal])


def test_stochastic_rounding_is_right_on_average() -> None:
    """Up as often as the distance from below says; never further than to a neighbour."""
    values = np.array([1.0, 1.25, 1.0625, -1.0625, 1.9375, 0.0, 3e-9, 60000, np.inf], np.float32)
    draws = 4000
    found = np.asarray(
        round_to(
            jnp.asarray(np.tile(values, (draws, 1))),
            Rounding(5, 2, stochastic=True),
            jax.random.key(1),
        )
    )
    assert set(found[:, 2]) == {1.0, 1.25}
    assert set(found[:, 3]) == {-1.0, -1.25}
    assert set(found[:, 4]) == {1.75, 2.0}
    assert set(found[:, 7]) == {57344, np.inf}
    for column, value in ((0, 1.0), (1, 1.25), (5, 0.0), (6, 0.0), (8, np.inf)):
        assert (found[:, column] == value).all()
    for column in (2, 3, 4):
        assert found[:, column].mean() == pytest.approx(values[column], abs=0.01)


def a_cubic(x: jax.Array) -> jax.Array:
    return x * x * x + x


def by_hand(x: np.ndarray) -> np.ndarray:
    square = nearest(x * x, 5, 2)
    return nearest(nearest(square * x, 5, 2) + x, 5, 2)


@jax.custom_jvp
def _custom_jvp(x: jax.Array) -> jax.Array:
    return a_cubic(x)


@jax.custom_vjp
def _custom_vjp(x: jax.Array) -> jax.Array:
    return a_cubic(x)


_custom_jvp.defjvp(lambda primals, tangents: (a_cubic(*primals), tangents[0]))
_custom_vjp.defvjp(lambda x: (a_cubic(x), x), lambda x, cotangent: (cotangent,))

INSIDE: dict[str, Callable[[jax.Array], jax.Array]] = {
    "plain": a_cubic,
    "jit": jax.jit(a_cubic),
    "checkpoint": jax.checkpoint(a_cubic),
    "custom_jvp": _custom_jvp,
    "custom_vjp": _custom_vjp,
    "scan": lambda x: jax.lax.scan(lambda carry, y: (carry, a_cubic(y)), 0.0, x, reverse=True)[1],
    "while": lambda x: jax.lax.while_loop(
        lambda state: state[0] < 1, lambda state: (state[0] + 1, a_cubic(state[1])), (0, x)
    )[1],
    "cond": lambda x: jax.lax.cond(x[0] > -100, a_cubic, jnp.zeros_like, x),
    "switch": lambda x: jax.lax.switch(jnp.int32(1), [jnp.zeros_like, a_cubic], x),
}


@pytest.mark.parametrize("name", INSIDE)
def test_every_operation_inside_is_rounded(name: str) -> None:
    x = nearest(np.random.default_rng(0).normal(size=50).astype(np.float32), 5, 2)
    found = jax.jit(rounded(INSIDE[name], Rounding(5, 2)))(jnp.asarray(x))
    np.testing.assert_array_equal(found, by_hand(x))
    assert (by_hand(x) != nearest(a_cubic(x), 5, 2)).any()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", INSIDE)
def test_all_bits_of_float32_change_nothing(name: str) -> None:
    x = jnp.asarray(np.random.default_rng(0).normal(size=50), jnp.float32)
    found = jax.jit(rounded(INSIDE[name], Rounding(8, 23)))(x)
    np.testing.assert_array_equal(found, jax.jit(INSIDE[name])(x))


def test_a_product_is_one_operation() -> None:
    """What it adds up is not rounded: 1 + 1/16 eight times is 8.5, which two bits make 8."""
    ones = jnp.ones((1, 8)), jnp.full((8, 1), 1.0625)
    assert rounded(jnp.matmul, Rounding(5, 2))(*ones).item() == 8.0
    assert rounded(jnp.matmul, Rounding(5, 4))(*ones).item() == 8.5


def test_iterations_and_operations_draw_their_own_numbers() -> None:
    rounding, key = Rounding(5, 2, stochastic=True), jax.random.key(0)

    def grow(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        twice = (x * 1.0625, x * 1.0625)
        _, many = jax.lax.scan(lambda carry, _: (carry, x * 1.0625), 0.0, length=2)
        return jnp.stack(twice), many

    ones = jnp.ones(2000)
    operations, iterations = jax.jit(rounded(grow, rounding, key))(ones)
    for first, second in (operations, iterations):
        assert 0.2 < (first == 1.25).mean() < 0.3
        # Independent: both are rounded up in a sixteenth of all cases, not in a quarter.
        assert ((first == 1.25) & (second == 1.25)).mean() < 0.1
    again, _ = jax.jit(rounded(grow, rounding, key))(ones)
    np.testing.assert_array_equal(operations, again)


def test_names() -> None:
    assert canonical_precision("e05m02") == "e5m2"
    assert canonical_precision("memory=e5m2:stochastic") == "memory=e5m2:stochastic"
    assert computed_in("controller=e4m3") == "float32"
    assert computed_in("float64") == "float64"
    for wrong in ("e9m2", "e1m2", "e5m0", "e5m24", "output=e5m2", "e5m2:up", "float32:stochastic"):
        with pytest.raises(MemrnnError, match=r"There is no precision .*memory=e5m2"):
            canonical_precision(wrong)


def test_a_function_that_cannot_be_rounded_inside_is_refused() -> None:
    def summed_otherwise(x: jax.Array) -> jax.Array:
        return jax.lax.reduce(x, jnp.float32(0), lambda a, b: a + 2 * b, (0,))

    with pytest.raises(MemrnnError, match="reduce calls a function"):
        rounded(summed_otherwise, Rounding(5, 2))(jnp.ones(3))
