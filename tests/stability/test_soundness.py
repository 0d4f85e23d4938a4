"""Networks that are wrong in ways that a proof could overlook."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from discrete_networks import build
from memrnn import Network
from memrnn.automata import END, Machine, check_machine, machine_of, rule
from memrnn.errors import MemrnnError
from memrnn.stability import Table, compare, compile_machine, next_probabilities

AB = Machine(
    "(ab)*", ("a", "b"), {}, "S", (rule("S", "a", "A"), rule("A", "b", "S"), rule("S", END))
)


def best(network: Network, string: list[int]) -> list[int]:
    logits = eqx.filter_jit(Network.prefix_logits)(network, jnp.array(string, jnp.int32)[:, None])
    return np.asarray(logits)[:, 0].argmax(axis=1).tolist()


def one_unit(**parameters: Any) -> Network:
    """An Elman network of one unit with one stack, its parameters by component and name."""
    network = build(AB, "elman-1:discrete+jm-1:hard")

    def leaves(network: Network) -> list[Any]:
        names = [name.split("__") for name in parameters]
        return [getattr(getattr(network, part), name) for part, name in names]

    values = [jnp.array(value, jnp.float32) for value in parameters.values()]
    return eqx.tree_at(leaves, network, values)


UNTRAINED = {
    "controller__weight_hidden": [[0]],
    "controller__bias_hidden": [0],
    "memory__bias_actions": [10, 0, 1],
    "memory__weight_push": [[0]],
    "memory__bias_push": [1],
    "output__weight": [[0], [5], [0]],
    "output__bias": [0, 0, 0],
}


def test_a_return_to_the_first_state_acts_on_the_stacks() -> None:
    """The first state did nothing to them; after a step the same state pushes."""
    network = one_unit(
        controller__weight_input=[[5, 0, -10]],
        controller__bias_input=[0],
        memory__weight_actions=[[-20], [0], [0]],
        **UNTRAINED,
    )
    assert best(network, [0, 1, 0])[-1] != 1
    table = Table(network, "float32")
    assert table.run(np.array([0, 1], np.int32)).codes[-1] != 0
    found = compare(table, AB)
    assert (found.answer, found.prefix) == ("refuted", (0, 1, 0))


def test_a_step_that_depends_on_the_order_of_a_sum_is_refused() -> None:
    large = 2.0**24
    network = one_unit(
        controller__weight_input=[[large, 0, -0.5]],
        controller__bias_input=[1 - large],
        memory__weight_actions=[[0], [0], [0]],
        **UNTRAINED,
    )
    with pytest.raises(MemrnnError, match="depends on the order of a sum"):
        compare(Table(network, "float32"), AB)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_an_action_that_overflows_is_refused() -> None:
    machine = machine_of("count-3")
    network = compile_machine(machine, build(machine, "lstm-7:discrete+jm-1.1.1:hard"))
    biases = network.memory.bias_actions  # type: ignore[attr-defined]
    changed = biases.at[8].set(1e5)  # the no-op of a stack that is not used; finite in float32
    network = eqx.tree_at(lambda n: n.memory.bias_actions, network, changed)
    assert compare(Table(network, "float32"), machine).answer == "proved"
    with pytest.raises(MemrnnError, match="to its stack 3 is not finite"):
        compare(Table(network, "float16"), machine)


def test_vectors_that_no_number_holds_are_refused() -> None:
    machine = machine_of("marked-reversal")
    network = compile_machine(machine, build(machine, "lstm-12:discrete+jm-32:hard"))
    with pytest.raises(MemrnnError, match="vectors of 32 numbers, but a table at most of 31"):
        Table(network, "float32")


def test_a_machine_whose_states_do_not_tell_the_legal_symbols_proves_nothing() -> None:
    """It differs from its states after more symbols than `check_machine` looks at."""
    digits, last = [str(digit) for digit in range(6)], 8
    rules = [rule(f"P{n}", d, f"P{n + 1}", push={"w": d}) for n in range(last) for d in digits]
    rules += [rule(f"P{n}", "#", "E") for n in range(last)]
    rules += [rule(f"P{last}", "0", "E"), rule(f"P{last}", "#", "E", top={"w": "0"})]
    rules += [rule("E", END)]
    machine = Machine("eight", (*digits, "#"), {"w": tuple(digits)}, "P0", tuple(rules))
    check_machine(machine)
    probabilities = next_probabilities(machine, stop=0.05)
    probabilities[f"P{last}"] = {"#": 0.99, "0": 0.01}
    model = f"lstm-{len(machine.moves) + 1}:discrete+jm-6:hard"
    network = compile_machine(machine, build(machine, model), probabilities=probabilities)
    assert best(network, [1] * last)[-1] == 6 and not machine.accepts(np.array([1] * last + [6]))
    assert compare(Table(network, "float32"), machine).answer == "open"


def test_only_strings_that_are_too_short_are_left_out() -> None:
    """A network is wrong after six opening brackets, with which long strings begin, too."""
    machine = machine_of("dyck:k=1,depth=6")
    opened, closed = machine.symbols
    rules = [rule("Z", opened, "I1")]
    for state, first in (("I", "T"), ("T", "T")):
        one = {"open": "0"}
        rules += [rule(f"{state}{n}", opened, f"{state}{n + 1}", push=one) for n in range(1, 6)]
        popped = {"top": one, "pop": "open"}
        rules += [rule(f"{state}{n}", closed, f"{first}{n - 1}", **popped) for n in range(2, 7)]
        rules += [rule(f"{state}1", closed, "Z2")]
    rules += [rule("Z2", opened, "T1"), rule("Z Z2", END)]
    other = Machine("other", machine.symbols, machine.stacks, "Z", tuple(rules))
    probabilities = next_probabilities(other)
    probabilities["I6"] = {opened: 1.0}
    model = f"lstm-{len(other.moves) + 1}:discrete+jm-1:hard"
    network = compile_machine(other, build(other, model), probabilities=probabilities)
    found = compare(Table(network, "float32"), machine, shortest=200)
    assert (found.answer, found.prefix) == ("refuted", (0,) * 6)


def test_symbols_that_end_a_string_too_early_are_neither_legal_nor_illegal() -> None:
    """A network that hardly expects `c`, which is a string of one symbol."""
    rules = (rule("S", "c", "E"), rule("S A", "a", "A"), rule("A", "b", "E"), rule("E", END))
    machine = Machine("c|a*b", ("a", "b", "c"), {}, "S", rules)
    probabilities = next_probabilities(machine)
    probabilities["S"] = {"a": 0.999, "c": 0.001}
    probabilities["A"] = {"a": 0.5, "b": 0.5}
    network = build(machine, f"lstm-{len(machine.moves) + 1}:discrete+jm-1:hard")
    network = compile_machine(machine, network, probabilities=probabilities)
    # Units of a discrete network are 1 where the output weights are made for tanh(1).
    weight = network.output.weight * np.float32(np.tanh(1))
    table = Table(eqx.tree_at(lambda n: n.output.weight, network, weight), "float32")
    every, longer = compare(table, machine), compare(table, machine, shortest=2)
    assert every.answer == longer.answer == "proved"
    assert every.least_legal == pytest.approx(0.001, rel=1e-4)
    assert longer.least_legal == pytest.approx(0.5, rel=1e-4)
