"""Baselines and the Bayes-optimal predictor against hand-made and enumerated expectations."""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from memrnn.languages import Distribution, get_language
from memrnn.languages.predictors import (
    BASELINES,
    Predictor,
    bigram,
    hits,
    repeat_last,
    surprisals,
    table_predictor,
    unigram,
)

TRAIN = (40, 80)
BINS = ((40, 100), (100, 200), (200, 400))


def count_and_copy(longest: int) -> list[list[tuple[int, ...]]]:
    """Strings of count-and-copy, by length, from 3 on."""
    return [
        [w + (2,) * n + w for w in itertools.product((0, 1), repeat=n)]
        for n in range(1, longest // 3 + 1)
    ]


def fitted(fit: Callable, distribution: Distribution) -> Predictor:
    return table_predictor(fit(distribution.transition_counts()))


def score(predictor: Predictor, groups: Sequence[np.ndarray]) -> tuple[float, float]:
    """Accuracy and perplexity on groups of strings, every symbol with the same weight."""
    points = np.concatenate([hits(predictor(group), group).ravel() for group in groups])
    nats = np.concatenate([surprisals(predictor(group), group).ravel() for group in groups])
    return points.mean(), np.exp(nats.mean())


def test_registry() -> None:
    assert list(BASELINES) == ["repeat-last", "unigram", "bigram"]


@pytest.mark.parametrize(
    ("name", "published"),
    [("count-3", (0.96, 0.98, 0.99)), ("count-and-copy", (0.63, 0.65, 0.66))],
)
def test_repeat_last_scores_what_frozen_controllers_score(
    name: str, published: tuple[float, ...]
) -> None:
    # Das & Mali 2024 (arXiv 2410.03154): these accuracies are those of the trivial predictor.
    language = get_language(name)
    baseline = fitted(repeat_last, Distribution(language, *TRAIN))
    rng = np.random.default_rng(0)
    for bin_, expected in zip(BINS, published, strict=True):
        groups = Distribution(language, *bin_).sample_each_length(20, rng)
        assert score(baseline, groups)[0] == pytest.approx(expected, abs=0.0075)


def test_repeat_last_by_hand() -> None:
    # abc and aabbcc: 3 of the 9 symbols are repeated.
    predictor = fitted(repeat_last, Distribution(get_language("count-3"), 3, 6))
    found = predictor(np.array([[0, 2]]))[0]
    rest = (2 / 3) / 3
    np.testing.assert_allclose(
        found, [[1, 0, 0, 0], [1 / 3, rest, rest, rest], [rest, rest, 1 / 3, rest]]
    )


def test_the_empty_string_repeats_nothing() -> None:
    predictor = fitted(repeat_last, Distribution(get_language("count-3"), 0, 3))
    found = predictor(np.array([[1]]))[0]
    np.testing.assert_allclose(found, [[0.5, 0, 0, 0.5], [1 / 3, 0, 1 / 3, 1 / 3]])


def test_repeat_last_knows_nothing_from_the_empty_string() -> None:
    predictor = fitted(repeat_last, Distribution(get_language("count-3"), 0, 0))
    found = predictor(np.array([[1]]))[0]
    np.testing.assert_allclose(found, [[0, 0, 0, 1], [0.25] * 4])


def test_unigram_and_bigram_by_enumeration() -> None:
    distribution = Distribution(get_language("count-and-copy"), 3, 12)
    counts = np.zeros((4, 4))
    for group in count_and_copy(12):
        for string in group:
            for a, b in itertools.pairwise((3, *string, 3)):
                counts[a, b] += 1 / len(group)
    string = np.array([[0, 1, 2, 2]])
    found = fitted(unigram, distribution)(string)[0]
    np.testing.assert_allclose(found, [counts.sum(axis=0) / counts.sum()] * 5)
    found = fitted(bigram, distribution)(string)[0]
    expected = counts / counts.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected[[3, 0, 1, 2, 2]])


