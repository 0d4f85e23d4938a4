"""Networks that are constructed from machines: the numbers of hand, exactness, refusals."""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from memrnn import Network, OneHot, get_language, get_model
from memrnn.automata import EMPTY, END, Machine, machine_of, rule, walk
from memrnn.errors import MemrnnError
from memrnn.runtime.precision import cast, scope
from memrnn.stability import (
    Gates,
    compile_machine,
    next_probabilities,
    smallest_model,
    verify_hidden,
    verify_string,
    verify_transitions,
)

FIVE = ("count-3", "marked-reversal", "marked-reverse-and-copy", "count-and-copy", "dyck")
TAU = math.tanh(1)


def golden(machine: Machine, model: str | None = None, *arguments: object) -> Network:
    fresh = get_model(model or smallest_model(machine)).build(
        OneHot(len(machine.symbols)), len(machine.symbols) + 1, seed=0
    )
    return compile_machine(machine, fresh, *arguments)  # type: ignore[arg-type]


# One program instead of one for each operation.
hidden_states = eqx.filter_jit(Network.hidden)
prefix_logits = eqx.filter_jit(Network.prefix_logits)


def predictions(network: Network, string: np.ndarray) -> np.ndarray:
    """Log probabilities after every prefix."""
    logits = prefix_logits(network, jnp.asarray(string)[:, None])[:, 0]
    return np.asarray(jax.nn.log_softmax(logits))


def nats(network: Network, string: np.ndarray) -> np.ndarray:
    targets = np.append(string, network.embedding.symbols)
    return -predictions(network, string)[np.arange(len(targets)), targets]


# Computed once with an independent prototype: the rules that fire, and the total of nats.
BY_HAND = {
    ("marked-reversal", "011#110"): ([0, 1, 1, 3, 8, 7, 9], 5.229053),
    ("count-3", "aaabbbccc"): ([0, 1, 1, 2, 2, 3, 4, 4, 5], 3.149611),
    ("count-and-copy", "011###011"): ([0, 3, 3, 5, 5, 6, 9, 11, 13], 5.229053),
    ("marked-reverse-and-copy", "011#110#011"): (
        [0, 1, 1, 3, 8, 7, 9, 11, 15, 17, 19],
        5.229053,
    ),
    ("dyck", "([])[()]"): ([0, 3, 8, 10, 1, 4, 7, 11], 17.956420),
}


@pytest.mark.parametrize(("name", "text"), BY_HAND)
def test_numbers_by_hand(name: str, text: str) -> None:
    machine, string = machine_of(name), get_language(name).encode(text)
    network = golden(machine)
    rules, total = BY_HAND[name, text]
    hidden = np.asarray(hidden_states(network, jnp.asarray(string)[:, None])[0])[:, 0]
    expected = np.zeros_like(hidden)
    expected[np.arange(len(string)), rules] = expected[:, len(machine.moves)] = np.float32(TAU)
    np.testing.assert_array_equal(hidden, expected)
    assert nats(network, string).sum() == pytest.approx(total, abs=2e-6)


def test_every_number_of_marked_reversal() -> None:
    machine, language = machine_of("marked-reversal"), get_language("marked-reversal")
    network = golden(machine)
    found = nats(network, language.encode("011#110"))
    np.testing.assert_allclose(found[:4], [0.744440] * 3 + [2.995732], atol=1e-6)
    assert (found[4:] == 0).all()
    controller, unit = network.controller, 7  # M1, symbol 1, top 0
    assert controller.weight_input[unit].tolist() == [0, 256, 0, 256, 0]  # type: ignore[attr-defined]
    assert controller.bias_input[unit] == -640  # type: ignore[attr-defined]
    recurrent = np.asarray(controller.weight_hidden[unit])  # type: ignore[attr-defined]
    assert np.flatnonzero(recurrent).tolist() == [3, 6, 8]
    np.testing.assert_allclose(recurrent[[3, 6, 8]], 336.13702, rtol=1e-7)
    for dead in ("01#0", "#0", "0##"):
        string = jnp.asarray(language.encode(dead))[:, None]
        assert (np.flatnonzero(hidden_states(network, string)[0][-1, 0]) == [11]).all()
        assert (prefix_logits(network, string)[-1] == 0).all()


