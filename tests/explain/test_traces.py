"""What a net does along a string, computed."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from explanations import STRING, SYMBOLS, TARGETS, printed, sharpened

import reference_networks
from memrnn.explain import SoftStack, StackRun, draw_explanation, explain, trace
from memrnn.nn.memories import (
    MEMORIES,
    AffineMemory,
    Nondeterministic,
    Stratification,
    Superposition,
)
from memrnn.nn.model import Model
from memrnn.nn.models import get_model
from memrnn.nn.network import OneHot
from memrnn.runtime.precision import scope
from reference_networks import ListStack, sigmoid, softmax
from string_losses import losses


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("model", ["jm-3", "gru+jm-2.1", "jm-hidden"])
def test_predictions_are_those_that_are_scored(model: str, precision: str) -> None:
    with scope(precision):
        network = sharpened(get_model(model).build(OneHot(3), 4, seed=1))
        strings = jnp.array([STRING]), jnp.array([len(STRING)])
        nats, right = eqx.filter_jit(losses)(network, *strings)
        nats, right = np.asarray(nats)[:, 0], np.asarray(right)[:, 0]
    explanation = explain(network, STRING, TARGETS)
    tolerance = 1e-5 if precision == "float32" else 1e-12
    np.testing.assert_allclose(explanation.probability, np.exp(-nats), atol=tolerance)
    assert list(explanation.right) == list(right)
    expected = np.exp(-np.array(reference_networks.losses(network, STRING)))
    np.testing.assert_allclose(explanation.probability, expected, atol=tolerance)
    assert explanation.perplexity == pytest.approx(np.exp(np.mean(nats)), rel=1e-5)
    np.testing.assert_allclose(explanation.probabilities.sum(axis=1), 1)


def test_states_are_those_of_the_controller() -> None:
    network = get_model("lstm-5:discrete+jm-2").build(OneHot(3), 4, seed=1)
    network = sharpened(sharpened(network))
    found, state = explain(network, STRING, TARGETS), network.init(1, len(STRING))
    assert len(found.states) == 2 and found.states[0].shape == (len(STRING) + 1, 5)
    for t in range(len(STRING) + 1):
        for ours, theirs in zip(found.states, state.controller, strict=True):
            np.testing.assert_array_equal(ours[t], theirs[0])
        if t < len(STRING):
            state = network.step(state, jnp.array([STRING[t]]))
    assert set(np.unique(found.states[1])) == {-1.0, 0.0, 1.0}
    assert found.to_json(SYMBOLS)["controller"][0][-1] == found.states[0][-1].tolist()


def test_a_hard_stack_does_one_thing_at_a_time() -> None:
    rng = np.random.default_rng(3)
    memory = Superposition(4, sizes=(2, 1), hard=True, rng=rng)
    hidden = 3 * rng.normal(size=(30, 4))
    stacks = trace(memory, jnp.asarray(hidden, jnp.float32))
    assert isinstance(stacks, tuple)
    for k, stack in enumerate(stacks):
        logits = hidden @ np.asarray(memory.weight_actions)[3 * k : 3 * k + 3].T
        height, heights = 0, [0]
        for action in logits.argmax(axis=1):
            height = max(0, height + (1, -1, 0)[action])
            heights.append(height)
        assert stack.heights.tolist() == heights and max(heights) > 1
        assert set(np.unique(stack.weights)) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("sizes", "depth_limit", "updates"), [((2, 1), None, 6), ((3,), 2, 5), ((1,), None, 1)]
)
def test_superposition_is_followed_like_the_list_of_vectors(
    sizes: tuple[int, ...], depth_limit: int | None, updates: int
) -> None:
    rng = np.random.default_rng(0)
    with scope("float64"):
        memory = Superposition(4, sizes=sizes, depth_limit=depth_limit, rng=rng)
        hidden = 3 * rng.normal(size=(updates, 4))
        stacks = trace(memory, jnp.asarray(hidden))
    assert isinstance(stacks, tuple)
    begin = 0
    for k, size in enumerate(sizes):
        rows = ListStack(size, depth_limit)
        counted = ListStack(1, depth_limit)
        assert stacks[k].actions == ("push", "pop", "no-op")
        for t in range(updates + 1):
            contents = [np.sqrt(np.mean(row**2)) for row in rows.rows]
            contents += [0.0] * (stacks[k].contents.shape[1] - len(contents))
            np.testing.assert_allclose(stacks[k].contents[t], contents, atol=1e-12)
            height = sum(row.item() for row in counted.rows)
            assert stacks[k].heights[t] == pytest.approx(height, abs=1e-12)
            if t == updates:
                break
            logits = np.asarray(memory.weight_actions) @ hidden[t]
            actions = softmax(logits[3 * k : 3 * k + 3])
            np.testing.assert_allclose(stacks[k].weights[t], actions, atol=1e-12)
            vectors = sigmoid(np.asarray(memory.weight_push) @ hidden[t])
            rows.update(*actions, vectors[begin : begin + size])
            counted.update(*actions, np.ones(1))
        begin += size


def test_the_height_is_the_mean_over_drawn_actions() -> None:
    rng = np.random.default_rng(1)
    with scope("float64"):
        memory = Superposition(4, sizes=(2,), rng=rng)
        (stack,) = trace(memory, jnp.asarray(3 * rng.normal(size=(5, 4))))
    mean = 0.0
    for actions in itertools.product(range(3), repeat=5):
        height = 0
        for action in actions:
            height = max(0, height + (1, -1, 0)[action])
        mean += height * np.prod([stack.weights[t, action] for t, action in enumerate(actions)])
    assert stack.heights[-1] == pytest.approx(mean)


@pytest.mark.parametrize("window", [None, 3])
def test_the_best_run_of_a_net_and_the_marginals_are_those_of_its_memory(
    window: int | None,
) -> None:
    updates, states, symbols = 7, 2, 3
    rng = np.random.default_rng(2)
    with scope("float64"):
        memory = Nondeterministic(4, states=states, symbols=symbols, window=window, rng=rng)
        hidden = 8 * rng.normal(size=(updates, 4))
        found = trace(memory, jnp.asarray(hidden))
        weight, bias = memory.controls()
        state, readings = memory.init(1, updates + 1), []
        update = eqx.filter_jit(memory.update)
        for row in jnp.asarray(hidden):
            readings.append(memory.read(state)[0])
            state = update(state, (weight @ row + bias)[None])
        readings.append(memory.read(state)[0])
    assert isinstance(found, StackRun)
    np.testing.assert_allclose(found.marginals.reshape(updates + 1, -1), readings, atol=1e-9)
    cells = states * symbols
    logits = hidden @ np.asarray(memory.weight_actions).T + np.asarray(memory.bias_actions)
    weight = 0.0
    for t, (kind, q, x, r, y) in enumerate(found.run.actions):
        column = {"push": 0, "replace": cells, "pop": 2 * cells}[kind]
        column += r if y is None else r * symbols + y
        weight += logits[t, (q * symbols + x) * (2 * cells + states) + column]
    assert found.run.log_weight == pytest.approx(weight)
    assert 0 < found.share < 1
    final = found.marginals[-1, found.run.states[-1], found.run.tops[-1]]
    assert found.share <= final, "all runs that end like the best one weigh at least as much"


def test_pushed_vectors_change_nothing_about_runs() -> None:
    rng = np.random.default_rng(4)
    size = {"states": 2, "symbols": 2}
    with scope("float64"):
        plain = Nondeterministic(4, **size, rng=rng)
        memory = Nondeterministic(4, **size, size=3, bottom_scope="all", rng=rng)
        weights = plain.weight_actions, plain.bias_actions
        memory = eqx.tree_at(lambda m: (m.weight_actions, m.bias_actions), memory, weights)
        hidden = jnp.asarray(8 * rng.normal(size=(5, 4)))
        expected, found = trace(plain, hidden), trace(memory, hidden)
    assert found.run.actions == expected.run.actions
    np.testing.assert_allclose(found.marginals, expected.marginals, rtol=1e-12)


def test_the_strengths_of_a_stratification_stack_give_its_readings() -> None:
    rng = np.random.default_rng(3)
    with scope("float64"):
        memory = Stratification(4, size=2, rng=rng)
        hidden = 4 * rng.normal(size=(9, 4))
        (stack,) = trace(memory, jnp.asarray(hidden))
        weight, bias = memory.controls()
        state = memory.init(1, len(hidden) + 1)
        for t, row in enumerate(hidden):
            state = memory.update(state, (weight @ row + bias)[None])
            pushed = sigmoid(np.asarray(memory.weight_actions) @ row)
            np.testing.assert_allclose(stack.weights[t], pushed, atol=1e-12)
            values = np.tanh(hidden[: t + 1] @ np.asarray(memory.weight_push).T)
            reading, left = np.zeros(2), 1.0
            for strength, value in zip(stack.contents[t + 1, t::-1], values[::-1], strict=True):
                reading += min(strength, max(0.0, left)) * value
                left -= strength
            np.testing.assert_allclose(memory.read(state)[0], reading, atol=1e-9)
            assert stack.heights[t + 1] == pytest.approx(1 - left)


def test_strengths_give_the_golden_readings_of_a_stratification_stack() -> None:
    """Push sigma(sin t), pop sigma(cos t), value tanh(cos(t + k))."""
    t = np.arange(1, 7)
    with scope("float64"):
        memory = Stratification(2, size=2, rng=np.random.default_rng(0))
        memory = eqx.tree_at(lambda m: m.weight_actions, memory, jnp.eye(2))
        (stack,) = trace(memory, jnp.asarray(np.stack([np.sin(t), np.cos(t)], axis=1)))
    strengths = stack.contents
    values = np.tanh(np.cos(t[:, None] + np.arange(2)))
    golden = {1: (0.344648, -0.275093), 2: (-0.139013, -0.652931), 3: (-0.568076, -0.650980)}
    for updates, expected in {**golden, 6: (0.438477, 0.180339)}.items():
        reading, left = np.zeros(2), 1.0
        for strength, value in zip(strengths[updates][::-1], values[::-1], strict=True):
            reading += min(strength, max(0.0, left)) * value
            left -= strength
        np.testing.assert_allclose(reading, expected, atol=1e-6)


class Counter(AffineMemory):
    """A memory of a user's own: it sums what the first hidden unit says."""

    weight: jax.Array

    def __init__(self, hidden_size: int, *, rng: np.random.Generator):
        self.weight = jnp.asarray(rng.normal(size=(1, hidden_size)), jnp.float32)

    @property
    def reading_size(self) -> int:
        return 1

    def controls(self):
        return self.weight, jnp.zeros(1, jnp.float32)

    def init(self, batch: int, horizon: int | None):
        return jnp.zeros((batch, 1), jnp.float32)

    def update(self, state, controls):
        return state + jax.nn.sigmoid(controls)

    def read(self, state):
        return state


