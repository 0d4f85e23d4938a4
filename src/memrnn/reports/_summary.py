"""What the restarts of one cell come to, evaluation set by evaluation set."""

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memrnn.errors import MemrnnError
from memrnn.evaluation import Evaluation, References, SetScores, best_baseline, normalised
from memrnn.runtime import formats
from memrnn.tasks import BAYES, Metric, Relation, TaskDescription


@dataclass(frozen=True)
class MetricSummary:
    """One metric of one cell on one evaluation set. None stands for what does not exist.

    Attributes:
        values: of each restart; None where it is missing or not a number.
        best: of the best restart, chosen on validation items and never on these.
        median: over all restarts; a missing value counts as the worst, see `with_worst`.
        low, high: range of the same.
        missing: restarts without a value, where others have one or one is not a number.
        baseline: of the best baseline, and `baseline_name` is its name.
        bayes: of the Bayes-optimal predictor.
        normalised: the best restart's value between `baseline` (0) and `bayes` (1).
    """

    metric: Metric
    values: tuple[float | None, ...]
    best: float | None
    median: float | None
    low: float | None
    high: float | None
    missing: int
    baseline: float | None
    baseline_name: str
    bayes: float | None
    normalised: float | None

    def text(self, value: float | None) -> str:
        """A value of this metric as text."""
        return format_value(value, self.metric)

    def range_text(self, to: str) -> str:
        """The range over restarts as text; a dash if no restart has a value."""
        if self.low is None:
            return formats.MISSING
        return f"{self.text(self.low)}{to}{self.text(self.high)}"


@dataclass(frozen=True)
class SetSummary:
    """One cell on one evaluation set.

    Attributes:
        metrics: by name; only those that a restart or a reference has.
    """

    name: str
    relation: Relation | None
    headline: MetricSummary
    metrics: Mapping[str, MetricSummary]

    @property
    def label(self) -> str:
        return set_label(self.name)


@dataclass(frozen=True)
class Summary:
    """One cell in one precision: what it is, how many restarts it has, and its scores by set."""

    task: TaskDescription
    model: str
    freeze: tuple[str, ...]
    precision: str
    restarts: int
    diverged: int
    sets: tuple[SetSummary, ...]

    @property
    def name(self) -> str:
        """Model and freezing mode in a sentence."""
        return f"{self.model} with {frozen_words(self.freeze)}"

    @property
    def metrics(self) -> list[Metric]:
        """What was measured, the headline metric first; of warnings those with something to say."""
        measured = {
            name
            for scores in self.sets
            for name, score in scores.metrics.items()
            if not score.metric.warning or any(score.values)
        }
        metrics = [metric for metric in self.task.metrics if metric.name in measured]
        return sorted(metrics, key=lambda metric: metric.name != self.task.headline)


def frozen_words(freeze: Sequence[str]) -> str:
    """A freezing mode in a sentence: `nothing frozen`, `controller+memory frozen`."""
    return f"{'+'.join(freeze) or 'nothing'} frozen"


def set_range(name: str) -> tuple[int, int] | None:
    """The two integers of which a set's name is made, as in `40:100`; else None."""
    match = re.fullmatch(r"(\d+):(\d+)", name)
    return (int(match[1]), int(match[2])) if match else None


def set_label(name: str) -> str:
    """A set's name as people write it: 40–100 for `40:100`, any other name as it is."""
    ends = set_range(name)
    return range_label(ends) if ends else name


def range_label(ends: Sequence[int] | Sequence[float]) -> str:
    """A range as people write it: 40–100, or 40 if it is but one."""
    low, high = ends
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"


def in_order(names: Sequence[str]) -> list[str]:
    """Names of sets from the shortest to the longest range; as given if one is not a range."""
    if not all(map(set_range, names)):
        return list(names)
    return sorted(names, key=lambda name: set_range(name) or (0, 0))


def metric_label(metric: Metric | str) -> str:
    """A metric's name in words."""
    return (metric if isinstance(metric, str) else metric.name).replace("_", " ")


