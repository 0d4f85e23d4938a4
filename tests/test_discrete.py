"""Discrete controllers and hard stacks: values, and gradients against their definition.

The networks once more, one string and one stack row at a time. What is discrete has a forward and a
backward function of its own here; in memrnn it is a sum with a part that has no gradient, and for
the fast rule a gradient written by hand.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import memrnn
from memrnn import FAST, REFERENCE
from memrnn.nn.memories import Superposition
from memrnn.nn.models import get_model
from memrnn.nn.network import Network, OneHot
from memrnn.nn.unroll import Rule
from memrnn.runtime.precision import scope
from memrnn.training import Experiment, Restart, TrainingConfig

TIME, SYMBOLS = 7, 3

NAMES = [
    "elman-5:discrete",
    "gru-5:discrete",
    "lstm-5:discrete",
    "lstm-5:discrete+jm-3.1:hard",
    "gru-5:discrete+jm-2:hard,depth_limit=2",
    "elman-5:discrete+jm-hidden:hard",
    "lstm-5+jm-2.2:hard",
]


def build(name: str, scale: float = 30.0) -> Network:
    """A network with parameters so large that states, actions and vectors vary."""
    network = get_model(name).build(OneHot(SYMBOLS), SYMBOLS + 1, seed=5)
    return jax.tree.map(lambda leaf: scale * leaf, network)


def tokens(batch: int = 4) -> jax.Array:
    drawn = np.random.default_rng(0).integers(0, SYMBOLS, (TIME, batch))
    return jnp.asarray(drawn, jnp.int32)


# Plain networks.


def passes(forward: Callable, backward: Callable) -> Callable:
    """The function `forward` with the derivative of `backward`."""

    @jax.custom_jvp
    def function(x: jax.Array) -> jax.Array:
        return forward(x)

    @function.defjvp
    def _jvp(primals: Any, tangents: Any) -> Any:
        return forward(*primals), jax.jvp(backward, primals, tangents)[1]

    return function


def clip(x: jax.Array) -> jax.Array:
    return jnp.where(x > 1, 1.0, jnp.where(x < -1, -1.0, x))


def nearest(x: jax.Array) -> jax.Array:
    return jnp.where(x > 0.5, 1.0, jnp.where(x < -0.5, -1.0, 0.0)).astype(x.dtype)


def one_hot(logits: jax.Array) -> jax.Array:
    return jax.nn.one_hot(jnp.argmax(logits), 3, dtype=logits.dtype)


ternary = passes(nearest, clip)
binary = passes(lambda x: jnp.where(x > 0, 1.0, 0.0).astype(x.dtype), jax.nn.sigmoid)
hard_action = passes(one_hot, jax.nn.softmax)


def cell(controller: Any, state: tuple, x: jax.Array, noise: Any = 0.0) -> tuple:
    kept = ternary if controller.discrete else lambda vector: vector
    from_input = controller.weight_input @ x + controller.bias_input + noise
    from_hidden = controller.weight_hidden @ state[0] + controller.bias_hidden
    kind, size = type(controller).__name__, controller.hidden_size
    a = [from_input[k : k + size] for k in range(0, len(from_input), size)]
    b = [from_hidden[k : k + size] for k in range(0, len(from_hidden), size)]
    if kind == "Elman":
        return (kept(jnp.tanh(a[0] + b[0])),)
    if kind == "GRU":
        reset, update = jax.nn.sigmoid(a[0] + b[0]), jax.nn.sigmoid(a[1] + b[1])
        return (kept((1 - update) * jnp.tanh(a[2] + reset * b[2]) + update * state[0]),)
    i, f, g, o = (one + other for one, other in zip(a, b, strict=True))
    c = kept(jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g))
    return kept(jax.nn.sigmoid(o) * jnp.tanh(c)), c


def update(memory: Superposition, stacks: list, hidden: jax.Array) -> list:
    """Stacks are lists of rows, the top first."""
    logits = memory.weight_actions @ hidden + memory.bias_actions
    if memory.weight_push is None:
        vectors = hidden
    else:
        raw = memory.weight_push @ hidden + memory.bias_push
        vectors = binary(raw) if memory.hard else jax.nn.sigmoid(raw)
    after, begin = [], 0
    for k, (size, rows) in enumerate(zip(memory.sizes, stacks, strict=True)):
        own = logits[3 * k : 3 * k + 3]
        push, pop, no_op = hard_action(own) if memory.hard else jax.nn.softmax(own)
        zero = jnp.zeros(size, hidden.dtype)
        above = [vectors[begin : begin + size], *rows]
        below, same = [*rows[1:], zero, zero], [*rows, zero]
        count = min(len(rows) + 1, memory.depth_limit or len(rows) + 1)
        after.append([push * above[i] + pop * below[i] + no_op * same[i] for i in range(count)])
        begin += size
    return after


def plain_hidden(network: Network, string: jax.Array, noise: Any = None) -> jax.Array:
    """The hidden states after every symbol of one string."""
    controller, memory = network.controller, network.memory
    zeros = jnp.zeros(controller.hidden_size, network.dtype)
    state: tuple = (zeros,) * type(controller).state_vectors
    has_stacks = isinstance(memory, Superposition)
    stacks: list = [[] for _ in memory.sizes] if has_stacks else []
    hidden = []
    for t, symbol in enumerate(jax.nn.one_hot(string, SYMBOLS, dtype=network.dtype)):
        tops = [
            rows[0] if rows else jnp.zeros(size, network.dtype)
            for size, rows in zip(memory.sizes if has_stacks else (), stacks, strict=True)
        ]
        x = jnp.concatenate([symbol, *tops])
        state = cell(controller, state, x, 0.0 if noise is None else noise[t])
        hidden.append(state[0])
        if has_stacks:
            stacks = update(memory, stacks, state[0])
    return jnp.stack(hidden)


def weighted(hidden: jax.Array) -> jax.Array:
    weights = jnp.cos(jnp.arange(hidden.size, dtype=hidden.dtype)).reshape(hidden.shape)
    return jnp.sum(weights * hidden)


def graded(hidden_of: Callable, network: Network, *given: Any) -> tuple[Any, Network]:
    """Hidden states, [time, batch, hidden], and the gradient of a sum with weights."""

    def loss(network: Network, *given: Any) -> Any:
        hidden = hidden_of(network, *given)
        return weighted(hidden), hidden

    graded = eqx.filter_jit(jax.value_and_grad(loss, has_aux=True))
    (_, hidden), gradient = graded(network, *given)
    return hidden, gradient


def assert_close(found: Any, expected: Any, tolerance: float) -> None:
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        scale = max(1.0, float(np.max(np.abs(b), initial=0.0)))
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients_are_those_of_the_definition(name: str) -> None:
    with scope("float64"):
        network, strings = build(name), tokens(2)
        plain = graded(
            lambda network: jax.vmap(lambda one: plain_hidden(network, one), 1, 1)(strings),
            network,
        )
        for rule in (FAST, REFERENCE):
            found = graded(
                lambda network, rule=rule: network.hidden(strings, rule=rule)[0], network
            )
            assert_close(found, plain, 1e-12)
            if ":discrete" in name:
                assert set(np.unique(found[0])) == {-1.0, 0.0, 1.0}
            for leaf in jax.tree.leaves((found[1].controller, found[1].memory)):
                assert leaf.size == 0 or np.any(np.asarray(leaf))


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_the_rules_agree(name: str, precision: str) -> None:
    """Also from a state that was carried, in the format of training.

    From the first state both are compared with the definition above, in float64.
    """
    tolerance = {"float32": 2e-5, "float64": 1e-11}[precision]
    with scope(precision):
        network, strings = build(name), tokens()

        @eqx.filter_jit
        def run(network: Network, state: Any, rule: Rule) -> Any:
            def loss(network: Network) -> Any:
                hidden, last = network.hidden(strings, state, rule=rule)
                return weighted(hidden), (hidden, last)

            (_, (hidden, last)), gradient = jax.value_and_grad(loss, has_aux=True)(network)
            return last, hidden, gradient

        carried, *_ = run(network, network.init(4, 2 * TIME), REFERENCE)
        for state in (None, carried) if precision == "float32" else (carried,):
            assert_close(run(network, state, FAST), run(network, state, REFERENCE), tolerance)


def test_what_is_carried_and_pushed_is_discrete() -> None:
    with scope("float32"):
        network = build("lstm-5:discrete+jm-3.1:hard")
        state = network.init(4, TIME)
        seen = {"controller": set(), "memory": set()}
        for symbols in tokens():
            state = network.step(state, symbols)
            seen["controller"] |= set(np.unique(np.stack(state.controller)).tolist())
            seen["memory"] |= set(np.unique(state.memory.cells).tolist())
    # Exactly: no sum with a soft value has rounded any of them.
    assert seen == {"controller": {-1.0, 0.0, 1.0}, "memory": {0.0, 1.0}}


@pytest.mark.parametrize("rule", [FAST, REFERENCE])
def test_equal_logits_push_and_a_vector_of_zeros_is_no_vector_of_ones(rule: Rule) -> None:
    """The first of equal actions is taken; a push of raw 0 is 0."""
    memory = Superposition(2, sizes=[1], hard=True, rng=np.random.default_rng(0))
    state = memory.init(1, 9)
    loop = memory.loop()

    def after(state: Any, *controls: float) -> Any:
        row = jnp.array([controls])
        if rule is REFERENCE:
            return memory.update(state, row)
        return loop.step(None, state, row)[0]

    state = after(state, 0.0, 0.0, 0.0, 1.0)
    assert memory.read(state) == 1.0
    state = after(state, 2.0, 2.0, 1.0, 0.0)
    assert memory.read(state) == 0.0
    state = after(state, 1.0, 2.0, 2.0, 5.0)  # pop, as no-op is the second of equals
    assert memory.read(state) == 1.0
    state = after(state, 0.0, -1.0, 0.5, 5.0)
    assert memory.read(state) == 1.0


@pytest.mark.parametrize("rule", [FAST, REFERENCE])
def test_what_is_not_a_number_stays_so(rule: Rule) -> None:
    network = build("lstm-5:discrete+jm-2:hard")
    bias = network.memory.bias_actions.at[1].set(jnp.nan)
    network = eqx.tree_at(lambda n: n.memory.bias_actions, network, bias)
    hidden, _ = eqx.filter_jit(Network.hidden)(network, tokens(), rule=rule)
    assert np.all(np.isfinite(hidden[0])) and np.all(np.isnan(hidden[-1]))


def test_an_option_that_a_controller_does_not_have_is_refused() -> None:
    with pytest.raises(memrnn.MemrnnError, match="'gru' has no option 'round'; there are discrete"):
        memrnn.Model("gru", controller_options={"round": True})
    with pytest.raises(memrnn.MemrnnError, match="has no option 'discrete'; there are none"):
        memrnn.Model("lstm_capped", controller_options={"discrete": True})


@pytest.mark.parametrize("name", ["lstm-5:discrete+jm-3.1:hard", "gru-5+jm-2", "elman-5"])
def test_noise_is_added_to_what_the_gates_get_from_the_input(name: str) -> None:
    with scope("float64"):
        network, strings = build(name), tokens(2)
        gates = network.controller.bias_input.shape
        noise = jnp.asarray(np.random.default_rng(1).normal(size=(TIME, 2, *gates)))

        def noisy(network: Network, rule: Rule, noise: jax.Array) -> jax.Array:
            vectors = network.embedding(strings, network.dtype)
            parts = network.controller, network.memory
            return memrnn.unroll(*parts, vectors, rule=rule, gate_noise=noise)[0]

        def plain(network: Network) -> jax.Array:
            one = jax.vmap(lambda *pair: plain_hidden(network, *pair), 1, 1)
            return one(strings, noise)

        expected = graded(plain, network)
        for rule in (FAST, REFERENCE):
            assert_close(graded(noisy, network, rule, noise), expected, 1e-12)
        silent, _ = graded(noisy, network, FAST, jnp.zeros_like(noise))
        assert not np.allclose(expected[0], silent)


def test_models_that_differ_in_rounding_alone_start_alike() -> None:
    """Restarts of one number have one seed, rate and network; other models have others."""

    def restart(model: str) -> Restart:
        task = memrnn.Strings("count-3", batches=1, validation_batches=1)
        return Restart(Experiment(task, model, (), TrainingConfig()), 3)

    names = ["jm-2.1", "jm-2.1:hard", "lstm:discrete+jm-2.1", "lstm:discrete+jm-2.1:hard"]
    soft, *others = map(restart, names)
    for other in others:
        assert other.seed == soft.seed
        for one, another in ((other.network, soft.network), (other.plan(), soft.plan())):
            assert all(map(np.array_equal, *map(jax.tree.leaves, (one, another))))
    assert restart("jm-2.1:depth_limit=3,hard").seed != soft.seed
    assert restart("jm-2.1:depth_limit=3,hard").seed == restart("jm-2.1:depth_limit=3").seed
