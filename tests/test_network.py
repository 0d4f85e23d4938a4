"""Whole networks: golden numbers, the plain reference, gradients, padding."""

import operator
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import reference_networks
from memrnn.nn.components import parameter_count
from memrnn.nn.model import Model
from memrnn.nn.models import get_model
from memrnn.nn.network import Network, OneHot
from memrnn.runtime.precision import cast, scope
from string_losses import losses

MODELS = [
    Model("lstm", "none", 4),
    Model("elman", "none", 4),
    Model("gru", "none", 4),
    Model("lstm", "superposition", 4, {"sizes": [2]}),
    Model("lstm_capped", "superposition", 4, {"sizes": [2]}),
    Model("lstm", "superposition", 4, {"sizes": [2, 1]}),
    Model("gru", "superposition", 4, {"sizes": [1, 3, 2]}),
    Model("elman", "superposition", 4, {"sizes": "hidden"}),
    Model("lstm", "superposition", 4, {"sizes": [3], "depth_limit": 2}),
    Model("lstm", "stratification", 4, {"size": 2}),
    Model("gru", "stratification", 4, {"size": 3}),
    Model("lstm", "nondeterministic", 4, {"states": 2, "symbols": 3}),
    Model("gru", "vector_nondeterministic", 4, {"states": 2, "symbols": 2, "size": 3, "window": 5}),
]


def golden_network(model: Model) -> Network:
    """Tensor number p, row-major element i, is 0.8 sin(1 + 1.7 i + 10 p)."""
    network = model.build(OneHot(3), 4, seed=0)
    names = ["memory.bottom"] if model.memory == "vector_nondeterministic" else []
    names += [
        "controller.weight_input",
        "controller.weight_hidden",
        "controller.bias_input",
        "controller.bias_hidden",
    ]
    if model.memory != "none":
        names += ["memory.weight_actions", "memory.bias_actions"]
        if model.memory != "nondeterministic" and model.options.get("sizes") != "hidden":
            names += ["memory.weight_push", "memory.bias_push"]
    names += ["output.weight", "output.bias"]
    for p, name in enumerate(names):
        get = operator.attrgetter(name)
        shape = get(network).shape
        values = 0.8 * np.sin(1 + 1.7 * np.arange(np.prod(shape)) + 10 * p)
        network = eqx.tree_at(get, network, jnp.asarray(values.reshape(shape)))
    return network


GOLDEN = [
    (
        Model("lstm", "none", 4),
        10.50098503,
        2.120322,
        "0.991921 0.991610 0.998584 2.392670 0.838314 1.016935 1.021876 2.249075",
    ),
    (
        Model("lstm", "superposition", 4, {"sizes": [2]}),
        15.63135451,
        5.219481,
        "1.488705 2.518644 2.581310 1.467136 1.788293 2.612922 2.584125 0.590219",
    ),
    (
        Model("lstm", "superposition", 4, {"sizes": [2, 1]}),
        15.64238548,
        5.035187,
        "1.488705 2.517151 2.558816 1.471674 1.923618 2.482942 2.578841 0.620640",
    ),
    (
        Model("lstm", "superposition", 4, {"sizes": "hidden"}),
        13.20197344,
        3.947767,
        "0.855798 2.013029 2.026916 2.347505 0.853134 2.014545 2.044872 1.046174",
    ),
    (
        Model("lstm", "stratification", 4, {"size": 2}),
        15.39110130,
        5.002215,
        "1.488705 2.518644 2.529435 1.470588 1.717689 2.503763 2.515149 0.647128",
    ),
    (
        Model("lstm", "nondeterministic", 4, {"states": 2, "symbols": 2}),
        13.20481065,
        3.920026,
        "0.855798 1.998626 2.036153 2.340760 0.863220 2.016171 2.045024 1.049058",
    ),
    (
        Model(
            "lstm",
            "vector_nondeterministic",
            4,
            {"states": 2, "symbols": 2, "size": 2, "bottom_scope": "all"},
        ),
        9.88659841,
        0.931816,
        "1.153970 0.861813 0.862169 2.020777 1.267946 0.883564 0.866549 1.969810",
    ),
]


