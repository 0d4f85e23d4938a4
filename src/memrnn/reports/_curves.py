"""What is drawn against numeric groups: values of restarts and references, group by group."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from memrnn.evaluation import Evaluation, SetScores
from memrnn.reports._pooling import Bins
from memrnn.reports._summary import same_kind, set_label, set_range, with_worst
from memrnn.tasks import BAYES, Metric

LOGARITHMIC = 24.0
"""Ratio of largest to smallest group from which the axis of groups is logarithmic."""

MOST_POINTS = 60
"""Points of a curve; where there are more groups, neighbours are pooled."""


@dataclass(frozen=True)
class Curve:
    """One metric of one cell against its groups.

    Attributes:
        label: of the set, if each set is drawn for itself; else empty.
        groups: in ascending order; a bin of pooled groups counts as one, see `Bins`.
        values: of every restart per group; the worst where a restart has none, see `with_worst`.
        floor: of the best baseline, by group.
        bayes: of the Bayes-optimal predictor, by group.
    """

    evaluation: Evaluation
    label: str
    groups: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]
    floor: Mapping[float, float]
    bayes: Mapping[float, float]


class Family(NamedTuple):
    """Curves that share a metric and an axis of groups, so that one figure shows them."""

    metric: Metric
    axis: str
    curves: list[Curve]

    @property
    def evaluations(self) -> list[Evaluation]:
        """The cells of the curves, each once."""
        return list({id(curve.evaluation): curve.evaluation for curve in self.curves}.values())


def families(evaluations: Sequence[Evaluation], only: str | None = None) -> list[Family]:
    """What can be drawn: the headline metric of each task, and the metrics of its kind.

    Args:
        only: the name of a metric, where no other one is asked for.
    """
    by_axes: dict[tuple[Metric, str], list[Curve]] = {}
    for evaluation in evaluations:
        task = evaluation.task
        headline = task.metric(task.headline)
        for metric in sorted(task.metrics, key=lambda metric: metric != headline):
            if task.group_axis is None or not same_kind(metric, headline):
                continue
            if only not in (None, metric.name):
                continue
            curves = _curves(evaluation, metric)
            if any(curve.groups for curve in curves):
                by_axes.setdefault((metric, task.group_axis), []).extend(curves)
    return [Family(*axes, curves) for axes, curves in by_axes.items()]


def has_numbers(scores: SetScores) -> bool:
    """Whether the groups of a set are numbers."""
    try:
        return bool([float(group) for group in scores.groups])
    except ValueError:
        return False


def _curves(evaluation: Evaluation, metric: Metric) -> list[Curve]:
    """The curves of a cell: one if its sets divide one axis, else one per set.

    Sets divide one axis if no group is in two of them, or if all are named by their ranges. A group
    that two ranges share counts once.
    """
    sets = [described.name for described in evaluation.task.sets]
    scores = evaluation.runs[0].sets
    groups = [group for name in sets if name in scores for group in scores[name].groups]
    if len(groups) == len(set(groups)) or all(map(set_range, sets)):
        return [_joined(evaluation, metric, sets, "")]
    return [_joined(evaluation, metric, [name], set_label(name)) for name in sets]


def _joined(evaluation: Evaluation, metric: Metric, sets: Sequence[str], label: str) -> Curve:
    """The curves over several sets."""
    names = {
        group
        for run in evaluation.runs
        for name in sets
        if name in run.sets and has_numbers(run.sets[name])
        for group in run.sets[name].groups
    }
    trained = evaluation.task.trained_groups
    bins = Bins.of(names, MOST_POINTS, boundary=trained and trained[1], wide=LOGARITHMIC)
    restarts = [_by_place(bins, run.sets, sets, metric) for run in evaluation.runs]
    groups = sorted(set().union(*restarts))
    references = {name: evaluation.references.get(name, {}) for name in sets}
    predictors = {
        predictor: _by_place(
            bins,
            {name: scores[predictor] for name, scores in references.items() if predictor in scores},
            sets,
            metric,
        )
        for predictor in itertools.chain(*references.values())
    }
    bayes = predictors.pop(BAYES, {})
    best = max if metric.goal == "max" else min
    return Curve(
        evaluation,
        label,
        tuple(groups),
        tuple(tuple(with_worst([r.get(group) for r in restarts], metric)) for group in groups),
        {
            group: best(values[group] for values in predictors.values() if group in values)
            for group in sorted(set().union(*predictors.values()))
        },
        bayes,
    )


def _by_place(
    bins: Bins, scores: Mapping[str, SetScores], sets: Sequence[str], metric: Metric
) -> dict[float, float]:
    """A metric by where its bins are drawn, without bins where it is not a number."""
    totals = zip(bins.places, bins.totals(scores, sets, metric), strict=True)
    values = {place: metric.value(total) for place, total in totals if total is not None}
    return {
        place: value
        for place, value in values.items()
        if value is not None and not math.isnan(value)
    }
