"""When a score counts as learned, and when as a baseline's."""

import math

from memrnn.tasks import Metric

LEARNED = 0.9
"""Normalised value from which a set counts as learned."""

NEAR = 0.1
"""Share of the way from the best baseline to the Bayes-optimal predictor within which a score
counts as the baseline's."""

NEAR_WITHOUT_BAYES = 0.01
"""The same distance where there is no Bayes-optimal predictor, see `advantage`."""

LEAST_WAY = {"ratio": 0.05, "exp": 0.1}
"""How far apart the best baseline and the Bayes-optimal predictor must be for a set to tell one
from the other, by the scale of the metric: a share, or nats."""


def advantage(value: float, other: float, metric: Metric) -> float:
    """How much better a value is than another: the difference, of the logarithms on an `exp` scale.

    Positive if it is better. In nats for a perplexity, so that 0.01 is one per cent of it.
    """
    if value == other:
        return 0.0
    if metric.scale == "exp":
        value, other = (math.log(x) if x > 0 else -math.inf for x in (value, other))
    return value - other if metric.goal == "max" else other - value


def gain(value: float, baseline: float, bayes: float | None, metric: Metric) -> float | None:
    """How much better a value is than the best baseline, in units in which `NEAR` is near.

    That is the share of the way from the baseline to the Bayes-optimal predictor, of the logarithms
    on an `exp` scale. Without such a predictor it is the plain difference, so scaled that `NEAR`
    stands for `NEAR_WITHOUT_BAYES`.

    Returns:
        None if the two are less than `LEAST_WAY` apart: the set is uninformative.
    """
    if bayes is None:
        return advantage(value, baseline, metric) * NEAR / NEAR_WITHOUT_BAYES
    way = advantage(bayes, baseline, metric)
    return advantage(value, baseline, metric) / way if way >= LEAST_WAY[metric.scale] else None
