import csv
import json
import math
from collections import defaultdict
from pathlib import Path

import pyarrow.compute
import pyarrow.parquet
import pytest
from scripted_engine import ScriptedEngine
from small_studies import small_study

import memrnn
from memrnn.engines import WorkerLost
from memrnn.studies import (
    Ledger,
    export,
    load_results,
    load_tables,
    run_job,
    run_study,
    study_status,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of four runs, of which one has failed, and one more that has left it."""

    def script(job):
        if job.runs[0].restart == 1 and job.runs[0].experiment["model"] == "jm-3":
            yield WorkerLost("its worker was ended by SIGSEGV", "crashed")
        else:
            yield from run_job(job)

    out = tmp_path_factory.mktemp("study")
    run_study(small_study(models=["elman-3"], restarts=1), out, ScriptedEngine())
    run_study(small_study(), out, ScriptedEngine(script))
    return out


def test_both_formats_hold_the_ledger(folder: Path, tmp_path: Path) -> None:
    written = export(folder, tmp_path)
    assert {path.suffix for path in written} == {".csv", ".parquet"}
    for path in tmp_path.glob("*.parquet"):
        table = pyarrow.parquet.read_table(path).to_pylist()
        with path.with_suffix(".csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == len(table) > 0, path.name
        for ours, theirs in zip(table, rows, strict=True):
            for name, value in ours.items():
                text = theirs[name]
                if isinstance(value, float):
                    assert math.isclose(float(text), value, rel_tol=1e-15), name
                else:
                    assert text == ("" if value is None else str(value)), name


def test_exported_scores_are_those_of_the_results(folder: Path, tmp_path: Path) -> None:
    export(folder, tmp_path, ["parquet"])
    found = defaultdict(float)
    for row in pyarrow.parquet.read_table(tmp_path / "scores.parquet").to_pylist():
        assert (row["task"], row["model"]) in [
            ("strings:count-3", "jm-3"),
            ("strings:count-3", "lstm-4"),
        ]
        for name in ("numerator", "denominator"):
            found[row["run"], row["set"], row["metric"], name] += row[name]
    expected = {
        (run.id, name, metric, kind): getattr(total, kind)
        for run in load_results(folder).runs
        for sets in run.scores.values()
        for name, scores in sets.items()
        for metric, total in scores.whole.items()
        for kind in ("numerator", "denominator")
    }
    assert found == expected
    assert len({run for run, *_ in expected}) == 3, "what left the study is not there"
    epochs = pyarrow.parquet.read_table(tmp_path / "epochs.parquet").to_pylist()
    assert [row["epoch"] for row in epochs] == [1, 2, 3] * 3
    references = pyarrow.parquet.read_table(tmp_path / "references.parquet").to_pylist()
    assert {row["predictor"] for row in references} >= {"bayes", "unigram"}
    assert {row["task"] for row in references} == {"strings:count-3"}


def test_arrow_tables_are_the_exported_ones(folder: Path, tmp_path: Path) -> None:
    export(folder, tmp_path, ["parquet"])
    results = memrnn.load_tables(folder)
    assert results == load_tables(folder)
    for name in ("partition_scores", "partition_references"):
        assert not results._asdict()[name].num_rows, "strings have no partitions"
        assert not (tmp_path / f"{name}.parquet").exists()
    for name in ("runs", "epochs", "curves", "scores", "references"):
        table = results._asdict()[name]
        assert table.equals(pyarrow.parquet.read_table(tmp_path / f"{name}.parquet")), name
    accuracy = results.scores.filter(pyarrow.compute.field("metric") == "accuracy")
    sums = accuracy.group_by("model").aggregate([("numerator", "sum"), ("denominator", "sum")])
    for row in sums.to_pylist():
        assert 0 < row["numerator_sum"] / row["denominator_sum"] < 1


def test_formats_are_checked_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'xls' is not a format; choose of parquet, csv"):
        export(folder, tmp_path / "x", ["csv", "xls"])
    with pytest.raises(ValueError, match="holds no study"):
        export(tmp_path, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_the_status_counts(folder: Path) -> None:
    status = study_status(folder)
    assert status.counts == {"planned": 0, "running": 0, "done": 3, "diverged": 0, "failed": 1}
    assert [(one.model, one.counts["failed"]) for one in status.progress] == [
        ("jm-3", 1),
        ("lstm-4", 0),
    ]
    assert not status.driver
    assert status.left_behind == 1
    assert status.epochs == 9
    assert status.seconds_left == 0
    (fault,) = status.faults
    assert (fault.model, fault.restart) == ("jm-3", 1)
    assert "SIGSEGV" in fault.reason
    done = [run.seconds for run in load_results(folder).runs if run.status == "done"]
    assert status.runs_per_hour == pytest.approx(2 * 3600 / (sum(done) / 3))
    json.dumps(status.to_json(), allow_nan=False)


def test_the_time_left_is_that_of_the_runs_that_wait(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes((folder / "ledger.db").read_bytes())
    with Ledger(tmp_path) as ledger, ledger.writing():
        ledger._database.execute("UPDATE runs SET seconds = 100 WHERE model = 'lstm-4'")
        ledger._database.execute("UPDATE runs SET seconds = 40 WHERE model = 'jm-3'")
        ledger._database.execute(
            "UPDATE runs SET status = 'planned', seconds = 10 WHERE status = 'failed'"
        )
        ledger._database.execute(
            "UPDATE runs SET status = 'running', seconds = 70 "
            "WHERE model = 'lstm-4' AND restart = 1"
        )
    status = study_status(tmp_path)
    # 40 - 10 of jm-3 and 100 - 70 of lstm-4, on two workers.
    assert status.seconds_left == pytest.approx(30)
    assert status.counts["running"] == 0, "its driver is gone"
    assert status.counts["planned"] == 2


def test_a_status_before_anything_is_done(tmp_path: Path) -> None:
    def script(job):
        status = study_status(tmp_path)
        assert status.driver
        assert status.counts["planned"] + status.counts["running"] == 1
        assert status.runs_per_hour is None
        assert status.seconds_left is None
        yield from run_job(job)

    study = small_study(models=["lstm-4"], restarts=1)
    assert run_study(study, tmp_path, ScriptedEngine(script)) == {"done": 1}


def test_results_print_in_a_few_lines(undisturbed: Path) -> None:
    """In a notebook; scores of every group and lines of every epoch do not belong there."""
    results = load_results(undisturbed)
    shipped = load_results(Path(__file__).parents[2] / "results" / "stable")
    for known in (results, shipped):
        for shown in (known, known.cells[0], known.runs[0], known.evaluations()[0]):
            assert len(repr(shown)) < 4_000, shown
    assert "perplexity" not in repr(results.runs[0])
