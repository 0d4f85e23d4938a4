"""A study that takes finished runs from the exported tables of another."""

import math
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from scripted_engine import ScriptedEngine
from small_studies import content, small_study

from memrnn.engines import WorkerLost
from memrnn.studies import Ledger, export, load_results, run_study


def nothing_is_run(job):
    raise AssertionError("a finished run was given to a worker")
    yield


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of four runs; scores of two of them are beyond all numbers, or no number."""
    out = tmp_path_factory.mktemp("first")
    assert run_study(small_study(), out, ScriptedEngine()) == {"done": 4}
    with Ledger(out) as ledger, ledger.writing():
        for number, aggregate in ((math.inf, "min"), (-math.inf, "min"), (math.nan, "max")):
            metric = "accuracy" if number < 0 else "perplexity"
            of_run = f"run = (SELECT {aggregate}(id) FROM runs)"
            for table in ("scores", "curves"):
                ledger.execute(
                    f"UPDATE {table} SET numerator = ? WHERE {of_run} AND metric = ?",
                    [number, metric],
                )
    return out


def assert_equal_numbers(one: Path, other: Path) -> None:
    """Results are equal, and what is no number or infinite is so in both."""
    kinds = set()
    for ours, theirs in zip(load_results(one).runs, load_results(other).runs, strict=True):
        for name, scores in ours.scores["float32"].items():
            expected = theirs.scores["float32"][name]
            assert list(scores.groups) == list(expected.groups)
            for metric, total in scores.whole.items():
                assert np.array_equal(total, expected.whole[metric], equal_nan=True)
                kinds.add(str(total.numerator) if not np.isfinite(total.numerator) else "number")
    assert kinds == {"inf", "-inf", "nan", "number"}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_export_makes_the_ledger_again(first: Path, tmp_path: Path, suffix: str) -> None:
    export(first, tmp_path / "tables", [suffix])
    notices: list[str] = []
    counts = run_study(
        small_study(), tmp_path / "out", ScriptedEngine(nothing_is_run),
        import_results=[tmp_path / "tables"], notice=notices.append,
    )  # fmt: skip
    assert counts == {"done": 4}
    assert notices == [f"4 finished runs are taken from {tmp_path / 'tables'}."]
    assert content(tmp_path / "out") == content(first)
    assert_equal_numbers(tmp_path / "out", first)
    for field in ("versions", "seconds", "device"):
        assert [getattr(run, field) for run in load_results(tmp_path / "out").runs] == [
            getattr(run, field) for run in load_results(first).runs
        ]


def test_only_the_rest_is_run_and_runs_of_other_studies_stay_out(
    first: Path, tmp_path: Path
) -> None:
    export(first, tmp_path / "tables")
    notices: list[str] = []
    engine = ScriptedEngine()
    study = small_study(models=["lstm-4"], restarts=3)
    run_study(study, tmp_path / "out", engine, import_results=[tmp_path / "tables"],
              notice=notices.append)  # fmt: skip
    assert [job.runs[0].restart for job, _ in engine.jobs] == [2]
    assert len(load_results(tmp_path / "out").runs) == 3
    assert "2 finished runs are taken" in notices[0]
    assert "2 more there are not of this study" in notices[0]
    run_study(study, tmp_path / "alone", ScriptedEngine())
    ours, theirs = content(tmp_path / "out"), content(tmp_path / "alone")
    assert ours["epochs"] == theirs["epochs"]
    assert ours["runs"] == theirs["runs"]


def test_what_is_finished_here_is_not_replaced_and_what_failed_is(
    first: Path, tmp_path: Path
) -> None:
    def script(job):
        yield WorkerLost("its worker was ended by SIGSEGV", "crashed")

    export(first, tmp_path / "tables", ["csv"])
    path = tmp_path / "tables" / "epochs.csv"
    changed = re.sub(r"(?m),[^,]*$", ",77", path.read_text())
    path.write_text(changed.replace("77", '"learning_rate"', 1))
    out = tmp_path / "out"
    run_study(small_study(models=["lstm-4"]), out, ScriptedEngine())
    before = content(out)
    assert run_study(small_study(), out, ScriptedEngine(script)) == {"done": 2, "failed": 2}
    engine = ScriptedEngine(nothing_is_run)
    assert run_study(small_study(), out, engine, import_results=[tmp_path / "tables"]) == {
        "done": 4
    }
    for cell in load_results(out).cells:
        imported = {point.learning_rate == 77 for run in cell.runs for point in run.curve}
        assert imported == {cell.model == "jm-3"}
    assert set(before["scores"]) <= set(content(out)["scores"])


def test_runs_with_another_number_of_epochs_are_not_taken(first: Path, tmp_path: Path) -> None:
    """Their id is the same, for `max_epochs` may grow; what they came to is not."""
    export(first, tmp_path / "tables", ["parquet"])
    for epochs in (2, 4):
        engine = ScriptedEngine()
        study = small_study(config={"max_epochs": epochs})
        out = tmp_path / str(epochs)
        run_study(study, out, engine, import_results=[tmp_path / "tables"])
        assert len(engine.jobs) == 4
        assert {run.epochs for run in load_results(out).runs} == {epochs}


def test_what_is_no_export_is_refused_before_anything_is_written(
    first: Path, tmp_path: Path
) -> None:
    out, tables = tmp_path / "out", tmp_path / "tables"

    def refused(says: str) -> None:
        with pytest.raises(ValueError, match=says):
            run_study(small_study(), out, ScriptedEngine(nothing_is_run), import_results=[tables])
        assert not out.exists()

    refused(r"holds no runs\.parquet or runs\.csv")
    export(first, tables, ["parquet"])
    damaged = tables / "epochs.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    refused(r"epochs\.parquet is no table of this version's `memrnn study export`")
    pyarrow.parquet.write_table(pa.table({"run": ["a"]}), damaged)
    refused(r"epochs\.parquet is no table")
