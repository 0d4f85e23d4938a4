"""How a claim is judged: thresholds, and the rules that turn intervals into verdicts."""

from collections.abc import Sequence

import numpy as np

from memrnn.reports import _format as form
from memrnn.reports._summary import range_label, set_label
from memrnn.reports._thresholds import NEAR
from memrnn.reports.study._claims import Verdict
from memrnn.reports.study._resampling import Estimate
from memrnn.reports.study._scores import SetOf, View, has_memory, reaches_beyond, standing
from memrnn.studies import Cell, RunRecord

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
"""The share of supporting cells that may be no better than the baseline."""


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
    return "undecided" if "undecided" in (first, second) else "supported"


def decide(
    view: View,
    cells: Sequence[Cell],
    values: np.ndarray,
    verdict: Verdict,
    why: str,
    supporting: Sequence[Cell] = (),
    which: SetOf | None = None,
) -> tuple[Verdict, str]:
    """The verdict of a claim, and why.

    Undecided if too little is known; not supported if most of the cells that speak for it are no
    better than the baseline.

    Args:
        cells, values: that the claim is about.
        verdict, why: by the rule of the claim alone.
        supporting: the cells that speak for the claim.
        which: set on which they stand to the baseline.
    """
    if reason := _obstacle(cells, int((~np.isnan(values)).sum())):
        return "undecided", reason
    if verdict != "supported" or which is None or not supporting:
        return verdict, why
    standings = [standing(view, cell, which(cell.task)) for cell in supporting]
    equal, below = standings.count("equal"), standings.count("below")
    text = (
        f"{equal + below} of the {len(standings)} cells that speak for it are no better than the "
        f"floor on {set_label(which(supporting[0].task))}"
    )
    if equal and below:
        text += f" ({equal} of them the floor’s equal, the others below it)"
    elif equal:
        text += " (the floor’s equal)"
    elif below:
        text += " (below it)"
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
    half = form.per_cent(COVERAGE)
    if failed > MOST_FAILED * len(runs):
        return (
            f"{failed} of {len(runs)} runs failed, and no more than {form.per_cent(MOST_FAILED)} "
            "may be left out."
        )
    if finished < COVERAGE * len(runs):
        return f"Only {finished} of {len(runs)} runs are finished; it takes {half} of them."
    enough = sum(len(cell.finished) >= LEAST_RESTARTS for cell in cells)
    if enough < COVERAGE * len(cells):
        return (
            f"Only {enough} of {len(cells)} cells have {LEAST_RESTARTS} finished restarts; it "
            f"takes {half} of them."
        )
    if values < LEAST_VALUES:
        return f"There are {values} values; it takes {LEAST_VALUES}."
    return None


def written_rules(view: View) -> list[str]:
    """The rules of all claims, in sentences, with their numbers."""
    half = form.per_cent(COVERAGE)
    cells = view.results.cells
    without = list(dict.fromkeys(cell.model for cell in cells if not has_memory(cell)))
    rules = [
        "Only networks with a memory count in claims. Statistics are the mean over cells (a task "
        "and a network) of the mean over restarts, unless said otherwise.",
        "Intervals are 95 % percentile intervals of the crossed bootstrap: cells and restart "
        "numbers are drawn with replacement, each for themselves. Restarts with the same number "
        "share a seed in the freezing modes of one task and network only, and not in all cells, so "
        "that these intervals are conservative: wide rather than narrow.",
        "A claim is supported, or not, by where its interval lies; the rule stands under each. "
        "If the interval decides neither, it is undecided.",
        f"It is undecided, too, if fewer than {half} of the runs that it is about are finished, "
        f"more than {form.per_cent(MOST_FAILED)} of them failed, fewer than {half} of its cells "
        f"have {LEAST_RESTARTS} finished restarts, fewer than {LEAST_VALUES} values are there, or "
        "no set lies beyond what was trained on. Diverged restarts count with their best epoch; "
        "runs that failed have no score and are left out, up to that share.",
        f"A cell whose accuracy lies within {NEAR} of the best baseline, with all its interval, is "
        "called the floor’s equal: a baseline scores the same on the same strings. One "
        "that lies below that is below the floor. Neither is support, and if more than "
        f"{form.per_cent(MOST_TRIVIAL)} of the cells that speak for a claim are such, it is "
        "not supported.",
    ]
    return [*rules, *([without_memory(view, without)] if without else [])]


def without_memory(view: View, models: Sequence[str]) -> str:
    """That freezing the memory of these models is freezing nothing, and whether that shows."""
    whole = {(cell.task.key, cell.model): cell for cell in view.cells((), memory=False)}
    pairs = [
        (run, other)
        for cell in view.cells(("memory",), memory=False)
        if (cell.task.key, cell.model) in whole
        for run in cell.finished
        for other in whole[cell.task.key, cell.model].finished
        if run.restart == other.restart
    ]
    have = "has" if len(models) == 1 else "have"
    text = (
        f"{form.listed(models)} {have} no memory: with it frozen the experiment is the same as "
        "with nothing frozen, and with the controller frozen the same as with both. Claims leave "
        "such networks out."
    )
    if pairs:
        # By their text, since what is not a number is not equal to itself.
        equal = sum(_scores(run) == _scores(other) for run, other in pairs)
        text += (
            f" In {equal} of {len(pairs)} pairs of restarts the two modes gave the same scores "
            "here, to the last bit."
        )
    return text


def _scores(run: RunRecord) -> str:
    return repr((run.selection, run.scores))
