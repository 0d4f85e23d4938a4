"""What is drawn against numeric groups: values of restarts and references, group by group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memrnn.evaluation import Evaluation, References, SetScores
from memrnn.reports._summary import known_by_group, set_label, set_range, with_worst
from memrnn.tasks import BAYES, Metric


@dataclass(frozen=True)
class Curves:
    """One metric of one cell against its groups.

    Attributes:
        label: of the set, if each set is drawn for itself; else empty.
        groups: in ascending order.
        values: of every restart per group; the worst where a restart has none, see `with_worst`.
        floor: of the best baseline, by group.
        ceiling: of the Bayes-optimal predictor, by group.
    """

    label: str
    groups: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]
    floor: Mapping[float, float]
    ceiling: Mapping[float, float]


@dataclass(frozen=True)
class Family:
    """Cells that share a metric and an axis of groups, so that one figure shows them."""

    metric: Metric
    axis: str
    evaluations: tuple[Evaluation, ...]


def families(evaluations: Sequence[Evaluation]) -> list[Family]:
    """What can be drawn: the headline metric of each task, and the metrics of its kind."""
    found: dict[tuple[Metric, str], list[Evaluation]] = {}
    for evaluation in evaluations:
        task = evaluation.task
        if task.group_axis is None:
            continue
        first = task.metric(task.headline)
        for metric in sorted(task.metrics, key=lambda metric: metric != first):
            alike = (metric.goal, metric.scale) == (first.goal, first.scale)
            if alike and any(one.groups for one in curves(evaluation, metric)):
                found.setdefault((metric, task.group_axis), []).append(evaluation)
    return [Family(*key, tuple(some)) for key, some in found.items()]


def curves(evaluation: Evaluation, metric: Metric) -> list[Curves]:
    """The curves of a cell: one if its sets are parts of one axis, else one per set.

    Sets are parts of one axis if no group is in two of them, or if all are named by their ranges.
    A group that two ranges share counts once.
    """
    sets = [one.name for one in evaluation.task.sets]
    groups = [group for name in sets for group in _first(evaluation, name).groups]
    if len(groups) == len(set(groups)) or all(map(set_range, sets)):
        return [_curves(evaluation, sets, metric, "")]
    return [_curves(evaluation, [name], metric, set_label(name)) for name in sets]


def has_numbers(scores: SetScores) -> bool:
    """Whether the groups of a set are numbers."""
    return bool(scores.groups) and all(_number(group) is not None for group in scores.groups)


def _first(evaluation: Evaluation, name: str) -> SetScores:
    return evaluation.runs[0].sets.get(name, SetScores({}))


def _curves(evaluation: Evaluation, sets: Sequence[str], metric: Metric, label: str) -> Curves:
    restarts = [
        _by_number([run.sets.get(name, SetScores({})) for name in sets], metric)
        for run in evaluation.runs
    ]
    groups = sorted({group for one in restarts for group in one})
    references = [evaluation.references.get(name, {}) for name in sets]
    baselines = [
        _predictor(references, name, metric)
        for name in dict.fromkeys(name for one in references for name in one)
        if name != BAYES
    ]
    best = max if metric.goal == "max" else min
    return Curves(
        label,
        tuple(groups),
        tuple(tuple(with_worst([one.get(g) for one in restarts], metric)) for g in groups),
        {g: best(one[g] for one in baselines if g in one) for g in _all(baselines)},
        _predictor(references, BAYES, metric),
    )


def _predictor(references: Sequence[References], name: str, metric: Metric) -> dict[float, float]:
    return _by_number([one[name] for one in references if name in one], metric)


def _by_number(sets: Sequence[SetScores], metric: Metric) -> dict[float, float]:
    """A metric by group over several sets; of a group that is in two of them, the last."""
    return {
        number: value
        for scores in sets
        if has_numbers(scores)
        for group, value in known_by_group(scores, metric).items()
        if (number := _number(group)) is not None
    }


def _all(baselines: Sequence[Mapping[float, float]]) -> list[float]:
    return sorted({group for one in baselines for group in one})


def _number(group: str) -> float | None:
    try:
        return float(group)
    except ValueError:
        return None
