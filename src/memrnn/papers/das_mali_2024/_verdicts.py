"""From intervals to verdicts, as `claims.md` says."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from memrnn.reports.study import Estimate

STATISTICS = 17
"""How many statistics are judged."""

LEVEL = 1 - 0.05 / STATISTICS
"""Of every interval, so that all hold together with 95 %."""

BETTER_THAN_BASELINE = 0.1
"""Share of the way from the best baseline to perfect from which a network knows something."""

Outcome = Literal["holds", "fails", "open"]
Verdict = Literal["supported", "holds, trivially", "not supported", "undecided"]


class Statistic(NamedTuple):
    """A number by which a claim is judged.

    Attributes:
        at_least: whether the claim needs at least the threshold; at most it otherwise.
    """

    name: str
    estimate: Estimate | None
    threshold: float
    at_least: bool = True

    @property
    def outcome(self) -> Outcome:
        """Whether the whole interval is on the claim's side of the threshold, or on the other."""
        if self.estimate is None or self.estimate.interval is None:
            return "open"
        low, high = self.estimate.interval
        if not self.at_least:
            low, high = -high, -low
        threshold = self.threshold if self.at_least else -self.threshold
        return "holds" if low >= threshold else "fails" if high < threshold else "open"


def verdict(statistics: Sequence[Statistic], knowledge: Sequence[Estimate | None]) -> Verdict:
    """The verdict of a claim.

    Args:
        statistics: all by which it is judged.
        knowledge: d(long) and e(long) of the networks that the claim is about.
    """
    outcomes = [statistic.outcome for statistic in statistics]
    if "fails" in outcomes:
        return "not supported"
    if "open" in outcomes:
        return "undecided"
    known = [Statistic("knowledge", estimate, BETTER_THAN_BASELINE) for estimate in knowledge]
    if any(statistic.outcome != "holds" for statistic in known):
        return "holds, trivially"
    return "supported"