def mean_label(metric: Metric) -> str:
    """What a metric's mean is called: that of perplexity is its logarithm."""
    return metric_label(metric) if metric.scale == "ratio" else f"log {metric_label(metric)}"


def format_value(value: float | None, metric: Metric) -> str:
    """A metric's value in at most 8 characters: 0.974, 12.50, 1.2e+07, inf."""
    return formats.share(value) if metric.scale == "ratio" else formats.decimal(value)


def same_kind(metric: Metric, other: Metric) -> bool:
    """Whether two metrics have one goal and one scale, so that their values can be compared."""
    return (metric.goal, metric.scale) == (other.goal, other.scale)


def known_value(scores: SetScores, metric: Metric) -> float | None:
    """A metric over a whole set; None where it does not exist or is not a number."""
    value = scores.value(metric)
    return None if value is None or math.isnan(value) else value


def bayes_value(references: References, metric: Metric) -> float | None:
    """The Bayes-optimal predictor's value, where there is such a predictor."""
    return known_value(references[BAYES], metric) if BAYES in references else None


def normalise(value: float | None, baseline: float | None, bayes: float | None) -> float | None:
    """`normalised`, and None if one of the three is missing or infinite."""
    numbers = [x for x in (value, baseline, bayes) if x is not None and math.isfinite(x)]
    return normalised(*numbers) if len(numbers) == 3 else None


def with_worst(values: Sequence[float | None], metric: Metric) -> list[float]:
    """The values, with the worst that there can be in place of what is missing.

    That is 0 for a metric to be maximised of which no value is negative, such as a share, and
    else infinity in the metric's bad direction. So a median of restarts never gets better because
    one of them has no score.
    """
    known = [value for value in values if value is not None]
    worst = 0.0 if metric.goal == "max" and min(known, default=0.0) >= 0 else metric.worst
    return [worst if value is None else value for value in values]


def summarize(evaluation: Evaluation) -> Summary:
    """Sums up a cell; every restart counts, whatever became of it.

    Raises:
        MemrnnError: if there is no restart in it.
    """
    if not evaluation.runs:
        raise MemrnnError("A result holds no restart, so there is nothing to report.")
    return Summary(
        evaluation.task,
        evaluation.model,
        evaluation.freeze,
        evaluation.precision,
        restarts=len(evaluation.runs),
        diverged=sum(run.status == "diverged" for run in evaluation.runs),
        sets=tuple(_summarize_set(evaluation, *described) for described in evaluation.task.sets),
    )


def _summarize_set(evaluation: Evaluation, name: str, relation: Relation | None) -> SetSummary:
    restarts = [run.sets.get(name, SetScores({})) for run in evaluation.runs]
    references = evaluation.references.get(name, {})
    headline = evaluation.task.headline
    metrics = {
        metric.name: _summarize_metric(evaluation.best, restarts, references, metric)
        for metric in evaluation.task.metrics
        if metric.name == headline
        or any(metric.name in scores.whole for scores in [*restarts, *references.values()])
    }
    return SetSummary(name, relation, metrics[headline], metrics)


def _summarize_metric(
    best: int, restarts: Sequence[SetScores], references: References, metric: Metric
) -> MetricSummary:
    values = tuple(known_value(scores, metric) for scores in restarts)
    # Of a metric with nothing to score, which has no value anywhere, nothing is missing.
    exists = any(scores.value(metric) is not None for scores in restarts)
    counted = with_worst(values, metric) if values.count(None) < len(values) else []
    baseline_name, baseline = best_baseline(references, metric) or ("", None)
    bayes = bayes_value(references, metric)
    return MetricSummary(
        metric,
        values,
        best=values[best],
        median=statistics.median(counted) if counted else None,
        low=min(counted, default=None),
        high=max(counted, default=None),
        missing=values.count(None) if exists else 0,
        baseline=baseline,
        baseline_name=baseline_name,
        bayes=bayes,
        normalised=normalise(values[best], baseline, bayes),
    )
