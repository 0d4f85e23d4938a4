"""The tables of what the study itself measured: statistics, comparisons, what is missing."""

from collections.abc import Callable, Sequence
from typing import Any

from memrnn.reports import _format as form
from memrnn.reports._summary import frozen_label, in_order, metric_label, set_label
from memrnn.reports.study._claims import estimate_fields
from memrnn.reports.study._comparisons import Comparison
from memrnn.reports.study._resampling import numbers
from memrnn.reports.study._statistics import CellStatistics
from memrnn.reports.study._table import (
    Column,
    Entry,
    Field,
    Table,
    count,
    count_of,
    number,
    text_field,
)
from memrnn.studies import Cell, StudyResults
from memrnn.tasks import TaskDescription


def statistics_tables(statistics: Sequence[CellStatistics]) -> list[Table]:
    """One table per task: every cell on every set, over all its restarts."""
    tasks = list(dict.fromkeys(row.task for row in statistics))
    return [
        _statistics_table([row for row in statistics if row.task == task], task, stem)
        for task, stem in zip(tasks, stems(tasks), strict=True)
    ]


def stems(tasks: Sequence[TaskDescription]) -> list[str]:
    """The titles of tasks as parts of file names, each once."""
    slugs = [form.slug(task.title) for task in tasks]
    return [
        slug if slugs.count(slug) == 1 else f"{slug}-{slugs[: index + 1].count(slug)}"
        for index, slug in enumerate(slugs)
    ]


def _statistics_table(
    statistics: Sequence[CellStatistics], task: TaskDescription, stem: str
) -> Table:
    metric = statistics[0].metric
    order = in_order([of_set.name for of_set in task.sets])

    def value(label: str, read: Callable[[CellStatistics], float | None]) -> Field:
        return Column(label), lambda row: number(form.value(read(row), metric), read(row))

    def of_set(row: CellStatistics) -> Entry:
        label = set_label(row.set)
        return Entry(label, label, order=float(order.index(row.set)))

    def solved(row: CellStatistics) -> Entry:
        known = row.solved is not None and row.ended
        return count_of(row.solved or 0, row.ended) if known else Entry(form.MISSING)

    def stands(row: CellStatistics) -> Entry:
        label = row.standing or form.MISSING
        return Entry(label, label, {"above": "good", "equal": "bad", "below": "bad"}.get(label, ""))

    names = [
        text_field("model", lambda row: row.model),
        text_field("frozen", lambda row: frozen_label(row.freeze)),
        (Column("set", numeric=False), of_set),
    ]
    if len({row.precision for row in statistics}) > 1:
        names.insert(2, text_field("precision", lambda row: row.precision))
    fields = [
        (Column("finished"), lambda row: count_of(row.finished, row.planned)),
        value("median", lambda row: numbers(row.median)[0]),
        value("from", lambda row: numbers(row.median)[1]),
        value("to", lambda row: numbers(row.median)[2]),
        value("IQM", lambda row: row.middle),
        (Column("solved"), solved),
        value("best", lambda row: row.best),
        (Column("norm."), lambda row: number(form.normalised(row.normalised), row.normalised)),
        value("floor", lambda row: row.baseline),
        value("ceiling", lambda row: row.bayes),
        (Column("diverged"), lambda row: count(row.diverged)),
        (Column("failed"), lambda row: count(row.failed)),
    ]
    if any(row.missing for row in statistics):
        fields.append((Column("missing"), lambda row: count(row.missing)))
    fields.append((Column("stands", numeric=False), stands))
    return Table.of(
        f"statistics_{stem}",
        f"{task.title}: {metric_label(metric)} over all restarts"
        + ("" if metric.goal == "max" else ", the smaller the better"),
        statistics,
        [*names, *fields],
        heads=len(names),
        sortable=True,
    )


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """Every comparison of a cell with a component frozen and the same with nothing frozen."""
    return Table.of(
        "comparisons",
        "A component frozen minus nothing frozen, paired by restart number",
        comparisons,
        [
            text_field("task", lambda one: one.task.title),
            text_field("model", lambda one: one.model),
            text_field("frozen", lambda one: frozen_label(one.freeze)),
            text_field("measure", lambda one: one.measure),
            (Column("pairs"), lambda one: count(one.pairs)),
            *estimate_fields("difference", lambda one: one.estimate),
            (Column("p"), lambda one: _probability(one.p)),
            (Column("p after Holm"), lambda one: _probability(one.adjusted)),
            (Column("verdict", numeric=False), _verdict),
            text_field("stands", lambda one: one.standing or form.MISSING),
        ],
        heads=4,
        sortable=True,
    )


def failed_table(results: StudyResults) -> Table:
    """Every run that failed, and why."""
    runs = [(cell, run) for cell in results.cells for run in cell.runs if run.status == "failed"]
    return Table.of(
        "failed",
        "Runs that failed",
        runs,
        [
            *_cell_fields(lambda pair: pair[0]),
            (Column("restart", numeric=False), lambda pair: count(pair[1].restart)),
            (Column("epochs"), lambda pair: count(pair[1].epochs)),
            (Column("seconds"), lambda pair: number(f"{pair[1].seconds:.0f}", pair[1].seconds)),
            text_field("reason", lambda pair: pair[1].reason or "no reason known"),
        ],
        heads=4,
    )


def missing_table(results: StudyResults) -> Table:
    """Every cell of which runs are missing: planned, or running when this was written."""

    def status(name: str) -> Field:
        return Column(name), lambda cell: count(sum(run.status == name for run in cell.runs))

    cells = [
        cell
        for cell in results.cells
        if any(run.status in ("running", "planned") for run in cell.runs)
    ]
    return Table.of(
        "missing",
        "Cells with runs still to come",
        cells,
        [
            *_cell_fields(lambda cell: cell),
            (Column("finished"), lambda cell: count_of(len(cell.finished), len(cell.runs))),
            *map(status, ("running", "planned", "failed")),
        ],
        heads=3,
    )


def _cell_fields(cell: Callable[[Any], Cell]) -> list[Field]:
    return [
        text_field("task", lambda record: cell(record).task.title),
        text_field("model", lambda record: cell(record).model),
        text_field("frozen", lambda record: frozen_label(cell(record).freeze)),
    ]


def _verdict(comparison: Comparison) -> Entry:
    verdict = comparison.verdict
    return Entry(verdict, verdict, "" if verdict == "undecided" else "differs")


def _probability(value: float | None) -> Entry:
    if value is None:
        return Entry(form.MISSING)
    return Entry("<0.001" if value < 0.001 else f"{value:.3f}", value)
