"""The hard nondeterministic stack: an automaton with a list as its stack, and its gradient."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import memrnn
from memrnn.errors import MemrnnError
from memrnn.nn.memories import Nondeterministic
from memrnn.runtime.precision import cast, scope

STATES, SYMBOLS, HIDDEN = 2, 3, 4


def build(size: int) -> Nondeterministic:
    rng = np.random.default_rng(size)
    memory = Nondeterministic(HIDDEN, states=STATES, symbols=SYMBOLS, size=size, hard=True, rng=rng)
    return jax.tree.map(lambda leaf: jnp.asarray(10 * np.asarray(leaf)), memory)


def legal(symbol: int, kind: str, target: int) -> bool:
    """Symbol 0 stays at the bottom, alone."""
    if kind == "pop":
        return symbol != 0
    return target != 0 if kind == "push" else (target == 0) == (symbol == 0)


def best_action(logits: np.ndarray, state: int, symbol: int) -> tuple[str, int, int]:
    """Kind, next state, symbol. Rows of the parameters: (q, x), in them push, replace, pop."""
    pairs = [(r, y) for r in range(STATES) for y in range(SYMBOLS)]
    actions = [("push", *pair) for pair in pairs] + [("replace", *pair) for pair in pairs]
    actions += [("pop", r, -1) for r in range(STATES)]
    own = logits.reshape(STATES, SYMBOLS, -1)[state, symbol]
    allowed = [
        (logit, number)
        for number, (logit, (kind, _, target)) in enumerate(zip(own, actions, strict=True))
        if legal(symbol, kind, target)
    ]
    return actions[max(allowed)[1]]


def simulated(memory: Nondeterministic, hidden: np.ndarray) -> list[np.ndarray]:
    """The reading after each update."""
    bottom = 1 / (1 + np.exp(-np.asarray(memory.bottom))) if memory.size else None
    state, stack = 0, [(0, bottom)]
    readings = []
    for h in hidden:
        logits = np.asarray(memory.weight_actions) @ h + np.asarray(memory.bias_actions)
        kind, after, symbol = best_action(logits, state, stack[-1][0])
        if kind == "push":
            vector = None
            if memory.size:
                raw = np.asarray(memory.weight_push) @ h + np.asarray(memory.bias_push)
                vector = (raw > 0).astype(float)
            stack.append((symbol, vector))
        elif kind == "replace":
            stack[-1] = (symbol, stack[-1][1])
        else:
            stack.pop()
        state = after
        reading = np.zeros((STATES, SYMBOLS, max(1, memory.size)))
        reading[state, stack[-1][0]] = 1 if stack[-1][1] is None else stack[-1][1]
        readings.append(reading.ravel())
    return readings


@pytest.mark.parametrize("size", [0, 2])
def test_it_is_a_deterministic_automaton(size: int) -> None:
    with scope("float64"):
        memory = cast(build(size), "float64")
        hidden = np.random.default_rng(3).normal(size=(60, HIDDEN))
        weight, bias = memory.controls()

        def step(state: Any, h: jax.Array) -> tuple[Any, jax.Array]:
            state = memory.update(state, (weight @ h + bias)[None])
            return state, memory.read(state)[0]

        found = jax.lax.scan(step, memory.init(1, len(hidden) + 1), jnp.asarray(hidden))[1]
        expected = simulated(memory, hidden)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    heights = {tuple(reading) for reading in expected}
    assert len(heights) > 4, "it pushes, pops and changes its state"


def test_one_update_has_the_gradient_of_the_softmax() -> None:
    """From state 0 with the bottom on top: of a push or of the bottom left alone."""
    with scope("float64"):
        memory = cast(build(0), "float64")
        weight, bias = memory.controls()
        hidden = jnp.asarray(np.random.default_rng(1).normal(size=HIDDEN))
        target = jnp.asarray(np.random.default_rng(2).normal(size=STATES * SYMBOLS))

        def loss(hidden: jax.Array) -> jax.Array:
            state = memory.update(memory.init(1, 2), (weight @ hidden + bias)[None])
            return memory.read(state)[0] @ target

        def surrogate(hidden: jax.Array, weights: jax.Array | None = None) -> jax.Array:
            """The reading is the sum over actions of their weights, divided by all of them."""
            logits = memory.weight_actions @ hidden + memory.bias_actions
            own = logits.reshape(STATES, SYMBOLS, -1)[0, 0]
            push, replace, _ = jnp.split(own, [STATES * SYMBOLS, 2 * STATES * SYMBOLS])
            allowed = (
                jnp.array([False, True, True] * STATES),
                jnp.array([True, False, False] * STATES),
            )
            logits = jnp.where(jnp.concatenate(allowed), jnp.concatenate([push, replace]), -jnp.inf)
            soft = jax.nn.softmax(logits)
            hard = jax.nn.one_hot(jnp.argmax(logits), len(logits))
            through = hard + soft - jax.lax.stop_gradient(soft)
            value = through.reshape(2, -1).sum(axis=0)
            return value @ target / value.sum()

        assert loss(hidden) == surrogate(hidden)
        found, expected = jax.grad(loss)(hidden), jax.grad(surrogate)(hidden)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_names_and_what_is_refused() -> None:
    assert memrnn.get_model("lstm:discrete+rns-2-3:hard").options["hard"] is True
    for name in ("rns-2-1:hard", "rns-2-3:hard,window=5", "vrns-2-3-2:hard,bottom_scope=all"):
        with pytest.raises(MemrnnError, match="must not end"):
            memrnn.get_model(name).build(memrnn.OneHot(2), 3, seed=0)


def test_its_actions_are_the_best_run() -> None:
    """What `explain` draws of a hard stack is what it did."""
    memory = build(0)
    hidden = np.random.default_rng(3).normal(size=(20, HIDDEN))
    weight, bias = map(np.asarray, memory.controls())
    run = memory.best_run(hidden @ weight.T + bias)
    state, stack = 0, [0]
    for h, action in zip(hidden, run.actions, strict=True):
        logits = np.asarray(memory.weight_actions) @ h + np.asarray(memory.bias_actions)
        kind, state, symbol = best_action(logits, state, stack[-1])
        assert action.kind == kind
        if kind == "push":
            stack.append(symbol)
        elif kind == "replace":
            stack[-1] = symbol
        else:
            stack.pop()
    assert run.log_weight == 0
