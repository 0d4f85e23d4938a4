"""A study that takes finished runs from the exported tables of another."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from scripted_engine import ScriptedEngine
from small_studies import content, small_study

from memrnn.reports.study import write_study_report
from memrnn.studies import Ledger, export, load_results, run_study
from memrnn.studies._engine import Lost


def nothing_is_run(job):
    raise AssertionError("a finished run was given to a worker")
    yield


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of four runs, one of them with a perplexity beyond all numbers."""
    out = tmp_path_factory.mktemp("first")
    assert run_study(small_study(), out, ScriptedEngine()) == {"done": 4}
    with Ledger(out) as ledger, ledger.writing():
        ledger._database.execute(
            "UPDATE bin_scores SET perplexity = 9e999 WHERE run = (SELECT min(id) FROM runs)"
        )
    return out


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_export_makes_the_ledger_again(first: Path, tmp_path: Path, suffix: str) -> None:
    export(first, tmp_path / "tables", [suffix])
    notices: list[str] = []
    counts = run_study(
        small_study(), tmp_path / "out", ScriptedEngine(nothing_is_run),
        finished=[tmp_path / "tables"], notice=notices.append,
    )  # fmt: skip
    assert counts == {"done": 4}
    assert notices == [f"4 finished runs are taken from {tmp_path / 'tables'}."]
    assert content(tmp_path / "out") == content(first)
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
    run_study(study, tmp_path / "out", engine, finished=[tmp_path / "tables"],
              notice=notices.append)  # fmt: skip
    assert [job.runs[0][1] for job, _ in engine.jobs] == [2]
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
        yield Lost("its worker was ended by SIGSEGV", "crashed")

    export(first, tmp_path / "tables", ["csv"])
    path = tmp_path / "tables" / "epochs.csv"
    path.write_text(re.sub(r"(?m),[^,]*$", ",77", path.read_text()).replace("77", '"doubtful"', 1))
    out = tmp_path / "out"
    run_study(small_study(models=["lstm-4"]), out, ScriptedEngine())
    before = content(out)
    assert run_study(small_study(), out, ScriptedEngine(script)) == {"done": 2, "failed": 2}
    engine = ScriptedEngine(nothing_is_run)
    assert run_study(small_study(), out, engine, finished=[tmp_path / "tables"]) == {"done": 4}
    for cell in load_results(out).cells:
        assert {row["doubtful"] for run in cell.runs for row in run.curve} == (
            {77} if cell.model == "jm-3" else {0}
        )
    assert set(before["bin_scores"]) <= set(content(out)["bin_scores"])


def test_tables_by_length_may_be_missing(first: Path, tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    export(first, tables, ["csv"])
    for name in ("length_scores", "length_bounds"):
        (tables / f"{name}.csv").unlink()
    notices: list[str] = []
    run_study(small_study(), tmp_path / "out", ScriptedEngine(nothing_is_run), finished=[tables],
              notice=notices.append)  # fmt: skip
    assert "figures by length will lack 4 of them" in notices[0]
    page = write_study_report(tmp_path / "out").read_text()
    assert "by string length" not in page
    run_study(small_study(restarts=3), tmp_path / "out", ScriptedEngine())
    page = write_study_report(tmp_path / "out").read_text()
    assert "accuracy by string length" in page
    assert "4 finished runs of the study were taken from tables without scores by length" in page


def test_what_is_no_export_is_refused_before_anything_is_written(
    first: Path, tmp_path: Path
) -> None:
    out, tables = tmp_path / "out", tmp_path / "tables"

    def refused(says: str) -> None:
        with pytest.raises(ValueError, match=says):
            run_study(small_study(), out, ScriptedEngine(nothing_is_run), finished=[tables])
        assert not out.exists()

    refused(r"holds no runs\.parquet or runs\.csv")
    export(first, tables, ["parquet"])
    damaged = tables / "epochs.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    refused(r"epochs\.parquet is no table of this version's `memrnn study export`")
    pyarrow.parquet.write_table(pa.table({"run": ["a"]}), damaged)
    refused(r"epochs\.parquet is no table")
