"""Claims that compare nets with a component frozen to the same nets with nothing frozen."""

import numpy as np

from memrnn.reports.study import _paper_claims as paper
from memrnn.reports.study import _resampling as resampling
from memrnn.reports.study import _verdicts as rules
from memrnn.reports.study._comparisons import differences, paired_cells
from memrnn.reports.study._evidence import (
    CONTROLLER,
    MEMORY,
    above_zero,
    averaged,
    chosen,
    decide,
    guard,
    label,
    mean_spread,
    narrower,
    negative,
    of_pairs,
    published_floor,
    signed,
    supporting_cells,
)
from memrnn.reports.study._scores import View, excess, first_set, last_set, matrix
from memrnn.reports.study._verdicts import UNDECIDED, Claim, Measured
from memrnn.runtime import formats as form
from memrnn.studies import Cell, RunRecord


def stabilises(view: View) -> Claim:
    retention = differences(view, MEMORY, view.retention)
    normalised = differences(view, MEMORY, view.normalised)
    kept, knows = averaged(retention), averaged(normalised)
    found = rules.both(
        [rules.gain(kept, rules.SMALLEST_KEPT), rules.gain(knows, rules.SMALLEST_KEPT)]
    )
    verdict, why = decide(of_pairs(view, MEMORY), retention, found)
    if not why:
        why = (
            f"By restart, freezing the memory changes retention by {signed(kept)} and normalised "
            f"accuracy on {label(view, last_set)} by {signed(knows)}."
        )
    supporting = supporting_cells(view, MEMORY, retention)
    verdict, why = guard(view, supporting, last_set, verdict, why)
    bounds = paper.last_bounds(view)
    known = f"{len(bounds)} languages whose floor is known here" if bounds else ""
    return Claim(
        "d",
        "Freezing the memory stabilises: the net holds its score as strings grow.",
        "abstract; theory",
        "Differences by restart number, memory frozen minus nothing frozen. Supported if both "
        "intervals are above 0 and both means at least "
        f"{rules.SMALLEST_KEPT}; not supported if either interval is below {rules.SMALLEST_KEPT}, "
        "or if most cells that gain retention are no better than the floor. Normalised "
        "accuracies are cut off at −1 and 1.",
        (
            Measured(
                "difference in retention",
                kept,
                paper.retention_difference(MEMORY),
                "mean of its cells",
                "difference",
            ),
            Measured(
                f"difference in normalised accuracy on {label(view, last_set)}",
                knows,
                paper.normalised_difference(MEMORY, bounds),
                known,
                "difference",
            ),
        ),
        verdict,
        why,
        (
            "In the paper’s tables lstm with nothing frozen and with memory frozen is the same "
            "experiment drawn twice; its retention differs by up to "
            f"{form.share(paper.twice_retention())} between the two.",
        ),
    )


def beats(view: View) -> Claim:
    useful = differences(view, CONTROLLER, view.above_floor)
    plain = averaged(differences(view, CONTROLLER, view.last_value))
    estimate = averaged(useful)
    found = rules.gain(estimate, rules.SMALLEST_GAIN)
    verdict, why = decide(of_pairs(view, CONTROLLER), useful, found)
    if not why:
        why = (
            "What its accuracy is above the floor differs from the fully trained net’s by "
            f"{signed(estimate)}."
        )
    supporting = supporting_cells(view, CONTROLLER, useful)
    verdict, why = guard(view, supporting, last_set, verdict, why)
    notes: list[str] = []
    if plain:
        notes.append(
            f"Without regard for the floor the difference is {signed(plain)} here and "
            f"{form.signed(paper.gain_regardless(CONTROLLER))} in the paper’s tables."
        )
    notes += published_floor(view, CONTROLLER)
    bounds = paper.last_bounds(view)
    return Claim(
        "e",
        "A net with a frozen controller and a trained memory beats the fully trained net on long "
        "strings.",
        "theory, 0.6",
        f"Differences by restart number in accuracy on {label(view, last_set)}, of which only "
        "what is above the floor counts: a net on the floor or below it counts 0. Supported if "
        f"the interval is above 0 and the mean at least {rules.SMALLEST_GAIN}; not supported if "
        f"the interval is below {rules.SMALLEST_GAIN}.",
        (
            Measured(
                "difference in accuracy above the floor",
                estimate,
                paper.gain_above_floor(CONTROLLER, bounds),
                f"{len(bounds)} languages whose floor is known here" if bounds else "",
                "difference",
            ),
        ),
        verdict,
        why,
        tuple(notes),
    )


def converges(view: View) -> Claim:
    cells = paired_cells(view, MEMORY)
    restarts = view.results.study.restarts
    frozen, whole = (matrix([pair[side] for pair in cells], restarts, excess) for side in (0, 1))
    values = np.stack([frozen, whole])
    shrinkage = resampling.crossed(values, narrower) if cells else None
    ordinary = mean_spread(whole)
    diverged = averaged(differences(view, MEMORY, _diverged))
    smallest = rules.SMALLEST_SPREAD * ordinary
    found = rules.gain(shrinkage, smallest)
    if diverged and diverged.value > 0:
        found = rules.both([found, "not supported" if above_zero(diverged) else UNDECIDED])
    verdict, why = decide(of_pairs(view, MEMORY), frozen - whole, found)
    change = None if shrinkage is None else negative(shrinkage)
    if not why:
        why = (
            f"The spread over restarts changes by {signed(change)} nats from {ordinary:.3f}, the "
            f"share that diverges by {signed(diverged)}."
        )
    supporting = chosen([pair[0] for pair in cells], narrower(values) > 0)
    verdict, why = guard(view, supporting, first_set, verdict, why)
    return Claim(
        "f",
        "Freezing the memory leads to more robust convergence.",
        "abstract; conclusion",
        "The spread of a cell is the interquartile range over restarts of validation "
        "cross-entropy above its bound, nats per symbol; a restart that never had a finite one "
        "counts among those that diverge only. Supported if with memory frozen it is "
        f"smaller by at least {form.per_cent(rules.SMALLEST_SPREAD)} of what it is with nothing "
        "frozen, the interval of the difference is beyond 0, and no more restarts diverge; not "
        "supported if the whole interval falls short of that, if certainly more diverge, or if "
        f"most cells whose spread shrinks are no better than the floor on "
        f"{label(view, first_set)}.",
        (
            Measured("difference in spread", change, None, "one net a cell is published", "nats"),
            Measured("difference in share diverged", diverged, None, "", "difference"),
        ),
        verdict,
        why,
    )


def _diverged(cell: Cell, run: RunRecord) -> float:
    del cell
    return float(run.status == "diverged")
