"""Floors and ceiling against hand-made and enumerated expectations."""

import itertools
import math

import numpy as np
import pytest

from memrnn.languages import Distribution, get_language
from memrnn.languages.predictors import (
    BASELINES,
    BAYES_OPTIMAL,
    Bayes,
    Bigram,
    RepeatLast,
    Unigram,
    hits,
    score,
    surprisals,
)

TRAIN = (40, 80)
BINS = ((40, 100), (100, 200), (200, 400))


def count_and_copy(longest: int) -> list[list[tuple[int, ...]]]:
    """Strings of count-and-copy, by length, from 3 on."""
    return [
        [w + (2,) * n + w for w in itertools.product((0, 1), repeat=n)]
        for n in range(1, longest // 3 + 1)
    ]


def test_registry() -> None:
    assert [floor.name for floor in BASELINES] == ["repeat-last", "unigram", "bigram"]
    assert BAYES_OPTIMAL.name == "bayes"


@pytest.mark.parametrize(
    ("name", "published"),
    [("count-3", (0.96, 0.98, 0.99)), ("count-and-copy", (0.63, 0.65, 0.66))],
)
def test_repeat_last_scores_what_frozen_controllers_score(
    name: str, published: tuple[float, ...]
) -> None:
    # Das & Mali 2024 (arXiv 2410.03154): these accuracies are those of the trivial predictor.
    language = get_language(name)
    floor = RepeatLast(Distribution(language, *TRAIN))
    rng = np.random.default_rng(0)
    for bin_, expected in zip(BINS, published, strict=True):
        groups = Distribution(language, *bin_).sample_each_length(20, rng)
        assert score(floor, groups).accuracy == pytest.approx(expected, abs=0.0075)


def test_repeat_last_by_hand() -> None:
    # abc and aabbcc: 3 of the 9 symbols are repeated.
    predictor = RepeatLast(Distribution(get_language("count-3"), 3, 6))
    found = predictor.probabilities(np.array([[0, 2]]))[0]
    rest = (2 / 3) / 3
    np.testing.assert_allclose(
        found, [[1, 0, 0, 0], [1 / 3, rest, rest, rest], [rest, rest, 1 / 3, rest]]
    )


def test_the_empty_string_repeats_nothing() -> None:
    found = RepeatLast(Distribution(get_language("count-3"), 0, 3)).probabilities(np.array([[1]]))[
        0
    ]
    np.testing.assert_allclose(found, [[0.5, 0, 0, 0.5], [1 / 3, 0, 1 / 3, 1 / 3]])


def test_repeat_last_knows_nothing_from_the_empty_string() -> None:
    found = RepeatLast(Distribution(get_language("count-3"), 0, 0)).probabilities(np.array([[1]]))[
        0
    ]
    np.testing.assert_allclose(found, [[0, 0, 0, 1], [0.25] * 4])


def test_unigram_and_bigram_by_enumeration() -> None:
    distribution = Distribution(get_language("count-and-copy"), 3, 12)
    counts = np.zeros((4, 4))
    for group in count_and_copy(12):
        for string in group:
            for a, b in itertools.pairwise((3, *string, 3)):
                counts[a, b] += 1 / len(group)
    string = np.array([[0, 1, 2, 2]])
    unigram = Unigram(distribution).probabilities(string)[0]
    np.testing.assert_allclose(unigram, [counts.sum(axis=0) / counts.sum()] * 5)
    bigram = Bigram(distribution).probabilities(string)[0]
    expected = counts / counts.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(bigram, expected[[3, 0, 1, 2, 2]])


def test_bigram_after_an_unseen_symbol_is_uniform() -> None:
    predictor = Bigram(Distribution(get_language("marked-copy"), 1, 1))
    found = predictor.probabilities(np.array([[0, 2]]))[0]
    np.testing.assert_allclose(found, [[0, 0, 1, 0], [0.25] * 4, [0, 0, 0, 1]])


def test_unigram_is_the_best_constant_and_bigram_the_best_table() -> None:
    # On all strings of the distribution in their right proportions, an exact fit is a minimum.
    distribution = Distribution(get_language("count-and-copy"), 3, 9)
    groups = [np.array(group * (8 // len(group)), dtype=np.int32) for group in count_and_copy(9)]
    unigram, bigram, bayes = (
        score(predictor(distribution), groups).perplexity for predictor in (Unigram, Bigram, Bayes)
    )
    assert bayes < bigram < unigram
    assert bayes == pytest.approx(distribution.expected_lower_bound_perplexity())
    targets = np.concatenate(
        [np.pad(g, ((0, 0), (0, 1)), constant_values=3).ravel() for g in groups]
    )
    frequencies = np.bincount(targets) / targets.size
    assert math.log(unigram) == pytest.approx(-(frequencies * np.log(frequencies)).sum())


@pytest.mark.parametrize(
    "name", ["count-3", "marked-copy", "unmarked-copy", "unmarked-reverse-and-copy:k=3"]
)
def test_no_floor_beats_the_ceiling(name: str) -> None:
    distribution = Distribution(get_language(name), 3, 60)
    groups = distribution.sample_each_length(50, np.random.default_rng(7))
    ceiling = score(Bayes(distribution), groups)
    assert ceiling.perplexity == pytest.approx(distribution.lower_bound_perplexity(groups))
    for floor in BASELINES:
        found = score(floor(distribution), groups)
        assert found.perplexity > ceiling.perplexity
        assert found.accuracy < ceiling.accuracy


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
    assert score(Bayes(distribution), groups).accuracy == pytest.approx(3.5 / 4)
    assert score(Bayes(distribution), groups).perplexity == pytest.approx(2 ** (1 / 4))


def test_longer_groups_weigh_more() -> None:
    distribution = Distribution(get_language("count-3"), 0, 0)
    groups = [np.zeros((2, 0), dtype=np.int32), np.array([[0, 1, 2]])]
    # Right on both empty strings, all wrong at the start of abc, one in four after that.
    assert score(Bayes(distribution), groups).accuracy == pytest.approx((2 + 3 / 4) / 6)


def test_impossible_symbols_cost_infinitely() -> None:
    distribution = Distribution(get_language("count-3"), 3, 3)
    assert score(Bayes(distribution), [np.array([[0, 0, 1, 1, 2, 2]])]).perplexity == math.inf
    found = surprisals(np.array([[[0.25, 0.75], [1.0, 0.0]]]), np.array([[0]]))
    np.testing.assert_allclose(found, [[math.log(4), math.inf]])


def test_scores_need_strings() -> None:
    with pytest.raises(ValueError, match="A score needs strings; give at least one"):
        score(Unigram(Distribution(get_language("count-3"), 3, 6)), [])
