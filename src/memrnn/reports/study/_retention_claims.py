"""Claims about what is left of a score on long strings."""

from functools import partial

import numpy as np

from memrnn.reports.study import _paper_claims as paper
from memrnn.reports.study import _resampling as resampling
from memrnn.reports.study import _verdicts as rules
from memrnn.reports.study._evidence import (
    averaged,
    chosen,
    decide,
    guard,
    place,
    published_floor,
    values_of,
)
from memrnn.reports.study._scores import View, last_set
from memrnn.reports.study._verdicts import Claim, Measured
from memrnn.runtime import formats as form


def keeps(view: View, key: str, freeze: tuple[str, ...], subject: str) -> Claim:
    """Mean retention of the nets with a component frozen against 0.9."""
    cells = view.cells(freeze)
    values = values_of(view, cells, view.retention)
    estimate = averaged(values)
    verdict, why = decide(cells, values, rules.at_least(estimate, rules.KEPT - rules.ABOUT))
    if not why:
        why = place(estimate, rules.KEPT - rules.ABOUT, "mean retention")
    medians = resampling.quantile(values, 0.5) if cells else np.zeros(0)
    supporting = chosen(cells, medians >= rules.KEPT - rules.ABOUT)
    verdict, why = guard(view, supporting, last_set, verdict, why)
    notes: list[str] = []
    floor = averaged(values_of(view, cells, view.floor_retention))
    if floor:
        notes.append(
            f"On the same strings the best baseline keeps {form.share(floor.value)}: to "
            "keep a score is no sign of a grammar by itself."
        )
    notes += published_floor(view, freeze)
    return Claim(
        key,
        f"{subject} about 90 % of their score on long strings.",
        "abstract",
        f"Supported if the whole interval of the mean retention is at least "
        f"{rules.KEPT - rules.ABOUT:.2f}, not supported if all of it is below; not supported "
        "either if most cells that keep so much are no better than the floor.",
        (Measured("mean retention", estimate, paper.mean_retention(freeze), "mean of its cells"),),
        verdict,
        why,
        tuple(notes),
    )


def loses(view: View) -> Claim:
    cells = view.cells(())
    values = values_of(view, cells, view.retention)
    found = (
        resampling.largest(1 - values, partial(resampling.quantile, share=0.5)) if cells else None
    )
    estimate, worst_cell = found or (None, 0)
    threshold = rules.LOST - rules.ABOUT
    verdict, why = decide(cells, values, rules.at_least(estimate, threshold))
    if not why:
        why = place(estimate, threshold, "largest median loss")
    if estimate:
        why += f" It is that of {cells[worst_cell].model} on {cells[worst_cell].task.title}."
    loss, worst = paper.worst_loss()
    return Claim(
        "c",
        "Fully trained nets lose up to 60 % of their score on long strings.",
        "abstract",
        "The loss of a cell is 1 minus the median retention of its restarts; the largest over all "
        f"cells is taken. Supported if its whole interval is at least {threshold:.2f}, not "
        "supported if all of it is below. The interval resamples restart numbers and looks for the "
        "worst cell anew each time.",
        (Measured("largest median loss", estimate, loss, f"{worst.model} on {worst.language}"),),
        verdict,
        why,
    )