def test_probabilities_of_ones_own() -> None:
    """With the probability of a phase's end on an opening bracket inside ( ) pairs."""
    machine = machine_of("dyck")
    given = next_probabilities(machine)
    assert given["T0"] == {"(": 0.475, "[": 0.475, ")": 0.05}
    given["T0"] = {"(": 0.475, ")": 0.475, "[": 0.05}
    string = get_language("dyck").encode("([])[()]")
    assert nats(golden(machine, None, None, given), string).sum() == pytest.approx(
        15.705131, abs=2e-6
    )


@pytest.mark.parametrize("name", FIVE)
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_every_transition_is_exact(name: str, precision: str) -> None:
    machine = machine_of(name)
    check = verify_transitions(machine, golden(machine), precision)
    tops = math.prod(size + 1 for size in machine.stack_sizes)
    assert check.steps == (len(machine.moves) + 2) * len(machine.symbols) * tops
    assert (check.inexact, check.wrong, check.determined_nats) == (0, 0, 0)
    assert check.illegal_mass < 2e-17


def test_float64_needs_larger_gates() -> None:
    machine = machine_of("marked-reversal")
    float32 = golden(machine)
    with scope("float64"):
        network = cast(float32, "float64")
        assert verify_transitions(machine, network, "float64").inexact > 0
        exact = compile_machine(machine, network)
        check = verify_transitions(machine, exact, "float64")
        assert (check.inexact, check.wrong, check.determined_nats) == (0, 0, 0)


