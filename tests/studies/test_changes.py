"""A study that is run again after its file has changed."""

from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine
from small_studies import content, small_study

from memrnn import MemrnnError
from memrnn.studies import load_results, plan, run_study


def test_a_study_that_grows_is_added_to(tmp_path: Path) -> None:
    notices: list[str] = []
    run_study(small_study(models=["lstm-4"]), tmp_path, ScriptedEngine(), notice=notices.append)
    assert notices == []
    grown = small_study(
        strings={"length_bins": ["3:9", "12:21"]}, precisions=["float32", "float64"]
    )
    assert run_study(grown, tmp_path, ScriptedEngine(), notice=notices.append) == {"done": 4}
    assert "grown by 2 runs" in notices[0]
    assert "other evaluations" in notices[1]
    results = load_results(tmp_path)
    for run in results.runs:
        assert list(run.scores) == ["float32", "float64"]
        assert all(list(sets) == ["3:9", "12:21"] for sets in run.scores.values())
    assert {run.epochs for run in results.runs} == {3}
    # What has left the study stays in the ledger, but in no result.
    run_study(small_study(models=["jm-3"]), tmp_path, ScriptedEngine(), notice=notices.append)
    assert "2 runs of the ledger are not in the study any more" in notices[2]
    assert len(load_results(tmp_path).runs) == 2
    assert len(content(tmp_path)["runs"]) == 4


def test_another_configuration_is_another_study(undisturbed: Path) -> None:
    before = content(undisturbed)
    for changes, complaint in (
        ({"config": {"lr_patience": 9}}, r"config\.lr_patience is 5 in its ledger and 9 now"),
        ({"seed": 4}, "seed is 0 in its ledger and 4 now"),
        ({"strings": {"batches": 9}}, r"strings\.batches is 5 in its ledger and 9 now"),
        ({"config": {"max_epochs": 2}}, "max_epochs is 3 in the ledger .* may only grow"),
    ):
        with pytest.raises(MemrnnError, match=complaint):
            run_study(small_study(**changes), undisturbed, ScriptedEngine())
    assert content(undisturbed) == before


def test_more_epochs_are_trained_where_they_were_wanted(tmp_path: Path) -> None:
    """What stopped early, diverged or was never trained stays; the rest goes on."""
    config = {"early_stopping_patience": 1, "learning_rate_range": "0.03:3", "max_epochs": 4}
    study = small_study(restarts=8, models=["lstm-4"], config=config)
    longer = small_study(restarts=8, models=["lstm-4"], config=config | {"max_epochs": 9})
    assert [run.id for job in plan(study) for run in job] == [
        run.id for job in plan(longer) for run in job
    ]
    run_study(study, tmp_path / "grown", ScriptedEngine())
    before = {run.id: run for run in load_results(tmp_path / "grown").runs}
    stopped = {one.id for one in before.values() if one.epochs - (one.best_epoch or 0) >= 1}
    assert 0 < len(stopped) < 8, "the test needs both kinds"
    notices: list[str] = []
    engine = ScriptedEngine()
    run_study(longer, tmp_path / "grown", engine, notice=notices.append)
    assert "max_epochs has grown from 4 to 9" in notices[0]
    assert {run.id for job, _ in engine.jobs for run in job.runs} == before.keys() - stopped
    run_study(longer, tmp_path / "at once", ScriptedEngine())
    assert content(tmp_path / "grown") == content(tmp_path / "at once")
