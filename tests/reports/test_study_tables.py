"""The tables of a study: statistics by hand, figures beside the published ones, files."""

import csv
import dataclasses
import io
import statistics as stdlib
from pathlib import Path

import pytest

from memrnn import TrainingConfig
from memrnn.papers.das_mali_2024 import deviations, published, published_tables
from memrnn.reports.study import (
    StudyReport,
    View,
    failed_table,
    missing_table,
    precision_table,
    statistics,
    statistics_tables,
)
from memrnn.reports.study.table import Column, Entry, Table, escape_latex, text, to_csv, to_latex
from reports.results_synthetic import lengths, set_scores
from reports.study_synthetic import BAYES_OPTIMAL, FLOOR, make_study

ACCURACIES = (0.9, 0.62, 0.88, 0.7, 0.85, 0.5)


def one_cell(**changes):
    """Six restarts: one diverges, one fails, the last but one validates best."""

    def made(language, model, freeze, restart):
        if restart == 5:
            return {"status": "failed", "reason": "out of memory"}
        return {
            "accuracies": (ACCURACIES[restart], 0.7, 0.6),
            "status": "diverged" if restart == 1 else "done",
            "selection": 1.26 if restart == 4 else 1.3,
        }

    return make_study(
        made, **({"languages": ["count-3"], "models": ("jm-10",), "freeze": ("none",)} | changes)
    )


def test_statistics_count_every_restart():
    first = statistics(one_cell())[0]
    assert (len(first.cell.runs), len(first.cell.finished)) == (6, 5)
    assert (first.count("diverged"), first.count("failed"), first.ended) == (1, 1, 6)
    entered = [*ACCURACIES[:5], 0.0]  # the failed one counts as the lowest there is
    assert first.median.value == pytest.approx(stdlib.median(entered))
    assert 0 <= first.median.interval.low <= first.median.value <= first.median.interval.high
    assert first.middle == pytest.approx(stdlib.fmean(sorted(entered)[1:-1]))
    scores = [(accuracy - FLOOR) / (BAYES_OPTIMAL - FLOOR) for accuracy in ACCURACIES[:5]]
    assert first.solved == sum(score >= 0.9 for score in scores) == 2
    assert first.best == 0.85  # by validation, not by test
    assert (first.baseline, first.bayes) == (FLOOR, BAYES_OPTIMAL)


def test_a_cell_without_a_finished_run_has_no_numbers():
    results = make_study(lambda *name: {"status": "running" if name[3] else "failed"})
    first = statistics(results)[0]
    assert (first.count("failed"), first.count("running"), first.ended) == (1, 5, 1)
    assert first.median is None and first.best is None and first.solved == 0
    assert len(statistics_tables(statistics(results))) == 2
    assert len(failed_table(results).rows) == len(results.cells)
    assert [entry.text for entry in missing_table(results).rows[0][3:]] == ["0 of 6", "5", "0", "1"]


def test_every_precision_has_rows_of_its_own():
    results = one_cell(precisions=("float32", "bfloat16"))
    (table,) = statistics_tables(statistics(results))
    assert len(table.rows) == 2 * 3
    assert {row[2].text for row in table.rows} == {"float32", "bfloat16"}
    assert StudyReport(results, Path("study")).statistics_shown == [table]


def test_of_many_precisions_the_page_has_the_first_and_the_files_all():
    results = one_cell(precisions=("float32", "bfloat16", "float16"))
    report = StudyReport(results, Path("study"))
    (shown,), (whole,) = report.statistics_shown, report.statistics
    assert (len(shown.rows), len(whole.rows)) == (3, 9)
    assert report.tables[whole.stem] is whole
    assert "In float32; the files have all precisions." in report.page()


def tables_of(results):
    return {table.stem: table for table in published_tables(View(results, "float32"))}


def row_of(table, *names):
    """A row by its first entries, as a mapping from heading to entry."""
    (row,) = [row for row in table.rows if tuple(e.text for e in row[: len(names)]) == names]
    return {column.name: entry for column, entry in zip(table.columns, row, strict=True)}