def test_a_memory_of_ones_own_is_explained_once_it_is_registered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(MEMORIES, "counter", Counter)
    network = Model("gru", "counter", 5).build(OneHot(3), 4, seed=0)
    with pytest.raises(ValueError, match=r"Counter cannot be explained; .*Superposition.*register"):
        explain(network, STRING, TARGETS)

    class Known(Counter):
        pass

    @trace.register
    def _(memory: Known, hidden: jax.Array) -> tuple[SoftStack, ...]:
        adds = np.asarray(jax.nn.sigmoid(hidden @ memory.weight.T), np.float64)
        heights = np.append(0.0, np.cumsum(adds))
        return (SoftStack(("add",), adds, heights[:, None] / 10, "depth", "count", heights),)

    memory = Known(5, rng=np.random.default_rng(0))
    explanation = explain(eqx.tree_at(lambda n: n.memory, network, memory), STRING, TARGETS)
    assert "add" in printed(explanation)
    draw_explanation(explanation, SYMBOLS, "title")


def test_what_cannot_be_explained_is_refused() -> None:
    network = get_model("jm-3").build(OneHot(3), 4, seed=0)
    for short in ([], [0]):
        with pytest.raises(ValueError, match="give at least 2"):
            explain(network, short, [*short, 3])
    for wrong in ([0, 3], [-1, 0]):
        with pytest.raises(ValueError, match="from 0 to 2"):
            explain(network, wrong, [*wrong, 3])
    for targets in (STRING, [*STRING, 4]):
        with pytest.raises(ValueError, match="must be 8 targets from 0 to 3"):
            explain(network, STRING, targets)
    with pytest.raises(ValueError, match="no memory to explain"):
        explain(get_model("lstm").build(OneHot(3), 4, seed=0), STRING, TARGETS)
