"""The paper's claims, each a function from a study to numbers, a verdict and sentences.

Their words are in `data/claims.toml`, their thresholds in `_rules`. Retention is accuracy on the
last set over accuracy on the first, of one restart. Pairs differ in the freezing mode alone and
have the same restart number, hence the same seed.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from memrnn.papers.das_mali_2024 import _published as paper
from memrnn.papers.das_mali_2024 import _rules as rules
from memrnn.papers.das_mali_2024._published import BOTH, CONTROLLER, MEMORY, NOTHING, TEXTS
from memrnn.reports import set_label
from memrnn.reports.study import Claim, Measured, Verdict, resampling
from memrnn.reports.study.comparisons import differences, paired_cells
from memrnn.reports.study.resampling import Estimate, crossed, known_mean, quantile
from memrnn.reports.study.scores import SetOf, View, excess, first_set, last_set
from memrnn.runtime import formats as form


def judge(view: View) -> list[Claim]:
    """All claims of the paper; none for a study of other tasks or models."""
    if not paper.covers(view.results):
        return []
    return [claim(view, key) for key, claim in CLAIMS.items()]


def _treebank(view: View, key: str) -> Claim:
    del view
    rows = paper.published().treebank
    stacks = [model for model in rows if model not in paper.NO_MEMORY]
    whole, frozen = (
        min(stacks, key=lambda model: rows[model][freeze]) for freeze in (NOTHING, MEMORY)
    )
    best, best_frozen = rows[whole][NOTHING], rows[frozen][MEMORY]
    gain = best - best_frozen
    (lstm,) = set(rows) - set(stacks)
    once, twice = rows[lstm][NOTHING], rows[lstm][MEMORY]
    notes = [
        f"In the paper’s own table {lstm}, which has no memory to freeze, stands twice: {once} "
        f"with nothing frozen and {twice} with memory frozen. That is one experiment drawn twice, "
        f"{abs(once - twice):.1f} apart; the claimed gain of {gain:.1f} is smaller than that.",
        f"{lstm} at {min(once, twice)} is better than the {best_frozen} that is called best.",
    ]
    measured = Measured("gain in perplexity", None, gain, "best of 10 each", _one_digit)
    why = "Penn Treebank is not in this study, so nothing was measured here."
    names = {"best": best, "whole": whole, "best_frozen": best_frozen, "frozen": frozen}
    return _claim(key, [measured], ("undecided", why), notes, **names)


def _one_digit(value: float | None) -> str:
    return form.MISSING if value is None else f"{value:.1f}"


def _keeps(view: View, key: str, freeze: tuple[str, ...]) -> Claim:
    """Mean retention of the nets with a component frozen."""
    cells = view.cells(freeze)
    retention = view.matrix(cells, view.retention)
    estimate = crossed(retention)
    decision = rules.decide(
        view,
        [(cell,) for cell in cells],
        retention,
        rules.at_least(estimate, rules.KEPT),
        _position(estimate, rules.KEPT, "mean retention"),
        quantile(retention, 0.5) >= rules.KEPT,
    )
    notes: list[str] = []
    if of_baseline := crossed(view.matrix(cells, view.baseline_retention)):
        notes.append(
            f"On the same strings the best baseline keeps {form.share(of_baseline.value)}: to "
            "keep a score is no sign of a grammar by itself."
        )
    published = paper.mean_retention(freeze)
    measured = Measured("mean retention", estimate, published, "mean of its cells")
    return _claim(key, [measured], decision, [*notes, *_on_baseline(view, freeze)])


def _loses(view: View, key: str) -> Claim:
    """The largest median loss of a fully trained net."""
    cells = view.cells(NOTHING)
    loss = 1 - view.matrix(cells, view.retention)
    estimate, worst = resampling.largest(loss, partial(quantile, share=0.5)) or (None, 0)
    verdict, why = rules.decide(
        view,
        [(cell,) for cell in cells],
        loss,
        rules.at_least(estimate, rules.LOST),
        _position(estimate, rules.LOST, "largest median loss"),
    )
    if estimate:
        why += f" It is that of {cells[worst].model} on {cells[worst].task.title}."
    published, cell = paper.worst_loss()
    remark = f"{cell.model} on {cell.language}"
    measured = Measured("largest median loss", estimate, published, remark)
    return _claim(key, [measured], (verdict, why))


def _stabilises(view: View, key: str) -> Claim:
    """Retention and normalised accuracy, memory frozen minus nothing frozen."""
    pairs = paired_cells(view, MEMORY)
    by_run = differences(view, pairs, view.retention)
    retention = crossed(by_run)
    normalised = crossed(differences(view, pairs, view.normalised))
    last, least = _label(view, last_set), rules.SMALLEST_KEPT
    decision = rules.decide(
        view,
        pairs,
        by_run,
        rules.both(rules.gain(retention, least), rules.gain(normalised, least)),
        f"By restart, freezing the memory changes retention by {_signed(retention)} and normalised "
        f"accuracy on {last} by {_signed(normalised)}.",
        known_mean(by_run) > 0,
    )
    bounds = paper.last_bounds(view)
    measured = [
        Measured(
            "difference in retention",
            retention,
            paper.mean_difference(MEMORY, lambda cell: cell.retention),
            "mean of its cells",
            form.signed,
        ),
        Measured(
            f"difference in normalised accuracy on {last}",
            normalised,
            paper.normalised_difference(MEMORY, bounds),
            _known(bounds),
            form.signed,
        ),
    ]
    note = (
        "In the paper’s tables lstm with nothing frozen and with memory frozen is the same "
        "experiment drawn twice; its retention differs by up to "
        f"{form.share(paper.twice_retention())} between the two."
    )
    return _claim(key, measured, decision, [note])


def _beats(view: View, key: str) -> Claim:
    """Accuracy above the best baseline, controller frozen minus nothing frozen."""
    pairs = paired_cells(view, CONTROLLER)
    gains = differences(view, pairs, view.above_baseline)
    estimate = crossed(gains)
    decision = rules.decide(
        view,
        pairs,
        gains,
        rules.gain(estimate, rules.SMALLEST_GAIN),
        "What its accuracy is above the floor differs from the fully trained net’s by "
        f"{_signed(estimate)}.",
        known_mean(gains) > 0,
    )
    notes: list[str] = []
    if plain := crossed(differences(view, pairs, view.last_value)):
        published = paper.mean_difference(CONTROLLER, lambda cell: cell.accuracies[-1])
        notes.append(
            f"Without regard for the floor the difference is {_signed(plain)} here and "
            f"{form.signed(published)} in the paper’s tables."
        )
    bounds = paper.last_bounds(view)
    published = paper.gain_difference(CONTROLLER, bounds)
    name = "difference in accuracy above the floor"
    measured = Measured(name, estimate, published, _known(bounds), form.signed)
    notes += _on_baseline(view, CONTROLLER)
    return _claim(key, [measured], decision, notes, last_set=_label(view, last_set))


def _converges(view: View, key: str) -> Claim:
    """Spread of validation scores and share of diverged restarts, memory frozen or nothing."""
    pairs = paired_cells(view, MEMORY)
    excesses = np.stack([view.matrix([pair[side] for pair in pairs], excess) for side in (0, 1)])
    shrinkage = crossed(excesses, _narrower)
    spreads = _spread(excesses[1])
    spread = float(np.nanmean(spreads)) if (~np.isnan(spreads)).any() else 0.0
    diverged = crossed(differences(view, pairs, lambda cell, run: float(run.status == "diverged")))
    verdict = rules.gain(shrinkage, rules.SMALLEST_SPREAD * spread)
    if diverged and diverged.value > 0:
        certain = diverged.interval is not None and diverged.interval.low > 0
        verdict = rules.both(verdict, "not supported" if certain else "undecided")
    change = shrinkage and _negative(shrinkage)
    decision = rules.decide(
        view,
        pairs,
        excesses[0] - excesses[1],
        verdict,
        f"The spread over restarts changes by {_signed(change)} nats from {spread:.3f}, the "
        f"share that diverges by {_signed(diverged)}.",
        _narrower(excesses) > 0,
        first_set,
    )
    measured = [
        Measured("difference in spread", change, None, "one net a cell is published", form.signed),
        Measured("difference in share diverged", diverged, None, "", form.signed),
    ]
    return _claim(key, measured, decision, first_set=_label(view, first_set))


CLAIMS: dict[str, Callable[[View, str], Claim]] = {
    "a": _treebank,
    "b": partial(_keeps, freeze=MEMORY),
    "c": _loses,
    "d": _stabilises,
    "e": _beats,
    "f": _converges,
    "g": partial(_keeps, freeze=CONTROLLER),
    "h": partial(_keeps, freeze=BOTH),
}
"""By the keys of `data/claims.toml`, in the order of the page."""


def _claim(
    key: str,
    measured: Sequence[Measured],
    decision: tuple[Verdict, str],
    notes: Sequence[str] = (),
    **names: object,
) -> Claim:
    """A claim in the words of `data/claims.toml`, with names filled in."""
    text = TEXTS["claims"][key]
    claim, rule = (text[part].format(**rules.WRITTEN, **names) for part in ("claim", "rule"))
    return Claim(key, claim, text["source"], rule, tuple(measured), *decision, tuple(notes))


def _label(view: View, which: SetOf) -> str:
    """How the first or the last set is called in sentences; claims are about one kind of task."""
    return set_label(which(view.results.tasks[0]))


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
    return Estimate(-estimate.value, ends and resampling.Interval(-ends.high, -ends.low))


def _position(estimate: Estimate | None, threshold: float, name: str) -> str:
    """Where an interval lies to a threshold."""
    if estimate is None or estimate.interval is None:
        return f"There is no interval of the {name}."
    low, high = estimate.interval
    where = "holds"
    if low >= threshold or high < threshold:
        where = "lies wholly at or above" if low >= threshold else "lies wholly below"
    return f"The interval of the {name}, {low:.3f} to {high:.3f}, {where} {threshold:.2f}."


def _signed(estimate: Estimate | None) -> str:
    """A difference with its interval, for sentences."""
    value, *ends = map(form.signed, resampling.numbers(estimate))
    return f"{value} ({' to '.join(ends)})" if estimate and estimate.interval else value


def _on_baseline(view: View, freeze: tuple[str, ...]) -> list[str]:
    low, known = paper.on_baseline(freeze, paper.last_bounds(view))
    if not known:
        return []
    return [
        f"Of the {known} published cells whose floor is known here, {low} are no better than "
        f"the floor on {set_label(paper.published().sets[-1])}."
    ]
