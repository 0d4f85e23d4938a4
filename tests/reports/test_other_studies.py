"""Studies of tasks that are not language modelling on strings, through every part of a report."""

import dataclasses
from pathlib import Path

import pytest

from memrnn.papers.das_mali_2024 import PAPER, judge
from memrnn.reports.study import StudyReport, View, compare, draw_scores, statistics, stems
from memrnn.reports.study.comparisons import paired_cells
from memrnn.reports.study.scores import first_set, last_set, standing
from memrnn.reports.study.table import to_csv, to_latex
from memrnn.tasks import BAYES, SetDescription
from reports.page_parser import Page
from reports.results_synthetic import COPYING, ERROR, INF, NAN, RECOGNITION, lengths, strings_task
from reports.study_synthetic import make_results, make_study

NOWHERE = Path("/nowhere/other")


def groups(name):
    return lengths(name) if ":" in name else ["first half", "second half"]


def made(task, model, freeze, restart):
    """Recognition falls with nothing frozen; one copying score is not a number."""
    if task == COPYING:
        error = NAN if (model, freeze, restart) == ("jm-10", "none", 2) else 2.0 + restart
        return {"values": {"all": {"error": error}}, "reference": None, "excess": error}
    last = 0.5 if freeze == "none" else 0.8 + 0.01 * restart
    values = {"3:12": {"accuracy": 0.9 + 0.01 * restart}, "15:24": {"accuracy": last}}
    return {"values": values, "reference": None, "selection": 0.9, "excess": -0.9 - 0.01 * restart}


def references(task, name):
    return {"accept": {"accuracy": 0.5}} if task == RECOGNITION else {}


def study(**changes):
    return make_results([RECOGNITION, COPYING], made, references, groups=groups, **changes)


@pytest.fixture(scope="module")
def results():
    return study()


@pytest.fixture(scope="module")
def report(results):
    return StudyReport(results, NOWHERE, PAPER)


@pytest.fixture(scope="module")
def page(report):
    return report.page()


