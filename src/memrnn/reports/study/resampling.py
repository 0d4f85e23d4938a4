"""Intervals and tests by resampling: seeded, so that equal results give equal pages."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

RESAMPLES = 10_000
SEED = 0
LEVEL = 0.95

Statistic = Callable[[np.ndarray], np.ndarray]
"""From an array of (..., values) to (...), which has at least one axis."""

median: Statistic = functools.partial(np.median, axis=-1)
mean: Statistic = functools.partial(np.mean, axis=-1)


class Interval(NamedTuple):
    """An interval, of 95 % where nothing else is said; both ends inclusive."""

    low: float
    high: float


class Estimate(NamedTuple):
    """A statistic with its interval; None where there is too little to resample."""

    value: float
    interval: Interval | None = None


def numbers(estimate: Estimate | None) -> tuple[float | None, float | None, float | None]:
    """The value and the ends of the interval, as far as they exist."""
    low, high = (estimate and estimate.interval) or (None, None)
    return estimate and estimate.value, low, high


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
        return Estimate(value)
    return Estimate(value, percentiles(statistic(array[_draws(len(array))])))


def known_mean(values: np.ndarray) -> np.ndarray:
    """The mean over the last axis, NaNs left out; NaN where there is nothing else."""
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    sums = np.where(known, values, 0.0).sum(axis=-1)
    return np.divide(sums, count, out=np.full(sums.shape, np.nan), where=count > 0)


def crossed(values: np.ndarray, statistic: Statistic = known_mean) -> Estimate | None:
    """The mean over cells of a statistic of their restarts; None if it exists in no cell.

    The interval is that of the crossed bootstrap: cells and restart numbers are drawn with
    replacement, each for themselves. The restarts of one number share a seed in the freezing modes
    of one task and model only, so that it is if anything too wide.
    Source: Owen 2007, "The pigeonhole bootstrap" (arXiv 0712.1111).

    Args:
        values: (..., cells, restarts), NaN where there is none.
        statistic: from (..., restarts), of one cell, to a number; NaN if it does not exist.
    """
    if not values.shape[-2]:
        return None
    points, resampled = _by_cell(values, statistic)
    if np.isnan(points).all():
        return None
    value = float(np.nanmean(points))
    if max(values.shape[-2:]) < 2:
        return Estimate(value)
    weights = _counts(len(points)).T * ~np.isnan(resampled)
    total = weights.sum(axis=0)
    sums = (weights * np.nan_to_num(resampled)).sum(axis=0)
    # A draw that hits no value says nothing and is left out.
    means = np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0)
    return Estimate(value, percentiles(means))


def clustered(values: np.ndarray, clusters: Sequence[int], level: float = LEVEL) -> Estimate | None:
    """The mean over cells of the mean over their restarts, and its interval.

    The cells are fixed and the restarts are the sample: restart numbers are drawn with replacement
    in each cluster for itself, the same for all cells of a cluster. A cluster is a task and a
    model, in whose freezing modes restarts of one number share a seed.

    Args:
        values: (cells, restarts), NaN where there is none.
        clusters: number of each cell's cluster.
        level: share of the resamples' means that the interval holds, in the middle.

    Returns:
        None without a value; no interval if no cell has two restarts.
    """
    cells = known_mean(values)
    if np.isnan(cells).all():
        return None
    value, restarts = float(np.nanmean(cells)), values.shape[-1]
    if restarts < 2:
        return Estimate(value)
    drawn = np.empty((len(values), RESAMPLES))
    for cluster in set(clusters):
        rng = np.random.default_rng([SEED, restarts, cluster])
        draws = rng.integers(restarts, size=(RESAMPLES, restarts))
        for row in np.flatnonzero(np.asarray(clusters) == cluster):
            drawn[row] = known_mean(values[row, draws])
    return Estimate(value, percentiles(known_mean(drawn.T), level))


def largest(values: np.ndarray, statistic: Statistic) -> tuple[Estimate, int] | None:
    """The largest that a statistic is in any cell, its interval, and the index of the cell.

    For the interval restart numbers are drawn with replacement, and the largest is looked for anew
    each time: that it was looked for is part of the uncertainty.

    Args:
        values, statistic: as in `crossed`.
    """
    if not values.shape[-2]:
        return None
    points, resampled = _by_cell(values, statistic)
    if np.isnan(points).all():
        return None
    value, index = float(np.nanmax(points)), int(np.nanargmax(points))
    if values.shape[-1] < 2:
        return Estimate(value), index
    highest = np.where(np.isnan(resampled), -np.inf, resampled).max(axis=0)
    return Estimate(value, percentiles(highest[np.isfinite(highest)])), index


def _by_cell(values: np.ndarray, statistic: Statistic) -> tuple[np.ndarray, np.ndarray]:
    """A statistic of every cell, (cells,), and of its resamples, (cells, resamples).

    One cell after the other, since all at once would fill the memory.
    """
    cells = [values[..., cell, :] for cell in range(values.shape[-2])]
    draws = _draws(values.shape[-1])
    points = np.stack([statistic(cell[..., None, :])[0] for cell in cells])
    return points, np.stack([statistic(cell[..., draws]) for cell in cells])


def quantile(values: np.ndarray, share: float) -> np.ndarray:
    """The quantile over the last axis, NaNs left out; NaN where there is nothing else.

    The same as `numpy.nanquantile`, which takes a minute for what this does in a second.
    """
    ordered = np.sort(values, axis=-1)  # NaNs go last
    last = np.maximum((~np.isnan(values)).sum(axis=-1) - 1, 0)
    position = share * last
    below = np.floor(position).astype(int)
    above = np.minimum(below + 1, last)
    low, high = (np.take_along_axis(ordered, at[..., None], -1)[..., 0] for at in (below, above))
    return low + (high - low) * (position - below)


def percentiles(values: np.ndarray, level: float = LEVEL) -> Interval | None:
    """The middle of a bootstrap distribution, 95 % of it or another share."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    tail = (1 - level) / 2
    # Between two values, one of which is infinite, there is nothing to interpolate.
    method = "linear" if np.isfinite(known).all() else "inverted_cdf"
    low, high = np.quantile(known, (tail, 1 - tail), method=method)
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
    test = stats.permutation_test(
        (array, np.zeros_like(array)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(SEED),
    )
    return float(test.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given.

    The i-th smallest of m becomes max over j <= i of min(1, (m - j + 1) p_(j)).
    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    order = np.argsort(p_values)
    factors = len(p_values) - np.arange(len(p_values))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, factors * np.asarray(p_values)[order]))
    return adjusted.tolist()


@functools.cache
def _draws(count: int) -> np.ndarray:
    """Which of `count` values each resample holds: the same for all samples of one size."""
    return np.random.default_rng([SEED, count]).integers(count, size=(RESAMPLES, count))


@functools.cache
def _counts(count: int) -> np.ndarray:
    """How often each resample holds each of `count` cells, (resamples, cells)."""
    rng = np.random.default_rng([SEED, count, 1])
    return rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)
