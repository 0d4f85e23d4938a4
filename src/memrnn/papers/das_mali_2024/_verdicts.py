"""From intervals to verdicts, as `claims.md` says."""

from collections.abc import Sequence
from typing import NamedTuple

from memrnn.papers.das_mali_2024._published import Written
from memrnn.reports.study import Claim, Published, Statistic, Verdict
from memrnn.runtime import formats as form

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


class Judged(NamedTuple):
    """What a claim is judged by.

    Attributes:
        statistics: numbers with their thresholds.
        knowledge: which show that the networks are better than others that could hold the claim,
            too: those that know nothing, or have no memory.
        obstacle: why nothing can be said yet, as a sentence; empty if something can.
        doubt: what is said before one of `knowledge` that does not show it.
    """

    statistics: tuple[Statistic, ...]
    knowledge: tuple[Statistic, ...]
    obstacle: str
    doubt: str = "But nothing shows that the networks are better than a baseline"


def too_many_failed(failed: int, ended: int) -> str:
    """The obstacle of more failed restarts than the rules allow; empty if there are not."""
    if failed <= MOST_FAILED * ended:
        return ""
    return (
        f"{failed} of {ended} restarts failed, and no more than {form.per_cent(MOST_FAILED)} may."
    )


def verdict(
    statistics: Sequence[Statistic], knowledge: Sequence[Statistic], obstacle: str = ""
) -> Verdict:
    """The verdict of a claim.

    Args:
        statistics: all by which it is judged.
        knowledge: of the networks that the claim is about; none for a claim that cannot hold
            trivially.
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


def judged_claim(
    key: str,
    text: Written,
    judged: Judged,
    published: Sequence[Published] = (),
    notes: Sequence[str] = (),
) -> Claim:
    """A claim with its verdict, and where the intervals lie, in sentences."""
    outcome = verdict(judged.statistics, judged.knowledge, judged.obstacle)
    return Claim(
        key,
        *text,
        statistics=judged.statistics,
        knowledge=judged.knowledge,
        verdict=outcome,
        why=_why(judged, trivially=outcome == "holds, trivially"),
        published=tuple(published),
        notes=tuple(notes),
    )


def _why(judged: Judged, *, trivially: bool) -> str:
    """Where the intervals lie, in sentences."""
    if judged.obstacle:
        return judged.obstacle
    sentences = [_where(one) for one in judged.statistics]
    if trivially:
        weak = [one for one in judged.knowledge if one.outcome != "holds"]
        sentences.append(f"{judged.doubt}: {_where(weak[0])}")
    return " ".join(sentences)


def _where(one: Statistic) -> str:
    if one.estimate is None or one.estimate.interval is None:
        return f"{one.name}: no restart has it." if one.estimate is None else (
            f"{one.name}: there are too few restarts for an interval."
        )  # fmt: skip
    threshold = f"{one.threshold:g}".replace("-", "−")
    if one.outcome == "open":
        return f"{one.name}: the interval holds {threshold}."
    above = (one.outcome == "holds") == one.at_least
    return f"{one.name}: the whole interval is {'above' if above else 'below'} {threshold}."
