"""The nondeterministic memories step by step: derivatives, segments, horizon, and both rules."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from memrnn.errors import MemrnnError
from memrnn.nn.controllers import LSTM
from memrnn.nn.memories import Nondeterministic
from memrnn.nn.unroll import FAST, REFERENCE, State, init, unroll
from memrnn.runtime.precision import cast, scope
from narrow_blocks import narrow_blocks

# One program instead of one for each operation.
start, compiled = eqx.filter_jit(init), eqx.filter_jit(unroll)

FEATURES, HIDDEN, BATCH = 2, 4, 2

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "window": {"window": 4},
    "vectors": {"size": 2},
    "vectors everywhere, window": {"size": 2, "bottom_scope": "all", "window": 5},
    "hard": {"size": 2, "symbols": 3, "hard": True},
}


def build(
    states: int = 2, symbols: int = 2, size: int = 0, **options: Any
) -> tuple[LSTM, Nondeterministic]:
    """A controller and a memory in float64 whose weights are far from uniform."""
    rng = np.random.default_rng(0)
    sizes = {"states": states, "symbols": symbols, "size": size}
    memory = Nondeterministic(HIDDEN, **sizes, **options, rng=rng)
    controller = LSTM(FEATURES + memory.reading_size, HIDDEN, scale=1.0, rng=rng)
    memory = jax.tree.map(lambda leaf: jnp.asarray(20 * np.asarray(leaf)), memory)
    return cast((controller, memory), "float64")


def inputs(steps: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(1).normal(size=(steps, BATCH, FEATURES)))


def weighted(hidden: jax.Array) -> jax.Array:
    weights = jnp.sin(jnp.arange(hidden.size, dtype=hidden.dtype)).reshape(hidden.shape)
    return jnp.sum(weights * hidden)


def assert_close(found: Any, expected: Any, **tolerance: float) -> None:
    found, expected = jax.tree.leaves(found), jax.tree.leaves(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, **{"rtol": 1e-9, "atol": 1e-12} | tolerance)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        *(("plain", False), ("window", True), ("vectors", True)),
        *(("vectors everywhere, window", False), ("hard", True)),
    ],
)
def test_both_rules_give_the_same(kind: str, given: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow_blocks(4, monkeypatch)
    with scope("float64"):
        network, xs = build(**KINDS[kind]), inputs(11)

        @eqx.filter_jit
        def run(rule: Any) -> Any:
            def loss(network: Any, xs: jax.Array) -> tuple[jax.Array, State]:
                state = init(*network, BATCH, len(xs) + 1) if given else None
                horizon = None if given else len(xs) + 1
                hidden, state = unroll(*network, xs, state, horizon=horizon, rule=rule)
                return weighted(hidden), state

            return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(network, xs)

        assert_close(run(FAST), run(REFERENCE))


@pytest.mark.parametrize("kind", ["window", "vectors"])
def test_segments_give_what_one_pass_gives(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow_blocks(4, monkeypatch)
    with scope("float64"):
        network, xs = build(**KINDS[kind]), inputs(13)

        def run(cuts: Sequence[int], rule: Any) -> Any:
            state, pieces = init(*network, BATCH, len(xs) + 2), []
            for begin, end in zip((0, *cuts), (*cuts, len(xs)), strict=True):
                part, state = unroll(*network, xs[begin:end], state, rule=rule)
                pieces.append(part)
            return jnp.concatenate(pieces), state

        run = eqx.filter_jit(run)
        expected = run((), REFERENCE)
        for cuts, rule in (((5,), REFERENCE), ((1, 6), FAST)):
            assert_close(run(cuts, rule), expected)


def test_every_segment_of_a_text_is_the_same_program() -> None:
    network = build(window=4)
    state = init(*network, BATCH, None)
    segment = eqx.filter_jit(lambda xs, state: unroll(*network, xs, state))
    texts = []
    for _ in range(3):
        xs = inputs(6)
        texts.append(segment.lower(xs, state).as_text())
        state = segment(xs, state)[1]
    assert texts[0] == texts[1] == texts[2]


@pytest.mark.parametrize(("kind", "horizon"), [("vectors", 14), ("vectors everywhere, window", 12)])
def test_gradient_into_a_carried_state(
    kind: str, horizon: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow_blocks(4, monkeypatch)
    with scope("float64"):
        network, xs = build(**KINDS[kind]), inputs(12)

        def gradient(rule: Any) -> Any:
            def loss(network: Any) -> jax.Array:
                state = init(*network, BATCH, horizon)
                first, state = unroll(*network, xs[:5], state, rule=REFERENCE)
                second, _ = unroll(*network, xs[5:], state, rule=rule)
                return weighted(jnp.concatenate([first, second]))

            return eqx.filter_jit(jax.grad(loss))(network)

        assert_close(gradient(FAST), gradient(REFERENCE))


def readings_of(memory: Nondeterministic, controls: jax.Array) -> jax.Array:
    def step(state: Any, now: jax.Array) -> tuple[Any, jax.Array]:
        state = memory.update(state, now)
        return state, memory.read(state)

    return jax.lax.scan(step, memory.init(BATCH, len(controls) + 1), controls)[1]


def total_of(kind: str, steps: int) -> tuple[Callable[[jax.Array], jax.Array], jax.Array]:
    """A sum of readings as a function of one vector, and a point; in the float64 scope."""
    _, memory = build(**KINDS[kind])
    shape = (steps, BATCH, len(memory.controls()[1]))
    point = jnp.asarray(np.random.default_rng(2).normal(size=shape)).ravel()
    return lambda point: weighted(readings_of(memory, point.reshape(shape))), point


@pytest.mark.parametrize("kind", ["plain", "vectors everywhere, window"])
def test_forward_derivatives(kind: str) -> None:
    with scope("float64"):
        total, point = total_of(kind, 7)
        rng = np.random.default_rng(3)
        one, other = (jnp.asarray(rng.normal(size=point.shape)) for _ in range(2))

        @jax.jit
        def slope(point: jax.Array, along: jax.Array) -> jax.Array:
            return jax.jvp(total, (point,), (along,))[1]

        @jax.jit
        def product(point: jax.Array, along: jax.Array) -> jax.Array:
            return jax.jvp(jax.grad(total), (point,), (along,))[1]

        step = 1e-5
        difference = jax.jit(total)
        expected = (difference(point + step * one) - difference(point - step * one)) / (2 * step)
        np.testing.assert_allclose(slope(point, one), expected, rtol=1e-7)
        bend = (slope(point + step * other, one) - slope(point - step * other, one)) / (2 * step)
        np.testing.assert_allclose(product(point, one) @ other, bend, rtol=1e-6)
        np.testing.assert_allclose(product(point, one) @ other, product(point, other) @ one)


@pytest.mark.parametrize("kind", ["vectors", "window"])
def test_derivatives_of_a_step_by_its_state(kind: str) -> None:
    with scope("float64"):
        _, memory = build(**KINDS[kind])
        controls = jnp.asarray(
            np.random.default_rng(2).normal(size=(5, BATCH, len(memory.controls()[1])))
        )
        state, _ = eqx.filter_jit(
            lambda: jax.lax.scan(
                lambda state, now: (memory.update(state, now), None),
                memory.init(BATCH, 8),
                controls[:4],
            )
        )()
        # The bound of what rounding has removed has no derivative.
        arrays = eqx.filter(state, eqx.is_inexact_array)._replace(lost=None, underflow=None)

        @jax.jit
        def after(arrays: Any, now: jax.Array) -> Any:
            following = memory.update(eqx.combine(arrays, state), now)
            reading = memory.read(following)
            following = following._replace(lost=None, underflow=None)
            return eqx.filter(following, eqx.is_inexact_array), reading

        rng = np.random.default_rng(3)
        point = arrays, controls[4]
        along = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), point)
        slope = jax.jit(lambda point, along: jax.jvp(after, point, along)[1])(point, along)
        ahead, behind = (
            after(*jax.tree.map(lambda x, d, size=size: x + size * d, point, along))
            for size in (1e-6, -1e-6)
        )
        expected = jax.tree.map(lambda x, y: (x - y) / 2e-6, ahead, behind)
        assert_close(slope, expected, rtol=1e-6, atol=1e-8)


def test_a_state_maps_over_networks() -> None:
    with scope("float64"):
        _, memory = build(size=2)
        controls = jnp.asarray(
            np.random.default_rng(2).normal(size=(3, 5, BATCH, len(memory.controls()[1])))
        )
        found = jax.jit(jax.vmap(lambda each: readings_of(memory, each)))(controls)
        for one, each in zip(found, controls, strict=True):
            alone = jax.jit(lambda each: readings_of(memory, each))(each)
            np.testing.assert_allclose(one, alone, rtol=1e-12)


@pytest.mark.parametrize("kind", ["plain", "vectors"])
@pytest.mark.parametrize("rule", [FAST, REFERENCE])
def test_readings_beyond_the_horizon_are_not_numbers(kind: str, rule: Any) -> None:
    with scope("float64"):
        network, xs = build(**KINDS[kind]), inputs(9)
        expected, _ = compiled(*network, xs)
        hidden, state = compiled(*network, xs, start(*network, BATCH, 6), rule=rule)
        np.testing.assert_allclose(hidden[:6], expected[:6], rtol=1e-12)
        assert np.all(np.isnan(hidden[6:]))
        assert np.all(np.isnan(network[1].read(state.memory)))
        _, state = compiled(*network, xs[:4], start(*network, BATCH, 6), rule=rule)
        assert np.all(np.isnan(compiled(*network, xs[4:], state, rule=rule)[0][2:]))


def test_a_stack_without_a_window_needs_a_horizon() -> None:
    for kind in ("plain", "vectors"):
        with pytest.raises(MemrnnError, match="give a horizon"):
            build(**KINDS[kind])[1].init(BATCH, None)
    build(window=3)[1].init(BATCH, None)


@pytest.mark.parametrize("window", [None, 12])
def test_both_rules_give_the_same_diagnostics(window: int | None) -> None:
    """In float16 rounding removes runs of strings that are short."""
    controller, memory = cast(build(window=window), "float32")
    memory = jax.tree.map(lambda leaf: 6 * leaf, memory)
    network, xs = cast((controller, memory), "float16"), inputs(30).astype(jnp.float16)
    found = []
    for rule in (FAST, REFERENCE):
        _, state = eqx.filter_jit(unroll)(*network, xs, rule=rule)
        found.append(memory.diagnostics(state.memory)["underflow"].astype(jnp.float32))
    assert np.all(np.asarray(found[0]) > 0)
    np.testing.assert_allclose(*found, rtol=0.05)


def test_updates_that_nothing_reads_leave_the_diagnostics_unchanged() -> None:
    network, xs = build(), inputs(9)
    network = cast(jax.tree.map(lambda leaf: 6 * leaf, network), "float16")
    states = []
    for steps in (6, 9):
        state = start(*network, BATCH, 6)
        states.append(compiled(*network, xs[:steps].astype(jnp.float16), state, rule=REFERENCE)[1])
    bounds = [network[1].diagnostics(state.memory)["underflow"] for state in states]
    np.testing.assert_array_equal(*bounds)
