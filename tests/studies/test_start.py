"""Studies that start from networks which were constructed or trained before."""

from pathlib import Path

import pytest

from memrnn import Strings, get_model
from memrnn.errors import MemrnnError
from memrnn.studies import parse_study
from memrnn.training import Restart, load_run, save_constructed, start_from

TASK = Strings("marked-copy", train_lengths=(3, 9), length_bins=((3, 9),))
DECLARED = {
    "languages": ["marked-copy"],
    "models": ["lstm-20"],
    "freeze": ["none", "memory"],
    "strings": {"train_lengths": "3:9", "length_bins": ["3:9"]},
    "config": {"max_epochs": 0},
    "start": ["constructed"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    network = TASK.build(get_model("lstm"), 7)
    out = tmp_path / "constructed"
    save_constructed(network, TASK, "lstm", out, by="a test", source="a seed")
    return tmp_path


def test_every_cell_starts_from_the_run_of_its_task_and_model(folder: Path) -> None:
    run = load_run(folder / "constructed")
    assert (run.origin.kind, run.origin.by, run.origin.source) == (
        "constructed",
        "a test",
        "a seed",
    )
    start = start_from(folder / "constructed")
    cells = list(parse_study(DECLARED, folder).cells())
    assert [cell.start for cell in cells] == [start, start]
    for cell in cells:
        restart = Restart(cell, 1)
        assert restart.finished and restart.progress.curve == ()
        for name in ("weight_input", "bias_hidden"):
            ours, theirs = (
                getattr(network.controller, name)
                for network in (restart.network, run.restarts[0].network)
            )
            assert (ours == theirs).all()


def test_a_cell_without_a_start_is_refused(folder: Path) -> None:
    with pytest.raises(MemrnnError, match="start names no run of strings:marked-copy with gru"):
        parse_study(DECLARED | {"models": ["lstm", "gru"]}, folder)


def test_two_starts_of_one_cell_are_refused(folder: Path) -> None:
    with pytest.raises(MemrnnError, match="start names two runs of strings:marked-copy with lstm"):
        parse_study(DECLARED | {"start": ["constructed", "constructed"]}, folder)


def test_a_start_counts_in_the_identity(folder: Path) -> None:
    (cell, _), (other, _) = (
        list(parse_study(declared, folder).cells())
        for declared in (DECLARED, {**DECLARED, "start": []})
    )
    assert cell.identity() != other.identity()
