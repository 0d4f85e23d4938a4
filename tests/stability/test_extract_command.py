"""`memrnn extract`: what it prints and writes, and what it refuses."""

import itertools
import json
from pathlib import Path

import equinox as eqx
import numpy as np
import pytest

from command_line import run
from discrete_networks import golden
from memrnn import load_run
from memrnn.automata import Machine, machine_of, machines_of, read_machine, walk
from memrnn.stability import Table, extracted, visit
from memrnn.tasks import make_task
from memrnn.training import save_constructed

TASK = {"language": "count-3", "train_lengths": (3, 12), "length_bins": ((3, 12),)}
MODEL = "lstm-7:discrete+jm-1.1:hard"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "count-3"
    network = golden(machine_of("count-3"))
    task = make_task("strings", TASK)
    save_constructed(network, task, MODEL, out, by="a test", source="count-3")
    return out


def test_a_network_that_is_proved(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "machine.toml"
    status, printed, error = run(
        capsys, "extract", str(folder), "--longest", "999", "--out", str(out)
    )
    assert status == 0 and max(map(len, printed.splitlines())) <= 80
    assert "proved for strings of" in printed
    assert "extracted machine: 5 states, 9 rules" in error
    assert ">q3<" in out.with_suffix(".svg").read_text()
    # The file is a machine like any other, with the same language.
    machine, string = read_machine(out), walk(machine_of("count-3"), 300, np.random.default_rng(0))
    assert string is not None and machine.accepts(string) and not machine.accepts(string[:-1])
    status, printed, _ = run(
        capsys, "golden", str(out), "--out", str(tmp_path / "again"), "--train-lengths", "3:12",
        "--length-bins", "3:12", "--verify", "60", "--dense", "0", "--precisions", "float32",
        "--json",
    )  # fmt: skip
    assert status == 0 and all(check["inexact"] == 0 for check in json.loads(printed)["checks"])


def test_a_search_that_has_no_time_is_open(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "machine.toml"
    options = ("--longest", "0", "--prove-for", "0.000001s", "--out", str(out))
    status, printed, _ = run(capsys, "extract", str(folder), *options)
    assert status == 1 and "not proved" in printed and "more is given by --prove-for" in printed
    assert read_machine(out).states
    status, printed, _ = run(capsys, "extract", str(folder), *options, "--json")
    assert status == 1 and json.loads(printed)["proof"]["out_of_time"]


def test_a_network_with_one_flipped_weight_fails(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = load_run(folder).restarts[0].network
    weights = network.memory.weight_actions  # type: ignore[attr-defined]
    row, unit = np.argwhere(np.asarray(weights))[0]
    flipped = eqx.tree_at(
        lambda n: n.memory.weight_actions, network, weights.at[row, unit].multiply(-1)
    )
    out, task = tmp_path / "flipped", make_task("strings", TASK)
    save_constructed(flipped, task, MODEL, out, by="a test", source="count-3")
    status, printed, _ = run(capsys, "extract", str(out), "--longest", "0", "--json")
    found = json.loads(printed)
    assert (status, found["proof"]["answer"]) == (1, "refuted")
    assert found["proof"]["prefix"].startswith("a") and found["proof"]["least_legal"] is None
    assert [row["lengths"] for row in found["strings"]] == ["1x", "10x", "100x"]
    assert all(row["wrong"] > 0 for row in found["strings"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "machine.svg"), "machine.svg is no file for a machine; its suffix must be"),
        (("--restart", "7"), "There is no restart 7"),
        (("--precision", "float8"), "There is no precision 'float8'"),
        (("--machine", "nothing.toml"), "nothing.toml: No such file"),
    ],
)
def test_refusals(
    arguments: tuple[str, ...], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, error = run(capsys, "extract", str(folder), *arguments)
    assert status == 2 and message in error


def test_machines_of_one_language_agree() -> None:
    """On all strings with up to seven symbols: the variants against the first."""
    first, *others = machines_of("count-3")
    assert len(others) == 1
    for length in range(8):
        for symbols in itertools.product(range(3), repeat=length):
            string = np.array(symbols, np.int32)
            expected = [first.legal[s] if s >= 0 else () for s in states(first, string)]
            for other in others:
                found = [other.legal[s] if s >= 0 else () for s in states(other, string)]
                assert [set(legal) for legal in found] == [set(legal) for legal in expected]


def states(machine: Machine, string: np.ndarray) -> list[int]:
    return machine.state_numbers(machine.run(string)).tolist()


def test_an_extracted_machine_does_what_the_network_does() -> None:
    """Two codes of one state are merged: the golden network of a machine with a state too many."""
    machine = machine_of("marked-reversal")
    table = Table(golden(machine), "float32")
    rng = np.random.default_rng(0)
    strings = [walk(machine, length, rng, exact=False) for length in range(3, 30)]
    strings = [string for string in strings if string is not None]
    made = extracted(table, machine, strings, "made")
    assert all(made.accepts(string) for string in strings)
    assert len(made.states) <= 5 and [*made.stacks] == ["stack1"]
    found = visit(table, machine, strings)
    assert (found.wrong, found.strings) == (0, len(strings))
    assert found.symbols == sum(map(len, strings)) and 0 < found.determined < found.symbols
