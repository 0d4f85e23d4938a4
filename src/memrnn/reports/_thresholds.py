"""When a score counts as learned, when as the floor's, and which sets are compared."""

import math

from memrnn.reports._summary import in_order
from memrnn.tasks import Metric, TaskDescription

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
        value, other = (math.log(one) if one > 0 else -math.inf for one in (value, other))
    return value - other if metric.goal == "max" else other - value


def sides(task: TaskDescription) -> tuple[int | None, int | None]:
    """Numbers of the last set within what was trained on, and of the last one beyond it."""
    numbers = {one.name: number for number, one in enumerate(task.sets)}
    order = [task.sets[numbers[name]] for name in in_order(list(numbers))]
    within, beyond = (
        [numbers[one.name] for one in order if one.relation == relation]
        for relation in ("within", "beyond")
    )
    return (within[-1] if within else None), (beyond[-1] if beyond else None)
