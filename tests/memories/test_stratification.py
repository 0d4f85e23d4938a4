"""The stratification memory alone: golden numbers, the list of layers, gradients, low precision."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from memrnn.nn.components import parameter_count
from memrnn.nn.memories import Stratification
from memrnn.nn.model import Model
from memrnn.nn.network import OneHot
from memrnn.runtime.precision import cast, scope
from reference_networks import ListStratification, sigmoid


def controls_at(t: int) -> np.ndarray:
    """Golden push sigma(sin t), pop sigma(cos t), vector tanh(cos(t + k)), before squashing."""
    return np.array([np.sin(t), np.cos(t), *np.cos(t + np.arange(2))])


def test_golden_readings() -> None:
    golden = {
        1: "0.344648 -0.275093",
        2: "-0.139013 -0.652931",
        3: "-0.568076 -0.650980",
        6: "0.438477 0.180339",
    }
    found = {}
    with scope("float64"):
        memory = Stratification(4, size=2, rng=np.random.default_rng(0))
        state = memory.init(1, 7)
        assert not np.any(memory.read(state))
        for t in range(1, 7):
            state = memory.update(state, jnp.asarray(controls_at(t)[None]))
            found[t] = " ".join(f"{x:.6f}" for x in np.asarray(memory.read(state)[0]))
    assert {t: found[t] for t in golden} == golden


@pytest.mark.parametrize("scale", [0.3, 3.0, 30.0])
@pytest.mark.parametrize(("size", "steps"), [(1, 1), (1, 2), (3, 3), (2, 40)])
def test_readings_equal_the_list_of_layers(size: int, steps: int, scale: float) -> None:
    """From strengths about a half to strengths that are 0 or 1, so that pops cut, empty, miss."""
    rng = np.random.default_rng(steps)
    with scope("float64"):
        memory = Stratification(4, size=size, rng=rng)
        state = memory.init(2, steps + 1)
        update = eqx.filter_jit(memory.update)
        stacks = [ListStratification(size) for _ in range(2)]
        for _ in range(steps):
            controls = scale * rng.normal(size=(2, 2 + size))
            state = update(state, jnp.asarray(controls))
            reading = np.asarray(memory.read(state))
            for row, stack in enumerate(stacks):
                stack.update(*sigmoid(controls[row, :2]), np.tanh(controls[row, 2:]))
                np.testing.assert_allclose(reading[row], stack.top(), atol=1e-13)


@pytest.mark.parametrize("scale", [0.5, 2.0, 5.0])
def test_both_gradients_equal_autodiff_of_the_formula(scale: float) -> None:
    steps = 7
    rng = np.random.default_rng(1)
    controls = scale * rng.normal(size=(steps, 2, 2 + 3))
    weights = rng.normal(size=(steps, 2, 3))

    def formula(controls: jax.Array) -> jax.Array:
        total, strengths = 0.0, []
        vectors = jnp.tanh(controls[:, :, 2:])
        for t in range(steps):
            push, pop = jax.nn.sigmoid(controls[t, :, :2]).T
            strengths = [
                jnp.maximum(0, s - jnp.maximum(0, pop - sum(strengths[i + 1 :])))
                for i, s in enumerate(strengths)
            ] + [push]
            for i, strength in enumerate(strengths):
                left = jnp.maximum(0, 1 - sum(strengths[i + 1 :]))
                gain = jnp.sum(jnp.asarray(weights)[t] * vectors[i], axis=-1)
                total += jnp.sum(jnp.minimum(strength, left) * gain)
        return total

    def plain(controls: jax.Array) -> jax.Array:
        memory = Stratification(4, size=3, rng=np.random.default_rng(0))
        state, total = memory.init(2, steps + 1), 0.0
        for t in range(steps):
            state = memory.update(state, controls[t])
            total += jnp.sum(jnp.asarray(weights)[t] * memory.read(state))
        return total

    def fast(controls: jax.Array) -> jax.Array:
        memory = Stratification(4, size=3, rng=np.random.default_rng(0))
        loop, total = memory.loop(), 0.0
        _, state = loop.start(memory.init(2, steps + 1))
        for t in range(steps):
            state, reading, _ = loop.step(None, state, controls[t])
            total += jnp.sum(jnp.asarray(weights)[t] * reading)
        return total

    with scope("float64"):
        expected = jax.jit(jax.grad(formula))(jnp.asarray(controls))
        for ours in (plain, fast):
            found = jax.jit(jax.grad(ours))(jnp.asarray(controls))
            np.testing.assert_allclose(found, expected, atol=1e-13)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_strengths_add_up_in_any_precision(precision: str) -> None:
    """After hundreds of updates the reading is as exact as the format of a single number."""
    steps = 300
    rng = np.random.default_rng(2)
    memory = cast(Stratification(4, size=2, rng=rng), precision)
    state = memory.init(1, steps + 1)
    update = eqx.filter_jit(memory.update)
    stack, errors = ListStratification(2), []
    # More pushed than popped, and then all of it popped again.
    for controls in rng.normal(size=(steps, 4)) + np.linspace(2, -2, steps)[:, None] * [
        1,
        -1,
        0,
        0,
    ]:
        rounded = jnp.asarray(controls, precision)
        state = update(state, rounded[None])
        exact = np.asarray(rounded, np.float64)
        stack.update(*sigmoid(exact[:2]), np.tanh(exact[2:]))
        reading = memory.read(state)[0]
        assert reading.dtype == precision
        errors.append(np.max(np.abs(np.asarray(reading, np.float64) - stack.top())))
    assert max(errors) < max(0.5 * jnp.finfo(precision).eps, 1e-4)


def test_parameter_counts() -> None:
    model = Model("lstm", "stratification", 20, {"size": 10})
    networks = [
        model.build(OneHot(symbols), symbols + 1, seed=0) for symbols in (2, 3, 4, 41, 201, 400)
    ]
    counts = (3035, 3136, 3237, 6974, 23134, 43233)
    assert tuple(parameter_count(network) for network in networks) == counts


@pytest.mark.parametrize("size", [0, -1])
def test_impossible_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Stratification(4, size=size, rng=np.random.default_rng(0))


def test_initial_laws() -> None:
    """Xavier's bound, with gain 5/3 for the pushed vector; biases 0."""
    memory = Stratification(20, size=9, rng=np.random.default_rng(0))
    assert memory.weight_actions.shape == (2, 20) and memory.weight_push.shape == (9, 20)
    for weight, bound in (
        (memory.weight_actions, np.sqrt(6 / 22)),
        (memory.weight_push, 5 / 3 * np.sqrt(6 / 29)),
    ):
        assert bound * 0.95 < np.abs(weight).max() <= bound
    assert not np.any(memory.bias_actions) and not np.any(memory.bias_push)
