"""Exported tables as a study's folder: full ones lose nothing, compact ones what they say."""

import json
import math
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine
from small_studies import content, small_study

from memrnn.papers.das_mali_2024 import PAPER
from memrnn.reports.study import StudyReport
from memrnn.studies import (
    Ledger,
    StudyResults,
    export,
    load_results,
    load_tables,
    run_study,
    study_status,
)

GROUPS = 450
"""Of an evaluation set that the second study pretends to have had."""


def nothing_is_run(job):
    raise AssertionError("a finished run was given to a worker")
    yield


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs in two precisions; of the first one a set has many groups, with odd numbers."""
    out = tmp_path_factory.mktemp("study")
    run_study(small_study(precisions=["float32", "bfloat16"]), out, ScriptedEngine())
    with Ledger(out) as ledger, ledger.writing():
        run = ledger.rows("SELECT id, task_key FROM runs ORDER BY position LIMIT 1")[0]
        ledger.execute("DELETE FROM scores WHERE run = ? AND \"set\" = '12:18'", [run["id"]])
        for metric, first in (("perplexity", 1 / 3), ("accuracy", math.inf), ("not_finite", 0.0)):
            ledger.insert(
                "scores",
                *(
                    {
                        "run": run["id"], "task_key": run["task_key"], "precision": precision,
                        "set": "12:18", "place": place, "group": str(1000 + place),
                        "metric": metric, "numerator": first + math.sin(place), "denominator": 7.0,
                    }
                    for precision in ("float32", "bfloat16") for place in range(GROUPS)
                ),
            )  # fmt: skip
    return out


@pytest.fixture(scope="module")
def compact(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compact")
    assert {path.suffix for path in export(study, out, ["parquet"], compact=True)} == {".parquet"}
    return out


def page(folder: Path, results: StudyResults) -> str:
    return StudyReport(results, folder, PAPER).page()


def test_a_full_export_gives_the_results_and_the_page_of_the_ledger(
    undisturbed: Path, tmp_path: Path
) -> None:
    export(undisturbed, tmp_path, ["parquet"])
    expected = load_results(undisturbed)
    assert load_results(tmp_path) == expected
    assert load_tables(tmp_path) == load_tables(undisturbed)
    assert page(undisturbed, load_results(tmp_path)) == page(undisturbed, expected)


def test_an_export_in_csv_is_read(undisturbed: Path, tmp_path: Path) -> None:
    export(undisturbed, tmp_path, ["csv"])
    ours, theirs = load_results(tmp_path), load_results(undisturbed)
    assert [run.status for run in ours.runs] == ["done"] * 4
    assert ours.study == theirs.study
    for run, expected in zip(ours.runs, theirs.runs, strict=True):
        assert run.excess == pytest.approx(expected.excess, rel=1e-14)
        assert list(run.scores["float32"]["3:9"].groups) == ["3", "6", "9"]


def test_totals_of_sets_stay_and_groups_are_rounded(study: Path, compact: Path) -> None:
    ours, theirs = load_results(compact), load_results(study)
    assert ours.cells[0].task == theirs.cells[0].task
    rounded = 0
    for run, expected in zip(ours.runs, theirs.runs, strict=True):
        assert (run.excess, run.selection) == (expected.excess, expected.selection)
        assert len(run.curve) == len(expected.curve) == 3
        for precision, sets in expected.scores.items():
            for name, scores in sets.items():
                found = run.scores[precision][name]
                for metric, total in scores.whole.items():
                    assert found.whole[metric] == pytest.approx(total, rel=1e-15, nan_ok=True)
                if precision == "bfloat16":
                    assert not found.groups
                    continue
                for group, totals in found.groups.items():
                    for metric, total in totals.items():
                        exact = scores.groups[group][metric]
                        assert total == pytest.approx(exact, rel=2**-12)
                        rounded += total != exact
    assert rounded > 20
    many = ours.runs[0].scores["float32"]["12:18"]
    assert list(many.groups) == [str(1000 + place) for place in range(0, GROUPS, 3)]
    # What is left out is there in sum.
    assert many.rest["perplexity"].denominator == 7 * GROUPS * 2 / 3
    for references in (ours.references, theirs.references):
        (sets,) = references.values()
        assert sets["3:9"]["bayes"].groups.keys() == {"3", "6", "9"}


def test_what_was_left_out_is_said(compact: Path, tmp_path: Path) -> None:
    (note,) = load_results(compact).notes
    assert "bfloat16 without values by group; of a set with more than 200 groups" in note
    status = study_status(compact)
    assert (status.exported, status.notes, status.counts["done"]) == (True, (note,), 4)
    json.dumps(status.to_json(), allow_nan=False)
    export(compact, tmp_path, ["parquet"], compact=True)
    assert load_results(tmp_path) == load_results(compact), "compact tables stay as they are"


def test_a_study_goes_on_from_compact_tables(undisturbed: Path, tmp_path: Path) -> None:
    export(undisturbed, tmp_path / "tables", ["parquet"], compact=True)
    notices: list[str] = []
    engine = ScriptedEngine(nothing_is_run)
    out, again = tmp_path / "out", tmp_path / "again"
    assert run_study(
        small_study(), out, engine, import_results=[tmp_path / "tables"], notice=notices.append
    ) == {"done": 4}
    assert notices[0].startswith("4 finished runs are taken from")
    assert notices[1:] == list(load_results(out).notes)
    assert "values by group and curves are rounded" in notices[1]
    ours, theirs = content(out), content(undisturbed)
    assert ours["runs"] == theirs["runs"]
    engine = ScriptedEngine()
    run_study(small_study(restarts=3), out, engine)
    assert len(engine.jobs) == 2, "only what is new was run"
    assert load_results(out).notes == tuple(notices[1:])
    export(out, again, ["parquet"], compact=True)
    assert load_results(again).notes == tuple(notices[1:]), "each sentence stands there once"


def test_runs_with_other_seeds_are_refused(undisturbed: Path, tmp_path: Path) -> None:
    export(undisturbed, tmp_path / "tables", ["parquet"])
    with pytest.raises(ValueError, match=r"No run of .*tables can be taken: .* other seeds"):
        run_study(
            small_study(seed=1), tmp_path / "out", ScriptedEngine(nothing_is_run),
            import_results=[tmp_path / "tables"],
        )  # fmt: skip
    assert not (tmp_path / "out").exists()