@pytest.mark.parametrize("name", ["marked-reverse-and-copy", "dyck"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_strings_are_exact_step_by_step_and_cell_by_cell(name: str, precision: str) -> None:
    machine = machine_of(name)
    network, length = golden(machine), 400
    string = walk(machine, length, np.random.default_rng(0), exact=False)
    assert string is not None
    for dense in (False, True):
        check = verify_string(machine, network, string, precision, dense=dense)
        assert (check.steps, check.inexact, check.wrong) == (len(string), 0, 0)
        assert check.determined == (
            0 if name == "dyck" else pytest.approx(len(string) * 2 / 3, abs=3)
        )


def test_checks_find_a_wrong_prediction_before_the_first_symbol() -> None:
    """Of a network that predicts the end there, and as before after every step."""
    machine = machine_of("marked-reversal")
    network, clock = golden(machine), len(machine.moves)
    more = jnp.array([0, 0, 0, 60.0], jnp.float32)  # of the end
    column = network.output.weight[:, clock] - more / np.float32(np.tanh(1))
    network = eqx.tree_at(
        lambda n: (n.output.bias, n.output.weight),
        network,
        (network.output.bias + more, network.output.weight.at[:, clock].set(column)),
    )
    string = walk(machine, 101, np.random.default_rng(0))
    assert string is not None
    for check in (
        verify_transitions(machine, network, "float32"),
        verify_string(machine, network, string, "float32"),
        verify_hidden(machine, network, string, "float32"),
    ):
        assert (check.inexact, check.wrong) == (0, 1) and check.illegal_mass > 0.99


def test_checks_find_what_is_not_exact() -> None:
    """Small gates, a changed weight and another machine are found by each check."""
    machine = machine_of("marked-reversal")
    string = walk(machine, 201, np.random.default_rng(0))
    assert string is not None
    right = golden(machine)

    def changed(where: Callable[[Network], jax.Array], value: float) -> Network:
        return eqx.tree_at(where, right, replace_fn=lambda leaf: leaf.at[0].add(value))

    others = {
        "gates": golden(machine, None, Gates(6.0, 6.0)),
        "pushed": changed(lambda n: n.memory.bias_push, 120.0),
        "output": changed(lambda n: n.output.bias, 100.0),
        "gate": changed(lambda n: n.controller.bias_input, 200.0),
    }
    for name, network in others.items():
        transitions = verify_transitions(machine, network, "float32")
        along = verify_string(machine, network, string, "float32")
        cells = verify_string(machine, network, string, "float32", dense=True)
        for check in (transitions, along, cells):
            assert check.wrong > 0 if name == "output" else check.inexact > 0
    assert verify_string(machine, others["gates"], string, "float32", dense=True).inexact > 150


def test_leaks_end_a_stack_at_a_known_length() -> None:
    """Horizon of e^D steps without rounding to the next cell (marked reversal, float64)."""
    machine = machine_of("marked-reversal")
    length = 401
    string = walk(machine, length, np.random.default_rng(0))
    assert string is not None
    with scope("float64"):
        float64 = cast(golden(machine), "float64")
        wrong = [
            verify_string(
                machine,
                compile_machine(machine, float64, Gates(d, d)),
                string,
                "float64",
                dense=True,
            ).wrong
            for d in (5.0, 8.0)
        ]
    assert wrong[0] > 50 and wrong[1] == 0


def test_a_larger_model_holds_a_machine_with_units_and_stacks_to_spare() -> None:
    for name in ("count-3", "marked-reversal", "dyck", "count-and-copy"):
        machine = machine_of(name)
        network = golden(machine, "lstm-20+jm-3.3.3")
        assert verify_transitions(machine, network, "float32").inexact == 0
    string = walk(machine, 90, np.random.default_rng(0), exact=False)
    assert string is not None
    check = verify_string(machine, network, string, "float32", dense=True)
    assert (check.inexact, check.wrong) == (0, 0)
    with pytest.raises(MemrnnError, match="needs 21 hidden units, one per rule and a clock; the"):
        golden(machine_of("marked-reverse-and-copy"), "jm-3.3.3")


def test_machines_without_stacks_and_with_sets_of_every_kind() -> None:
    cycle = Machine(
        "cycle",
        ("a", "b"),
        {},
        "S",
        (rule("S B", "a", "A"), rule("A", "a b", "B"), rule("S B", END)),
    )
    assert smallest_model(cycle) == "lstm-3"
    assert verify_transitions(cycle, golden(cycle), "float32").inexact == 0
    string = np.array([0, 1, 0, 0, 0, 1], np.int32)
    check = verify_string(cycle, golden(cycle), string, "float32", dense=True)
    assert (check.inexact, check.wrong) == (0, 0)
    # Tops in a set with and without the empty stack, states and symbols in sets, a push on any top.
    odd = Machine(
        "odd",
        ("a", "b", "c"),
        {"s": ("x", "y", "z"), "t": ("u",)},
        "S",
        (
            rule("S", "a b", "S", top={"s": ("x", EMPTY)}, push={"s": "y", "t": "u"}),
            rule("S", "a", "S", top={"s": ("y", "z")}, push={"s": "x"}, pop="t"),
            rule("S T", "c", "T", top={"s": ("x", "y"), "t": ("u",)}, pop="s"),
            rule("S T", "c", "T", top={"s": ("x", "y"), "t": (EMPTY,)}, push={"s": "z"}),
            rule("S T", END),
        ),
    )
    network = golden(odd)
    assert verify_transitions(odd, network, "bfloat16").inexact == 0
    string = np.random.default_rng(0).choice([0, 2], size=60).astype(np.int32)
    assert verify_string(odd, network, string, "float32", dense=True).inexact == 0


def test_a_nondeterministic_stack_is_cleared_by_the_controller_at_each_step() -> None:
    machine = machine_of("marked-reversal")
    network = golden(machine, smallest_model(machine, "rns"))
    assert smallest_model(machine, "rns") == "lstm-12+rns-1-3"
    string = walk(machine, 81, np.random.default_rng(0))
    assert string is not None
    check = verify_hidden(machine, network, string, "float32")
    assert (check.inexact, check.wrong, check.determined_nats) == (0, 0, 0)
    loose = golden(machine, "lstm-12+rns-1-3", Gates(128.0, 1.0))
    assert verify_hidden(machine, loose, string, "float32").inexact > 0
    with pytest.raises(MemrnnError, match="Steps are checked of superposition stacks"):
        verify_transitions(machine, network, "float32")
    with pytest.raises(MemrnnError, match="count-3 has 2 stacks; a nondeterministic stack serves"):
        smallest_model(machine_of("count-3"), "rns")


def test_refusals() -> None:
    machine = machine_of("count-3")
    for model in ("lstm-20", "gru+jm-1.1", "jm-1", "jm-hidden", "strat-3"):
        with pytest.raises(MemrnnError, match=r"no stacks for count-3|compiled into an LSTM"):
            golden(machine, model)
    with pytest.raises(MemrnnError, match=r"gate 0\.0 and gap 1\.0 must be positive"):
        golden(machine, None, Gates(0.0, 1.0))
    with pytest.raises(MemrnnError, match=r"stop is 1\.0, but must lie between 0 and 1"):
        next_probabilities(machine, 1.0)


def test_every_parameter_is_set() -> None:
    """Two random starts end in the same network."""
    machine = machine_of("count-3")
    built = [get_model("jm-3.3.3").build(OneHot(3), 4, seed=seed) for seed in (0, 1)]
    first, second = (jax.tree.leaves(compile_machine(machine, fresh)) for fresh in built)
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
