"""What all restarts of a cell come to on a set, and not the best of them only."""

from dataclasses import dataclass

from memrnn.reports._summary import baseline_value, normalise, with_worst
from memrnn.reports._thresholds import LEARNED
from memrnn.reports.study._resampling import Estimate, bootstrap, interquartile_mean, median
from memrnn.reports.study._scores import Standing, View, bayes, headline, references, standing
from memrnn.studies import Cell, StudyResults
from memrnn.tasks import Metric, TaskDescription


@dataclass(frozen=True)
class CellStatistics:
    """One cell on one set and in one precision, by the headline metric of its task.

    Attributes:
        planned: restarts that the study asks for.
        finished: those that are trained and evaluated, diverged ones among them.
        missing: finished restarts whose score is missing or not a number.
        solved: finished restarts with a normalised value of at least `LEARNED`; None where
            nothing is normalised.
        median: over all that ended, with its 95 % interval; a failed restart and one whose score
            is missing enter with the worst value there can be, see `with_worst`.
        middle: interquartile mean of the same.
        best: of the restart chosen by validation; None if none is finished.
        standing: where the cell stands to the baseline, see `standing`.
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
    missing: int
    solved: int | None
    median: Estimate | None
    middle: float | None
    best: float | None
    normalised: float | None
    baseline: float | None
    baseline_name: str
    bayes: float | None
    standing: Standing | None

    @property
    def metric(self) -> Metric:
        return headline(self.task)

    @property
    def ended(self) -> int:
        """Finished or failed, the denominator of everything here."""
        return self.finished + self.failed

    @property
    def solved_share(self) -> float | None:
        """Of all that ended: a failed run has not solved it."""
        return None if self.solved is None or not self.ended else self.solved / self.ended


def statistics(results: StudyResults) -> list[CellStatistics]:
    """One row for each cell, precision and set, in the study's order."""
    return [
        _row(View(results, precision), cell, of_set.name)
        for cell in results.cells
        for precision in results.study.precisions
        for of_set in cell.task.sets
    ]


def _row(view: View, cell: Cell, name: str) -> CellStatistics:
    statuses = [run.status for run in cell.runs]
    failed = statuses.count("failed")
    metric = headline(cell.task)
    floor_name, floor = baseline_value(references(cell, name), metric) or ("", None)
    ceiling = bayes(cell, name)
    values = [view.value(cell, run, name) for run in cell.finished]
    scores = [normalise(value, floor, ceiling) for value in values]
    solved = sum(score is not None and score >= LEARNED for score in scores)
    known = any(value is not None for value in values)
    entered = with_worst([*values, *[None] * failed], metric) if known else []
    best = view.value(cell, cell.best, name) if cell.best else None
    return CellStatistics(
        cell.task,
        cell.model,
        cell.freeze,
        view.precision,
        name,
        planned=len(cell.runs),
        finished=len(cell.finished),
        diverged=statuses.count("diverged"),
        failed=failed,
        running=statuses.count("running"),
        missing=values.count(None),
        solved=None if normalise(floor, floor, ceiling) is None else solved,
        median=bootstrap(entered, median) if known else None,
        middle=interquartile_mean(entered) if known else None,
        best=best,
        normalised=normalise(best, floor, ceiling),
        baseline=floor if known else None,
        baseline_name=floor_name if known else "",
        bayes=ceiling if known else None,
        standing=standing(view, cell, name),
    )