def test_the_page_has_no_claims_and_says_why(page, report):
    parsed = Page(page)
    assert "neither is on this page" in page
    assert report.publication is None
    assert not {"published", "claims"} & {stem.split("_")[0] for stem in report.tables}
    assert ("section", "aria-labelledby", "claims") not in parsed.attributes
    assert "the paper’s" not in page.lower()
    ids = [value for _, name, value in parsed.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = {value[1:] for _, name, value in parsed.attributes if name == "href"}
    assert links <= set(ids)
    assert "copying [bold]far[/]: evaluated on all" in page
    assert "recognition of count-3: trained on 3–12 (Length), evaluated on 3–12 and 15–24" in page


def test_every_figure_and_table_is_made(report):
    kinds = [drawing.kind for drawing in report.drawings]
    assert kinds.count("scores") == 2 * 4  # recognition and copying in four freezing modes
    assert kinds.count("validation") == 2  # by accuracy and by error
    assert kinds.count("groups") == 1  # the groups of copying are not numbers
    stems = [drawing.stem for drawing in report.drawings]
    assert len(stems) == len(set(stems))
    for table in report.tables.values():
        assert to_csv(table).count("\n") == len(table.rows) + 1
        assert to_latex(table)


def test_a_figure_of_errors_has_limits_of_its_own(results):
    figure = draw_scores(View(results, "float32"), (), [COPYING])
    low, high = figure.axes[0].get_xlim()
    assert low < 2.0 and 7.0 < high < 10
    assert "smaller is better" in figure.get_supxlabel()
    names = {text.get_text() for text in figure.legends[0].get_texts()}
    assert names == {"chosen by validation", "each restart"}
    of_recognition = draw_scores(View(results, "float32"), (), [RECOGNITION])
    names = {text.get_text() for text in of_recognition.legends[0].get_texts()}
    assert names == {"chosen by validation", "each restart", "floor"}


def test_statistics_of_errors_count_what_is_missing_as_the_worst(results):
    found = [one for one in statistics(results) if one.cell.task == COPYING and not one.cell.freeze]
    lstm, jm = found
    assert (lstm.missing, jm.missing) == (0, 1)
    assert lstm.median.value == pytest.approx(4.5)  # of 2 to 7
    assert jm.median.value == pytest.approx(5.5)  # of 2, 3, 5, 6, 7 and infinity
    assert jm.median.interval.high == INF
    assert (jm.best, jm.normalised, jm.baseline, jm.standing) == (2.0, None, None, None)
    assert jm.solved is None
    (table,) = [
        one for one in StudyReport(results, NOWHERE).statistics if one.stem.endswith("far___")
    ]
    assert "missing" in [column.label for column in table.columns]
    assert "the smaller the better" in table.caption


def test_a_failed_run_counts_as_the_worst_error():
    def failing(task, model, freeze, restart):
        return {"status": "failed"} if restart else made(task, model, freeze, restart)

    results = make_results([COPYING], failing, groups=groups, restarts=2)
    first = statistics(results)[0]
    assert first.median.value == INF and first.missing == 0
    StudyReport(results, NOWHERE).page()


def test_scores_stand_to_a_floor_by_what_is_better():
    task = dataclasses.replace(RECOGNITION, metrics=(ERROR,), selection="error", headline="error")
    errors = {"none": 0.3, "memory": 0.5, "controller": 0.7}

    def of_mode(task, model, freeze, restart):
        return {"values": {name: {"error": errors[freeze]} for name in ("3:12", "15:24")}}

    results = make_results(
        [task],
        of_mode,
        lambda task, name: {
            "always": {"error": 0.5}, "never": {"error": 0.9}, BAYES: {"error": 0.1}
        },
        groups=groups,
        freeze=tuple(errors),
    )  # fmt: skip
    view = View(results, "float32")
    found = {cell.freeze: standing(view, cell, "15:24").place for cell in results.cells}
    assert found == {(): "above", ("memory",): "equal", ("controller",): "below"}
    first = statistics(results)[0]
    assert first.normalised == pytest.approx((0.3 - 0.5) / (0.1 - 0.5))
    assert first.baseline == 0.5


def test_comparisons_are_of_retention_and_of_the_last_set(results):
    found = compare(View(results, "float32"))
    measures = {(one.cell.task.title, one.name) for one in found}
    assert measures == {
        ("recognition of count-3", "retention"),
        ("recognition of count-3", "accuracy"),
        ("copying [bold]far[/]", "error"),
    }
    # Without memory nothing changes if it is frozen, so that lstm is compared for the controller.
    assert {one.cell.freeze for one in found if one.cell.model == "lstm"} == {("controller",)}
    of_jm = [one for one in found if one.cell.model == "jm-10" and one.name == "accuracy"]
    assert {one.cell.freeze for one in of_jm} == {
        ("memory",), ("controller",), ("controller", "memory"),
    }  # fmt: skip
    assert all(one.estimate.value == pytest.approx(0.325) for one in of_jm)
    pairs = {one.pairs for one in found if one.cell.model == "jm-10" and one.name == "error"}
    assert pairs == {5}  # one of six is not a number
    assert judge(View(results, "float32")) == []


def test_retention_of_an_error_is_the_first_over_the_last():
    task = dataclasses.replace(RECOGNITION, metrics=(ERROR,), selection="error", headline="error")

    def falling(task, model, freeze, restart):
        last = 0.4 if freeze == "none" else 0.2
        return {"values": {"3:12": {"error": 0.1}, "15:24": {"error": last}}}

    results = make_results([task], falling, groups=groups, freeze=("none", "memory"))
    view = View(results, "float32")
    (frozen, whole), *_ = paired_cells(view, ("memory",))
    assert view.retention(frozen, frozen.runs[0]) == pytest.approx(0.5)
    assert view.retention(whole, whole.runs[0]) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("sets", "first", "last"),
    [
        ([("a", "within"), ("b", "beyond"), ("c", "beyond")], "a", "c"),
        ([("far", "beyond"), ("near", "across")], "near", "far"),
        ([("200:400", "beyond"), ("40:100", "across"), ("100:200", "beyond")], "40:100", "200:400"),
        ([("a", None)], "a", "a"),
        ([("a", "within"), ("b", "within")], "a", "b"),
        ([("a", "beyond"), ("b", "beyond")], "a", "b"),
    ],
)  # fmt: skip
def test_the_first_set_is_not_beyond_and_the_last_one_is(sets, first, last):
    task = dataclasses.replace(COPYING, sets=tuple(SetDescription(*one) for one in sets))
    assert (first_set(task), last_set(task)) == (first, last)


def test_other_networks_on_strings_get_no_claims():
    theirs = make_study(lambda *name: (0.8, 0.7, 0.65), restarts=2, models=("lstm", "jm-10"))
    other = make_study(lambda *name: (0.8, 0.7, 0.65), restarts=2, models=("lstm", "rns-9-9"))
    assert len(judge(View(theirs, "float32"))) == 11
    assert judge(View(other, "float32")) == []


def test_files_of_tasks_of_one_title_do_not_collide():
    tasks = [strings_task("a:b"), strings_task("a/b"), strings_task("a b"), strings_task("c")]
    assert stems(tasks) == ["a_b-1", "a_b-2", "a_b-3", "c"]


def test_reading_a_study_needs_no_code_of_users(results, monkeypatch):
    """What a task, a model or a language is called is not looked up."""

    def refuse(*arguments, **options):
        raise AssertionError("A report looked up what a user may have written.")

    for name in ("memrnn.nn.models.get_model", "memrnn.languages.get_language",
                 "memrnn.tasks.make_task", "memrnn.tasks.task_class"):  # fmt: skip
        monkeypatch.setattr(name, refuse)
    unknown = study(models=("a-model-of-nobody",), freeze=("none", "memory"), restarts=2)
    assert (
        "a-model-of-nobody on recognition of count-3" in StudyReport(unknown, NOWHERE, PAPER).page()
    )