def test_published_and_ours_stand_side_by_side():
    tables = tables_of(one_cell())
    assert len(tables) == 13
    accuracy = row_of(tables["published_accuracy_none"], "count-3", "jm-10")
    assert accuracy["40–100 paper"].value == 0.99
    assert accuracy["40–100 here"].value == 0.85
    assert accuracy["40–100 diff."].value == pytest.approx(0.85 - 0.99)
    assert accuracy["40–100 diff."].mark == "differs"
    assert accuracy["200–400 floor"].value == FLOOR
    validation = row_of(tables["published_validation_none"], "count-3", "jm-10")
    assert validation["paper"].value == 1.04 and validation["here"].value == 1.26
    assert validation["diff."].value == pytest.approx(1.26 / 1.04 - 1)
    assert validation["restarts"].text == "5 of 6"
    perplexity = row_of(tables["published_perplexity_none"], "count-3", "jm-10")
    assert perplexity["200–400 paper"].value == 1.67
    assert perplexity["200–400 here"].value == pytest.approx(1 / 0.6)


@pytest.mark.parametrize(("shift", "mark"), [(0.02, ""), (-0.02, ""), (0.021, "differs")])
def test_differences_are_marked_beyond_their_threshold(shift, mark):
    known = published().find("count-3", "jm-10", ()).accuracies

    def made(*name):
        return tuple(accuracy + shift for accuracy in known)

    table = tables_of(make_study(made))["published_accuracy_none"]
    row = row_of(table, "count-3", "jm-10")
    assert {row[f"{edges} diff."].mark for edges in ("40–100", "100–200", "200–400")} == {mark}


def test_what_is_missing_says_why():
    status = {"none": "planned", "memory": "running", "controller": "failed"}
    results = make_study(lambda *name: {"status": status[name[2]]}, freeze=tuple(status))
    tables = tables_of(results)
    for frozen, reason in (("none", "not run"), ("memory", "running"), ("controller", "failed")):
        row = row_of(tables[f"published_accuracy_{frozen}"], "count-3", "jm-10")
        assert row["40–100 here"].text == reason
        assert row["40–100 here"].mark == "missing" and row["40–100 here"].value is None
    both = tables["published_accuracy_controller_memory"]
    assert row_of(both, "count-3", "jm-10")["40–100 here"].text == "not in study"
    assert row_of(both, "marked-copy", "jm-10")["40–100 paper"].text == "not legible"
    treebank = tables["published_treebank"]
    assert row_of(treebank, "rns-4-5")["memory frozen here"].text == "not run"
    assert row_of(treebank, "rns-4-5")["memory frozen paper"].value == 120.5


def test_other_sets_stand_alone():
    results = one_cell(sets=((40, 100), (150, 300), (200, 400)), models=("jm-10", "elman"))
    table = tables_of(results)["published_accuracy_none"]
    row = row_of(table, "count-3", "jm-10")
    assert row["150–300 paper"].text == "other set" and row["150–300 here"].value == 0.7
    assert row["100–200 here"].text == "not tested" and row["100–200 paper"].value == 0.9
    assert row_of(table, "count-3", "elman")["40–100 paper"].text == "not in paper"


def test_after_training_on_other_lengths_no_difference_is_given():
    table = tables_of(one_cell(trained=(20, 40)))["published_accuracy_none"]
    row = row_of(table, "count-3", "jm-10")
    assert row["40–100 paper"].value == 0.99 and row["40–100 here"].value == 0.85
    assert row["40–100 diff."] == Entry("–")


def test_statistics_are_files_with_plain_values():
    (table,) = statistics_tables(statistics(one_cell(sets=((100, 200), (40, 100), (40, 90)))))
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert (rows[0]["set"], rows[0]["finished"], rows[0]["solved"]) == ("100–200", "5", "2")
    order = sorted(table.rows, key=lambda row: row[2].sort)
    assert [row[2].text for row in order] == ["40–90", "40–100", "100–200"]


def test_a_study_says_in_what_it_is_not_the_papers():
    paper = make_study(lambda *name: (0.9, 0.8, 0.7), restarts=10)
    assert deviations(paper) == []
    other = make_study(
        lambda *name: (0.9, 0.8, 0.7),
        restarts=3,
        sets=((5, 24), (30, 40), (41, 50)),
        trained=(5, 24),
        config=TrainingConfig(max_epochs=20),
        options={"strings": {"batches": 7, "batch_size": 10, "train_lengths": [5, 24]}},
    )
    text = " ".join(deviations(other))
    for words in (
        "lengths 5–24",
        "tests on 5–24",
        "max epochs 20 instead of 200",
        "batches 7 instead of 1000",
        "3 restarts",
    ):
        assert words in text


