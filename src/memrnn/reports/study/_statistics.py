"""What all restarts of a cell come to on a set, and not the best of them only."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from memrnn.evaluation import best_baseline
from memrnn.reports._summary import normalise, with_worst
from memrnn.reports._thresholds import LEARNED
from memrnn.reports.study._resampling import Estimate, bootstrap, interquartile_mean, median
from memrnn.reports.study._scores import View, ceiling, headline, references, standing
from memrnn.studies import Cell, StudyResults
from memrnn.tasks import Metric, TaskDescription


@dataclass(frozen=True)
class CellStatistics:
    """One cell on one set and in one precision, by the headline metric of its task.

    Attributes:
        planned: restarts that the study asks for.
        finished: those that are trained and evaluated, diverged ones among them.
        ended: finished or failed, the denominator of everything here.
        missing: finished restarts whose score is missing or not a number.
        median: over all that ended, with its 95 % interval; a failed restart and one whose score
            is missing enter with the worst value there can be, see `with_worst`.
        middle: interquartile mean of the same.
        solved: finished restarts with a normalised value of at least `LEARNED`; None where
            nothing is normalised.
        best: of the restart chosen by validation; None if none is finished.
        standing: where the cell stands to the floor, see `standing`.
    """

    task: TaskDescription
    model: str
    freeze: tuple[str, ...]
    precision: str
    set: str
    planned: int
    finished: int
    diverged: int
    failed: int
    running: int
    missing: int = 0
    median: Estimate | None = None
    middle: float | None = None
    solved: int | None = None
    best: float | None = None
    normalised: float | None = None
    floor: float | None = None
    floor_name: str = ""
    ceiling: float | None = None
    standing: str | None = None

    @property
    def metric(self) -> Metric:
        return headline(self.task)

    @property
    def ended(self) -> int:
        return self.finished + self.failed

    @property
    def solved_share(self) -> float | None:
        """Of all that ended: a failed run has not solved it."""
        if self.solved is None or not self.ended:
            return None
        return self.solved / self.ended


def statistics(results: StudyResults) -> list[CellStatistics]:
    """One row for each cell, precision and set, in the study's order."""
    return list(_rows(results))


def _rows(results: StudyResults) -> Iterator[CellStatistics]:
    for cell in results.cells:
        for precision in results.study.precisions:
            for one in cell.task.sets:
                yield _row(View(results, precision), cell, one.name)


def _row(view: View, cell: Cell, name: str) -> CellStatistics:
    def count(status: str) -> int:
        return sum(run.status == status for run in cell.runs)

    bound = best_baseline(references(cell, name), headline(cell.task))
    floor_name, floor = bound or ("", None)
    top = ceiling(cell, name)
    values = [view.value(cell, run, name) for run in cell.finished]
    scores = [normalise(value, floor, top) for value in values]
    failed = count("failed")
    known = normalise(floor, floor, top) is not None
    found = CellStatistics(
        cell.task,
        cell.model,
        cell.freeze,
        view.precision,
        name,
        planned=len(cell.runs),
        finished=len(cell.finished),
        diverged=count("diverged"),
        failed=failed,
        running=count("running"),
        missing=values.count(None),
        solved=sum(score is not None and score >= LEARNED for score in scores) if known else None,
    )
    best = cell.best
    if best is None or all(value is None for value in values):
        return found
    entered = with_worst([*values, *[None] * failed], headline(cell.task))
    value = view.value(cell, best, name)
    return dataclasses.replace(
        found,
        median=bootstrap(entered, median),
        middle=interquartile_mean(entered),
        best=value,
        normalised=normalise(value, floor, top),
        floor=floor,
        floor_name=floor_name,
        ceiling=top,
        standing=standing(view, cell, name),
    )
