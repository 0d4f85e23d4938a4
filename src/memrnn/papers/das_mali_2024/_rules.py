"""How a claim is judged: thresholds, and the rules that turn intervals into verdicts."""

from collections.abc import Sequence

import numpy as np

from memrnn.reports import NEAR, range_label, set_label
from memrnn.reports.study import Verdict
from memrnn.reports.study.resampling import Estimate
from memrnn.reports.study.scores import SetOf, View, last_set, reaches_beyond, standing
from memrnn.runtime import formats as form
from memrnn.studies import Cell

ABOUT = 0.05  # how far from a stated share still counts as about that share
KEPT = 0.9 - ABOUT  # of their score, which nets with a frozen component are said to keep
LOST = 0.6 - ABOUT  # of their score, which fully trained nets are said to lose at most
SMALLEST_KEPT = 0.05  # difference in retention or normalised accuracy; the paper claims 0.5
SMALLEST_GAIN = 0.02  # difference in accuracy: twice what its two digits can hide
SMALLEST_SPREAD = 0.1  # by what share of itself a spread must shrink
COVERAGE = 0.5  # of the planned runs must be finished, and of the cells have enough restarts
MOST_FAILED = 0.1  # of the planned runs may have failed
LEAST_RESTARTS = 3  # must be finished in a cell for it to have enough
LEAST_VALUES = 5  # cells times restarts, over all cells
MOST_TRIVIAL = 0.5  # of the supporting cells may be no better than the baseline

WRITTEN = {
    "kept": KEPT,
    "lost": LOST,
    "smallest_kept": SMALLEST_KEPT,
    "smallest_gain": SMALLEST_GAIN,
    "smallest_spread": form.per_cent(SMALLEST_SPREAD),
    "coverage": form.per_cent(COVERAGE),
    "most_failed": form.per_cent(MOST_FAILED),
    "least_restarts": LEAST_RESTARTS,
    "least_values": LEAST_VALUES,
    "most_trivial": form.per_cent(MOST_TRIVIAL),
    "near": NEAR,
}
"""The thresholds as sentences have them."""


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


def both(first: Verdict, second: Verdict) -> Verdict:
    """Supported only if both are; not supported as soon as one is not."""
    if "not supported" in (first, second):
        return "not supported"
    return second if first == "supported" else first


def decide(
    view: View,
    rows: Sequence[tuple[Cell, ...]],
    values: np.ndarray,
    verdict: Verdict,
    why: str,
    speaks: Sequence[bool] | np.ndarray = (),
    which: SetOf = last_set,
) -> tuple[Verdict, str]:
    """The verdict of a claim, and why.

    Undecided if too little is known; not supported if most of the cells that speak for it are no
    better than the baseline.

    Args:
        rows: the cells that the claim is about: one each, or pairs, the frozen one first.
        values: of the rows, (rows, restarts).
        verdict, why: by the rule of the claim alone.
        speaks: whether the first cell of each row speaks for the claim.
        which: set on which those stand to the baseline.
    """
    cells = [cell for row in rows for cell in row]
    if reason := _obstacle(cells, int((~np.isnan(values)).sum())):
        return "undecided", reason
    supporting = [row[0] for row, counts in zip(rows, speaks, strict=False) if counts]
    if verdict != "supported" or not supporting:
        return verdict, why
    standings = [standing(view, cell, which(cell.task)) for cell in supporting]
    equal, below = standings.count("equal"), standings.count("below")
    text = (
        f"{equal + below} of the {len(standings)} cells that speak for it are no better than the "
        f"floor on {set_label(which(supporting[0].task))}"
    )
    if equal and below:
        text += f" ({equal} of them the floor’s equal, the others below it)"
    elif equal or below:
        text += " (the floor’s equal)" if equal else " (below it)"
    if equal + below > MOST_TRIVIAL * len(standings):
        return "not supported", f"{why} But {text}, so this is not stability."
    return "supported", f"{why} {text}."


def _obstacle(cells: Sequence[Cell], values: int) -> str | None:
    """Why nothing can be said yet about some cells, as a sentence; None if something can."""
    if not cells:
        return "The study has no such cells."
    task = cells[0].task
    if not reaches_beyond(task):
        trained = f", {range_label(task.trained_groups)}" if task.trained_groups else ""
        return f"No set lies beyond what was trained on{trained}, beside one that does not."
    runs = [run for cell in cells for run in cell.runs]
    failed = sum(run.status == "failed" for run in runs)
    finished = sum(run.finished for run in runs)
    enough = sum(len(cell.finished) >= LEAST_RESTARTS for cell in cells)
    most, least = form.per_cent(MOST_FAILED), form.per_cent(COVERAGE)
    if failed > MOST_FAILED * len(runs):
        return f"{failed} of {len(runs)} runs failed, and no more than {most} may be left out."
    if finished < COVERAGE * len(runs):
        return f"Only {finished} of {len(runs)} runs are finished; it takes {least} of them."
    if enough < COVERAGE * len(cells):
        return (
            f"Only {enough} of {len(cells)} cells have {LEAST_RESTARTS} finished restarts; it "
            f"takes {least} of them."
        )
    if values < LEAST_VALUES:
        return f"There are {values} values; it takes {LEAST_VALUES}."
    return None
