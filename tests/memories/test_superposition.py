"""The superposition memory alone: golden numbers, the list of vectors, the height that is kept."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import memrnn
from memrnn.nn.memories import Superposition
from memrnn.nn.network import Network, OneHot
from memrnn.nn.unroll import Rule, unroll
from memrnn.runtime.devices import POLICIES
from memrnn.runtime.precision import cast, scope
from reference_networks import ListStack, sigmoid, softmax


def controls_at(t: int) -> tuple[np.ndarray, np.ndarray]:
    """Golden actions sin t, cos t, sin 2t and pushed vector sigma(cos(t + k)), before squashing."""
    return np.array([np.sin(t), np.cos(t), np.sin(2 * t)]), np.cos(t + np.arange(2))


def readings(depth_limit: int | None, steps: int = 6) -> dict[int, np.ndarray]:
    rng = np.random.default_rng(0)
    memory = Superposition(4, sizes=(2,), depth_limit=depth_limit, rng=rng)
    # A height for twice the updates, so that nothing is dropped before its time.
    state, out = memory.init(1, 2 * steps + 1), {}
    for t in range(1, steps + 1):
        state = memory.update(state, jnp.asarray(np.concatenate(controls_at(t))[None]))
        out[t] = np.asarray(memory.read(state)[0])
    return out


@pytest.mark.parametrize(
    ("depth_limit", "golden"),
    [
        (
            None,
            {
                1: "0.224859 0.141431",
                2: "0.302429 0.204611",
                4: "0.264330 0.279522",
                6: "0.272415 0.244851",
            },
        ),
        (
            2,
            {
                1: "0.224859 0.141431",
                4: "0.264330 0.279522",
                5: "0.268204 0.268168",
                6: "0.237794 0.222720",
            },
        ),
    ],
)
def test_golden_readings(depth_limit: int | None, golden: dict[int, str]) -> None:
    with scope("float64"):
        found = readings(depth_limit)
    assert {t: " ".join(f"{x:.6f}" for x in found[t]) for t in golden} == golden


@pytest.mark.parametrize(
    ("sizes", "depth_limit", "steps"),
    [
        *[((2, 1), None, steps) for steps in (1, 2, 3, 4, 5, 12)],
        *[((1, 3, 2), limit, 9) for limit in (None, 1, 3)],
        *[(sizes, None, 8) for sizes in ((1,), (3,), (2, 2, 2))],
    ],
)
def test_readings_equal_the_list_of_vectors(
    sizes: tuple[int, ...], depth_limit: int | None, steps: int
) -> None:
    """Also with the height that `init` keeps for the number of updates."""
    rng = np.random.default_rng(steps)
    with scope("float64"):
        memory = Superposition(4, sizes=sizes, depth_limit=depth_limit, rng=rng)
        state = memory.init(2, steps + 1)
        update = eqx.filter_jit(memory.update)
        stacks = [[ListStack(size, depth_limit) for size in sizes] for _ in range(2)]
        for _ in range(steps):
            controls = 3 * rng.normal(size=(2, 3 * len(sizes) + sum(sizes)))
            state = update(state, jnp.asarray(controls))
            reading = np.asarray(memory.read(state))
            for row in range(2):
                vectors = np.split(sigmoid(controls[row, 3 * len(sizes) :]), np.cumsum(sizes)[:-1])
                for k, stack in enumerate(stacks[row]):
                    stack.update(*softmax(controls[row, 3 * k : 3 * k + 3]), vectors[k])
                tops = np.concatenate([stack.top() for stack in stacks[row]])
                np.testing.assert_allclose(reading[row], tops, atol=1e-14)


def test_both_gradients_equal_autodiff_of_the_formula() -> None:
    steps = 4
    rng = np.random.default_rng(1)
    controls = 2 * rng.normal(size=(steps, 2, 3 * 2 + 4))
    weights = rng.normal(size=(steps, 2, 4))

    def formula(controls: jax.Array) -> jax.Array:
        total = 0.0
        for row in range(2):
            for k in range(2):
                rows = [jnp.zeros(2)] * (steps + 2)
                for t in range(steps):
                    actions = jax.nn.softmax(controls[t, row, 3 * k : 3 * k + 3])
                    vector = jax.nn.sigmoid(controls[t, row, 6 + 2 * k : 8 + 2 * k])
                    rows = [
                        actions[0] * (vector if i == 0 else rows[i - 1])
                        + actions[1] * rows[i + 1]
                        + actions[2] * rows[i]
                        for i in range(steps + 1)
                    ] + [jnp.zeros(2)]
                    total += jnp.dot(jnp.asarray(weights)[t, row, 2 * k : 2 * k + 2], rows[0])
        return total

    def plain(controls: jax.Array) -> jax.Array:
        memory = Superposition(4, sizes=(2, 2), rng=np.random.default_rng(0))
        state, total = memory.init(2, steps + 1), 0.0
        for t in range(steps):
            state = memory.update(state, controls[t])
            total += jnp.sum(jnp.asarray(weights)[t] * memory.read(state))
        return total

    def fast(controls: jax.Array) -> jax.Array:
        memory = Superposition(4, sizes=(2, 2), rng=np.random.default_rng(0))
        loop, total = memory.loop(), 0.0
        layout = loop.layout_of(memory.init(2, steps + 1), steps, fresh=True)
        _, state = loop.start(layout)
        for t in range(steps):
            state, reading, _ = loop.step(None, state, controls[t])
            total += jnp.sum(jnp.asarray(weights)[t] * reading)
        return total

    with scope("float64"):
        expected = jax.jit(jax.grad(formula))(jnp.asarray(controls))
        for ours in (plain, fast):
            found = jax.jit(jax.grad(ours))(jnp.asarray(controls))
            np.testing.assert_allclose(found, expected, atol=1e-13)


@pytest.mark.parametrize(("steps", "horizon"), [(1, 1), (2, 2), (9, 9), (25, 25), (25, 40)])
def test_loops_with_the_rows_that_matter_equal_one_with_all(
    steps: int, horizon: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In hidden states, gradients, and what the rest of the horizon sees."""
    xs = np.random.default_rng(0).normal(size=(2, horizon, 2, 3))
    parts = memrnn.get_model("elman-4+jm-2.1").build(OneHot(3), 4, seed=0)
    with scope("float64"):
        network = cast(parts, "float64")

        def run(rule: Rule) -> object:
            def loss(network: Network) -> tuple[jax.Array, jax.Array]:
                parts = network.controller, network.memory
                first, rest = jnp.split(jnp.asarray(xs[0]), [steps])
                hidden, state = unroll(*parts, first, horizon=horizon, rule=rule)
                after, _ = unroll(*parts, rest, jax.lax.stop_gradient(state), rule=rule)
                hidden = jnp.concatenate([hidden, after])
                return jnp.sum(jnp.sin(hidden * jnp.asarray(xs[1, ..., :1]))), hidden

            return eqx.filter_jit(eqx.filter_value_and_grad(loss, has_aux=True))(network)

        expected = jax.tree.leaves(run(memrnn.REFERENCE))
        for many in (None, 0):
            monkeypatch.setitem(POLICIES, "cpu", POLICIES["cpu"]._replace(many_cells=many))
            for found, value in zip(jax.tree.leaves(run(memrnn.FAST)), expected, strict=True):
                np.testing.assert_allclose(found, value, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("sizes", [(), (0,), (2, 0), "top"])
def test_impossible_sizes_are_refused(sizes: object) -> None:
    with pytest.raises(ValueError, match="cannot have stacks of sizes"):
        Superposition(4, sizes=sizes, rng=np.random.default_rng(0))  # type: ignore[arg-type]


def test_depth_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Superposition(4, sizes=(1,), depth_limit=0, rng=np.random.default_rng(0))


def test_initial_laws() -> None:
    """Xavier's bound with fan-out 3 for each stack, whatever the number of stacks; biases 0."""
    memory = Superposition(20, sizes=(3, 3, 3), rng=np.random.default_rng(0))
    for weight, fan_out in ((memory.weight_actions, 3), (memory.weight_push, 9)):
        bound = np.sqrt(6 / (20 + fan_out))
        assert bound * 0.95 < np.abs(weight).max() <= bound
    assert not np.any(memory.bias_actions) and not np.any(memory.bias_push)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_derivatives_are_finite_where_an_action_is_certain(precision: str) -> None:
    """Logits so far apart that the exponential of their difference overflows."""
    with scope(precision):
        memory = cast(Superposition(4, sizes=(2,), rng=np.random.default_rng(0)), precision)
        state = memory.init(1, 4)
        controls = jnp.asarray([[900.0, -900.0, 0.0, 0.3, -0.2]], precision)

        def total(controls: jax.Array) -> jax.Array:
            return jnp.sum(memory.update(state, controls).cells)

        value, slope = jax.value_and_grad(total)(controls)
        _, moved = jax.jvp(total, (controls,), (jnp.ones_like(controls),))
        value, slope, moved = (np.asarray(each) for each in (value, slope, moved))
    pushed = 1 / (1 + np.exp([-0.3, 0.2]))
    assert value == pytest.approx(pushed.sum(), rel=1e-6)
    np.testing.assert_allclose(slope[0], [0, 0, 0, *(pushed * (1 - pushed))], atol=1e-6)
    assert moved == pytest.approx(float(slope.sum()), rel=1e-5)
