"""How a claim is judged: thresholds, and the rules that turn intervals into verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from memrnn.reports._summary import range_label, set_label
from memrnn.reports.study._resampling import Estimate
from memrnn.reports.study._scores import TRIVIAL, SetOf, View, reaches_beyond, standing
from memrnn.runtime import formats as form
from memrnn.studies import Cell

KEPT = 0.9
"""The share of their score that the paper says nets with a frozen component keep."""

LOST = 0.6
"""The share that it says fully trained nets lose at most."""

ABOUT = 0.05
"""How far from a stated share still counts as about that share."""

SMALLEST_KEPT = 0.05
"""The smallest difference in retention or in normalised accuracy that counts as one; the paper
claims 0.5."""

SMALLEST_GAIN = 0.02
"""The smallest difference in accuracy that counts as one: twice what its two digits can hide."""

SMALLEST_SPREAD = 0.1
"""By what share of itself a spread must shrink to count as smaller."""

COVERAGE = 0.5
"""The share of the planned runs that must be finished, and of the cells with enough restarts."""

MOST_FAILED = 0.1
"""The share of the planned runs that may have failed."""

LEAST_RESTARTS = 3
"""Restarts that must be finished in a cell for it to have enough."""

LEAST_VALUES = 5
"""Values, cells times restarts, that must be there over all cells."""

MOST_TRIVIAL = 0.5
"""The share of supporting cells that may be no better than the floor."""

Verdict = Literal["supported", "not supported", "undecided"]
UNDECIDED: Verdict = "undecided"


@dataclass(frozen=True)
class Measured:
    """One number that speaks for or against a claim.

    Attributes:
        estimate: here; None if this study has no answer.
        published: the same from the paper's tables; None if they have none.
        remark: what the published number is of.
        kind: how it is written: `share`, `difference`, `nats` or `perplexity`.
    """

    name: str
    estimate: Estimate | None
    published: float | None
    remark: str = ""
    kind: str = "share"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, and what this study has to say about it.

    Attributes:
        key: a letter to name it by.
        source: where the paper says it.
        rule: when it is supported and when not, in words.
        why: one sentence.
        notes: what else one should know.
    """

    key: str
    claim: str
    source: str
    rule: str
    measured: tuple[Measured, ...]
    verdict: Verdict
    why: str
    notes: tuple[str, ...] = field(default=())


def at_least(estimate: Estimate | None, threshold: float) -> Verdict:
    """Supported if the whole interval is at least the threshold, not if all of it is below."""
    if estimate is None or estimate.interval is None:
        return "undecided"
    if estimate.interval.low >= threshold:
        return "supported"
    return "not supported" if estimate.interval.high < threshold else "undecided"


def gain(estimate: Estimate | None, smallest: float) -> Verdict:
    """Supported if the interval is above 0 and the estimate not too small to count.

    Not supported if the whole interval is below the smallest difference that counts.
    """
    if estimate is None or estimate.interval is None:
        return "undecided"
    if estimate.interval.high < smallest:
        return "not supported"
    above = estimate.interval.low > 0 and estimate.value >= smallest
    return "supported" if above else "undecided"


def both(verdicts: Sequence[Verdict]) -> Verdict:
    """Supported only if all are; not supported as soon as one is not."""
    if "not supported" in verdicts:
        return "not supported"
    return "undecided" if "undecided" in verdicts else "supported"


def obstacle(cells: Sequence[Cell], values: int) -> str | None:
    """Why nothing can be said yet about some cells, as a sentence; None if something can."""
    if not cells:
        return "The study has no such cells."
    task = cells[0].task
    if not reaches_beyond(task):
        trained = f", {range_label(task.trained_groups)}" if task.trained_groups else ""
        return f"No set lies beyond what was trained on{trained}, beside one that does not."
    runs = [run for cell in cells for run in cell.runs]
    failed = sum(run.status == "failed" for run in runs)
    finished = [run for run in runs if run.finished]
    if failed > MOST_FAILED * len(runs):
        return (
            f"{failed} of {len(runs)} runs failed, and no more than {form.per_cent(MOST_FAILED)} "
            "may be left out."
        )
    if len(finished) < COVERAGE * len(runs):
        return (
            f"Only {len(finished)} of {len(runs)} runs are finished; it takes "
            f"{form.per_cent(COVERAGE)} of them."
        )
    enough = sum(sum(run.finished for run in cell.runs) >= LEAST_RESTARTS for cell in cells)
    if enough < COVERAGE * len(cells):
        return (
            f"Only {enough} of {len(cells)} cells have {LEAST_RESTARTS} finished restarts; it "
            f"takes {form.per_cent(COVERAGE)} of them."
        )
    if values < LEAST_VALUES:
        return f"There are {values} values; it takes {LEAST_VALUES}."
    return None


def trivial_support(view: View, supporting: Sequence[Cell], which: SetOf) -> tuple[bool, str]:
    """Whether most of the supporting cells are no better than the floor, and how many in words."""
    found = [standing(view, cell, which(cell.task)) for cell in supporting]
    equal, trivial = found.count("floor"), sum(one in TRIVIAL for one in found)
    if not found:
        return False, ""
    text = (
        f"{trivial} of the {len(found)} cells that speak for it are no better than the floor on "
        f"{set_label(which(supporting[0].task) or '')}"
    )
    if equal and equal < trivial:
        text += f" ({equal} of them the floor’s equal, the others below it)"
    elif equal:
        text += " (the floor’s equal)"
    elif trivial:
        text += " (below it)"
    return trivial > MOST_TRIVIAL * len(found), text
