"""Means over cells of what restarts score, and whether they decide anything."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from memrnn.reports.study.resampling import LEVEL, Estimate, clustered
from memrnn.studies import Cell

LEAST_RESTARTS = 10
"""Restarts of every cell from which an interval decides: of fewer it covers less than it says."""


class Mean(NamedTuple):
    """A mean over cells of the mean over restarts.

    Attributes:
        estimate: without an interval where a cell has one restart only.
        values: how many there are.
        least: restarts of the cell that has the fewest.
    """

    estimate: Estimate
    values: int
    least: int

    @property
    def decides(self) -> bool:
        return self.estimate.interval is not None and self.least >= LEAST_RESTARTS


class Difference(NamedTuple):
    """What freezing components changes: positive is better."""

    freeze: tuple[str, ...]
    mean: Mean

    @property
    def verdict(self) -> str:
        low, high = self.mean.estimate.interval or (-math.inf, math.inf)
        if not self.mean.decides:
            return "undecided"
        if low == high == 0:
            return "same"
        return "better" if low > 0 else "worse" if high < 0 else "undecided"


def cell_mean(values: np.ndarray, cells: Sequence[Cell], level: float = LEVEL) -> Mean | None:
    """The mean of (cells, restarts), NaN where there is none; None without a value."""
    counts = (~np.isnan(values)).sum(axis=1) if len(cells) else np.array([])
    known = counts > 0
    if not known.any():
        return None
    names = [(cell.task.key, cell.model) for cell in cells]
    numbers = [list(dict.fromkeys(names)).index(name) for name in names]
    clusters = list(itertools.compress(numbers, known))
    least = int(counts[known].min())
    # Resampling a single restart gives itself: an interval without a width.
    if least > 1:
        estimate = clustered(values[known], clusters, level)
    else:
        estimate = Estimate(float(np.mean(np.nanmean(values[known], axis=1))))
    return None if estimate is None else Mean(estimate, int(counts.sum()), least)
