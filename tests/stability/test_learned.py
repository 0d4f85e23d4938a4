"""The trained networks of `results/networks`: what is proved of them, and that a proof can fail."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest

from command_line import run
from memrnn import Network, load_run
from memrnn.automata import machine_of
from memrnn.stability import Table, compare, visit

NETWORKS = Path(__file__).resolve().parents[2] / "results" / "networks"
SHORTEST = 6
"""Symbols of the shortest training string."""


def test_the_recipe_on_count_3_is_proved(capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(NETWORKS / "count-3-recipe")
    status, printed, _ = run(capsys, "extract", folder, "--longest", "0")
    assert status == 0
    assert "proved for strings of 6 symbols or more" in printed
    assert "codes repeat with period 2, 13 to 200 symbols per block" in printed


def leaves(network: Network) -> list[jax.Array]:
    return jax.tree.leaves(network)


def input_weights(network: Network) -> list[jax.Array]:
    return [network.controller.weight_input]  # type: ignore[attr-defined]


def flipped(
    network: Network,
    arrays: Callable[[Network], list[jax.Array]] = leaves,
    most: int | None = None,
) -> Iterator[Network]:
    """Networks that differ from it in the sign of one parameter, of each array the largest ones."""
    for number, array in enumerate(arrays(network)):
        for place in np.argsort(-np.abs(np.asarray(array)), axis=None)[:most]:
            changed = array.at[np.unravel_index(place, array.shape)].multiply(-1)
            yield eqx.tree_at(lambda n, k=number: arrays(n)[k], network, changed)


def answers(networks: Iterator[Network]) -> Counter[tuple[str, bool]]:
    """What is proved of networks, and whether one is wrong on strings of 6 to 300 symbols."""
    machine, found = machine_of("count-3"), Counter[tuple[str, bool]]()
    strings = [np.repeat(np.arange(3, dtype=np.int32), n) for n in (*range(2, 11), 20, 33, 100)]
    for network in networks:
        table = Table(network, "float32")
        answer = compare(table, machine, SHORTEST).answer
        found[answer, visit(table, machine, strings).wrong > 0] += 1
    return found


def test_a_flipped_weight_that_makes_another_machine_is_found() -> None:
    """Rounding makes most networks the machine that they were, and one of these another."""
    network = load_run(NETWORKS / "count-3-recipe").restarts[0].network
    found = answers(flipped(network, input_weights, most=4))
    assert found == {("proved", False): 3, ("refuted", True): 1}


@pytest.mark.slow
def test_every_flipped_weight() -> None:
    network = load_run(NETWORKS / "count-3-recipe").restarts[0].network
    found = answers(flipped(network))
    assert found.pop(("open", False)) == 1
    assert found == {("proved", False): 3171, ("refuted", True): 5, ("open", True): 5}
