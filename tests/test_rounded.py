"""Networks that are rounded after every operation, against NumPy and against plain networks."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from memrnn import REFERENCE, Network, OneHot, Strings, get_model
from memrnn.evaluation import evaluate_items, evaluate_restart
from memrnn.nn.network import from_zero
from memrnn.nn.rounded import in_precision
from memrnn.stability import golden_network
from rounding_reference import RoundedLSTM

ROUNDED: Mapping[str, tuple[str, ...]] = {
    "": ("controller", "memory", "output"),
    "memory=": ("memory",),
    "controller=": ("controller",),
}


def small(model: str, symbols: int = 3) -> Network:
    network = get_model(model).build(OneHot(symbols), symbols + 1, seed=1)
    # Larger parameters, so that states and actions differ.
    return jax.tree.map(lambda leaf: 3 * leaf, network)


def prefix_logits(network: Network, name: str, tokens: np.ndarray) -> np.ndarray:
    run = jax.jit(lambda network, tokens: network.prefix_logits(tokens))
    return np.asarray(run(in_precision(network, name), jnp.asarray(tokens)))


@pytest.mark.parametrize("prefix", ROUNDED)
@pytest.mark.parametrize(("exponent", "mantissa"), [(5, 2), (4, 3), (8, 7)])
def test_against_numpy(prefix: str, exponent: int, mantissa: int) -> None:
    """Every logit after each of 12 symbols, within one unit; nearly all have the same bits."""
    network = small("lstm-5+jm-2.2")
    tokens = np.random.default_rng(0).integers(0, 3, (12, 2))
    found = prefix_logits(network, f"{prefix}e{exponent}m{mantissa}", tokens)
    plain = RoundedLSTM(network, exponent, mantissa, ROUNDED[prefix])
    expected = np.stack([plain.logits(string) for string in tokens.T], axis=1)
    unit = 2.0 ** (np.floor(np.log2(np.abs(expected).max())) - mantissa)
    np.testing.assert_allclose(found, expected, rtol=0, atol=unit)
    if prefix == "":
        assert (found == expected).mean() > 0.95
    exact = prefix_logits(network, "float32", tokens)
    assert np.abs(found - exact).max() > 4 * np.abs(found - expected).mean()


@pytest.mark.parametrize(
    "model", ["lstm-4+jm-2", "gru-4+jm-hidden", "elman-4+strat-2", "lstm-4+rns-1-2", "lstm-4"]
)
def test_all_bits_of_float32_change_nothing(model: str) -> None:
    """Bit for bit what `REFERENCE` computes: the pieces are put together in the same way."""
    network = small(model)
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 3, (9, 2)))

    @jax.jit
    def plain(network: Network) -> jax.Array:
        return network.logits(from_zero(network.hidden(tokens, rule=REFERENCE)[0]))

    for name in ("e8m23", "memory=e8m23", "controller=e8m23"):
        found = prefix_logits(network, name, np.asarray(tokens))
        np.testing.assert_allclose(found, plain(network), rtol=2e-6, atol=2e-6)
        if "rns" not in model:
            np.testing.assert_array_equal(found, plain(network))


def test_all_states_are_representable() -> None:
    """In `e5m2` a step leaves nothing that has more bits."""
    network = in_precision(small("gru-4+strat-2"), "e5m2")
    state, step = network.init(2, 6), eqx.filter_jit(Network.step)
    for symbol in (0, 1, 2):
        state = step(network, state, jnp.full(2, symbol))
    values = [np.asarray(leaf) for leaf in jax.tree.leaves(state) if leaf.dtype == jnp.float32]
    assert sum(value.size for value in values) > 10
    for value in values:
        fraction, _ = np.frexp(value)
        assert (fraction * 8 == np.rint(fraction * 8)).all()


def reversal(length: int, samples: int = 8) -> Strings:
    return Strings("marked-reversal", length_bins=((length, length),), samples_per_length=samples)


def wrong(task: Strings, network: Network, precision: str) -> float:
    """Determined symbols that are predicted wrong."""
    scores = evaluate_items(task, network, precision)
    return sum(
        float(np.sum(d - n)) for n, d in (one["determined_accuracy"] for one in scores.values())
    )


def test_golden_networks_need_two_bits_of_mantissa_and_five_of_exponent() -> None:
    task = reversal(81)
    network = golden_network(task)
    for exact in ("e8m23", "e5m2", "memory=e5m1", "controller=e5m2"):
        assert wrong(task, network, exact) == 0, exact
    for too_few in ("e5m1", "e4m3", "controller=e4m7"):
        assert wrong(task, network, too_few) > 0, too_few
    assert wrong(task, golden_network(task, gate=8.0), "e4m2") == 0


@pytest.mark.parametrize(
    ("gap", "held", "failed"), [(5.0, [4], [6, 23]), (7.0, [4, 6, 8], [10, 23]), (8.0, [8, 23], [])]
)
def test_fewer_bits_last_longer(gap: float, held: list[int], failed: list[int]) -> None:
    """Rounding to nearest swallows what an action leaks if D > (m + 3) ln 2, about."""
    task = reversal(801, samples=2)
    network = golden_network(task, gap=gap, gate=gap)
    for mantissa in held:
        assert wrong(task, network, f"e8m{mantissa}") == 0, mantissa
    for mantissa in failed:
        assert wrong(task, network, f"e8m{mantissa}") > 0, mantissa


def test_stochastic_rounding_takes_it_away() -> None:
    task = reversal(201, samples=1)
    network = golden_network(task, gap=5.0, gate=128.0)
    assert wrong(task, network, "e8m4") == 0
    assert wrong(task, network, "e8m4:stochastic") > 0
    again = [evaluate_restart(task, network, "e8m4:stochastic") for _ in range(2)]
    assert again[0] == again[1]


def test_each_name_rounds_what_it_says() -> None:
    """The scores of an untrained network differ pairwise."""
    task = reversal(21, samples=4)
    network = task.build(get_model("lstm-6+jm-3"), 0)
    names = ("float32", "e4m1", "memory=e4m1", "controller=e4m1", "e4m1:stochastic")
    found = {name: evaluate_restart(task, network, name)["21:21"].whole for name in names}
    nats = [totals["perplexity"].numerator for totals in found.values()]
    assert len(set(nats)) == len(names)
