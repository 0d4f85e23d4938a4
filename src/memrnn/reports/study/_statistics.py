"""What all restarts of a cell come to in a bin, and not the best of them only."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from memrnn.evaluation import Bin
from memrnn.reports._findings import LEARNED
from memrnn.reports._summary import best_floor
from memrnn.reports.study._resampling import Estimate, bootstrap, interquartile_mean, median
from memrnn.reports.study._scores import View, standing
from memrnn.studies import Cell, StudyResults

FAILED_ACCURACY = 0.0
"""What a failed run enters medians and means with: the lowest accuracy that there is."""


@dataclass(frozen=True)
class CellStatistics:
    """One cell in one bin and one precision.

    Attributes:
        planned: restarts that the study asks for.
        finished: those that are trained and tested, diverged ones among them.
        ended: finished or failed, the denominator of everything here.
        median: of the accuracy over all that ended, with its 95 % interval.
        middle: interquartile mean of the same.
        solved: finished restarts with a skill of at least `LEARNED` in this bin.
        best: accuracy of the restart chosen by validation; None if none is finished.
        standing: where the cell stands to the floor, see `standing`.
    """

    language: str
    model: str
    freeze: tuple[str, ...]
    precision: str
    lengths: Bin
    planned: int
    finished: int
    diverged: int
    failed: int
    running: int
    median: Estimate | None = None
    middle: float | None = None
    solved: int = 0
    best: float | None = None
    skill: float | None = None
    floor: float | None = None
    floor_name: str = ""
    ceiling: float | None = None
    standing: str | None = None

    @property
    def ended(self) -> int:
        return self.finished + self.failed

    @property
    def solved_share(self) -> float | None:
        """Of all that ended: a failed run has not solved it."""
        return self.solved / self.ended if self.ended else None


def statistics(results: StudyResults) -> list[CellStatistics]:
    """One row for each cell, precision and bin, in the study's order."""
    return list(_rows(results))


def _rows(results: StudyResults) -> Iterator[CellStatistics]:
    for cell in results.cells:
        for precision in results.study.precisions:
            view = View(results, precision)
            for edges in results.study.bins:
                yield _row(view, cell, edges)


def _row(view: View, cell: Cell, edges: Bin) -> CellStatistics:
    def count(status: str) -> int:
        return sum(run.status == status for run in cell.runs)

    empty = CellStatistics(
        cell.language,
        cell.model,
        cell.freeze,
        view.precision,
        edges,
        planned=len(cell.runs),
        finished=len(cell.finished),
        diverged=count("diverged"),
        failed=count("failed"),
        running=count("running"),
    )
    best = cell.best
    if best is None:
        return empty
    accuracies = [view.accuracy(run, edges) for run in cell.finished]
    accuracies += [FAILED_ACCURACY] * empty.failed
    scores = [run.scores[view.precision, edges] for run in cell.finished]
    chosen = best.scores[view.precision, edges]
    floor_name, floor = best_floor(chosen["floors"])
    return dataclasses.replace(
        empty,
        median=bootstrap(accuracies, median),
        middle=interquartile_mean(accuracies),
        solved=sum(one["skill"] is not None and one["skill"] >= LEARNED for one in scores),
        best=chosen["accuracy"],
        skill=chosen["skill"],
        floor=floor,
        floor_name=floor_name,
        ceiling=chosen["ceiling"]["accuracy"],
        standing=standing(view, cell, edges),
    )
