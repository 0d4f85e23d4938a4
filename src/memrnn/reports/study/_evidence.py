"""What the judges of all claims need: values of cells, verdicts that hold, numbers in sentences."""

from collections.abc import Sequence

import numpy as np

from memrnn.reports._summary import set_label
from memrnn.reports.study import _paper_claims as paper
from memrnn.reports.study import _resampling as resampling
from memrnn.reports.study import _verdicts as rules
from memrnn.reports.study._comparisons import paired_cells
from memrnn.reports.study._published import published
from memrnn.reports.study._resampling import Estimate
from memrnn.reports.study._scores import Measure, SetOf, View, matrix
from memrnn.reports.study._verdicts import UNDECIDED, Verdict
from memrnn.runtime import formats as form
from memrnn.studies import Cell

MEMORY, CONTROLLER, BOTH = ("memory",), ("controller",), ("controller", "memory")


def decide(cells: Sequence[Cell], values: np.ndarray, found: Verdict) -> tuple[Verdict, str]:
    """The verdict, unless too little is known: then undecided, and why."""
    reason = rules.obstacle(cells, int((~np.isnan(values)).sum()))
    return (UNDECIDED, reason) if reason else (found, "")


def label(view: View, which: SetOf) -> str:
    """How the first or the last set is called in sentences; claims are about one kind of task."""
    return set_label(which(view.results.tasks[0]) or "")


def guard(
    view: View, supporting: Sequence[Cell], which: SetOf, verdict: Verdict, why: str
) -> tuple[Verdict, str]:
    """What is supported by cells on the floor is not supported."""
    trivial, text = rules.trivial_support(view, supporting, which)
    if verdict == "supported" and trivial:
        return "not supported", f"{why} But {text}, so this is not stability."
    return verdict, f"{why} {text}." if text and verdict == "supported" else why


def supporting_cells(view: View, freeze: tuple[str, ...], values: np.ndarray) -> list[Cell]:
    """Cells with a component frozen whose mean difference is positive."""
    cells = [cell for cell, _ in paired_cells(view, freeze)]
    return chosen(cells, resampling.known_mean(values) > 0)


def chosen(cells: Sequence[Cell], mask: np.ndarray) -> list[Cell]:
    return [cell for cell, wanted in zip(cells, mask, strict=True) if wanted]


def of_pairs(view: View, freeze: tuple[str, ...]) -> list[Cell]:
    return [cell for pair in paired_cells(view, freeze) for cell in pair]


def values_of(view: View, cells: Sequence[Cell], measure: Measure) -> np.ndarray:
    return matrix(cells, view.results.study.restarts, measure)


def averaged(values: np.ndarray) -> Estimate | None:
    return resampling.crossed(values, resampling.known_mean) if len(values) else None


def spread(values: np.ndarray) -> np.ndarray:
    return resampling.quantile(values, 0.75) - resampling.quantile(values, 0.25)


def narrower(values: np.ndarray) -> np.ndarray:
    """How much smaller the first spread of two is, over the restarts that both have."""
    shared = np.where(np.isnan(values).any(axis=0), np.nan, values)
    return spread(shared[1]) - spread(shared[0])


def mean_spread(values: np.ndarray) -> float:
    spreads = spread(values) if len(values) else np.zeros(0)
    return float(np.nanmean(spreads)) if (~np.isnan(spreads)).any() else 0.0


def above_zero(estimate: Estimate) -> bool:
    return estimate.interval is not None and estimate.interval.low > 0


def negative(estimate: Estimate) -> Estimate:
    ends = estimate.interval
    return Estimate(-estimate.value, ends and resampling.Interval(-ends.high, -ends.low))


def place(estimate: Estimate | None, threshold: float, name: str) -> str:
    """Where an interval lies to a threshold."""
    if estimate is None or estimate.interval is None:
        return f"There is no interval of the {name}."
    low, high = estimate.interval.low, estimate.interval.high
    where = (
        f"lies wholly at or above {threshold:.2f}"
        if low >= threshold
        else f"lies wholly below {threshold:.2f}"
        if high < threshold
        else f"holds {threshold:.2f}"
    )
    return f"The interval of the {name}, {low:.3f} to {high:.3f}, {where}."


def signed(estimate: Estimate | None) -> str:
    """A difference with its interval, for sentences."""
    if estimate is None:
        return form.MISSING
    text = form.signed(estimate.value)
    if estimate.interval:
        text += f" ({form.signed(estimate.interval.low)} to {form.signed(estimate.interval.high)})"
    return text


def published_floor(view: View, freeze: tuple[str, ...]) -> list[str]:
    trivial, known = paper.on_the_floor(freeze, paper.last_bounds(view))
    if not known:
        return []
    return [
        f"Of the {known} published cells whose floor is known here, {trivial} are no better than "
        f"the floor on {set_label(published().sets[-1])}."
    ]
