"""Intervals and tests by resampling: seeded, so that equal results give equal pages."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 10_000
SEED = 0
LEVEL = 0.95

Statistic = Callable[[np.ndarray], np.ndarray]
"""From an array of (..., values) to (...), which has at least one axis."""


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, both ends inclusive."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A statistic with its interval; None where there is too little to resample."""

    value: float
    interval: Interval | None


def interquartile_mean(values: Sequence[float] | np.ndarray) -> float:
    """Mean of what is left when a quarter of the values, rounded down, is cut at either end.

    Source: Agarwal et al. 2021 (arXiv 2108.13264), as `scipy.stats.trim_mean` computes it.
    """
    return float(stats.trim_mean(np.asarray(values, float), 0.25))


def bootstrap(values: Sequence[float] | np.ndarray, statistic: Statistic) -> Estimate:
    """Percentile bootstrap: the statistic of as many values, drawn with replacement.

    Of n values no interval of their median covers more than 1 - 2^(1 - n): 0.75 for 3.
    """
    array = np.asarray(values, float)
    value = float(statistic(array[None])[0])
    if len(array) < 2:
        return Estimate(value, None)
    return Estimate(value, percentiles(statistic(array[_draws(len(array))])))


def median(values: np.ndarray) -> np.ndarray:
    """The median over the last axis."""
    return np.median(values, axis=-1)


def mean(values: np.ndarray) -> np.ndarray:
    """The mean over the last axis."""
    return np.mean(values, axis=-1)


def crossed(values: np.ndarray, statistic: Statistic) -> Estimate | None:
    """The mean over cells of a statistic of their restarts, and its interval.

    The interval is that of the crossed bootstrap: cells and restart numbers are drawn with
    replacement, each for themselves. The restarts of one number share a seed in the freezing modes
    of one task and model only; treating them as if they shared one in all cells is conservative:
    if anything the interval is too wide.
    Source: Owen 2007, "The pigeonhole bootstrap" (arXiv 0712.1111).

    Args:
        values: (..., cells, restarts), NaN where there is none.
        statistic: from (..., restarts), of one cell, to a number; NaN if it does not exist.

    Returns:
        None if the statistic exists in no cell.
    """
    points = _by_cell(values, lambda cell: statistic(cell[..., None, :]))[:, 0]
    if np.isnan(points).all():
        return None
    value = float(np.nanmean(points))
    if values.shape[-1] < 2 and values.shape[-2] < 2:
        return Estimate(value, None)
    drawn = _by_cell(values, lambda cell: statistic(cell[..., _draws(cell.shape[-1])]))
    weights = _counts(len(drawn)).T * ~np.isnan(drawn)
    total = weights.sum(axis=0)
    sums = (weights * np.nan_to_num(drawn)).sum(axis=0)
    # A draw that hits no value says nothing and is left out.
    means = np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0)
    return Estimate(value, percentiles(means))


def largest(values: np.ndarray, statistic: Statistic) -> tuple[Estimate, int] | None:
    """The largest that a statistic is in any cell, its interval, and which cell it is in.

    For the interval restart numbers are drawn with replacement, and the largest is looked for anew
    each time: that it was looked for is part of the uncertainty.

    Args:
        values, statistic: as in `crossed`.
    """
    points = _by_cell(values, lambda cell: statistic(cell[..., None, :]))[:, 0]
    if np.isnan(points).all():
        return None
    value, place = float(np.nanmax(points)), int(np.nanargmax(points))
    if values.shape[-1] < 2:
        return Estimate(value, None), place
    drawn = _by_cell(values, lambda cell: statistic(cell[..., _draws(cell.shape[-1])]))
    highest = np.where(np.isnan(drawn), -np.inf, drawn).max(axis=0)
    return Estimate(value, percentiles(highest[np.isfinite(highest)])), place


def _by_cell(values: np.ndarray, statistic: Statistic) -> np.ndarray:
    """A statistic of each cell by itself, (cells, ...); all cells at once would fill the memory."""
    return np.stack([statistic(values[..., cell, :]) for cell in range(values.shape[-2])])


def known_mean(values: np.ndarray) -> np.ndarray:
    """The mean over the last axis, NaNs left out; NaN where there is nothing else."""
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    sums = np.where(known, values, 0.0).sum(axis=-1)
    return np.divide(sums, count, out=np.full(sums.shape, np.nan), where=count > 0)


def quantile(values: np.ndarray, share: float) -> np.ndarray:
    """The quantile over the last axis, NaNs left out; NaN where there is nothing else.

    The same as `numpy.nanquantile`, which takes a minute for what this does in a second.
    """
    ordered = np.sort(values, axis=-1)  # NaNs go last
    count = (~np.isnan(values)).sum(axis=-1)
    place = share * np.maximum(count - 1, 0)
    below = np.floor(place).astype(int)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    low, high = (np.take_along_axis(ordered, at[..., None], -1)[..., 0] for at in (below, above))
    return low + (high - low) * (place - below)


def percentiles(values: np.ndarray) -> Interval | None:
    """The middle 95 % of a bootstrap distribution."""
    found = values[~np.isnan(values)]
    if not len(found):
        return None
    tail = (1 - LEVEL) / 2
    # Between two values, one of which is infinite, there is nothing to interpolate.
    method = "linear" if np.isfinite(found).all() else "inverted_cdf"
    low, high = np.quantile(found, (tail, 1 - tail), method=method)
    return Interval(float(low), float(high))


def sign_flip(differences: Sequence[float] | np.ndarray) -> float:
    """Two-sided p of paired differences: how often a mean as large comes up by chance.

    If it makes no difference which of a pair is which, each difference could as well have the
    other sign; all 2^n choices of signs are tried if there are at most 10,000, else so many drawn
    ones. The smallest p that n pairs can give is 2^(1 - n).
    """
    array = np.asarray(differences, float)
    if not array.any():
        return 1.0
    found = stats.permutation_test(
        (array, np.zeros_like(array)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(SEED),
    )
    return float(found.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given.

    The i-th smallest of m becomes max over j <= i of min(1, (m - j + 1) p_(j)).
    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, number in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[number]))
        adjusted[number] = largest
    return adjusted


@functools.cache
def _draws(count: int) -> np.ndarray:
    """Which of `count` values each resample holds: the same for all samples of one size."""
    return np.random.default_rng([SEED, count]).integers(count, size=(RESAMPLES, count))


@functools.cache
def _counts(count: int) -> np.ndarray:
    """How often each resample holds each of `count` cells, (resamples, cells)."""
    rng = np.random.default_rng([SEED, count, 1])
    return rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)
