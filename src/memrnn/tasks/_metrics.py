"""Metrics: what scores mean, and how totals of them become one number."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Array

AnyArray = Array | np.ndarray

Scores = Mapping[str, tuple[AnyArray, AnyArray]]
"""Numerator and denominator per item, by the name of the metric; both of shape [items]."""


class Total(NamedTuple):
    """Sums over items, in float64; the value of a metric is a function of their ratio.

    Attributes:
        numerator: sum of the numerators, of a perplexity nats.
        denominator: sum of the denominators, of a perplexity predicted symbols.

    Examples:
        >>> from memrnn.tasks import Total
        >>> Total(numerator=9.0, denominator=10.0)
        Total(numerator=9.0, denominator=10.0)
    """

    numerator: float
    denominator: float


Totals = Mapping[str, Total]
"""Totals by the name of the metric."""


@dataclass(frozen=True)
class Metric:
    """A quantity by which networks are compared.

    Attributes:
        name: under which scores and tables have it.
        goal: whether smaller (`min`) or larger (`max`) is better.
        scale: `ratio` for numerator / denominator, `exp` for exp(numerator / denominator), as of
            a perplexity, whose numerator counts nats.
        warning: what readers must know where the value is above 0.

    Examples:
        >>> import memrnn
        >>> from memrnn.tasks import Total
        >>> perplexity = memrnn.Metric("perplexity", "min", "exp")
        >>> round(perplexity.value(Total(numerator=13.86, denominator=10.0)), 2)  # nats, symbols
        4.0
        >>> perplexity.improves(3.9, best=4.0)
        True
    """

    name: str
    goal: Literal["min", "max"]
    scale: Literal["ratio", "exp"] = "ratio"
    warning: str = ""

    def mean(self, total: Total) -> float | None:
        """Numerator / denominator; None where the denominator is 0."""
        return total.numerator / total.denominator if total.denominator else None

    def value(self, total: Total) -> float | None:
        """The metric's value; None where the denominator is 0, infinite where exp overflows."""
        mean = self.mean(total)
        if mean is None or self.scale == "ratio":
            return mean
        return math.exp(mean) if not mean > 709 else math.inf

    def mean_of(self, value: float) -> float:
        """Numerator / denominator for a value: the inverse of what `value` makes of a mean."""
        return math.log(value) if self.scale == "exp" else value

    def improves(self, value: float, best: float, threshold: float = 0.0) -> bool:
        """Whether a value is better than the best so far by more than a share of the latter.

        A value that is not a number never is.

        Args:
            value: new.
            best: the best so far.
            threshold: share of `best` by which it must be better.
        """
        if self.goal == "min":
            return value < best * (1 - threshold)
        return value > best * (1 + threshold)

    @property
    def worst(self) -> float:
        """Where the best so far begins: every finite value improves on it."""
        return math.inf if self.goal == "min" else -math.inf


def add(totals: Iterable[Totals]) -> dict[str, Total]:
    """The sum of totals, metric by metric.

    Args:
        totals: of disjoint items, by metric.

    Examples:
        >>> from memrnn.tasks import Total, add
        >>> add([{"accuracy": Total(9.0, 10.0)}, {"accuracy": Total(3.0, 10.0)}])
        {'accuracy': Total(numerator=12.0, denominator=20.0)}
    """
    sums: dict[str, Total] = {}
    for each in totals:
        for name, (numerator, denominator) in each.items():
            before = sums.get(name, Total(0.0, 0.0))
            sums[name] = Total(before.numerator + numerator, before.denominator + denominator)
    return sums
