"""What intervals say, in words."""

from collections.abc import Callable, Sequence

from memrnn.reports._thresholds import LEARNED, NEAR
from memrnn.reports.study._means import Difference, Mean
from memrnn.runtime import formats as form


def interval_words(mean: Mean, write: Callable[[float | None], str]) -> str:
    """The interval of a mean and a comma; empty if there is none."""
    interval = mean.estimate.interval
    return "" if interval is None else f"{' to '.join(map(write, interval))}, "


def too_few(mean: Mean) -> str:
    """That a mean decides nothing, if that is so."""
    if mean.decides:
        return ""
    if mean.estimate.interval is None:
        return "; a cell with one restart gives no interval"
    return f"; {mean.least} restarts per cell are too few to decide"


def share(number: float | None) -> str:
    return form.normalised(number).replace("-", "−")


def verdict_words(mean: Mean, still: str) -> str:
    """Whether networks solve a task, and whether they are better than its best baseline."""
    low, high = mean.estimate.interval if mean.decides and mean.estimate.interval else (-1.0, 1.0)
    if low >= LEARNED:
        return f"the networks {still}solve the task"
    if high >= LEARNED:
        if low > NEAR:
            return (
                "the networks are better than the best baseline; whether they solve the task is "
                "undecided"
            )
        return f"it is undecided whether the networks {still}solve the task"
    if low > NEAR:
        return "the networks do not solve the task, but are better than the best baseline"
    if high <= NEAR:
        return "the networks do not solve the task and are no better than the best baseline"
    return "the networks do not solve the task; whether they beat the best baseline is undecided"


def freezing_words(differences: Sequence[Difference]) -> str:
    """Which components help when frozen, which harm, and of which nobody knows."""
    clauses = {
        "better": "freezing {} helps",
        "worse": "freezing {} harms",
        "same": "freezing {} changes nothing",
        "undecided": "whether freezing {} helps is undecided",
    }
    parts: list[str] = []
    for verdict, clause in clauses.items():
        modes = [one.freeze for one in differences if one.verdict == verdict]
        if modes:
            parts.append(clause.format(form.listed([_components(mode) for mode in modes], "or")))
    words = "; ".join(parts)
    return words[:1].upper() + words[1:]


def _components(freeze: tuple[str, ...]) -> str:
    return f"the {freeze[0]}" if len(freeze) == 1 else f"{form.listed(freeze)} together"
