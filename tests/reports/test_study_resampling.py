"""Resampling against counting everything out, and against examples by hand."""

import itertools

import numpy as np
import pytest
from scipy import stats

from memrnn.reports.study import resampling


def everything(values, statistic):
    """The percentile interval of all n^n resamples, each as likely as the others."""
    found = sorted(
        statistic([values[i] for i in draw])
        for draw in itertools.product(range(len(values)), repeat=len(values))
    )
    return found[int(0.025 * len(found))], found[int(0.975 * len(found))]


@pytest.mark.parametrize("values", [[0.1, 0.5, 0.9], [0.3, 0.31, 0.7, 0.2, 0.9]])
def test_the_interval_of_a_median_is_that_of_all_resamples(values):
    estimate = resampling.bootstrap(values, resampling.median)
    assert estimate.value == np.median(values)
    # The distribution has few values, so quantiles agree to the bit unless they lie on a jump.
    expected = everything(values, np.median)
    assert (estimate.interval.low, estimate.interval.high) == pytest.approx(expected)


def test_the_interval_of_a_mean_is_that_of_all_resamples():
    values = [0.1, 0.4, 0.5, 0.9, 0.95]
    interval = resampling.bootstrap(values, lambda drawn: np.mean(drawn, axis=-1)).interval
    expected = everything(values, np.mean)
    assert (interval.low, interval.high) == pytest.approx(expected, abs=0.02)


def test_equal_values_have_an_interval_without_width_and_one_value_has_none():
    estimate = resampling.bootstrap([0.7] * 4, resampling.median)
    assert (estimate.interval.low, estimate.interval.high) == (0.7, 0.7)
    assert resampling.bootstrap([0.7], resampling.median).interval is None


def test_resampling_is_repeatable():
    values = np.random.default_rng(1).normal(size=(4, 6))
    assert resampling.bootstrap(values[0], resampling.median) == resampling.bootstrap(
        values[0], resampling.median
    )
    rows = resampling.clustered(values, range(4))
    assert rows == resampling.clustered(values.copy(), range(4))


def test_the_interquartile_mean_cuts_a_quarter_at_either_end():
    assert resampling.interquartile_mean(
        [9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -9.0]
    ) == pytest.approx(3.5)
    assert resampling.interquartile_mean([1.0, 2.0, 9.0]) == pytest.approx(4)  # nothing is cut
    assert resampling.interquartile_mean([100.0, 1.0, 2.0, 4.0, -50.0]) == pytest.approx(7 / 3)


def test_an_interval_of_infinite_values_has_no_number_between_them():
    half = resampling.bootstrap([1.0, 2.0, np.inf, np.inf, np.inf], resampling.median)
    assert half.value == np.inf
    assert half.interval.low in (1.0, 2.0) and half.interval.high == np.inf
    assert resampling.bootstrap([-np.inf] * 3, resampling.median).interval.low == -np.inf


@pytest.mark.parametrize("count", [2, 3, 7, 8, 20])
def test_means_and_their_intervals_are_those_of_scipy(count):
    values = np.random.default_rng(count).normal(size=count)
    found, expected = resampling.interquartile_mean(values), stats.trim_mean(values, 0.25)
    assert found == pytest.approx(expected, rel=1e-12)
    expected = stats.t.interval(0.95, count - 1, np.mean(values), stats.sem(values))
    assert resampling.student(values).interval == pytest.approx(expected, rel=1e-12)


def test_students_interval_covers_a_normal_mean_also_of_three_values():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        interval = resampling.student(rng.normal(size=3)).interval
        covered += interval.low <= 0 <= interval.high
    assert covered / 2000 == pytest.approx(0.95, abs=0.02)
    assert resampling.student(np.array([0.3])) == (0.3, None)


def test_clusters_are_resampled_each_for_itself():
    """Standard error of the mean over cells, from those of independent clusters."""
    rng = np.random.default_rng(3)
    restarts, clusters = 60, [0, 0, 1, 2]
    values = rng.normal(size=(4, restarts))
    values[1] = values[0]  # one seed, two freezing modes
    estimate = resampling.clustered(values, clusters)
    errors = values[[0, 2, 3]].std(axis=1) / np.sqrt(restarts) * [2, 1, 1] / 4
    assert estimate.value == pytest.approx(values.mean())
    half = (estimate.interval.high - estimate.interval.low) / 2
    assert half == pytest.approx(1.96 * np.sqrt(np.sum(errors**2)), rel=0.05)
    wide = resampling.clustered(values, clusters, level=1 - 0.05 / 14)
    wider = (wide.interval.high - wide.interval.low) / 2
    assert wider / half == pytest.approx(2.914 / 1.96, rel=0.05)


def test_paired_differences_of_one_seed_have_no_more_spread_than_they_have():
    """The two modes of a cluster are drawn together, so what they share cancels."""
    shared = np.random.default_rng(4).normal(size=12)
    estimate = resampling.clustered(np.stack([shared + 0.3, -shared]), [0, 0])
    assert estimate.value == pytest.approx(0.15)
    assert estimate.interval.high - estimate.interval.low == pytest.approx(0, abs=1e-12)


def test_cells_with_fewer_restarts_weigh_as_much_as_others():
    values = np.array([[1.0, 1.0, 1.0, 1.0], [0.0, np.nan, np.nan, np.nan]])
    estimate = resampling.clustered(values, [0, 1])
    assert estimate.value == 0.5 and estimate.interval.low <= 0.5 <= estimate.interval.high
    assert resampling.clustered(np.full((2, 3), np.nan), [0, 1]) is None
    assert resampling.clustered(np.ones((2, 1)), [0, 1]) == (1.0, None)
