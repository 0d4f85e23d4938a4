"""The paper's claims, each a function from a study to numbers, a verdict and sentences.

The rules are in `_rules`; the page states them too. Retention is accuracy on the last set over
accuracy on the first, of one restart. Pairs differ in the freezing mode alone and have the same
restart number, hence the same seed. A cell whose accuracy is within `NEAR` of the best baseline
equals it: a baseline does the same, so it is no support.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from memrnn.papers.das_mali_2024 import _published_statistics as paper
from memrnn.papers.das_mali_2024 import _rules as rules
from memrnn.papers.das_mali_2024._published import (
    BOTH,
    CONTROLLER,
    MEMORY,
    NOTHING,
    covers,
    published,
)
from memrnn.reports import _format as form
from memrnn.reports._summary import set_label
from memrnn.reports.study._claims import Claim, Measured
from memrnn.reports.study._comparisons import differences, paired_cells
from memrnn.reports.study._resampling import (
    Estimate,
    Interval,
    crossed,
    known_mean,
    largest,
    quantile,
)
from memrnn.reports.study._scores import SetOf, View, excess, first_set, last_set
from memrnn.studies import Cell


def judge(view: View) -> list[Claim]:
    """All claims of the paper; none for a study of other tasks or models."""
    return [claim(view) for claim in CLAIMS] if covers(view.results) else []


def _treebank(view: View) -> Claim:
    del view
    found = paper.treebank()
    small = "smaller" if found.gain < found.spread else "not smaller"
    notes = [
        f"In the paper’s own table {found.twice_model}, which has no memory to freeze, stands "
        f"twice: {found.twice[0]} with nothing frozen and {found.twice[1]} with memory frozen. "
        f"That is one experiment drawn twice, {found.spread:.1f} apart; the claimed gain of "
        f"{found.gain:.1f} is {small} than that."
    ]
    if min(found.twice) < found.frozen:
        notes.append(
            f"{found.twice_model} at {min(found.twice)} is better than the {found.frozen} that is "
            "called best."
        )
    return Claim(
        key="a",
        claim="On Penn Treebank, freezing the memory improves the best test perplexity from "
        f"{found.whole} ({found.whole_model}) to {found.frozen} ({found.frozen_model}).",
        source="abstract; table of Penn Treebank",
        rule="This study trains on formal languages only, so it cannot decide it.",
        measured=(
            Measured("gain in perplexity", None, found.gain, "best of 10 each", "perplexity"),
        ),
        verdict="undecided",
        why="Penn Treebank is not in this study, so nothing was measured here.",
        notes=tuple(notes),
    )


def _keeps(view: View, *, key: str, freeze: tuple[str, ...], subject: str) -> Claim:
    """Mean retention of the nets with a component frozen against 0.9."""
    threshold = rules.KEPT - rules.ABOUT
    cells = view.cells(freeze)
    retention = view.matrix(cells, view.retention)
    estimate = crossed(retention, known_mean)
    verdict, why = rules.decide(
        view,
        cells,
        retention,
        rules.at_least(estimate, threshold),
        _lies(estimate, threshold, "mean retention"),
        _chosen(cells, quantile(retention, 0.5) >= threshold),
        last_set,
    )
    notes: list[str] = []
    if of_baseline := crossed(view.matrix(cells, view.baseline_retention), known_mean):
        notes.append(
            f"On the same strings the best baseline keeps {form.share(of_baseline.value)}: to "
            "keep a score is no sign of a grammar by itself."
        )
    return Claim(
        key=key,
        claim=f"{subject} about 90 % of their score on long strings.",
        source="abstract",
        rule=f"Supported if the whole interval of the mean retention is at least "
        f"{threshold:.2f}, not supported if all of it is below; not supported "
        "either if most cells that keep so much are no better than the floor.",
        measured=(
            Measured("mean retention", estimate, paper.mean_retention(freeze), "mean of its cells"),
        ),
        verdict=verdict,
        why=why,
        notes=(*notes, *_published_on_baseline(view, freeze)),
    )


def _loses(view: View) -> Claim:
    threshold = rules.LOST - rules.ABOUT
    cells = view.cells(NOTHING)
    loss = 1 - view.matrix(cells, view.retention)
    estimate, worst = largest(loss, partial(quantile, share=0.5)) or (None, 0)
    verdict, why = rules.decide(
        view,
        cells,
        loss,
        rules.at_least(estimate, threshold),
        _lies(estimate, threshold, "largest median loss"),
    )
    if estimate:
        why += f" It is that of {cells[worst].model} on {cells[worst].task.title}."
    published_loss, cell = paper.worst_loss()
    return Claim(
        key="c",
        claim="Fully trained nets lose up to 60 % of their score on long strings.",
        source="abstract",
        rule="The loss of a cell is 1 minus the median retention of its restarts; the largest over "
        f"all cells is taken. Supported if its whole interval is at least {threshold:.2f}, not "
        "supported if all of it is below. The interval resamples restart numbers and looks for the "
        "worst cell anew each time.",
        measured=(
            Measured(
                "largest median loss", estimate, published_loss, f"{cell.model} on {cell.language}"
            ),
        ),
        verdict=verdict,
        why=why,
    )


def _stabilises(view: View) -> Claim:
    pairs = paired_cells(view, MEMORY)
    retention = differences(view, pairs, view.retention)
    mean_retention = crossed(retention, known_mean)
    normalised = crossed(differences(view, pairs, view.normalised), known_mean)
    on_last = _label(view, last_set)
    verdict, why = rules.decide(
        view,
        _flat(pairs),
        retention,
        rules.both(
            rules.gain(mean_retention, rules.SMALLEST_KEPT),
            rules.gain(normalised, rules.SMALLEST_KEPT),
        ),
        f"By restart, freezing the memory changes retention by {_signed(mean_retention)} and "
        f"normalised accuracy on {on_last} by {_signed(normalised)}.",
        _chosen([cell for cell, _ in pairs], known_mean(retention) > 0),
        last_set,
    )
    bounds = paper.last_bounds(view)
    return Claim(
        key="d",
        claim="Freezing the memory stabilises: the net holds its score as strings grow.",
        source="abstract; theory",
        rule="Differences by restart number, memory frozen minus nothing frozen. Supported if both "
        "intervals are above 0 and both means at least "
        f"{rules.SMALLEST_KEPT}; not supported if either interval is below {rules.SMALLEST_KEPT}, "
        "or if most cells that gain retention are no better than the floor. Normalised "
        "accuracies are cut off at −1 and 1.",
        measured=(
            Measured(
                "difference in retention",
                mean_retention,
                paper.mean_difference(MEMORY, lambda cell: cell.retention),
                "mean of its cells",
                "difference",
            ),
            Measured(
                f"difference in normalised accuracy on {on_last}",
                normalised,
                paper.mean_difference(MEMORY, partial(paper.normalised, bounds=bounds)),
                _known(bounds),
                "difference",
            ),
        ),
        verdict=verdict,
        why=why,
        notes=(
            "In the paper’s tables lstm with nothing frozen and with memory frozen is the same "
            "experiment drawn twice; its retention differs by up to "
            f"{form.share(paper.twice_retention())} between the two.",
        ),
    )


def _beats(view: View) -> Claim:
    pairs = paired_cells(view, CONTROLLER)
    gains = differences(view, pairs, view.above_baseline)
    estimate = crossed(gains, known_mean)
    verdict, why = rules.decide(
        view,
        _flat(pairs),
        gains,
        rules.gain(estimate, rules.SMALLEST_GAIN),
        "What its accuracy is above the floor differs from the fully trained net’s by "
        f"{_signed(estimate)}.",
        _chosen([cell for cell, _ in pairs], known_mean(gains) > 0),
        last_set,
    )
    notes: list[str] = []
    if plain := crossed(differences(view, pairs, view.last_value), known_mean):
        published_gain = paper.mean_difference(CONTROLLER, lambda cell: cell.accuracies[-1])
        notes.append(
            f"Without regard for the floor the difference is {_signed(plain)} here and "
            f"{form.signed(published_gain)} in the paper’s tables."
        )
    bounds = paper.last_bounds(view)
    return Claim(
        key="e",
        claim="A net with a frozen controller and a trained memory beats the fully trained net on "
        "long strings.",
        source="theory, 0.6",
        rule=f"Differences by restart number in accuracy on {_label(view, last_set)}, of which "
        "only what is above the floor counts: a net on the floor or below it counts 0. Supported "
        f"if the interval is above 0 and the mean at least {rules.SMALLEST_GAIN}; not supported if "
        f"the interval is below {rules.SMALLEST_GAIN}.",
        measured=(
            Measured(
                "difference in accuracy above the floor",
                estimate,
                paper.mean_difference(CONTROLLER, partial(paper.above_baseline, bounds=bounds)),
                _known(bounds),
                "difference",
            ),
        ),
        verdict=verdict,
        why=why,
        notes=(*notes, *_published_on_baseline(view, CONTROLLER)),
    )


def _converges(view: View) -> Claim:
    pairs = paired_cells(view, MEMORY)
    frozen = [cell for cell, _ in pairs]
    excesses = np.stack([view.matrix([pair[side] for pair in pairs], excess) for side in (0, 1)])
    shrinkage = crossed(excesses, _narrower)
    spreads = _spread(excesses[1])
    spread = float(np.nanmean(spreads)) if (~np.isnan(spreads)).any() else 0.0
    diverged = crossed(
        differences(view, pairs, lambda cell, run: float(run.status == "diverged")), known_mean
    )
    verdict = rules.gain(shrinkage, rules.SMALLEST_SPREAD * spread)
    if diverged and diverged.value > 0:
        more = diverged.interval is not None and diverged.interval.low > 0
        verdict = rules.both(verdict, "not supported" if more else "undecided")
    change = shrinkage and _negative(shrinkage)
    verdict, why = rules.decide(
        view,
        _flat(pairs),
        excesses[0] - excesses[1],
        verdict,
        f"The spread over restarts changes by {_signed(change)} nats from {spread:.3f}, the "
        f"share that diverges by {_signed(diverged)}.",
        _chosen(frozen, _narrower(excesses) > 0),
        first_set,
    )
    return Claim(
        key="f",
        claim="Freezing the memory leads to more robust convergence.",
        source="abstract; conclusion",
        rule="The spread of a cell is the interquartile range over restarts of validation "
        "cross-entropy above its bound, nats per symbol; a restart that never had a finite one "
        "counts among those that diverge only. Supported if with memory frozen it is "
        f"smaller by at least {form.per_cent(rules.SMALLEST_SPREAD)} of what it is with nothing "
        "frozen, the interval of the difference is beyond 0, and no more restarts diverge; not "
        "supported if the whole interval falls short of that, if certainly more diverge, or if "
        f"most cells whose spread shrinks are no better than the floor on "
        f"{_label(view, first_set)}.",
        measured=(
            Measured("difference in spread", change, None, "one net a cell is published", "nats"),
            Measured("difference in share diverged", diverged, None, "", "difference"),
        ),
        verdict=verdict,
        why=why,
    )


CLAIMS: Sequence[Callable[[View], Claim]] = (
    _treebank,
    partial(_keeps, key="b", freeze=MEMORY, subject="Nets with frozen memory keep"),
    _loses,
    _stabilises,
    _beats,
    _converges,
    partial(_keeps, key="g", freeze=CONTROLLER, subject="Nets with a frozen controller keep"),
    partial(_keeps, key="h", freeze=BOTH, subject="Nets with frozen controller and memory keep"),
)
"""Every claim that the page shows, in its order."""


def _label(view: View, which: SetOf) -> str:
    """How the first or the last set is called in sentences; claims are about one kind of task."""
    return set_label(which(view.results.tasks[0]))


def _chosen(cells: Sequence[Cell], mask: np.ndarray) -> list[Cell]:
    return [cell for cell, wanted in zip(cells, mask, strict=True) if wanted]


def _flat(pairs: Sequence[tuple[Cell, Cell]]) -> list[Cell]:
    return [cell for pair in pairs for cell in pair]


def _known(bounds: dict[str, paper.Bounds]) -> str:
    return f"{len(bounds)} languages whose floor is known here" if bounds else ""


def _spread(values: np.ndarray) -> np.ndarray:
    return quantile(values, 0.75) - quantile(values, 0.25)


def _narrower(values: np.ndarray) -> np.ndarray:
    """How much smaller the first spread of two is, over the restarts that both have."""
    shared = np.where(np.isnan(values).any(axis=0), np.nan, values)
    return _spread(shared[1]) - _spread(shared[0])


def _negative(estimate: Estimate) -> Estimate:
    ends = estimate.interval
    return Estimate(-estimate.value, ends and Interval(-ends.high, -ends.low))


def _lies(estimate: Estimate | None, threshold: float, name: str) -> str:
    """Where an interval lies to a threshold."""
    if estimate is None or estimate.interval is None:
        return f"There is no interval of the {name}."
    low, high = estimate.interval
    where = (
        f"lies wholly at or above {threshold:.2f}"
        if low >= threshold
        else f"lies wholly below {threshold:.2f}"
        if high < threshold
        else f"holds {threshold:.2f}"
    )
    return f"The interval of the {name}, {low:.3f} to {high:.3f}, {where}."


def _signed(estimate: Estimate | None) -> str:
    """A difference with its interval, for sentences."""
    if estimate is None:
        return form.MISSING
    text = form.signed(estimate.value)
    if estimate.interval:
        text += f" ({form.signed(estimate.interval.low)} to {form.signed(estimate.interval.high)})"
    return text


def _published_on_baseline(view: View, freeze: tuple[str, ...]) -> list[str]:
    low, known = paper.on_baseline(freeze, paper.last_bounds(view))
    if not known:
        return []
    return [
        f"Of the {known} published cells whose floor is known here, {low} are no better than "
        f"the floor on {set_label(published().sets[-1])}."
    ]
