"""What reports read from a study: cells, the first and the last set of a task, scores."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

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
from memrnn.reports.study.resampling import bootstrap, median
from memrnn.studies import Cell, RunRecord, StudyResults
from memrnn.tasks import Metric, TaskDescription

CLIP = 1.0
"""Normalised values are cut off at plus and minus this where they are averaged: where baseline and
Bayes-optimal value are close, one net would otherwise outweigh all others."""

Measure = Callable[[Cell, RunRecord], float | None]
"""A number of a finished run; None if it does not exist."""

SetOf = Callable[[TaskDescription], str]
"""Which set of a task is meant: `first_set` or `last_set`."""

Standing = Literal["above", "equal", "below", "open"]


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

    def matrix(self, cells: Sequence[Cell], measure: Measure) -> np.ndarray:
        """A measure of every finished run, (cells, restarts); NaN where there is none."""
        values = np.full((len(cells), self.results.study.restarts), np.nan)
        for row, cell in enumerate(cells):
            for run in cell.finished:
                if (value := measure(cell, run)) is not None:
                    values[row, run.restart] = value
        return values

    def value(self, cell: Cell, run: RunRecord, name: str) -> float | None:
        """The headline metric on a set; None if it is missing or not a number."""
        scores = run.scores.get(self.precision, {}).get(name)
        return None if scores is None else known_value(scores, headline(cell.task))

    def retention(self, cell: Cell, run: RunRecord) -> float | None:
        """Last set's value over the first's; None if they are the same set.

        Where smaller is better, the first over the last.
        """
        return _retention(cell, lambda name: self.value(cell, run, name))

    def baseline_retention(self, cell: Cell, _: RunRecord) -> float | None:
        """The same of the best baseline on each set."""
        return _retention(cell, lambda name: baseline(cell, name))

    def normalised(self, cell: Cell, run: RunRecord) -> float | None:
        """Normalised value on the last set, cut off at `CLIP` on both sides."""
        last = last_set(cell.task)
        value = normalise(self.value(cell, run, last), baseline(cell, last), bayes(cell, last))
        return None if value is None else max(-CLIP, min(CLIP, value))

    def last_value(self, cell: Cell, run: RunRecord) -> float | None:
        """The headline metric on the last set; its logarithm for one on an `exp` scale."""
        value = self.value(cell, run, last_set(cell.task))
        if value is not None and headline(cell.task).scale == "exp":
            value = math.log(value) if value > 0 else None
        return value if value is not None and math.isfinite(value) else None

    def above_baseline(self, cell: Cell, run: RunRecord) -> float | None:
        """How much better than the best baseline the last set's value is; 0 if it is not."""
        last = last_set(cell.task)
        value, bound = self.value(cell, run, last), baseline(cell, last)
        if value is None or bound is None:
            return None
        gain = max(0.0, advantage(value, bound, headline(cell.task)))
        return gain if math.isfinite(gain) else None


def excess(_: Cell, run: RunRecord) -> float | None:
    """The mean of the validation metric above its reference; None if it is not finite."""
    return run.excess if math.isfinite(run.excess) else None


def headline(task: TaskDescription) -> Metric:
    return task.metric(task.headline)


def first_set(task: TaskDescription) -> str:
    """The first set that is not beyond what was trained on, else the first one; else empty."""
    beyond = _beyond(task)
    return next((name for name in beyond if not beyond[name]), next(iter(beyond), ""))


def last_set(task: TaskDescription) -> str:
    """The last set beyond what was trained on, else the last one; else empty."""
    beyond = _beyond(task)
    return next((name for name in reversed(beyond) if beyond[name]), next(reversed(beyond), ""))


def reaches_beyond(task: TaskDescription) -> bool:
    """Whether a set lies beyond what was trained on, and another one does not."""
    return set(_beyond(task).values()) == {True, False}


def _beyond(task: TaskDescription) -> dict[str, bool]:
    """Whether each set is beyond what was trained on, by name and in order."""
    beyond = {of_set.name: of_set.relation == "beyond" for of_set in task.sets}
    return {name: beyond[name] for name in in_order(list(beyond))}


def _retention(cell: Cell, value: Callable[[str], float | None]) -> float | None:
    first, last = first_set(cell.task), last_set(cell.task)
    above, below = value(last), value(first)
    if headline(cell.task).goal == "min":
        above, below = below, above
    if first == last or above is None or below is None:
        return None
    share = above / below if below else math.inf
    return share if math.isfinite(share) else None


def references(cell: Cell, name: str) -> References:
    return cell.references.get(name, {})


def baseline(cell: Cell, name: str) -> float | None:
    """The headline metric of the best baseline on a set."""
    best = best_baseline(references(cell, name), headline(cell.task))
    return best[1] if best else None


def bayes(cell: Cell, name: str) -> float | None:
    """The headline metric of the Bayes-optimal predictor on a set."""
    return bayes_value(references(cell, name), headline(cell.task))


def has_memory(cell: Cell) -> bool:
    return cell.memory != "none"


def standing(view: View, cell: Cell, name: str) -> Standing | None:
    """Where a cell stands to the baseline of a set, by the interval of its median advantage.

    `above`: wholly better than the baseline by more than NEAR. `equal`: wholly within NEAR of it.
    `below`: wholly worse than NEAR above the baseline, but not within NEAR of it. `open`: none of
    these. None if no restart is finished, or the set has no baseline. A finished restart whose
    score is missing counts as the worst.
    """
    metric, bound = headline(cell.task), baseline(cell, name)
    values = [view.value(cell, run, name) for run in cell.finished]
    if bound is None or all(value is None for value in values):
        return None
    gains = [advantage(value, bound, metric) for value in with_worst(values, metric)]
    estimate = bootstrap(gains, median)
    low, high = estimate.interval or (estimate.value, estimate.value)
    # What is exactly NEAR away counts as near, whatever its last bit is.
    near = NEAR + 1e-9
    if low > near:
        return "above"
    if high <= near:
        return "equal" if low >= -near else "below"
    return "open"
