"""What the first figure of a study draws: values of every run at the places of an axis."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from memrnn.evaluation import SetScores
from memrnn.reports._curves import has_numbers
from memrnn.reports._pooling import Bins
from memrnn.reports._summary import in_order, set_label, with_worst
from memrnn.reports.study._overview import Overview, effective
from memrnn.reports.study.scores import has_memory
from memrnn.studies import RunRecord
from memrnn.tasks import BAYES, Metric, Total

POINTS = 16
"""Bins of an axis of groups; where there are fewer groups, each is a point."""

WIDE = 8.0
"""Ratio of the largest to the smallest group from which their axis is logarithmic."""

Freeze = tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """What is drawn of a task in one row of the figure.

    Attributes:
        lines: the runs of each freezing mode, (runs, places); NaN where no run has a value.
        plain: those of networks without a memory, beside networks with one.
    """

    metric: Metric
    lines: Mapping[Freeze, np.ndarray]
    plain: np.ndarray | None
    floor: np.ndarray
    bayes: np.ndarray

    @property
    def drawn(self) -> list[float]:
        """All values that must fit into the panel, infinite ones included."""
        arrays = [*(quartiles(runs) for runs in self.lines.values()), self.floor, self.bayes]
        if self.plain is not None:
            arrays.append(quartiles(self.plain)[1])
        values = np.concatenate([np.ravel(array) for array in arrays])
        return values[~np.isnan(values)].tolist()


@dataclass(frozen=True)
class Column:
    """One task: where its points stand, and its two rows.

    Attributes:
        labels: of the places, where they are evaluation sets.
        hidden: finished runs without scores.
    """

    overview: Overview
    places: tuple[float, ...]
    labels: tuple[str, ...]
    score: Row
    nats: Row | None
    hidden: int


class _Axis(NamedTuple):
    """Where the points of a task stand."""

    places: tuple[float, ...]
    labels: tuple[str, ...]
    totals: Callable[[Mapping[str, SetScores], Metric], list[Total | None]]


def _axis(overview: Overview, scores: Sequence[Mapping[str, SetScores]]) -> _Axis:
    """The bins of numeric groups, else the evaluation sets."""
    names = in_order([one.name for one in overview.task.sets])
    known = [one[name] for one in scores for name in names if name in one]
    if overview.task.group_axis and all(map(has_numbers, known)):
        trained = overview.task.trained_groups
        groups = {group for one in known for group in one.groups}
        bins = Bins.of(groups, POINTS, boundary=trained and trained[1], wide=WIDE)
        return _Axis(bins.places, (), lambda sets, metric: bins.totals(sets, names, metric))

    def of_sets(sets: Mapping[str, SetScores], metric: Metric) -> list[Total | None]:
        totals = [sets[name].whole.get(metric.name) if name in sets else None for name in names]
        return [total if total and total.denominator else None for total in totals]

    return _Axis(tuple(map(float, range(len(names)))), tuple(map(set_label, names)), of_sets)


def column(overview: Overview) -> Column | None:
    """A task with its lines; None if no finished run has scores."""
    precision, metric = overview.view.precision, overview.metric
    cells = overview.cells
    main = [cell for cell in cells if has_memory(cell)]
    main = main if any(cell.finished for cell in main) else list(cells)

    def scored(runs: Sequence[RunRecord]) -> list[Mapping[str, SetScores]]:
        found = [run.scores.get(precision, {}) for run in runs]
        return [sets for sets in found if any(metric.name in one.whole for one in sets.values())]

    modes: dict[Freeze, list[Mapping[str, SetScores]]] = {}
    plain: list[Mapping[str, SetScores]] = []
    for cell in cells:
        if cell in main:
            modes.setdefault(effective(cell), []).extend(scored(cell.finished))
        elif not effective(cell):
            plain += scored(cell.finished)
    every = [sets for runs in [*modes.values(), plain] for sets in runs]
    if not every:
        return None
    axis = _axis(overview, every)
    references = cells[0].references
    predictors: dict[str, dict[str, SetScores]] = {}
    for name, known in references.items():
        for predictor, scores in known.items():
            predictors.setdefault(predictor, {})[name] = scores
    bayes = predictors.pop(BAYES, {})

    def row(metric: Metric, above: np.ndarray | None = None) -> Row:
        """Values of a metric, or its means above those of the Bayes-optimal predictor."""

        def read(sets: Mapping[str, SetScores]) -> list[float | None]:
            if above is None:
                values = [total and metric.value(total) for total in axis.totals(sets, metric)]
            else:
                values = [total and metric.mean(total) for total in axis.totals(sets, metric)]
                values = [
                    None if value is None or math.isnan(base) else value - base
                    for value, base in zip(values, above, strict=True)
                ]
            return [None if value is None or math.isnan(value) else value for value in values]

        def of_runs(runs: Sequence[Mapping[str, SetScores]]) -> np.ndarray:
            columns = [list(column) for column in zip(*map(read, runs), strict=True)]
            return np.array(
                [
                    with_worst(column, metric) if any(v is not None for v in column)
                    else [math.nan] * len(column)
                    for column in columns
                ]
            ).T  # fmt: skip

        def of_references(sets: Mapping[str, SetScores]) -> np.ndarray:
            return np.array([math.nan if value is None else value for value in read(sets)])

        lines = {mode: of_runs(runs) for mode, runs in modes.items() if runs}
        baselines = [of_references(sets) for sets in predictors.values()]
        best = np.fmax if metric.goal == "max" else np.fmin
        empty = np.full(len(axis.places), math.nan)
        return Row(
            metric,
            lines,
            of_runs(plain) if plain else None,
            best.reduce([empty, *baselines]),
            of_references(bayes),
        )

    nats = _nats_metric(overview, bayes, every)
    above = None
    if nats:
        means = [total and nats.mean(total) for total in axis.totals(bayes, nats)]
        above = np.array([math.nan if mean is None else mean for mean in means])
    finished = sum(len(cell.finished) for cell in cells if cell in main or not effective(cell))
    return Column(
        overview,
        axis.places,
        axis.labels,
        row(metric),
        row(nats, above) if nats else None,
        finished - len(every),
    )


def _nats_metric(
    overview: Overview, bayes: Mapping[str, SetScores], runs: Sequence[Mapping[str, SetScores]]
) -> Metric | None:
    """The metric of nats that runs and the Bayes-optimal predictor have; `selection` first."""
    task = overview.task
    metrics = sorted(task.metrics, key=lambda metric: metric.name != task.selection)
    return next(
        (
            metric
            for metric in metrics
            if (metric.scale, metric.goal) == ("exp", "min")
            and any(metric.name in one.whole for one in bayes.values())
            and any(metric.name in one.whole for sets in runs for one in sets.values())
        ),
        None,
    )


def quartiles(runs: np.ndarray) -> np.ndarray:
    """The lower quartile, the median and the upper quartile at each place, (3, places)."""
    low, high = np.quantile(runs, (0.25, 0.75), axis=0, method="inverted_cdf")
    return np.stack([low, np.median(runs, axis=0), high])
