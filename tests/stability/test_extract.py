"""Discrete networks as tables, and proofs that they predict as a machine does."""

from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from discrete_networks import build, golden
from memrnn import Network
from memrnn.automata import EMPTY, END, Machine, machine_of, rule, walk
from memrnn.errors import MemrnnError
from memrnn.stability import Table, compare, pumping

FIVE = ("count-3", "marked-reversal", "marked-reverse-and-copy", "count-and-copy", "dyck")


def strings(machine: Machine, length: int, count: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(length)
    for _ in range(count):
        found = walk(machine, length, rng, exact=False)
        assert found is not None
        yield found


LOGITS = eqx.filter_jit(Network.prefix_logits)
STEP = eqx.filter_jit(Network.step)


def wrong(network: Network, machine: Machine, string: np.ndarray) -> int:
    """Determined symbols that the network itself does not predict along a string."""
    best = np.asarray(LOGITS(network, jnp.asarray(string)[:, None])[:, 0]).argmax(axis=1)
    legal = [machine.legal[state] for state in machine.state_numbers(machine.run(string))]
    pairs = zip(best.tolist(), legal, strict=True)
    return sum(len(symbols) == 1 and symbols[0] != guess for guess, symbols in pairs)


@pytest.mark.parametrize(("controller", "seed"), [("lstm-5", 0), ("elman-5", 1), ("gru-5", 0)])
def test_a_table_is_the_network(controller: str, seed: int) -> None:
    """Hidden states bit for bit, tops and predictions, of networks drawn at random."""
    machine = machine_of("count-3")
    network = build(machine, f"{controller}:discrete+jm-2.3:hard", seed)
    # Larger weights than those of a fresh network, so that states and stacks move.
    network = jax.tree.map(lambda leaf: 20 * leaf if eqx.is_inexact_array(leaf) else leaf, network)
    table, string = Table(network, "float32"), np.random.default_rng(0).integers(0, 3, 80)
    walked = table.run(string.astype(np.int32))
    assert len(table.outputs) > 4 and np.ptp(walked.tops, axis=0).min() > 0
    state = network.init(1, len(string))
    for t, symbol in enumerate(string):
        reading = np.asarray(network.memory.read(state.memory))[0]
        bits = [walked.tops[t, 0] >> np.arange(2) & 1, walked.tops[t, 1] >> np.arange(3) & 1]
        np.testing.assert_array_equal(reading, np.concatenate(bits))
        state = STEP(network, state, jnp.array([symbol], jnp.int32))
        own = np.concatenate([np.asarray(vector)[0] for vector in state.controller])
        np.testing.assert_array_equal(table.state(int(walked.codes[t + 1])), own)
    logits = eqx.filter_jit(Network.prefix_logits)(network, jnp.asarray(string)[:, None])[:, 0]
    found = [table.outputs[code] for code in walked.codes]
    assert [each.best for each in found] == np.asarray(logits).argmax(axis=1).tolist()
    expected = np.asarray(logits - jnp.log(jnp.sum(jnp.exp(logits), axis=1, keepdims=True)))
    np.testing.assert_allclose([each.log_probabilities for each in found], expected, atol=1e-5)


def test_what_is_not_discrete_is_refused() -> None:
    machine = machine_of("count-3")
    for model in ("lstm-4+jm-2:hard", "lstm-4:discrete+jm-2", "lstm-4:discrete+rns-1-2"):
        with pytest.raises(MemrnnError, match="Only a discrete network is a finite machine"):
            Table(build(machine, model), "float32")


@pytest.mark.parametrize("name", FIVE)
def test_a_golden_network_is_proved(name: str) -> None:
    machine = machine_of(name)
    found = compare(Table(golden(machine), "float32"), machine)
    assert found.answer == "proved"
    assert found.most_illegal < 1e-5 < found.least_legal
    assert found.codes == len(machine.moves) + 1


@pytest.mark.parametrize("name", ["count-3", "marked-reversal"])
def test_flipped_weights(name: str) -> None:
    """The sign of one weight at a time: what is proved has no error, and what is refuted has it."""
    machine = machine_of(name)
    network, rng = golden(machine), np.random.default_rng(1)
    tested = [string for length in (5, 6, 9, 30) for string in strings(machine, length, 3)]
    answers = {"proved": 0, "refuted": 0, "open": 0}
    for part, field in (("memory", "weight_actions"), ("controller", "weight_input")):
        weight = getattr(getattr(network, part), field)
        used = np.argwhere(np.asarray(weight))
        for row, column in used[rng.permutation(len(used))[:6]]:
            flipped = eqx.tree_at(
                lambda n, part=part, field=field: getattr(getattr(n, part), field),
                network,
                weight.at[row, column].multiply(-1),
            )
            found = compare(Table(flipped, "float32"), machine)
            answers[found.answer] += 1
            errors = sum(wrong(flipped, machine, string) for string in tested)
            if found.answer == "refuted":
                assert wrong(flipped, machine, np.array(found.prefix, np.int32)) > 0
            elif found.answer == "proved":
                assert errors == 0
    # Push and pop rows of every rule that acts are needed, and most inputs.
    assert answers["refuted"] >= 6 and answers["open"] <= 2, answers


def test_stacks_that_move_at_other_times() -> None:
    """A machine that counts on two stacks at once is not proved equal to one that does not."""
    one, empty = {"top": {"x": "1"}, "pop": "x"}, {"x": EMPTY}
    rules = (
        rule("S", "a", "A1"),
        rule("A1 A", "a", "A", push={"x": "1", "y": "1"}),
        rule("A1 A B", "b", "B", **one),
        rule("A1 A B", "b", "X", top=empty),
        rule("X C", "c", "C", top={"y": "1"}, pop="y"),
        rule("X C", "c", "E", top={"y": EMPTY}),
        rule("S E", END),
    )
    machine = Machine("two-counts", ("a", "b", "c"), {"x": ("1",), "y": ("1",)}, "S", rules)
    table = Table(golden(machine), "float32")
    assert compare(table, machine).answer == "proved"
    found = compare(table, machine_of("count-3"))
    assert (found.answer, found.prefix) == ("open", ())


def counting(period: int) -> Machine:
    """count-3 with states that turn in a circle of `period` while a are read."""
    one, empty = {"top": {"x": "1"}, "pop": "x"}, {"x": EMPTY}
    turning, both = [f"A{n}" for n in range(period)], {"x": "1", "y": "1"}
    after = dict(zip(turning, [*turning[1:], turning[0]], strict=True))
    rules = [rule("S", "a", turning[0], push=both)]
    rules += [rule(state, "a", after[state], push=both) for state in turning]
    rules += [rule(state, "b", "B", **one) for state in (*turning, "B")]
    rules += [rule("B", "c", "C", top={**empty, "y": "1"}, pop="y")]
    rules += [rule("C", "c", "C", top={"y": "1"}, pop="y"), rule("C", END, top={"y": EMPTY})]
    return Machine("turning", ("a", "b", "c"), {"x": ("1",), "y": ("1",)}, "S", tuple(rules))


@pytest.mark.parametrize("period", [1, 2, 5])
def test_codes_repeat_along_blocks_that_grow(period: int) -> None:
    strings = [np.repeat(np.arange(3, dtype=np.int32), n) for n in range(1, 41)]
    found = pumping(Table(golden(counting(period)), "float32"), strings)
    assert found is not None and (found.period, found.last) == (period, 40 - period)
    assert found.first <= period + 2
    assert pumping(Table(golden(counting(25)), "float32"), strings) is None


def test_the_shortest_strings_can_be_left_out() -> None:
    """With a network that is wrong after # alone, the reversal of no symbol."""
    machine = machine_of("marked-reversal")
    wrong_at_empty = Machine(
        "other",
        machine.symbols,
        machine.stacks,
        machine.start,
        tuple(
            rule("P", "#", "M0", top={"w": EMPTY}) if each.target == "E" and "P" in each.sources
            else each
            for each in machine.rules
        ),
    )  # fmt: skip
    table = Table(golden(wrong_at_empty), "float32")
    refuted = compare(table, machine)
    assert (refuted.answer, refuted.prefix) == ("refuted", (2,))
    assert compare(table, machine, shortest=2).answer == "proved"


def test_symbols_must_agree() -> None:
    with pytest.raises(MemrnnError, match="dyck has 4 symbols, and the network 3"):
        compare(Table(golden(machine_of("count-3")), "float32"), machine_of("dyck"))


def test_a_million_symbols_take_seconds() -> None:
    table = Table(golden(machine_of("count-3")), "float32")
    walked = table.run(np.repeat(np.arange(3, dtype=np.int32), 333_333))
    assert len(table.steps) == 9 and len(np.unique(walked.codes)) == 7
    assert table.outputs[walked.codes[-1]].best == 3