def test_bigram_after_an_unseen_symbol_is_uniform() -> None:
    predictor = fitted(bigram, Distribution(get_language("marked-copy"), 1, 1))
    found = predictor(np.array([[0, 2]]))[0]
    np.testing.assert_allclose(found, [[0, 0, 1, 0], [0.25] * 4, [0, 0, 0, 1]])


def test_unigram_is_the_best_constant_and_bigram_the_best_table() -> None:
    # On all strings of the distribution in their right proportions, an exact fit is a minimum.
    distribution = Distribution(get_language("count-and-copy"), 3, 9)
    groups = [np.array(group * (8 // len(group)), dtype=np.int32) for group in count_and_copy(9)]
    single, pairs, bayes = (
        score(predictor, groups)[1]
        for predictor in (
            fitted(unigram, distribution),
            fitted(bigram, distribution),
            distribution.next_symbol_probabilities,
        )
    )
    assert bayes < pairs < single
    assert math.log(bayes) == pytest.approx(distribution.expected_lower_bound())
    targets = np.concatenate(
        [np.pad(g, ((0, 0), (0, 1)), constant_values=3).ravel() for g in groups]
    )
    frequencies = np.bincount(targets) / targets.size
    assert math.log(single) == pytest.approx(-(frequencies * np.log(frequencies)).sum())


@pytest.mark.parametrize(
    "name", ["count-3", "marked-copy", "unmarked-copy", "unmarked-reverse-and-copy:k=3"]
)
def test_no_baseline_beats_the_bayes_optimal_predictor(name: str) -> None:
    distribution = Distribution(get_language(name), 3, 60)
    groups = distribution.sample_each_length(50, np.random.default_rng(7))
    accuracy, perplexity = score(distribution.next_symbol_probabilities, groups)
    assert math.log(perplexity) == pytest.approx(distribution.lower_bound(groups))
    for fit in BASELINES.values():
        found = score(fitted(fit, distribution), groups)
        assert found[0] < accuracy
        assert found[1] > perplexity


def test_ties_share_the_point() -> None:
    probabilities = np.array(
        [[[0.4, 0.4 * (1 - 1e-10), 0.2], [0.4, 0.4 * (1 - 1e-8), 0.2], [0.2, 0.4, 0.4]]]
    )
    points = [hits(probabilities, np.array([pair]))[0] for pair in ([0, 0], [1, 1], [2, 2])]
    np.testing.assert_allclose(points, [[0.5, 1, 0.5], [0.5, 0, 0.5], [0, 0, 0.5]])


def test_accuracy_is_the_expectation_of_random_tie_breaking() -> None:
    # w # w with w a single bit: a coin toss, then the mark, the bit and EOS for sure.
    distribution = Distribution(get_language("marked-copy"), 3, 3)
    groups = [np.array([[0, 2, 0], [1, 2, 1], [1, 2, 1]])]
    found = score(distribution.next_symbol_probabilities, groups)
    assert found == pytest.approx((3.5 / 4, 2 ** (1 / 4)))


def test_longer_groups_weigh_more() -> None:
    distribution = Distribution(get_language("count-3"), 0, 0)
    groups = [np.zeros((2, 0), dtype=np.int32), np.array([[0, 1, 2]])]
    # Right on both empty strings, all wrong at the start of abc, one in four after that.
    accuracy, _ = score(distribution.next_symbol_probabilities, groups)
    assert accuracy == pytest.approx((2 + 3 / 4) / 6)


def test_impossible_symbols_cost_infinitely() -> None:
    distribution = Distribution(get_language("count-3"), 3, 3)
    impossible = np.array([[0, 0, 1, 1, 2, 2]])
    assert score(distribution.next_symbol_probabilities, [impossible])[1] == math.inf
    found = surprisals(np.array([[[0.25, 0.75], [1.0, 0.0]]]), np.array([[0]]))
    np.testing.assert_allclose(found, [[math.log(4), math.inf]])
