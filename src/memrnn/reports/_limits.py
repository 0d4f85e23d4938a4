"""Where an axis of values ends."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from memrnn.tasks import Metric

LOGARITHMIC = 20
"""Ratio of largest to smallest value from which the axis of an `exp` metric is logarithmic."""


@dataclass(frozen=True)
class Limits:
    """Where an axis of values ends, and whether it is logarithmic."""

    low: float
    high: float
    logarithmic: bool = False

    @staticmethod
    def of(values: Iterable[float], metric: Metric, margin: float) -> "Limits":
        """0 to 1 and a margin for shares, else what the finite values need."""
        known = [value for value in values if math.isfinite(value)]
        low, high = min(known, default=0.0), max(known, default=1.0)
        if metric.scale == "ratio" and low >= 0 and high <= 1:
            return Limits(0.0, 1.0 + margin)
        if metric.scale == "exp" and high > LOGARITHMIC * low > 0:
            return Limits(low / 1.15, high * 1.15, logarithmic=True)
        space = 0.06 * (high - low) or 0.5
        return Limits(low - space, high + space)

    @property
    def scale(self) -> str:
        return "log" if self.logarithmic else "linear"
