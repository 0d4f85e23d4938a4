"""What reports read from a study: cells with memory, the shortest and longest bin, scores."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from memrnn.evaluation import Bin
from memrnn.models import get_model
from memrnn.reports._findings import NEAR
from memrnn.reports._summary import best_floor
from memrnn.reports.study._resampling import bootstrap, median
from memrnn.studies import Cell, RunRecord, StudyResults

CLIP = 1.0
"""Skills are cut off at plus and minus this where they are averaged: where floor and ceiling are
close, one net would otherwise outweigh all others."""

Measure = Callable[[RunRecord], float | None]
"""A number of a finished run; None if it does not exist."""


@dataclass(frozen=True)
class View:
    """A study seen in one precision, with its shortest and longest bin.

    Attributes:
        first: the bin that begins lowest.
        last: the bin that ends highest.
    """

    results: StudyResults
    precision: str

    @property
    def first(self) -> Bin:
        return min(self.results.study.bins)

    @property
    def last(self) -> Bin:
        return max(self.results.study.bins, key=lambda edges: (edges[1], edges[0]))

    @property
    def reaches_beyond(self) -> bool:
        """Whether the last bin lies beyond the training lengths, and the first one does not."""
        longest = self.results.study.recipe.lengths[1]
        return self.last[0] > longest and self.first[0] <= longest

    def cells(self, freeze: Sequence[str], *, memory: bool = True) -> list[Cell]:
        """The cells of a freezing mode whose networks have a memory, or have none."""
        return [
            cell
            for cell in self.results.cells
            if cell.freeze == tuple(freeze) and has_memory(cell.model) == memory
        ]

    def accuracy(self, run: RunRecord, edges: Bin) -> float:
        return run.scores[self.precision, edges]["accuracy"]

    def floor(self, run: RunRecord, edges: Bin) -> float:
        """Accuracy of the best trivial predictor on the same strings."""
        return best_floor(run.scores[self.precision, edges]["floors"])[1]

    def retention(self, run: RunRecord) -> float | None:
        """Accuracy in the last bin over that in the first."""
        start = self.accuracy(run, self.first)
        return self.accuracy(run, self.last) / start if start else None

    def floor_retention(self, run: RunRecord) -> float | None:
        """The same of the best trivial predictor in each bin."""
        start = self.floor(run, self.first)
        return self.floor(run, self.last) / start if start else None

    def skill(self, run: RunRecord) -> float | None:
        """Skill in the last bin, cut off at `CLIP` on both sides."""
        skill = run.scores[self.precision, self.last]["skill"]
        return None if skill is None else max(-CLIP, min(CLIP, skill))

    def last_accuracy(self, run: RunRecord) -> float:
        return self.accuracy(run, self.last)

    def above_floor(self, run: RunRecord) -> float:
        """How far the accuracy in the last bin is above the floor; 0 on the floor and below it."""
        return max(0.0, self.accuracy(run, self.last) - self.floor(run, self.last))

    def excess(self, run: RunRecord) -> float | None:
        """Validation cross-entropy above the exact bound, nats per symbol; None if infinite."""
        return run.difference if math.isfinite(run.difference) else None


def has_memory(model: str) -> bool:
    return get_model(model).memory != "none"


def matrix(cells: Sequence[Cell], restarts: int, measure: Measure) -> np.ndarray:
    """A measure of every finished run, (cells, restarts); NaN where there is none."""
    values = np.full((len(cells), restarts), np.nan)
    for row, cell in enumerate(cells):
        for run in cell.finished:
            value = measure(run)
            if value is not None and run.restart < restarts:
                values[row, run.restart] = value
    return values


def standing(view: View, cell: Cell, edges: Bin) -> str | None:
    """Where a cell stands to the floor of a bin, by the interval of its median accuracy.

    `above`: wholly above floor + NEAR. `floor`: wholly within NEAR of the floor, the floor's
    equal. `below`: wholly below floor + NEAR, but not within NEAR of the floor. `open`: none of
    these. None if no restart is finished.
    """
    runs = cell.finished
    if not runs:
        return None
    floor = view.floor(runs[0], edges)
    estimate = bootstrap([view.accuracy(run, edges) for run in runs], median)
    interval = estimate.interval
    low = interval.low if interval else estimate.value
    high = interval.high if interval else estimate.value
    # What is exactly NEAR away counts as near, whatever its last bit is.
    near = NEAR + 1e-9
    if low > floor + near:
        return "above"
    if high <= floor + near:
        return "floor" if low >= floor - near else "below"
    return "open"


STANDINGS = {"above": "above", "floor": "equal", "below": "below", "open": "open", None: "–"}
"""Standings as tables write them."""

TRIVIAL = ("floor", "below")
"""The standings in which a net is no better than a trivial predictor."""
