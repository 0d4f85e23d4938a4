"""Means, medians and their intervals; resampling is seeded: equal results give equal pages."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit  # scipy.stats takes longer to import than all else here

RESAMPLES = 10_000
SEED = 0
LEVEL = 0.95

Reduction = Callable[[np.ndarray], np.ndarray]
"""From an array of (..., values) to (...), which has at least one axis."""

median: Reduction = functools.partial(np.median, axis=-1)


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
    cut = len(values) // 4
    return float(np.mean(np.sort(np.asarray(values, float))[cut : len(values) - cut]))


def bootstrap(values: Sequence[float] | np.ndarray, statistic: Reduction) -> Estimate:
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


def student(values: np.ndarray) -> Estimate:
    """The mean of values, and its interval by Student's t.

    For a few pairs of restarts: of three values a bootstrap covers far less than it says.
    """
    return student_of_means([values])


def student_of_means(groups: Sequence[np.ndarray], level: float = LEVEL) -> Estimate:
    """The mean of the means of independent groups of values, and its interval by Student's t.

    Groups differ in their spread: with v_g the variance of the mean of group g, of n_g values, the
    degrees of freedom are

        (sum_g v_g)^2 / sum_g v_g^2 / (n_g - 1)

    Of one group these are n - 1.

    Args:
        groups: none of which is empty; of one value in some group there is no interval.
        level: that the interval covers.

    Source: Welch 1947; Satterthwaite 1946.
    """
    value = float(np.mean([np.mean(values) for values in groups]))
    if min(map(len, groups)) < 2:
        return Estimate(value)
    variances = np.array([np.var(values, ddof=1) / len(values) for values in groups])
    total = float(variances.sum())
    if not total:
        return Estimate(value, Interval(value, value))
    shares = variances / total  # whose squares do not underflow
    freedom = 1 / float(np.sum(shares**2 / [len(values) - 1 for values in groups]))
    half = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(total) / len(groups)
    return Estimate(value, Interval(value - half, value + half))


@functools.cache
def _draws(count: int) -> np.ndarray:
    """Which of `count` values each resample holds: the same for all samples of one size."""
    return np.random.default_rng([SEED, count]).integers(count, size=(RESAMPLES, count))
