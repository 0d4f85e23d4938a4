"""Folders that hold the best network of a run without what training it further needs."""

from pathlib import Path

import numpy as np
import pytest

from command_line import run
from memrnn import evaluate, load_run, train
from memrnn.errors import MemrnnError
from memrnn.training import Restart, keep_network, start_from
from small_experiments import leaves, small


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "trained"
    train(small(), out, restarts=2)
    return out


def test_the_kept_network_is_the_one_that_was_trained(trained: Path, tmp_path: Path) -> None:
    before = load_run(trained)
    for number in (None, 1, 0):  # a folder that holds another kept network is written anew
        out, one = tmp_path / "kept", before.restart(number)
        keep_network(trained, out, number, source="a study")
        kept = load_run(out)
        assert kept.experiment.identity() == before.experiment.identity()
        assert kept.best == 0 and kept.restarts[0].number == one.number
        for ours, theirs in zip(leaves(kept.restarts[0].network), leaves(one.network), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        progress = kept.restarts[0].progress
        assert (progress.status, progress.curve) == ("done", ())
        assert progress.best_epoch == one.progress.best_epoch
        assert (
            kept.origin.source == f"a study, restart {one.number}, epoch {progress.best_epoch} of 4"
        )
        assert start_from(out).digest == start_from(trained, one.number).digest
        (scores,) = [each for each in evaluate(before).runs if each.restart == one.number]
        assert evaluate(kept).runs[0].sets == scores.sets
        sizes = [
            sum(path.stat().st_size for path in folder.glob(f"restart-{one.number:03d}.*"))
            for folder in (out, trained)
        ]
        assert sizes[0] < 0.4 * sizes[1]


def test_it_is_not_trained_further(trained: Path, tmp_path: Path) -> None:
    keep_network(trained, tmp_path / "kept", 0)
    with pytest.raises(MemrnnError, match="holds a kept network; give another folder, and --start"):
        train(small(), tmp_path / "kept", restarts=1)
    experiment = load_run(tmp_path / "kept").experiment
    assert Restart(experiment, 0, tmp_path / "kept" / "restart-000.safetensors").finished


def test_a_folder_with_something_else_is_refused(trained: Path, tmp_path: Path) -> None:
    train(small("lstm-4"), tmp_path / "other", restarts=1)
    with pytest.raises(MemrnnError, match="holds another experiment"):
        keep_network(trained, tmp_path / "other")
    with pytest.raises(MemrnnError, match="There is no restart 7"):
        keep_network(trained, tmp_path / "kept", 7)
    keep_network(trained, tmp_path / "kept", 0)
    keep_network(tmp_path / "other", tmp_path / "kept")
    assert load_run(tmp_path / "kept").experiment.model == "lstm-4"


def test_commands_read_it(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "kept")
    keep_network(trained, out)
    for command in (("evaluate", out), ("curve", out), ("explain", out, "--string", "01#01")):
        status, printed, _ = run(capsys, *command)
        assert status == 0 and printed
