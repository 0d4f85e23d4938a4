"""What reports read from a study: cells, the first and the last set of a task, scores."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from memrnn.evaluation import References, best_baseline
from memrnn.reports._summary import (
    bayes_value,
    in_order,
    known_value,
    normalise,
    with_worst,
)
from memrnn.reports._thresholds import NEAR, advantage
from memrnn.reports.study._resampling import bootstrap, median
from memrnn.studies import Cell, RunRecord, StudyResults
from memrnn.tasks import Metric, TaskDescription

CLIP = 1.0
"""Normalised values are cut off at plus and minus this where they are averaged: where floor and
ceiling are close, one net would otherwise outweigh all others."""

Measure = Callable[[Cell, RunRecord], float | None]
"""A number of a finished run; None if it does not exist."""

SetOf = Callable[[TaskDescription], str | None]
"""Which set of a task is meant: `first_set` or `last_set`."""


@dataclass(frozen=True)
class View:
    """A study seen in one precision, by the headline metric of each task."""

    results: StudyResults
    precision: str

    def cells(self, freeze: Sequence[str], *, memory: bool = True) -> list[Cell]:
        """The cells of a freezing mode whose networks have a memory, or have none."""
        return [
            cell
            for cell in self.results.cells
            if cell.freeze == tuple(freeze) and has_memory(cell) == memory
        ]

    def value(self, cell: Cell, run: RunRecord, name: str) -> float | None:
        """The headline metric on a set; None if it is missing or not a number."""
        scores = run.scores.get(self.precision, {}).get(name)
        return None if scores is None else known_value(scores, headline(cell.task))

    def retention(self, cell: Cell, run: RunRecord) -> float | None:
        """What is kept from the first to the last set, see `kept`; None if they are the same."""
        first, last = first_set(cell.task), last_set(cell.task)
        if first is None or last is None or first == last:
            return None
        start, end = self.value(cell, run, first), self.value(cell, run, last)
        return kept(start, end, headline(cell.task))

    def floor_retention(self, cell: Cell, run: RunRecord) -> float | None:
        """The same of the best baseline on each set."""
        del run
        first, last = first_set(cell.task), last_set(cell.task)
        if first is None or last is None or first == last:
            return None
        return kept(floor(cell, first), floor(cell, last), headline(cell.task))

    def normalised(self, cell: Cell, run: RunRecord) -> float | None:
        """Normalised value on the last set, cut off at `CLIP` on both sides."""
        last = last_set(cell.task)
        if last is None:
            return None
        value = normalise(self.value(cell, run, last), floor(cell, last), ceiling(cell, last))
        return None if value is None else max(-CLIP, min(CLIP, value))

    def last_value(self, cell: Cell, run: RunRecord) -> float | None:
        """The headline metric on the last set; its logarithm for one on an `exp` scale."""
        last = last_set(cell.task)
        value = None if last is None else self.value(cell, run, last)
        if value is not None and headline(cell.task).scale == "exp":
            value = math.log(value) if value > 0 else None
        return value if value is not None and math.isfinite(value) else None

    def above_floor(self, cell: Cell, run: RunRecord) -> float | None:
        """How much better than the floor the last set's value is; 0 on the floor and below it."""
        last = last_set(cell.task)
        if last is None:
            return None
        value, bound = self.value(cell, run, last), floor(cell, last)
        if value is None or bound is None:
            return None
        gain = max(0.0, advantage(value, bound, headline(cell.task)))
        return gain if math.isfinite(gain) else None


def excess(cell: Cell, run: RunRecord) -> float | None:
    """The mean of the validation metric above its reference; None if it is not finite."""
    del cell
    return run.excess if math.isfinite(run.excess) else None


def headline(task: TaskDescription) -> Metric:
    return task.metric(task.headline)


def first_set(task: TaskDescription) -> str | None:
    """The first set that is not beyond what was trained on, else the first one."""
    relations = {one.name: one.relation for one in task.sets}
    names = in_order(list(relations))
    return next((name for name in names if relations[name] != "beyond"), next(iter(names), None))


def last_set(task: TaskDescription) -> str | None:
    """The last set beyond what was trained on, else the last one."""
    relations = {one.name: one.relation for one in task.sets}
    names = in_order(list(relations))[::-1]
    return next((name for name in names if relations[name] == "beyond"), next(iter(names), None))


def reaches_beyond(task: TaskDescription) -> bool:
    """Whether a set lies beyond what was trained on, and another one does not."""
    found = {one.relation == "beyond" for one in task.sets}
    return found == {True, False}


def kept(first: float | None, last: float | None, metric: Metric) -> float | None:
    """Last value over first, or first over last where smaller is better: 1 if all is kept."""
    if first is None or last is None:
        return None
    above, below = (last, first) if metric.goal == "max" else (first, last)
    share = above / below if below else math.inf
    return share if math.isfinite(share) else None


def references(cell: Cell, name: str) -> References:
    return cell.references.get(name, {})


def floor(cell: Cell, name: str) -> float | None:
    """The headline metric of the best baseline on a set."""
    found = best_baseline(references(cell, name), headline(cell.task))
    return found[1] if found else None


def ceiling(cell: Cell, name: str) -> float | None:
    """The headline metric of the Bayes-optimal predictor on a set."""
    return bayes_value(references(cell, name), headline(cell.task))


def has_memory(cell: Cell) -> bool:
    return cell.memory != "none"


def matrix(cells: Sequence[Cell], restarts: int, measure: Measure) -> np.ndarray:
    """A measure of every finished run, (cells, restarts); NaN where there is none."""
    values = np.full((len(cells), restarts), np.nan)
    for row, cell in enumerate(cells):
        for run in cell.finished:
            value = measure(cell, run)
            if value is not None and run.restart < restarts:
                values[row, run.restart] = value
    return values


def standing(view: View, cell: Cell, name: str | None) -> str | None:
    """Where a cell stands to the floor of a set, by the interval of its median advantage over it.

    `above`: wholly better than the floor by more than NEAR. `floor`: wholly within NEAR of the
    floor, the floor's equal. `below`: wholly worse than that bound above the floor, but not within
    NEAR of it. `open`: none of these. None if no restart is finished, or the set has no baseline.
    A finished restart whose score is missing counts as the worst.
    """
    bound = None if name is None else floor(cell, name)
    if name is None or bound is None:
        return None
    metric = headline(cell.task)
    values = [view.value(cell, run, name) for run in cell.finished]
    if all(value is None for value in values):
        return None
    gains = [advantage(value, bound, metric) for value in with_worst(values, metric)]
    estimate = bootstrap(gains, median)
    interval = estimate.interval
    low = interval.low if interval else estimate.value
    high = interval.high if interval else estimate.value
    # What is exactly NEAR away counts as near, whatever its last bit is.
    near = NEAR + 1e-9
    if low > near:
        return "above"
    if high <= near:
        return "floor" if low >= -near else "below"
    return "open"


STANDINGS = {"above": "above", "floor": "equal", "below": "below", "open": "open", None: "–"}
"""Standings as tables write them."""

TRIVIAL = ("floor", "below")
"""The standings in which a net is no better than the best baseline."""
