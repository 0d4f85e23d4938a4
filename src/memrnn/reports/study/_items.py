"""Runs compared item by item: their sums by the groups of partitions, and what these say.

Of a text items are words, and the sample is that of its sentences.
"""

import itertools
import math
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import compute

from memrnn.reports.study._overview import distinct
from memrnn.reports.study.resampling import Estimate, Interval
from memrnn.reports.study.scores import View, headline, last_set
from memrnn.studies import Cell, RunRecord
from memrnn.tasks import TaskDescription
from memrnn.text import difference_of_sums

LEAST_FOR_DRAWS = 4
"""Restarts of a cell from which two draws of it are compared."""

MOST_SPLITS = 1000
"""Splits of a cell's restarts into halves; if there are more, so many are drawn."""


def by_items(view: View) -> bool:
    """Whether the tasks of a study are compared item by item, and have finished runs."""
    results = view.results
    return any(run.finished for run in results.runs) and all(
        task.sample is not None for task in results.tasks
    )


class GroupSums(NamedTuple):
    """Sums over the items of each group of a partition, by the headline metric."""

    names: tuple[str, ...]
    numerators: np.ndarray
    denominators: np.ndarray


class Paired(NamedTuple):
    """One predictor minus another on the same items, in the mean of the headline metric.

    Attributes:
        estimate: from totals, with the interval of a bootstrap over the groups of the sample.
        groups: of the sample; 0 where there is no interval.
    """

    estimate: Estimate
    groups: int


class Draws(NamedTuple):
    """How much the best of n restarts differs between two draws of one experiment.

    Two disjoint halves of the restarts of a cell; of each the one that validation chooses.

    Attributes:
        size: restarts of a half.
        splits: how many there are, or were drawn.
        median, most: of the absolute difference of the metric; 95 % of splits are below `most`.
    """

    cell: Cell
    size: int
    splits: int
    median: float
    most: float


class ItemSums:
    """The sums of a study in one precision."""

    def __init__(self, view: View):
        self.view = view

    def run(self, cell: Cell, run: RunRecord, name: str, partition: str) -> GroupSums | None:
        """Of a run on a set; None where they are not known."""
        return self._runs.get((run.id, name, partition, cell.task.headline))

    def reference(
        self, task: TaskDescription, predictor: str, name: str, partition: str
    ) -> GroupSums | None:
        """The same of a predictor that needs no training."""
        return self._references.get((task.key, predictor, name, partition, task.headline))

    def partitions(self, task: TaskDescription, name: str) -> list[str]:
        """The partitions of a set that are known of some run, but for the sample."""
        known = dict.fromkeys(
            partition
            for _, of_set, partition, metric in self._runs
            if (of_set, metric) == (name, task.headline)
        )
        return [partition for partition in known if partition != task.sample]

    def difference(
        self, cell: Cell, name: str, one: RunRecord, other: "RunRecord | str"
    ) -> Paired | None:
        """A run minus another of the same task, or minus a reference, on a set.

        None where a score is missing or not finite.
        """
        task, metric = cell.task, headline(cell.task)
        ours = self.view.value(cell, one, name)
        if isinstance(other, str):
            scores = cell.references.get(name, {}).get(other)
            theirs = None if scores is None else scores.value(metric)
            sums = self.reference(task, other, name, task.sample or "")
        else:
            theirs = self.view.value(cell, other, name)
            sums = self.run(cell, other, name, task.sample or "")
        if ours is None or theirs is None or not (math.isfinite(ours) and math.isfinite(theirs)):
            return None
        value = metric.mean_of(ours) - metric.mean_of(theirs)
        own = self.run(cell, one, name, task.sample or "")
        if own is None or sums is None or own.names != sums.names:
            return Paired(Estimate(value), 0)
        differences = own.numerators - sums.numerators
        if not np.isfinite(differences).all():
            return Paired(Estimate(value), 0)
        found = difference_of_sums(differences, own.denominators)
        return Paired(Estimate(value, Interval(found.low, found.high)), found.sentences)

    @cached_property
    def _runs(self) -> dict[tuple[str, ...], GroupSums]:
        table = self.view.results.partition_scores
        if table is not None:
            table = table.filter(compute.field("precision") == self.view.precision)
        return _grouped(table, ("run", "set", "partition", "metric"))

    @cached_property
    def _references(self) -> dict[tuple[str, ...], GroupSums]:
        columns = ("task_key", "predictor", "set", "partition", "metric")
        return _grouped(self.view.results.partition_references, columns)


def _grouped(table: pa.Table | None, columns: Sequence[str]) -> dict[tuple[str, ...], GroupSums]:
    """The rows of a long table by the values of some columns."""
    if table is None:
        return {}
    rows: dict[tuple[str, ...], list[tuple[str, float, float]]] = {}
    read = (*columns, "group", "numerator", "denominator")
    for *keys, group, numerator, denominator in zip(
        *(table[column].to_pylist() for column in read), strict=True
    ):
        rows.setdefault(tuple(keys), []).append((group, numerator, denominator))
    sums: dict[tuple[str, ...], GroupSums] = {}
    for key, members in rows.items():
        names, numerators, denominators = zip(*members, strict=True)
        sums[key] = GroupSums(names, np.array(numerators, float), np.array(denominators, float))
    return sums


def draws(view: View) -> list[Draws]:
    """Of every distinct cell with enough finished restarts, on the last set."""
    found = [_draws_of(view, cell) for cell in distinct(view.results.cells)]
    return [one for one in found if one is not None]


def _draws_of(view: View, cell: Cell) -> Draws | None:
    runs, size = cell.finished, len(cell.finished) // 2
    if len(runs) < LEAST_FOR_DRAWS:
        return None
    values = [view.value(cell, run, last_set(cell.task)) for run in runs]
    if any(value is None or not math.isfinite(value) for value in values):
        return None
    excess = [run.excess for run in runs]
    differences: list[float] = []
    for half, other in _halves(len(runs), size):
        one, two = (min(members, key=excess.__getitem__) for members in (half, other))
        differences.append(abs(values[one] - values[two]))  # type: ignore[operator]
    median, most = np.quantile(differences, [0.5, 0.95]).tolist()
    return Draws(cell, size, len(differences), median, most)


def _halves(count: int, size: int) -> list[tuple[Sequence[int], Sequence[int]]]:
    """Pairs of disjoint halves: all of them, or `MOST_SPLITS` drawn ones."""
    if math.comb(count, size) <= MOST_SPLITS:
        numbers = range(count)
        halves = list(itertools.combinations(numbers, size))
        return [
            (half, other)
            for half in halves
            for other in itertools.combinations([n for n in numbers if n not in half], size)
            if half < other
        ]
    rng = np.random.default_rng(0)
    orders = [rng.permutation(count).tolist() for _ in range(MOST_SPLITS)]
    return [(order[:size], order[size : 2 * size]) for order in orders]
