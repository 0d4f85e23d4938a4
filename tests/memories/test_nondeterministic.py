"""The nondeterministic memories: golden numbers, every run one by one, blocks, windows, range."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference_nondeterministic as reference
from echo_controller import controlled
from memrnn.nn.memories import Nondeterministic
from memrnn.runtime.precision import cast, scope
from narrow_blocks import narrow_blocks


def build(states: int, symbols: int, size: int = 0, seed: int = 0, **options: Any):
    rng = np.random.default_rng(seed)
    return Nondeterministic(4, states=states, symbols=symbols, size=size, rng=rng, **options)


def place(memory: Nondeterministic) -> tuple[np.ndarray, ...]:
    """Where in the action_logits each named weight and each raw vector entry lies."""
    size = len(memory.controls()[1])
    push, replace, pop = memory.log_weights(np.arange(size, dtype=np.float64)[None])
    vector = np.arange(size - memory.size, size)
    return (*(each.astype(int)[0] for each in (push, replace, pop)), vector)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def arguments(memory: Nondeterministic, action_logits: np.ndarray, dtype: Any) -> tuple[list, dict]:
    """What the references take, for the action_logits [updates, action_logits] of one string."""
    weights = [np.asarray(each, dtype) for each in memory.log_weights(action_logits)]
    options = {"window": memory.window, "dtype": dtype}
    if memory.size:
        raw = np.asarray(action_logits[:, -memory.size :], dtype)
        bottom = {
            "zero": np.zeros(memory.size),
            "one": np.ones(memory.size),
        }.get(memory.bottom_vector)
        bottom = sigmoid(np.asarray(memory.bottom, dtype)) if bottom is None else bottom
        weights += [sigmoid(raw), np.asarray(bottom, dtype)]
        options["bottom_scope"] = memory.bottom_scope
    return weights, options


def in_blocks_of(width: int, memory: Nondeterministic, monkeypatch: pytest.MonkeyPatch):
    narrow_blocks(width, monkeypatch)
    return memory


# Golden numbers of the appendix: Q = 2, S = 3, m = 2.


def golden_drive(memory: Nondeterministic, t: int) -> np.ndarray:
    q, x, r, y = np.meshgrid(*map(np.arange, (2, 3, 2, 3)), indexing="ij")
    action_logits = np.zeros(len(memory.controls()[1]))
    push, replace, pop, vector = place(memory)
    action_logits[push] = np.sin(t + 2 * q + 3 * x + 5 * r + 7 * y)
    action_logits[replace] = np.cos(t + q + 2 * x + 3 * r + 4 * y)
    action_logits[pop] = np.sin(2 * t + q + x + r)[..., 0]
    action_logits[vector] = np.cos(t + np.arange(memory.size))
    return action_logits


GOLDEN = {
    "unlimited": (
        {},
        {
            1: "0.214104 0.213106 0.122966 0.067705 0.126607 0.255513",
            2: "0.193132 0.144626 0.132107 0.209273 0.159228 0.161634",
            3: "0.184109 0.140625 0.156689 0.208760 0.161489 0.148328",
            6: "0.174327 0.170042 0.157842 0.163954 0.167525 0.166309",
        },
    ),
    "window 3": (
        {"window": 3},
        {
            2: "0.193132 0.144626 0.132107 0.209273 0.159228 0.161634",
            3: "0.164745 0.147551 0.163264 0.187032 0.177490 0.159918",
            6: "0.169709 0.169296 0.165716 0.156837 0.166945 0.171497",
        },
    ),
    "vectors, published bottom": (
        {"size": 2, "bottom_scope": "all"},
        {
            0: " ".join(["0.622459 0.377541"] * 6),
            1: "0.315747 0.193255 0.346504 0.212189 0.321383 0.196370 0.284612 0.173195 "
            "0.298872 0.182420 0.333160 0.203946",
            4: "0.139067 0.112888 0.141799 0.118312 0.151968 0.130977 0.126200 0.111038 "
            "0.124103 0.105031 0.126516 0.105373",
        },
    ),
    "vectors": (
        {"size": 2},
        {
            0: "0.622459 0.377541" + " 0.000000 0.000000" * 5,
            1: "0.134430 0.083281 0.133994 0.083295 0.077499 0.048447 0.042521 0.026359 "
            "0.079569 0.049406 0.160292 0.099097",
            4: "0.073674 0.073225 0.066953 0.072915 0.076349 0.085112 0.070464 0.077232 "
            "0.064271 0.068741 0.058830 0.064319",
        },
    ),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_readings(case: str) -> None:
    options, golden = GOLDEN[case]
    with scope("float64"):
        memory = build(2, 3, **options)
        if memory.size:
            memory = eqx.tree_at(lambda m: m.bottom, memory, jnp.array([0.5, -0.5]))
        state = memory.init(1, 7)
        found = {0: memory.read(state)[0]}
        update = eqx.filter_jit(memory.update)
        for t in range(1, 7):
            state = update(state, jnp.asarray(golden_drive(memory, t))[None])
            found[t] = memory.read(state)[0]
    assert {t: " ".join(f"{x:.6f}" for x in found[t]) for t in golden} == golden


# Readings and gradients against the references.

CASES = [
    # states, symbols, updates, width of a block, size of the vectors, options
    (1, 1, 6, 4, 0, {}),
    (2, 2, 4, 2, 0, {}),
    (1, 3, 5, 3, 0, {"window": 2}),
    (2, 1, 5, 2, 2, {}),
    (2, 2, 4, 3, 1, {"bottom_scope": "all", "window": 3}),
    (1, 1, 6, 4, 3, {"bottom_scope": "all", "bottom_vector": "one"}),
    (1, 2, 5, 2, 2, {"bottom_vector": "zero", "window": 1}),
]


@pytest.mark.parametrize(("states", "symbols", "updates", "width", "size", "options"), CASES)
def test_readings_equal_the_sum_over_every_run(
    states: int,
    symbols: int,
    updates: int,
    width: int,
    size: int,
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with scope("float64"):
        memory = in_blocks_of(width, build(states, symbols, size, **options), monkeypatch)
        rng = np.random.default_rng(1)
        action_logits = rng.normal(size=(updates, 2, len(memory.controls()[1]))) * 2
        found = np.asarray(eqx.filter_jit(controlled)(memory, jnp.asarray(action_logits)))
    for string in range(2):
        weights, further = arguments(memory, action_logits[:, string], np.float64)
        del further["dtype"]
        expected = reference.enumerate_readings(*weights, **further)[1:]
        np.testing.assert_allclose(found[:, string], expected, rtol=1e-9, atol=1e-12)


GRADIENTS = [
    # states, symbols, updates, width of a block, size of the vectors, options
    (2, 3, 13, 5, 0, {}),
    (3, 2, 13, 4, 0, {"window": 6}),
    (2, 2, 14, 4, 3, {}),
    (2, 2, 13, 5, 2, {"bottom_scope": "all", "window": 8}),
    (1, 2, 9, 16, 1, {"bottom_vector": "one"}),
]


@pytest.mark.parametrize(("states", "symbols", "updates", "width", "size", "options"), GRADIENTS)
def test_gradients_equal_those_of_the_recurrences(
    states: int,
    symbols: int,
    updates: int,
    width: int,
    size: int,
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with scope("float64"):
        memory = in_blocks_of(width, build(states, symbols, size, **options), monkeypatch)
        rng = np.random.default_rng(2)
        action_logits = rng.normal(size=(updates, 2, len(memory.controls()[1]))) * 2
        cotangent = rng.normal(size=(updates, 2, memory.reading_size))

        def total(memory: Nondeterministic, action_logits: jax.Array) -> jax.Array:
            return jnp.sum(controlled(memory, action_logits) * cotangent)

        gradient = eqx.filter_jit(lambda m, d: jax.grad(total, argnums=(0, 1))(m, d))
        by_memory, by_action_logits = gradient(memory, jnp.asarray(action_logits))
    bottom = 0.0
    for string in range(2):
        weights, further = arguments(memory, action_logits[:, string], np.longdouble)
        padded = np.concatenate([np.zeros_like(cotangent[:1, string]), cotangent[:, string]])
        expected = reference.readings_gradient(padded, *weights, **further)
        flat = np.zeros(action_logits[:, string].shape, np.longdouble)
        *places, vector = place(memory)
        for where, slope in zip(places, expected[:3], strict=True):
            flat[:, where.ravel()] = slope.reshape(updates, -1)
        if size:
            flat[:, vector] = expected.vectors * weights[3] * (1 - weights[3])
            bottom = bottom + expected.bottom * weights[4] * (1 - weights[4])
        np.testing.assert_allclose(
            by_action_logits[:, string], flat.astype(float), rtol=1e-9, atol=1e-12
        )
    if size and memory.bottom is not None:
        np.testing.assert_allclose(by_memory.bottom, bottom.astype(float), rtol=1e-9, atol=1e-12)


def action_logits_of(
    memory: Nondeterministic, updates: int, scale: float, seed: int = 0
) -> jax.Array:
    shape = (updates, 2, len(memory.controls()[1]))
    return jnp.asarray(np.random.default_rng(seed).uniform(-scale, scale, shape))


def test_window_that_covers_the_string_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with scope("float64"):
        free = in_blocks_of(4, build(2, 2, 2), monkeypatch)
        action_logits = action_logits_of(free, 11, 3.0)
        run = eqx.filter_jit(controlled)
        expected = run(free, action_logits)
        for window, equal in ((12, True), (11, False)):
            found = run(build(2, 2, 2, window=window), action_logits)
            assert np.allclose(found, expected, rtol=1e-12, atol=0) is equal


@pytest.mark.parametrize("options", [{}, {"window": 6}])
@pytest.mark.parametrize("cuts", [(3,), (1, 8), (4, 8, 12)])
def test_a_string_in_pieces_reads_the_same(
    options: dict[str, int], cuts: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with scope("float64"):
        memory = in_blocks_of(4, build(2, 2, 2, **options), monkeypatch)
        action_logits = action_logits_of(memory, 15, 3.0)
        run = eqx.filter_jit(controlled)
        np.testing.assert_allclose(
            run(memory, action_logits, cuts), run(memory, action_logits), rtol=1e-12
        )


@settings(max_examples=20)
@given(st.lists(st.floats(-60, 60), min_size=6, max_size=6), st.integers(0, 100))
def test_a_number_added_to_all_logits_of_an_update_changes_nothing(
    shifts: list[float], seed: int
) -> None:
    with scope("float64"):
        memory = build(2, 2, 2)
        action_logits = np.asarray(action_logits_of(memory, 6, 4.0, seed))
        moved = action_logits.copy()
        moved[:, :, :-2] += np.array(shifts)[:, None, None]
        run = READINGS_OF_SIX
        np.testing.assert_allclose(
            run(memory, jnp.asarray(moved)), run(memory, jnp.asarray(action_logits)), rtol=1e-11
        )


READINGS_OF_SIX: Callable = eqx.filter_jit(controlled)


@pytest.mark.parametrize("kind", ["uniform", "peaked", "constant", "push then pop"])
def test_logits_of_30_at_length_400_stay_finite(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = in_blocks_of(67, build(2, 2), monkeypatch)
    push, _, pop, _ = place(memory)
    action_logits = np.array(action_logits_of(memory, 399, 30.0), np.float32)
    if kind == "peaked":
        action_logits = 30 * np.sign(action_logits)
    if kind == "constant":
        action_logits = np.broadcast_to(action_logits[:1], action_logits.shape).copy()
    if kind == "push then pop":
        action_logits[:200, :, push.ravel()] = 30
        action_logits[200:, :, pop.ravel()] = 30
    readings, gradient = LONG(memory, jnp.asarray(action_logits))
    assert np.all(np.isfinite(readings)) and np.all(np.isfinite(gradient))
    np.testing.assert_allclose(readings.sum(-1), 1, rtol=1e-5)


@eqx.filter_jit
def LONG(memory: Nondeterministic, action_logits: jax.Array) -> tuple[jax.Array, jax.Array]:
    readings, pull = jax.vjp(lambda action_logits: controlled(memory, action_logits), action_logits)
    weights = jnp.sin(jnp.arange(readings.size, dtype=readings.dtype)).reshape(readings.shape)
    return readings, pull(weights)[0]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_other_number_formats(precision: str) -> None:
    with scope("float64"):
        memory = build(2, 2, 2)
        action_logits = action_logits_of(memory, 20, 1.0)
        exact = eqx.filter_jit(controlled)(memory, action_logits)
    rough = eqx.filter_jit(controlled)(cast(memory, precision), cast(action_logits, precision))
    assert rough.dtype == jnp.dtype(precision)
    np.testing.assert_allclose(rough.astype(np.float32), exact, atol=0.02)


def test_nonsense_is_refused() -> None:
    for options in ({"states": 0, "symbols": 2}, {"states": 2, "symbols": 2, "window": 0}):
        with pytest.raises(ValueError, match="but must be at least 1"):
            Nondeterministic(4, rng=np.random.default_rng(0), **options)
    for options in ({"size": -1}, {"bottom_vector": "two"}, {"bottom_scope": "some"}):
        with pytest.raises(ValueError, match="but must be"):
            build(2, 2, **{"size": 2} | options)


# Runs that rounding has removed.


def adversarial(memory: Nondeterministic, strength: float, depth: int) -> np.ndarray:
    """2 m pushes of symbol 1, m steps where only pushing symbol 2 pays, then pops of symbol 1."""
    push, _, pop, _ = place(memory)
    action_logits = np.full((5 * depth + 6, 1, len(memory.controls()[1])), -float(strength))
    action_logits[: 2 * depth, :, push[..., 1].ravel()] = strength
    action_logits[2 * depth : 3 * depth, :, push[..., 2].ravel()] = strength
    action_logits[3 * depth :, :, pop[:, 1].ravel()] = strength
    return action_logits


@eqx.filter_jit
def readings_and_bound(
    memory: Nondeterministic, action_logits: jax.Array
) -> tuple[jax.Array, jax.Array]:
    def step(state: Any, action_logits: jax.Array) -> tuple[Any, jax.Array]:
        state = memory.update(state, action_logits)
        return state, memory.read(state)

    # The bound is about readings of the steps, and step n + 1 reads the state after n updates.
    state, readings = jax.lax.scan(step, memory.init(1, len(action_logits) + 1), action_logits)
    state, _ = step(state, action_logits[0])
    return readings, memory.diagnostics(state)["underflow"]


@pytest.mark.parametrize(("strength", "depth"), [(5, 12), (10, 8), (10, 9), (10, 12)])
def test_the_bound_is_large_where_float32_is_wrong_and_only_there(
    strength: float, depth: int
) -> None:
    results = {}
    for precision in ("float64", "float32"):
        with scope(precision):
            memory = cast(build(3, 3), precision)
            action_logits = cast(jnp.asarray(adversarial(memory, strength, depth)), precision)
            results[precision] = [np.asarray(x) for x in readings_and_bound(memory, action_logits)]
    (exact, calm), (found, bound) = results["float64"], results["float32"]
    wrong = np.abs(found - exact).max() > 1e-3
    assert wrong == (strength == 10 and depth > 8)
    assert (bound[0] > 1e-3) == wrong
    assert calm[0] < 1e-100


@pytest.mark.parametrize("window", [None, 20])
def test_the_bound_is_small_for_random_logits(window: int | None) -> None:
    memory = build(3, 3, window=window)
    for scale in (3.0, 10.0, 30.0):
        action_logits = action_logits_of(memory, 61, scale)[:, :1].astype(jnp.float32)
        assert readings_and_bound(memory, action_logits)[1][0] < 1e-6