@pytest.mark.parametrize(("model", "total", "norm", "each"), GOLDEN)
def test_golden_numbers(model: Model, total: float, norm: float, each: str) -> None:
    with scope("float64"):
        network = golden_network(model)
        tokens, lengths = jnp.array([[0, 1, 1, 2, 0, 1, 1]]), jnp.array([7])

        def loss(network: Network) -> jax.Array:
            return jnp.sum(losses(network, tokens, lengths)[0])

        value, gradient = eqx.filter_jit(eqx.filter_value_and_grad(loss))(network)
        nats = np.asarray(eqx.filter_jit(losses)(network, tokens, lengths)[0][:, 0])
    squares = sum(float(np.sum(np.asarray(g) ** 2)) for g in jax.tree.leaves(gradient))
    assert f"{float(value):.8f}" == f"{total:.8f}"
    assert f"{np.sqrt(squares):.6f}" == f"{norm:.6f}"
    assert " ".join(f"{x:.6f}" for x in nats) == each


COUNTS = {
    "lstm": (1983, 2084, 2185, 5922, 22082, 42181),
    "jm-10": (3056, 3157, 3258, 6995, 23155, 43254),
    "jm-3.3.3": (3081, 3182, 3283, 7020, 23180, 43279),
    "jm-hidden": (3646, 3747, 3848, 7585, 23745, 43844),
    "jm-3": (2349, 2450, 2551, 6288, 22448, 42547),
    "rns-3-3": (6672, 6773, 6874, 10611, 26771, 46870),
    "rns-1-3": (2664, 2765, 2866, 6603, 22763, 42862),
    "rns-2-3": (4227, 4328, 4429, 8166, 24326, 44425),
    "vrns-1-1-3": (2352, 2453, 2554, 6291, 22451, 42550),
    "vrns-2-1-3": (2781, 2882, 2983, 6720, 22880, 42979),
    "vrns-2-3-3": (5253, 5354, 5455, 9192, 25352, 45451),
    "strat-10": (3035, 3136, 3237, 6974, 23134, 43233),
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts(name: str) -> None:
    networks = [
        get_model(name).build(OneHot(symbols), symbols + 1, seed=0)
        for symbols in (2, 3, 4, 41, 201, 400)
    ]
    assert tuple(parameter_count(network) for network in networks) == COUNTS[name]


WORD_COUNTS = {
    "lstm-256": 5656336,
    "lstm-247+jm-hidden": 5684828,
    "lstm-256+jm-22": 5685289,
    "lstm-256+rns-1-29": 6125759,
    "lstm-256+rns-2-13": 6043788,
    "lstm-256+rns-4-5": 5902976,
    "lstm-256+vrns-1-1-256": 5985299,
    "lstm-256+vrns-1-1-32": 5698131,
    "lstm-256+vrns-1-5-20": 5778031,
    "lstm-256+vrns-2-3-10": 5741944,
    "lstm-256+vrns-3-3-5": 5752279,
}
"""DuSell & Chiang 2023, table 2: 10,000 words, embeddings as long as the hidden state."""


@pytest.mark.parametrize("name", WORD_COUNTS)
def test_parameter_counts_for_words(name: str) -> None:
    words, hidden = 10_000, get_model(name).hidden_size
    # One-hot symbols as many as an embedding is long: the same controller and memory.
    network = get_model(name).build(OneHot(hidden), hidden + 1, seed=0)
    recurrent = sum(parameter_count(network, part) for part in ("controller", "memory"))
    assert recurrent + words * hidden + (hidden + 1) * words == WORD_COUNTS[name]


def mixed_lengths() -> tuple[np.ndarray, np.ndarray]:
    """Strings of several lengths in one padded batch; the padding is not all zeros."""
    lengths = np.array([0, 1, 2, 3, 8, 13])
    return np.random.default_rng(0).integers(0, 3, (6, 13)).astype(np.int32), lengths


@pytest.mark.parametrize("model", MODELS)
def test_losses_equal_the_reference(model: Model) -> None:
    tokens, lengths = mixed_lengths()
    with scope("float64"):
        # Large weights, so that actions are far from uniform.
        network = jax.tree.map(lambda leaf: 6 * leaf, model.build(OneHot(3), 4, seed=4))
        nats, right = eqx.filter_jit(losses)(network, jnp.asarray(tokens), jnp.asarray(lengths))
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(
            nats[: length + 1, row],
            reference_networks.losses(network, list(tokens[row, :length])),
            rtol=0,
            atol=1e-12,
        )
        assert not np.any(nats[length + 1 :, row]) and not np.any(right[length + 1 :, row])


@pytest.mark.parametrize("model", MODELS)
def test_gradient_equals_finite_differences_of_the_reference(model: Model) -> None:
    string = [0, 2, 1, 1, 0, 2, 2, 1, 0]
    with scope("float64"):
        network = jax.tree.map(lambda leaf: 4 * leaf, model.build(OneHot(3), 4, seed=1))
        tokens, lengths = jnp.array([string]), jnp.array([len(string)])
        loss = eqx.filter_grad(lambda net: jnp.sum(losses(net, tokens, lengths)[0]))
        gradient = eqx.filter_jit(loss)(network)
        leaves, structure = jax.tree.flatten(network)
        leaves = [np.asarray(leaf) for leaf in leaves]
        rng = np.random.default_rng(0)
        for number, (leaf, slope) in enumerate(zip(leaves, jax.tree.leaves(gradient), strict=True)):
            for place in rng.permutation(leaf.size)[:6]:
                index = np.unravel_index(place, leaf.shape)
                values = []
                for step in (-1e-5, 1e-5):
                    changed = leaf.copy()
                    changed[index] += step
                    moved = [*leaves[:number], changed, *leaves[number + 1 :]]
                    other = jax.tree.unflatten(structure, moved)
                    values.append(sum(reference_networks.losses(other, string)))
                difference = (values[1] - values[0]) / 2e-5
                assert slope[index] == pytest.approx(difference, rel=1e-6, abs=1e-8)


prefix_logits = eqx.filter_jit(Network.prefix_logits)


def test_first_logits_are_the_bias() -> None:
    network = get_model("jm-10").build(OneHot(3), 4, seed=5)
    network = eqx.tree_at(lambda n: n.output.bias, network, jnp.arange(4.0))
    logits = prefix_logits(network, jnp.array([[0], [1], [2]], jnp.int32))
    np.testing.assert_array_equal(logits[0, 0], np.arange(4.0))


@pytest.mark.parametrize("model", [MODELS[2], MODELS[4]])
def test_padding_changes_nothing(model: Model) -> None:
    rng = np.random.default_rng(3)
    short = rng.integers(0, 3, (2, 7)).astype(np.int32)
    padded = np.concatenate([short, rng.integers(0, 3, (2, 6)).astype(np.int32)], axis=1)
    with scope("float64"):
        network = model.build(OneHot(3), 4, seed=2)
        lengths = jnp.full(2, 7)

        def loss(network: Network, tokens: jax.Array) -> jax.Array:
            return jnp.sum(losses(network, tokens, lengths)[0])

        graded = eqx.filter_jit(eqx.filter_value_and_grad(loss))
        plain = graded(network, jnp.asarray(short))
        filled = graded(network, jnp.asarray(padded))
    for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(filled), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_low_precision_is_scored_in_float32() -> None:
    for precision in ("bfloat16", "float16"):
        low = cast(get_model("lstm").build(OneHot(3), 4, seed=0), precision)
        assert prefix_logits(low, jnp.zeros((3, 1), jnp.int32)).dtype == precision
        nats, _ = eqx.filter_jit(losses)(low, jnp.zeros((1, 3), jnp.int32), jnp.array([3]))
        assert nats.dtype == jnp.float32


@pytest.mark.parametrize("name", ["lstm", "jm-3", "strat-2"])
def test_prefix_logits_are_those_of_steps(name: str) -> None:
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 3, (5, 2)), jnp.int32)
    with scope("float64"):
        network = jax.tree.map(lambda leaf: 4 * leaf, get_model(name).build(OneHot(3), 4, seed=0))
        found = eqx.filter_jit(network.prefix_logits)(tokens)
        state = network.init(2, len(tokens))
        np.testing.assert_array_equal(found[0], jnp.broadcast_to(network.output.bias, (2, 4)))
        for t, symbols in enumerate(tokens):
            state = eqx.filter_jit(network.step)(state, symbols)
            np.testing.assert_allclose(found[t + 1], network.output(state.hidden), rtol=1e-12)
        assert np.array_equal(network.prefix_logits(tokens[:0]), found[:1])


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_evaluation_in_16_bits_is_linear_in_the_length(precision: str) -> None:
    """Four times the length takes about four times as long, and not sixteen times."""
    network = cast(get_model("lstm").build(OneHot(3), 4, seed=0), precision)
    run = jax.jit(lambda tokens: network.prefix_logits(tokens))
    inputs = [jnp.zeros((length, 1), jnp.int32) for length in (4_000, 16_000)]

    def seconds(tokens: jax.Array) -> float:
        begin = time.process_time()
        jax.block_until_ready(run(tokens))
        return time.process_time() - begin

    for tokens in inputs:
        run(tokens)
    short, long = (min(seconds(tokens) for _ in range(3)) for tokens in inputs)
    assert long < 9 * short
