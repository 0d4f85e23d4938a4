"""Machines of one's own: TOML files, Python, and the languages that they are."""

from pathlib import Path

import numpy as np
import pytest
from machine_cases import ANBN

from memrnn import Strings, get_language
from memrnn.automata import (
    MACHINES,
    Machine,
    machine_of,
    parse_machine,
    read_machine,
    register_machine,
    write_machine,
)
from memrnn.errors import MemrnnError
from memrnn.identity import language_identity
from memrnn.runtime.imports import copy_imports, import_files
from memrnn.tasks import BAYES


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "test-anbn.toml"
    path.write_text(ANBN)
    return path


def test_a_file_is_a_language(file: Path) -> None:
    import_files([str(file)])
    language = get_language("test-anbn")
    assert machine_of("test-anbn") == read_machine(file)
    assert [n for n in range(12) if language.valid(n)] == [0, 2, 4, 6, 8, 10]
    assert language.decode(language.sample(8, 1, np.random.default_rng(0))[0]) == "aaaabbbb"
    assert language.contains(language.encode("aabb"))
    assert not language.contains(language.encode("aab"))
    determined = language.determined(np.array([[0, 0, 1, 1], [0, 1, 0, 0]], np.int32))
    assert determined.tolist() == [[False] * 3 + [True] * 2, [False, False, True, False, False]]
    legal = language.legal(np.array([[0, 1, 0]], np.int32))
    assert legal is not None
    # a or the end; a or b; the end; and nothing, since the machine is dead.
    assert legal.astype(int).tolist() == [[[1, 0, 1], [1, 1, 0], [0, 0, 1], [0, 0, 0]]]
    counts = language.transition_counts(6)
    expected = np.array([[2, 1, 0], [0, 2, 1], [1, 0, 0]])  # end-of-string last
    np.testing.assert_allclose(counts, expected, atol=1e-12)
    with pytest.raises(MemrnnError, match="no string of test-anbn of length 3"):
        language.sample(3, 1, np.random.default_rng(0))
    with pytest.raises(MemrnnError, match="drawn by walks without probabilities"):
        language.entropy(4)


def test_a_task_over_a_machine_has_baselines_and_no_bayes(file: Path) -> None:
    import_files([str(file)])
    task = Strings("test-anbn", (2, 8), length_bins=((10, 14),), samples_per_length=2)
    assert BAYES not in task.references("10:14")
    assert task.references("10:14")["bigram"]["accuracy"][0].shape == (6,)
    assert task.validation_reference(0) == {}


def test_the_identity_is_that_of_the_machine(file: Path, tmp_path: Path) -> None:
    import_files([str(file)])
    identity = language_identity("test-anbn")
    copies = copy_imports([str(file)], tmp_path / "out")
    assert copies == ("imports/test-anbn/test-anbn.toml",)
    import_files([str(tmp_path / "out" / copies[0])])  # the same machine again
    file.write_text(ANBN.replace("# a^n b^n", ""))
    import_files([str(file)])
    assert language_identity("test-anbn") == identity
    file.write_text(ANBN.replace('{from = "S E", read = "end"}', '{from = "E", read = "end"}'))
    with pytest.raises(MemrnnError, match="a language named test-anbn already"):
        import_files([str(file)])
    with pytest.raises(MemrnnError, match="differs from"):
        copy_imports([str(file)], tmp_path / "out")


def test_a_machine_whose_states_do_not_tell_is_prefetched() -> None:
    declared = {
        "name": "test-brackets",
        "symbols": "( )",
        "stacks": {"open": "x"},
        "start": "Q",
        "rules": [
            {"from": "Q", "read": "(", "to": "Q", "push": {"open": "x"}},
            {"from": "Q", "read": ")", "to": "Q", "top": {"open": "x"}, "pop": "open"},
            {"from": "Q", "read": "end", "top": {"open": "empty"}},
        ],
    }
    machine = register_machine(parse_machine(declared))
    assert machine.states == ("Q[]", "Q[x]")
    assert machine_of("test-brackets") == machine


@pytest.mark.parametrize("name", MACHINES)
def test_files_hold_all_machines(name: str, tmp_path: Path) -> None:
    machine: Machine = MACHINES[name]()
    write_machine(machine, tmp_path / "machine.toml")
    assert read_machine(tmp_path / "machine.toml") == machine


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('start = "S"', "", "A machine needs a value for start"),
        ('start = "S"', "start = 3", "start must be a text, not 3"),
        ('from = "S", read', 'form = "S", read', "Rule 1 has no key 'form'; its keys are from"),
        ('read = "a", to = "A"}', 'read = 1, to = "A"}', "read of rule 1 must be a text or a list"),
        ('push = {count = "1"}', 'push = "count"', "push of rule 2 must be a table"),
        ('symbols = "a b"', "symbols = ", "is not TOML"),
        ('to = "B"', 'to = "B", push = {other = "1"}', "names the stack 'other'; there is count"),
    ],
)
def test_what_is_no_machine_is_refused(file: Path, old: str, new: str, message: str) -> None:
    file.write_text(ANBN.replace(old, new, 1))
    with pytest.raises(MemrnnError, match=message):
        read_machine(file)
