"""What all restarts of a cell come to on a set, and not the best of them only."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from memrnn.evaluation import best_baseline
from memrnn.nn.components import format_freeze
from memrnn.reports import format_value
from memrnn.reports._summary import (
    in_order,
    metric_label,
    normalise,
    set_label,
    with_worst,
)
from memrnn.reports._thresholds import LEARNED
from memrnn.reports.study.resampling import (
    Estimate,
    bootstrap,
    interquartile_mean,
    median,
)
from memrnn.reports.study.scores import Standing, View, bayes, headline, references, standing
from memrnn.reports.study.table import (
    Column,
    Entry,
    Table,
    count,
    count_of,
    estimate_fields,
    number_field,
    text_field,
)
from memrnn.runtime import formats as form
from memrnn.studies import Cell, StudyResults
from memrnn.tasks import TaskDescription


@dataclass(frozen=True)
class CellStatistics:
    """One cell on one set and in one precision, by the headline metric of its task.

    All but `best` is of all restarts that ended, finished or failed. A failed restart, and one
    whose score is missing, enters with the worst value there can be, see `with_worst`.

    Attributes:
        missing: finished restarts whose score is missing or not a number.
        solved: restarts with a normalised value of at least `LEARNED`; None where nothing is
            normalised.
        median: with its 95 % interval.
        middle: interquartile mean.
        best: of the restart chosen by validation; None if none is finished.
        standing: where the cell stands to the baseline, see `standing`.
    """

    cell: Cell
    precision: str
    set: str
    missing: int
    solved: int | None
    median: Estimate | None
    middle: float | None
    best: float | None
    normalised: float | None
    baseline: float | None
    bayes: float | None
    standing: Standing | None

    def count(self, status: str) -> int:
        """Restarts of this status."""
        return sum(run.status == status for run in self.cell.runs)

    @property
    def ended(self) -> int:
        return len(self.cell.finished) + self.count("failed")


def statistics(results: StudyResults) -> list[CellStatistics]:
    """One row for each cell, precision and set, in the study's order."""
    return [
        _row(View(results, precision), cell, of_set.name)
        for cell in results.cells
        for precision in results.study.precisions
        for of_set in cell.task.sets
    ]


def _row(view: View, cell: Cell, name: str) -> CellStatistics:
    metric = headline(cell.task)
    _, floor = best_baseline(references(cell, name), metric) or ("", None)
    best_possible = bayes(cell, name)
    values = [view.value(cell, run, name) for run in cell.finished]
    scores = [normalise(value, floor, best_possible) for value in values]
    solved = sum(score is not None and score >= LEARNED for score in scores)
    failed = [None for run in cell.runs if run.status == "failed"]
    known = any(value is not None for value in values)
    entered = with_worst([*values, *failed], metric) if known else []
    best = view.value(cell, cell.best, name) if cell.best else None
    return CellStatistics(
        cell,
        view.precision,
        name,
        missing=values.count(None),
        solved=None if normalise(floor, floor, best_possible) is None else solved,
        median=bootstrap(entered, median) if known else None,
        middle=interquartile_mean(entered) if known else None,
        best=best,
        normalised=normalise(best, floor, best_possible),
        baseline=floor if known else None,
        bayes=best_possible if known else None,
        standing=standing(view, cell, name),
    )


def statistics_tables(statistics: Sequence[CellStatistics]) -> list[Table]:
    """One table per task: every cell on every set, over all its restarts."""
    tasks = list(dict.fromkeys(row.cell.task for row in statistics))
    return [
        _table([row for row in statistics if row.cell.task == task], task, stem)
        for task, stem in zip(tasks, stems(tasks), strict=True)
    ]


def stems(tasks: Sequence[TaskDescription]) -> list[str]:
    """The titles of tasks as parts of file names, each once."""
    slugs = [form.slug(task.title) for task in tasks]
    return [
        slug if slugs.count(slug) == 1 else f"{slug}-{slugs[: index + 1].count(slug)}"
        for index, slug in enumerate(slugs)
    ]


def _table(statistics: Sequence[CellStatistics], task: TaskDescription, stem: str) -> Table:
    metric = headline(task)
    order = in_order([of_set.name for of_set in task.sets])

    write = partial(format_value, metric=metric)

    def of_set(row: CellStatistics) -> Entry:
        label = set_label(row.set)
        return Entry(label, label, order=float(order.index(row.set)))

    def solved(row: CellStatistics) -> Entry:
        known = row.solved is not None and row.ended
        return count_of(row.solved or 0, row.ended) if known else Entry(form.MISSING)

    def stands(row: CellStatistics) -> Entry:
        if row.standing is None:
            return Entry(form.MISSING)
        place = row.standing.place
        mark = {"above": "good", "equal": "bad", "below": "bad"}.get(place, "")
        return Entry(row.standing.text, place, mark)

    fields = [
        text_field("model", lambda row: row.cell.model),
        text_field("frozen", lambda row: format_freeze(row.cell.freeze)),
        text_field("precision", lambda row: row.precision),
        (Column("set", numeric=False), of_set),
        (Column("finished"), lambda row: count_of(len(row.cell.finished), len(row.cell.runs))),
        *estimate_fields("median", lambda row: row.median, write),
        number_field("IQM", lambda row: row.middle, write),
        (Column("solved"), solved),
        number_field("best", lambda row: row.best, write),
        number_field("norm.", lambda row: row.normalised, form.normalised),
        number_field("floor", lambda row: row.baseline, write),
        number_field("Bayes", lambda row: row.bayes, write),
        (Column("diverged"), lambda row: count(row.count("diverged"))),
        (Column("failed"), lambda row: count(row.count("failed"))),
        (Column("missing"), lambda row: count(row.missing)),
        (Column("stands", numeric=False), stands),
    ]
    several = len({row.precision for row in statistics}) > 1
    shown = {
        "precision": several,
        "solved": any(row.solved is not None for row in statistics),
        "norm.": any(row.normalised is not None for row in statistics),
        "Bayes": any(row.bayes is not None for row in statistics),
        "missing": any(row.missing for row in statistics),
    }
    return Table.of(
        f"statistics_{stem}",
        f"{task.title}: {metric_label(metric)} over all restarts"
        + ("" if metric.goal == "max" else ", the smaller the better"),
        statistics,
        [field for field in fields if shown.get(field[0].label, True)],
        heads=4 if several else 3,
        sortable=True,
    )
