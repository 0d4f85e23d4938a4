"""What reports read from a study: cells, the first and the last set of a task, scores."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from memrnn.evaluation import References, best_baseline
from memrnn.reports._summary import (
    bayes_value,
    in_order,
    known_value,
    with_worst,
)
from memrnn.reports._thresholds import NEAR, gain
from memrnn.reports.study.resampling import LEVEL, bootstrap, median
from memrnn.runtime import formats as form
from memrnn.studies import Cell, RunRecord, StudyResults
from memrnn.tasks import Metric, TaskDescription

Measure = Callable[[Cell, RunRecord], float | None]
"""A number of a finished run; None if it does not exist."""

SetOf = Callable[[TaskDescription], str]
"""Which set of a task is meant: `first_set` or `last_set`."""

Place = Literal["above", "equal", "below", "open", "uninformative"]


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

    def baseline_retention(self, cell: Cell) -> float | None:
        """The same of the best baseline on each set."""
        return _retention(cell, lambda name: baseline(cell, name))

    def last_value(self, cell: Cell, run: RunRecord) -> float | None:
        """The headline metric on the last set; its logarithm for one on an `exp` scale."""
        value = self.value(cell, run, last_set(cell.task))
        if value is not None and headline(cell.task).scale == "exp":
            value = math.log(value) if value > 0 else None
        return value if value is not None and math.isfinite(value) else None


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


class Standing(NamedTuple):
    """Where a cell stands to the baseline of a set.

    Attributes:
        place: `above`, `equal` or `below` if the whole interval of the median over restarts is
            better than the baseline by more than `NEAR`, within `NEAR` of it, or worse by more;
            `open` if it is none of these; `uninformative` if baseline and Bayes-optimal predictor
            nearly meet. See `gain`.
        restarts: how many it is of.
    """

    place: Place
    restarts: int

    @property
    def coverage(self) -> float:
        """Of the interval, at most: of n restarts none of their median covers more."""
        return min(LEVEL, 1 - 2.0 ** (1 - self.restarts))

    @property
    def text(self) -> str:
        """The place, with the coverage where it says less than the usual interval."""
        if self.place in ("open", "uninformative") or self.coverage == LEVEL:
            return self.place
        return f"{self.place} ({form.per_cent(self.coverage)})"


def standing(view: View, cell: Cell, name: str) -> Standing | None:
    """Where a cell stands to the baseline of a set, by the interval of its median `gain`.

    None if no restart is finished, or the set has no baseline. A finished restart whose score is
    missing counts as the worst.
    """
    metric, bound = headline(cell.task), baseline(cell, name)
    values = [view.value(cell, run, name) for run in cell.finished]
    if bound is None or all(value is None for value in values):
        return None
    best = bayes(cell, name)
    gains = [gain(value, bound, best, metric) for value in with_worst(values, metric)]
    known = [one for one in gains if one is not None]
    if not known:
        return Standing("uninformative", len(values))
    estimate = bootstrap(known, median)
    low, high = estimate.interval or (estimate.value, estimate.value)
    # What is exactly NEAR away counts as near, whatever its last bit is.
    near = NEAR + 1e-9
    place: Place = "open"
    if low > near:
        place = "above"
    elif high < -near:
        place = "below"
    elif low >= -near and high <= near:
        place = "equal"
    return Standing(place, len(values))