TABLE = Table(
    "t",
    "A & B: 100 %",
    (Column("name", numeric=False), Column("a_1", "up"), Column("b", "up"), Column("c")),
    (
        (text("x_{1}\\"), Entry("−0.1", -0.1, "differs"), Entry("1", 1), Entry("–")),
        (text("x_{1}\\"), Entry("2", 2), Entry("3", 3), Entry("failed", None, "missing")),
        (text("y"), Entry("4", 4), Entry("5", 5), Entry("6", 6)),
    ),
    notes=("50 % of it.",),
)


def test_csv_files_hold_values_in_full():
    rows = list(csv.reader(io.StringIO(to_csv(TABLE))))
    assert rows == [
        ["name", "up a_1", "up b", "c"],
        ["x_{1}\\", "-0.1", "1", ""],
        ["x_{1}\\", "2", "3", ""],
        ["y", "4", "5", "6"],
    ]


def test_latex_tables_are_escaped_and_whole():
    lines = to_latex(TABLE).splitlines()
    assert lines[0] == r"% A \& B: 100 \%"
    body = [line for line in lines if line.endswith(r"\\") and "multicolumn" not in line]
    # An escaped ampersand is no cell's end.
    assert all(line.replace(r"\&", "").count("&") == 3 for line in body)
    assert lines.count(r"\toprule") == lines.count(r"\midrule") == lines.count(r"\bottomrule") == 1
    assert r"\cmidrule(lr){2-3}" in to_latex(TABLE)
    assert body[1] == r"x\_\{1\}\textbackslash{} & \textbf{\ensuremath{-}0.1} & 1 & -- \\"
    assert body[2].startswith(" & 2")  # a name is written once
    assert r"\begin{tabular}{lrrr}" in lines and lines[-1] == r"\end{tabular}"


def test_long_latex_tables_break_over_pages():
    rows = tuple((text(str(n)), *TABLE.rows[2][1:]) for n in range(60))
    long = to_latex(Table("t", "", TABLE.columns, rows))
    assert r"\begin{longtable}" in long and long.count(r"\endhead") == 1


def test_hostile_text_is_escaped_for_latex():
    assert escape_latex("a\n%\\input{x}~^") == (
        r"a \%\textbackslash{}input\{x\}\textasciitilde{}\textasciicircum{}"
    )


def test_sentences_are_broken_into_lines_in_latex():
    columns = (Column("key", numeric=False), Column("claim", numeric=False), Column("n"))
    rows = (
        (text("a"), text("A sentence that is longer than a line of a paper holds."), text("1")),
    )
    assert r"\begin{longtable}{lp{0.2\textwidth}r}" in to_latex(Table("t", "", columns, rows))
    assert r"\begin{tabular}{llr}" in to_latex(Table("t", "", columns, ()))


def test_precisions_and_where_networks_give_out():
    """Determined accuracies by length: 1 and 1 in float32, then less in formats with few bits."""
    by_precision = {
        "float32": (1.0, 0.99),
        "memory=e5m2": (1.0, 0.985),
        "controller=e5m2": (0.995, 0.5),
        "e5m2": (0.4, 0.2),
    }
    results = make_study(
        lambda language, model, freeze, restart: (0.9, 0.8),
        languages=("count-3",),
        sets=((40, 70), (100, 130)),
        models=("jm-10",),
        freeze=("none",),
        restarts=1,
        precisions=tuple(by_precision),
    )
    (cell,) = results.cells
    (record,) = cell.runs
    scores = {
        name: {
            of_set.name: set_scores(cell.task, {"determined_accuracy": value}, lengths(of_set.name))
            for of_set, value in zip(cell.task.sets, values, strict=True)
        }
        for name, values in by_precision.items()
    }
    record = dataclasses.replace(record, scores=scores)
    results = dataclasses.replace(results, cells=(dataclasses.replace(cell, runs=(record,)),))
    table = precision_table(results)
    found = [[entry.text for entry in row[3:]] for row in table.rows]
    first, second = lengths("40:70")[0], lengths("100:130")[0]
    assert found == [
        ["float32", "1.000", "0.990", second, "none"],
        ["memory=e5m2", "1.000", "0.985", second, "none"],
        ["controller=e5m2", "0.995", "0.500", first, second],
        ["e5m2", "0.400", "0.200", first, first],
    ]
    page = StudyReport(results, Path("study")).page()
    assert 'id="precision"' in page and "controller=e5m2" in page
    one = dataclasses.replace(
        results, study=dataclasses.replace(results.study, precisions=("float32",))
    )
    assert not precision_table(one).rows
    assert 'id="precision"' not in StudyReport(one, Path("study")).page()
