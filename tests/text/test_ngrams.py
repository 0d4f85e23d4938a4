"""n-gram models against their formulas, and that they are distributions."""

import math
from collections import Counter

import numpy as np
import pytest
from ngrams_reference import ReferenceKneserNey
from small_corpora import random_tokens

from memrnn.errors import MemrnnError
from memrnn.text import Discounts, KneserNey, fit_baselines, read_corpus, unigram_nats

SIZE = 25
TRAIN = random_tokens(np.random.default_rng(0), SIZE, 1500)
TEST = random_tokens(np.random.default_rng(1), SIZE, 300)
MODELS = [(1, "single"), (2, "single"), (3, "modified"), (5, "single"), (5, "modified")]


@pytest.mark.parametrize(("order", "discounts"), MODELS)
def test_kneser_ney_agrees_with_its_formulas(order: int, discounts: Discounts) -> None:
    model = KneserNey(TRAIN, SIZE, order, discounts)
    plain = ReferenceKneserNey(TRAIN.tolist(), SIZE, order, discounts)
    np.testing.assert_allclose(model.nats(TEST), plain.nats(TEST.tolist()), rtol=0, atol=1e-10)
    # Also where the tokens end within a sentence.
    part = TEST[:101] if TEST[100] != SIZE - 1 else TEST[:100]
    np.testing.assert_allclose(model.nats(part), plain.nats(part.tolist()), rtol=0, atol=1e-10)


def test_kneser_ney_on_sentences_of_a_real_text() -> None:
    """Rare words, long repeats and a count of every size."""
    corpus = read_corpus("kjv-small")
    train, test = corpus.train[:6000], corpus.validation[:400]
    ends = np.flatnonzero(train == corpus.eos)
    train = train[: ends[-1] + 1]
    kinds: tuple[Discounts, ...] = ("single", "modified")
    for discounts in kinds:
        model = KneserNey(train, corpus.size, 4, discounts)
        plain = ReferenceKneserNey(train.tolist(), corpus.size, 4, discounts)
        np.testing.assert_allclose(model.nats(test), plain.nats(test.tolist()), rtol=0, atol=1e-10)


@pytest.mark.parametrize(("order", "discounts"), MODELS)
def test_probabilities_sum_to_one(order: int, discounts: Discounts) -> None:
    model = KneserNey(TRAIN, SIZE, order, discounts)
    rng = np.random.default_rng(2)
    for length in (0, 1, 2, 3, 4, 6):
        context = rng.integers(SIZE - 1, size=length).astype(np.int32)
        nats = [model.nats(np.append(context, token))[-1] for token in range(SIZE)]
        assert math.fsum(np.exp(-np.array(nats))) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("discounts", ["single", "modified"])
@pytest.mark.parametrize("train", [[0, 2], [0, 0, 0, 2], [0, 1, 2, 2], [2]])
def test_tiny_corpora_have_finite_nats(train: list[int], discounts: Discounts) -> None:
    model = KneserNey(np.array(train), 3, 3, discounts)
    plain = ReferenceKneserNey(train, 3, 3, discounts)
    every = np.array([1, 0, 2, 2, 0, 1, 2])
    assert np.isfinite(model.nats(every)).all()
    np.testing.assert_allclose(model.nats(every), plain.nats(every.tolist()), rtol=0, atol=1e-12)


def test_unigram() -> None:
    counts = Counter(TRAIN.tolist())
    nats = unigram_nats(TRAIN, TEST, SIZE)
    expected = [-math.log(counts[token] / len(TRAIN)) for token in TEST.tolist()]
    np.testing.assert_allclose(nats, expected, rtol=1e-14)
    assert unigram_nats(np.array([0, 2]), np.array([1]), 3)[0] == math.inf


def test_baselines_of_a_corpus() -> None:
    """The longer context is better; the figures are those of docs/text.md."""
    corpus = read_corpus("kjv-small")
    perplexity = {
        name: float(np.exp(baseline(corpus.test).mean()))
        for name, baseline in fit_baselines(corpus).items()
    }
    assert {name: round(value, 1) for name, value in perplexity.items()} == {
        "unigram": 205.0,
        "kneser-ney-3": 37.9,
        "kneser-ney-5": 34.5,
        "modified-kneser-ney-5": 34.5,
    }


def test_wrong_models() -> None:
    with pytest.raises(MemrnnError, match="order"):
        KneserNey(TRAIN, SIZE, 0)
    with pytest.raises(MemrnnError, match="no training token"):
        KneserNey(TRAIN[:0], SIZE)


def test_no_tokens_have_no_nats() -> None:
    assert KneserNey(TRAIN, SIZE).nats(TEST[:0]).shape == (0,)
