"""The results in the repository: what was converted, and whether the docs are current."""

import math
import sys
from pathlib import Path

import pytest

import rebuild
from memrnn import load_tables
from memrnn.engines import LocalEngine
from memrnn.nn.components import format_freeze
from memrnn.studies import RunRecord, StudyResults, load_results, load_study, run_study

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "results" / "paper-small"
ROUNDED = 2**-12
"""Of values by length and in curves."""


@pytest.fixture(scope="module")
def results() -> StudyResults:
    return load_results(FOLDER)


def run_of(results: StudyResults, name: str) -> RunRecord:
    """The run of `LANGUAGE MODEL FREEZE RESTART`."""
    *names, restart = name.split()
    (cell,) = (
        cell
        for cell in results.cells
        if [cell.task.title, cell.model, format_freeze(cell.freeze)] == names
    )
    return cell.runs[int(restart)]


# Rows of the CSV tables of version 0.1.
SETS = [
    ("count-3 lstm none 0", "40:100", 1.1117316067382788, 0.9804195804195804, 0.9936170212765958,
     0.75),
    ("count-and-copy jm-3.3.3 none 1", "200:400", 1.4862659946451926, 0.708553577626816,
     0.9999925373134328, 0.9985074626865672),
    ("marked-reverse-and-copy jm-3.3.3 memory 2", "200:400", 48.9948776417399, 0.3109900497512438,
     0.330544776119403, 0),
    ("unmarked-copy jm-hidden controller+memory 2", "200:400", 2.0631006333980206,
     0.4995658037564554, None, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "of_set", "perplexity", "accuracy", "determined", "exact"), SETS
)  # fmt: skip
def test_totals_give_the_rates_of_0_1(
    results: StudyResults,
    name: str,
    of_set: str,
    perplexity: float,
    accuracy: float,
    determined: float | None,
    exact: float | None,
) -> None:
    scores = run_of(results, name).scores["float32"][of_set]
    task = next(task for task in results.tasks if task.title == name.split()[0])
    expected = {
        "perplexity": perplexity, "accuracy": accuracy, "determined_accuracy": determined,
        "sequence_accuracy": exact, "determined_perplexity": None, "underflow_flagged": 0,
    }  # fmt: skip
    for metric, value in expected.items():
        found = scores.value(task.metric(metric))
        assert found == (None if value is None else pytest.approx(value, rel=1e-12)), metric


def test_scores_by_length_and_curves_are_those_of_0_1(results: StudyResults) -> None:
    run = run_of(results, "count-and-copy jm-3.3.3 none 2")
    totals = run.scores["float32"]["200:400"].groups["300"]
    nats, symbols = totals["perplexity"]
    assert nats / symbols == pytest.approx(math.log(10394.376244018713), rel=ROUNDED)
    assert symbols == 10 * 301
    for metric, value in (("accuracy", 0.3096345514950166), ("determined_accuracy", 0.409)):
        assert totals[metric].numerator / totals[metric].denominator == pytest.approx(value)
    first = run_of(results, "marked-copy jm-10 none 1").curve[0]
    assert first.learning_rate == 0.00791967382942541
    for totals, value in ((first.train, 2.262976568728754), (first.validation, 2.203980275618192)):
        nats, symbols = totals["perplexity"]
        assert nats / symbols == pytest.approx(math.log(value), rel=ROUNDED)


def test_references_are_those_of_0_1(results: StudyResults) -> None:
    keys = {task.title: task.key for task in results.tasks}
    scores = results.references[keys["marked-copy"]]["200:400"]
    metric = results.tasks[0].metric("perplexity")
    assert scores["bayes"].value(metric) == pytest.approx(1.432713708903734, rel=1e-12)
    assert scores["repeat-last"].value(metric) == pytest.approx(3.4734443959597865, rel=1e-12)
    by_length = results.references[keys["count-3"]]["40:100"]["bigram"].by_group(metric)
    assert by_length["42"] == pytest.approx(1.2911411017489838, rel=ROUNDED)


def test_runs_say_what_made_them_and_what_is_missing(results: StudyResults) -> None:
    assert results.study == load_study("paper-small")
    assert len(results.runs) == 336
    assert {run.status for run in results.runs} == {"done"}
    assert {run.versions["memrnn"] for run in results.runs} == {"0.1.0 (49f0d0d)"}
    assert {run.seed for run in results.runs} == {2968811710, 3964924996, 3141116543}
    run = run_of(results, "marked-copy jm-10 none 1")
    assert (run.epochs, run.best_epoch, run.selection) == (190, 180, 1.717049047856445)
    assert run.excess == pytest.approx(math.log(1.717049047856445 / 1.4693721836287048))
    without = [run for run in results.runs if not run.scores["float32"]["40:100"].groups]
    assert len(without) == 144
    assert any("memrnn 0.1 (commit 49f0d0d)" in note for note in results.notes)
    assert any("Of 144 of its 336 runs" in note for note in results.notes)
    metrics = set(load_tables(FOLDER).scores["metric"].to_pylist())
    assert not metrics & {"determined_perplexity", "not_finite"}


def test_a_new_study_does_not_take_them(tmp_path: Path) -> None:
    study = load_study("paper-small")
    with pytest.raises(ValueError, match=r"of memrnn 0\.1\.0 .* have other seeds"):
        run_study(study, tmp_path / "out", LocalEngine(1), import_results=[FOLDER])
    assert not (tmp_path / "out").exists()


def test_the_docs_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["rebuild.py", "--check"])
    with pytest.raises(SystemExit) as ended:
        rebuild.main()
    assert ended.value.code == 0


def test_regions_are_made_anew() -> None:
    page = "A\n<!-- begin paper-small {} -->\nold\n<!-- end -->\nB\n"
    made = rebuild.rebuilt(page.format("beyond 200:400"))
    assert made.startswith("A\n<!-- begin paper-small beyond 200:400 -->\n2 of 336 runs:\n")
    assert "| count-and-copy | jm-3.3.3 | none | 1 | 0.709 | 0.661 | 0.831 | 28% |" in made
    assert made.endswith("|\n<!-- end -->\nB\n")
    assert "old" not in made
    assert rebuild.rebuilt(made) == made
    assert "| task | model |" in rebuild.rebuilt(page.format("table missing"))
    assert rebuild.rebuilt(page.format("figure validation"), ["runs"]) == page.format(
        "figure validation"
    )
    # Question D of the ablation, which is complete.
    paired = rebuild.rebuilt("<!-- begin stable pairs stable-quiet -->\n<!-- end -->")
    assert "| `lstm:discrete+jm-3.3.3:hard` | 40 | 4 | 2 | 0.69 |" in paired
    with pytest.raises(ValueError, match="'colour' is no kind of region"):
        rebuild.rebuilt(page.format("colour"))
