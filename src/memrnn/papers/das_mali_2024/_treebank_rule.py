"""The statistics of claim a, as `treebank_rules.md` has them."""

import math
from collections.abc import Sequence

import numpy as np

from memrnn.papers.das_mali_2024._published import MEMORY, NOTHING, read
from memrnn.papers.das_mali_2024._verdicts import LEAST_RESTARTS, Judged, too_many_failed
from memrnn.reports.study import Statistic, View
from memrnn.reports.study.comparisons import paired_cells
from memrnn.reports.study.resampling import RESAMPLES, SEED, Estimate, percentiles
from memrnn.reports.study.scores import last_set
from memrnn.runtime import formats as form
from memrnn.studies import Cell, RunRecord

RULES = read("treebank_rules.md")
"""The rule of claim a, as it was written before the runs that it judges."""

THRESHOLD = -0.012
"""Nats per word: half of the claimed gain, log(123.5 / 120.5)."""

LEAST_NETWORKS = 2
"""Networks with enough pairs that a verdict needs."""


def judge_gain(view: View) -> Judged:
    """The gain by freezing the memory, and whether what results is better than no memory."""
    pairs = [pair for pair in paired_cells(view, MEMORY) if len(_in_both(*pair)) >= LEAST_RESTARTS]
    plain = [cell for cell in view.cells(NOTHING, memory=False) if _ended(cell)]
    return Judged(
        (_gain(view, pairs),),
        (_standing(view, [frozen for frozen, _ in pairs], plain),),
        _obstacle(pairs, plain),
        "But nothing shows that with memory frozen networks are better than one without a memory, "
        "by half of the claimed gain or more",
    )


def _obstacle(pairs: Sequence[tuple[Cell, Cell]], plain: Sequence[Cell]) -> str:
    if len(pairs) < LEAST_NETWORKS:
        return (
            f"{form.plural(len(pairs), 'network')} {'has' if len(pairs) == 1 else 'have'} "
            f"{LEAST_RESTARTS} pairs that have ended, and a verdict needs {LEAST_NETWORKS}."
        )
    if not any(len(_ended(cell)) >= LEAST_RESTARTS for cell in plain):
        return f"Fewer than {LEAST_RESTARTS} restarts of a network without a memory have ended."
    cells = [*(cell for pair in pairs for cell in pair), *plain]
    ended = [run for cell in cells for run in _ended(cell).values()]
    return too_many_failed(sum(run.status == "failed" for run in ended), len(ended))


def _ended(cell: Cell) -> dict[int, RunRecord]:
    return {run.restart: run for run in cell.runs if run.finished or run.status == "failed"}


def _in_both(frozen: Cell, whole: Cell) -> list[int]:
    return sorted(_ended(frozen).keys() & _ended(whole).keys())


def _known(view: View, cell: Cell, run: RunRecord) -> float | None:
    """Nats per word of the test part; None where there is no such number."""
    value = view.value(cell, run, last_set(cell.task)) if run.finished else None
    return math.log(value) if value is not None and math.isfinite(value) and value > 0 else None


def _nats(view: View, cell: Cell, numbers: Sequence[int]) -> np.ndarray:
    """Of the restarts of these numbers; at most what unigrams have."""
    unigram = cell.references[last_set(cell.task)]["unigram"].whole["perplexity"]
    most, ended = unigram.numerator / unigram.denominator, _ended(cell)
    known = [_known(view, cell, ended[number]) for number in numbers]
    return np.array([most if value is None else min(value, most) for value in known])


def _missing(view: View, cell: Cell, numbers: Sequence[int]) -> int:
    ended = _ended(cell)
    return sum(_known(view, cell, ended[number]) is None for number in numbers)


def _gain(view: View, pairs: Sequence[tuple[Cell, Cell]]) -> Statistic:
    """G: memory frozen minus nothing frozen, of the better half of each network's pairs."""
    numbers = [_in_both(*pair) for pair in pairs]
    values, drawn = [], []
    for index, (pair, shared) in enumerate(zip(pairs, numbers, strict=True)):
        frozen, whole = (_nats(view, cell, shared) for cell in pair)
        difference, order = frozen - whole, np.minimum(frozen, whole)
        values.append(float(_better_half(difference[None], order[None])[0]))
        draws = _draws(len(shared), 0, index)
        drawn.append(_better_half(difference[draws], order[draws]))
    return Statistic(
        "G, memory frozen minus nothing frozen, nats per word",
        _estimate(values, drawn),
        THRESHOLD,
        at_least=False,
        cells=tuple((pair[0].model, value) for pair, value in zip(pairs, values, strict=True)),
        restarts=sum(map(len, numbers)),
        missing=sum(
            _missing(view, cell, shared)
            for pair, shared in zip(pairs, numbers, strict=True)
            for cell in pair
        ),
    )


def _standing(view: View, frozen: Sequence[Cell], plain: Sequence[Cell]) -> Statistic:
    """H: the better half with memory frozen minus that of the network without a memory."""
    cells = [*frozen, *plain[:1]]
    values, drawn = [], []
    for index, cell in enumerate(cells):
        nats = _nats(view, cell, sorted(_ended(cell)))
        values.append(float(_better_half(nats[None], nats[None])[0]))
        draws = nats[_draws(len(nats), 1, index)]
        drawn.append(_better_half(draws, draws))
    known = bool(frozen) and bool(plain)
    differences = [value - values[-1] for value in values[:-1]] if known else []
    return Statistic(
        "H, memory frozen minus no memory, nats per word",
        _estimate(differences, [one - drawn[-1] for one in drawn[:-1]]) if known else None,
        THRESHOLD,
        at_least=False,
        cells=tuple((cell.model, value) for cell, value in zip(frozen, differences, strict=known)),
        restarts=sum(len(_ended(cell)) for cell in cells),
        missing=sum(_missing(view, cell, list(_ended(cell))) for cell in cells),
    )


def _better_half(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """From (resamples, n) the mean of the half, rounded up, that is smallest by `order`."""
    half = (values.shape[1] + 1) // 2
    chosen = np.argsort(order, axis=1, kind="stable")[:, :half]
    return np.take_along_axis(values, chosen, axis=1).mean(axis=1)


def _draws(count: int, statistic: int, network: int) -> np.ndarray:
    """Restarts drawn with replacement, (resamples, count)."""
    rng = np.random.default_rng([SEED, count, statistic, network])
    return rng.integers(count, size=(RESAMPLES, count))


def _estimate(values: Sequence[float], drawn: Sequence[np.ndarray]) -> Estimate | None:
    """The mean over networks, and its interval."""
    if not values:
        return None
    return Estimate(float(np.mean(values)), percentiles(np.mean(drawn, axis=0)))
