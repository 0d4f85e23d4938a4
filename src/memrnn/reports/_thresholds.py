"""When a score counts as learned, and when as the floor's."""

import math

from memrnn.tasks import Metric

LEARNED = 0.9
"""Normalised value from which a set counts as learned."""

NEAR = 0.01
"""Distance within which a score is called the floor's, see `advantage`."""


def advantage(value: float, other: float, metric: Metric) -> float:
    """How much better a value is than another: the difference, of the logarithms on an `exp` scale.

    Positive if it is better. In nats for a perplexity, so that `NEAR` is one per cent of it.
    """
    if value == other:
        return 0.0
    if metric.scale == "exp":
        value, other = (math.log(x) if x > 0 else -math.inf for x in (value, other))
    return value - other if metric.goal == "max" else other - value
