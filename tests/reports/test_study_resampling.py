"""Resampling against counting everything out, and against examples by hand."""

import itertools

import numpy as np
import pytest

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
    interval = resampling.bootstrap(values, resampling.mean).interval
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
    once = resampling.crossed(values, resampling.known_mean)
    assert once == resampling.crossed(values.copy(), resampling.known_mean)


def crossed_by_hand(values, draws=4000):
    rng = np.random.default_rng(7)
    cells, restarts = values.shape
    found = []
    for _ in range(draws):
        seeds = rng.integers(restarts, size=restarts)
        means = []
        for cell in rng.integers(cells, size=cells):
            known = [values[cell, seed] for seed in seeds if not np.isnan(values[cell, seed])]
            if known:
                means.append(sum(known) / len(known))
        if means:
            found.append(sum(means) / len(means))
    return np.quantile(found, (0.025, 0.975))


def test_the_crossed_bootstrap_draws_cells_and_restarts():
    rng = np.random.default_rng(3)
    # Seeds matter as much as cells, so that leaving out either would make it too narrow.
    values = 0.2 * rng.normal(size=(6, 1)) + 0.2 * rng.normal(size=(1, 5))
    values[0, 1] = values[2, 3] = np.nan
    estimate = resampling.crossed(values, resampling.known_mean)
    by_cell = [np.mean([x for x in row if not np.isnan(x)]) for row in values]
    assert estimate.value == pytest.approx(np.mean(by_cell))
    low, high = crossed_by_hand(values)
    assert estimate.interval.low == pytest.approx(low, abs=0.02)
    assert estimate.interval.high == pytest.approx(high, abs=0.02)
    only_cells = np.quantile([np.mean(rng.choice(by_cell, 6)) for _ in range(4000)], (0.025, 0.975))
    assert high - low > 1.15 * (only_cells[1] - only_cells[0])


def test_a_cell_without_values_is_left_out():
    values = np.array([[0.2, 0.4], [np.nan, np.nan]])
    estimate = resampling.crossed(values, resampling.known_mean)
    assert estimate.value == pytest.approx(0.3)
    assert estimate.interval.low == 0.2 and estimate.interval.high == 0.4
    assert resampling.crossed(values[1:], resampling.known_mean) is None


def test_the_largest_is_looked_for_in_every_resample():
    def median(cell):
        return resampling.quantile(cell, 0.5)

    # In each column another cell is the worst, so that no resample has a maximum below 0.9.
    values = np.array([[0.9, 0.1, 0.1], [0.1, 0.9, 0.1], [0.1, 0.1, 0.9], [0.3, 0.3, 0.3]])
    estimate, place = resampling.largest(values, median)
    assert (estimate.value, place) == (0.3, 3)
    every = [
        max(np.median([row[i] for i in draw]) for row in values)
        for draw in itertools.product(range(3), repeat=3)
    ]
    assert estimate.interval.low == min(every) == 0.3
    assert estimate.interval.high == max(every) == 0.9
    assert resampling.largest(np.full((1, 2), np.nan), median) is None


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_quantiles_are_those_of_numpy(share):
    values = np.random.default_rng(0).normal(size=(5, 7))
    values[0, :3] = values[1, :6] = np.nan
    expected = np.nanquantile(values, share, axis=-1)
    assert resampling.quantile(values, share) == pytest.approx(expected)
    assert np.isnan(resampling.quantile(np.full((1, 3), np.nan), share)).all()


def test_the_interquartile_mean_cuts_a_quarter_at_either_end():
    assert resampling.interquartile_mean(
        [9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -9.0]
    ) == pytest.approx(3.5)
    assert resampling.interquartile_mean([1.0, 2.0, 9.0]) == pytest.approx(4)  # nothing is cut
    assert resampling.interquartile_mean([100.0, 1.0, 2.0, 4.0, -50.0]) == pytest.approx(7 / 3)


def by_all_signs(differences):
    total = abs(sum(differences))
    signs = list(itertools.product((1, -1), repeat=len(differences)))
    as_large = sum(
        abs(sum(s * d for s, d in zip(one, differences, strict=True))) >= total - 1e-12
        for one in signs
    )
    return as_large / len(signs)


@pytest.mark.parametrize(
    "differences", [[0.1, 0.2, 0.3, 0.4, 0.5], [0.1, -0.2, 0.3, 0.05, 0.0, 0.7], [0.2, -0.2, 0.1]]
)
def test_the_sign_flip_test_counts_all_signs(differences):
    assert resampling.sign_flip(differences) == pytest.approx(by_all_signs(differences))


def test_no_difference_is_no_evidence_and_few_pairs_are_little():
    assert resampling.sign_flip([0.0, 0.0]) == 1.0
    assert resampling.sign_flip([1.0] * 6) == pytest.approx(2.0**-5)


def test_an_interval_of_infinite_values_has_no_number_between_them():
    half = resampling.bootstrap([1.0, 2.0, np.inf, np.inf, np.inf], resampling.median)
    assert half.value == np.inf
    assert half.interval.low in (1.0, 2.0) and half.interval.high == np.inf
    assert resampling.bootstrap([-np.inf] * 3, resampling.median).interval.low == -np.inf


def test_holm_is_that_of_an_example_by_hand():
    # Smallest first: 0.01 * 4, then max(0.04, 0.02 * 3), then max(0.06, 0.03 * 2), then 0.04 * 1.
    assert resampling.holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert resampling.holm([0.9, 0.8]) == [1.0, 1.0]
    assert resampling.holm([]) == []


def test_holm_never_rejects_more_than_trying_one_after_the_other():
    rng = np.random.default_rng(5)
    for _ in range(50):
        p_values = list(rng.uniform(size=6) ** 3)
        rejected, left = set(), sorted(range(6), key=p_values.__getitem__)
        for step, number in enumerate(left):
            if p_values[number] > 0.05 / (6 - step):
                break
            rejected.add(number)
        adjusted = resampling.holm(p_values)
        assert {number for number in range(6) if adjusted[number] <= 0.05} == rejected


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
