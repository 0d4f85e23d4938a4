"""Where an axis of values ends."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from memrnn.tasks import Metric

LOGARITHMIC = 20
"""Ratio of largest to smallest value from which the axis of an `exp` metric is logarithmic."""


@dataclass(frozen=True)
class Limits:
    """Where an axis of values ends, and whether it is logarithmic."""

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"

    @staticmethod
    def of(values: Iterable[float], metric: Metric, margin: float) -> "Limits":
        """0 to 1 and a margin for shares, else what the finite values need."""
        known = [value for value in values if math.isfinite(value)]
        low, high = min(known, default=0.0), max(known, default=1.0)
        if metric.scale == "ratio" and low >= 0 and high <= 1:
            return Limits(0.0, 1.0 + margin)
        if metric.scale == "exp" and high > LOGARITHMIC * low > 0:
            return Limits(low / 1.15, high * 1.15, "log")
        space = 0.06 * (high - low) or 0.5
        return Limits(low - space, high + space)

    def clip(self, values: Sequence[float]) -> list[float]:
        """The values, at the axis' ends where they are beyond them: infinity is drawn there."""
        return [min(max(value, self.low), self.high) for value in values]
