"""The measures of `claims.md`: numbers of one restart, or of a baseline as if it were one."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from memrnn.evaluation import References, SetScores
from memrnn.reports import set_range
from memrnn.tasks import BAYES, TaskDescription, Totals

LONG = 5
"""Largest ratio of the upper end of the set *long* to the longest training length."""

LEAST_ACCURACY_GAP, LEAST_NATS_GAP = 0.05, 0.1
"""Distances from baseline to perfect and to Bayes-optimal from which a set is informative."""

WORST = -1.0
"""Where normalised measures are cut off, and what a missing or infinite score counts as."""


class Ranges(NamedTuple):
    """Of what lengths a claim speaks, for one task.

    Attributes:
        within: name of the set that ends with the longest training string at most; where there is
            none, of the first that begins inside the trained lengths.
        long: of the last one beyond them that ends at most at `LONG` times their end.
        just_beyond: of the one that begins one symbol after them; None if there is none.
        longest: of the last set.
        beyond: the lengths, both inclusive, over which errors grow.
    """

    within: str
    long: str
    just_beyond: str | None
    longest: str
    beyond: tuple[int, int]


def ranges(task: TaskDescription) -> Ranges | None:
    """None if the task has no lengths, or no such sets."""
    if task.trained_groups is None:
        return None
    trained = int(task.trained_groups[1])
    ends = {one.name: range_ for one in task.sets if (range_ := set_range(one.name))}
    names = sorted(ends, key=lambda name: ends[name])
    within = [name for name in names if ends[name][1] <= trained]
    within += [name for name in names if ends[name][0] <= trained]
    long = [name for name in names if trained < ends[name][0] and ends[name][1] <= LONG * trained]
    if not within or not long:
        return None
    just_beyond = next((name for name in names if ends[name][0] == trained + 1), None)
    return Ranges(within[0], long[-1], just_beyond, names[-1], (trained + 1, LONG * trained))


@dataclass(frozen=True)
class Measures:
    """What a network scores, beside the references of its task.

    Attributes:
        ranges: of its task.
        sets: its scores by evaluation set.
        references: of its task, by evaluation set.
    """

    ranges: Ranges
    sets: Mapping[str, SetScores]
    references: Mapping[str, References]

    def lacks(self, name: str) -> bool:
        """Whether accuracy or nats on a set are missing or not finite."""
        metrics = "determined_accuracy", "perplexity"
        return any(math.isnan(_rate(self.sets.get(name), one, math.nan)) for one in metrics)

    def accuracy(self, name: str) -> float:
        """D, the share of determined symbols of a set that are right; 0 where it is missing."""
        return max(0.0, _rate(self.sets.get(name), "determined_accuracy", missing=0.0))

    def normalised_accuracy(self, name: str) -> float:
        """d = (D - D0) / (1 - D0) with the best baseline's D0, cut off at -1."""
        gap = accuracy_gap(self.references.get(name, {}))
        return max(WORST, 1 - (1 - self.accuracy(name)) / gap)

    def normalised_nats(self, name: str) -> float:
        """e = 1 - E / E0: E nats per symbol above Bayes, E0 the best baseline's, cut off at -1."""
        references = self.references.get(name, {})
        nats = _rate(self.sets.get(name), "perplexity", missing=math.inf)
        above = nats - _rate(references.get(BAYES), "perplexity", missing=math.nan)
        return max(WORST, 1 - above / nats_gap(references))

    def kept(self) -> float:
        """K = D(long) / D(within); 0 where nothing is right within."""
        within = self.accuracy(self.ranges.within)
        return self.accuracy(self.ranges.long) / within if within else 0.0

    def loss(self) -> float:
        """L = e(within) - e(long), between -2 and 2."""
        return self.normalised_nats(self.ranges.within) - self.normalised_nats(self.ranges.long)

    def growth(self) -> float | None:
        """The exponent b of the fit log N(n) = b log n + c over the lengths n beyond training.

        N(n) are the mean nats on the determined symbols of a string of length n. None if one of
        them is not finite, or 0, or if there are fewer than three lengths.
        """
        low, high = self.ranges.beyond
        points = {
            int(group): totals["determined_perplexity"].numerator / _strings(totals)
            for scores in self.sets.values()
            for group, totals in scores.groups.items()
            if low <= int(group) <= high and "determined_perplexity" in totals
        }
        nats = np.array(list(points.values()))
        if len(nats) < 3 or not np.all(np.isfinite(nats) & (nats > 0)):
            return None
        return float(np.polyfit(np.log(list(points)), np.log(nats), 1)[0])


def informative(ranges: Ranges, references: Mapping[str, References]) -> bool:
    """Whether the sets within and long can tell a grammar from a baseline."""
    return all(
        accuracy_gap(references.get(name, {})) >= LEAST_ACCURACY_GAP
        and nats_gap(references.get(name, {})) >= LEAST_NATS_GAP
        for name in (ranges.within, ranges.long)
    )


def accuracy_gap(references: References) -> float:
    """1 - D0; NaN without a baseline."""
    return 1 - max(_of_baselines(references, "determined_accuracy"), default=math.nan)


def nats_gap(references: References) -> float:
    """E0; NaN without a baseline or without the Bayes-optimal predictor."""
    least = min(_of_baselines(references, "perplexity"), default=math.nan)
    return least - _rate(references.get(BAYES), "perplexity", missing=math.nan)


def _of_baselines(references: References, metric: str) -> Iterable[float]:
    return [
        _rate(scores, metric, missing=math.nan)
        for name, scores in references.items()
        if name != BAYES
    ]


def _rate(scores: SetScores | None, metric: str, missing: float) -> float:
    """Numerator over denominator on a whole set; `missing` if it is not there or not finite."""
    total = None if scores is None else scores.whole.get(metric)
    if total is None or not total.denominator:
        return missing
    value = total.numerator / total.denominator
    return value if math.isfinite(value) else missing


def _strings(totals: Totals) -> float:
    """How many strings a group has."""
    return totals["sequence_accuracy"].denominator
