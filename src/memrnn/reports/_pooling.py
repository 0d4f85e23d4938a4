"""Numeric groups pooled into bins, exactly: numerators and denominators are added."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from memrnn.evaluation import SetScores
from memrnn.tasks import Metric, Total


@dataclass(frozen=True)
class Bins:
    """Groups of one axis in bins.

    Attributes:
        places: where each bin is drawn: the mean of its groups, on a wide axis the geometric one.
        index: the bin of each group, by its name.
    """

    places: tuple[float, ...]
    index: Mapping[str, int]

    @staticmethod
    def of(
        names: Iterable[str], most: int, *, boundary: float | None = None, wide: float = 8.0
    ) -> "Bins":
        """At most `most` bins of equal width, and one more where the boundary divides one.

        Args:
            names: of groups that are numbers; with at most `most` of them each is a bin.
            boundary: the largest group trained on, so that no bin is on both sides of it.
            wide: ratio of the largest to the smallest group from which bins have equal ratios.
        """
        groups = {name: float(name) for name in names}
        values = sorted(set(groups.values()))
        if len(values) <= most:
            keys = {value: (False, number) for number, value in enumerate(values)}
            logarithmic = False
        else:
            low, high = values[0], values[-1]
            logarithmic = low > 0 and high >= wide * low
            scale = math.log if logarithmic else float
            step = (scale(high) - scale(low)) / most
            keys = {
                value: (
                    boundary is not None and value > boundary,
                    min(most - 1, int((scale(value) - scale(low)) / step)),
                )
                for value in values
            }
        members: dict[tuple[bool, int], list[float]] = {}
        for value in values:
            members.setdefault(keys[value], []).append(value)
        numbers = {key: number for number, key in enumerate(members)}
        return Bins(
            tuple(_middle(each, logarithmic) for each in members.values()),
            {name: numbers[keys[value]] for name, value in groups.items()},
        )

    def totals(
        self, scores: Mapping[str, SetScores], sets: Sequence[str], metric: Metric
    ) -> list[Total | None]:
        """A metric's total per bin over several sets; of a group that is in two of them, the last.

        None for a bin without one.
        """
        known: dict[str, Total] = {}
        for name in sets:
            if name in scores:
                for group, totals in scores[name].groups.items():
                    if metric.name in totals and group in self.index:
                        known[group] = totals[metric.name]
        sums = [[0.0, 0.0] for _ in self.places]
        for group, (numerator, denominator) in known.items():
            of_bin = sums[self.index[group]]
            of_bin[0] += numerator
            of_bin[1] += denominator
        return [Total(*one) if one[1] else None for one in sums]


def _middle(values: Sequence[float], logarithmic: bool) -> float:
    if len(values) == 1:
        return values[0]
    if logarithmic:
        return math.exp(math.fsum(map(math.log, values)) / len(values))
    return math.fsum(values) / len(values)
