"""From intervals to verdicts, as `claims.md` says."""

from collections.abc import Sequence

from memrnn.reports.study import Statistic, Verdict

STATISTICS = 17
"""How many statistics are judged."""

LEVEL = 1 - 0.05 / STATISTICS
"""Of every interval, so that nominally all hold together with 95 %."""

BETTER_THAN_BASELINE = 0.1
"""Share of the way from the best baseline to perfect from which a network knows something."""

LEAST_RESTARTS = 10
"""Restarts of every cell that must have ended for a verdict."""

MOST_FAILED = 0.1
"""Share of the restarts that ended that may have failed."""


def verdict(
    statistics: Sequence[Statistic], knowledge: Sequence[Statistic], obstacle: str = ""
) -> Verdict:
    """The verdict of a claim.

    Args:
        statistics: all by which it is judged.
        knowledge: d(long) and e(long) of the networks that the claim is about; none for a claim
            that cannot hold trivially.
        obstacle: why nothing can be said yet; empty if something can.
    """
    outcomes = [statistic.outcome for statistic in statistics]
    if obstacle or not outcomes:
        return "undecided"
    if "fails" in outcomes:
        return "not supported"
    if "open" in outcomes:
        return "undecided"
    if any(statistic.outcome != "holds" for statistic in knowledge):
        return "holds, trivially"
    return "supported"
