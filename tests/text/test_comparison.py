"""The paired bootstrap and sums by group, against loops."""

import math
import tracemalloc

import numpy as np
import pytest

from memrnn.errors import MemrnnError
from memrnn.text import (
    difference_of_sums,
    paired_difference,
    read_corpus,
    sentences,
    token_groups,
)

RNG = np.random.default_rng(0)
TOKENS = RNG.integers(5, size=200)
SENTENCES = sentences(TOKENS, 4)
A = RNG.exponential(size=200).astype(np.float32)
B = A + RNG.normal(0.1, 0.3, size=200)


def plain_bootstrap(
    a: np.ndarray, b: np.ndarray, numbers: list[int], resamples: int, seed: int
) -> list[float]:
    rng = np.random.default_rng(seed)
    count = max(numbers) + 1
    tokens = [[i for i, number in enumerate(numbers) if number == s] for s in range(count)]
    means = []
    for _ in range(resamples):
        drawn = [i for s in rng.integers(count, size=count) for i in tokens[s]]
        means.append(math.fsum(float(a[i]) - float(b[i]) for i in drawn) / len(drawn))
    return means


def test_paired_difference_agrees_with_loops() -> None:
    found = paired_difference(A, B, SENTENCES, resamples=500, seed=3)
    means = plain_bootstrap(A, B, SENTENCES.tolist(), 500, seed=3)
    assert found.nats == pytest.approx(float(np.mean(A.astype(float) - B)), abs=1e-12)
    assert (found.low, found.high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=1e-12)
    assert (found.tokens, found.sentences) == (200, SENTENCES[-1] + 1)
    perplexities = [math.exp(one.mean(dtype=float)) for one in (A, B)]
    assert found.ratio == pytest.approx(perplexities[0] / perplexities[1], rel=1e-6)
    assert found.ratio_interval == (math.exp(found.low), math.exp(found.high))


def test_the_interval_is_that_of_the_mean_of_sentences() -> None:
    """With sentences of one length its width follows from their standard deviation."""
    difference = RNG.normal(size=(3000, 10)) + RNG.normal(size=(3000, 1))
    numbers = np.repeat(np.arange(3000), 10)
    found = paired_difference(difference.ravel(), np.zeros(30_000), numbers)
    half = 1.96 * difference.mean(axis=1).std() / math.sqrt(3000)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.05)
    assert paired_difference(difference.ravel(), np.zeros(30_000), numbers) == found


def test_what_cannot_be_compared() -> None:
    with pytest.raises(MemrnnError, match="not finite"):
        paired_difference(np.array([1.0, np.inf]), np.ones(2), np.array([0, 0]))
    with pytest.raises(MemrnnError, match="no token"):
        paired_difference(np.ones(0), np.ones(0), np.zeros(0, int))
    for nothing in (np.zeros(0, int), np.zeros(2, int)):
        with pytest.raises(MemrnnError, match="no token"):
            difference_of_sums(np.zeros(len(nothing)), nothing)
    for wrong in (np.nan, np.inf):
        with pytest.raises(MemrnnError, match="not finite"):
            difference_of_sums(np.array([1.0, wrong]), np.ones(2, int))


def test_many_sentences_take_little_memory() -> None:
    """The draws of all resamples would take 160 MB; they are those of the loop all the same."""
    count, resamples = 40_000, 2_000
    sums, tokens = RNG.normal(size=count), RNG.integers(1, 40, size=count)
    tracemalloc.start()
    found = difference_of_sums(sums, tokens, resamples=resamples, seed=3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80e6
    rng = np.random.default_rng(3)
    means = []
    for _ in range(resamples):
        drawn = rng.integers(count, size=count)
        means.append(sums[drawn].sum() / tokens[drawn].sum())
    assert (found.low, found.high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=1e-12)


def test_groups_of_tokens_agree_with_loops() -> None:
    corpus = read_corpus("kjv-small")
    tokens = corpus.test.tolist()
    train = np.bincount(corpus.train).tolist()
    nats = RNG.exponential(size=len(tokens))
    expected: dict[str, dict[str, list[float]]] = {"segment": {}, "frequency": {}, "position": {}}
    position = 0
    for number, token in enumerate(tokens):
        position += 1
        tenth = number * 10 // len(tokens)
        digits = len(str(train[token]))
        low = next(low for low in (33, 17, 9, 5, 3, 2, 1) if position >= low)
        ends = {33: "33–", 17: "17–32", 9: "9–16", 5: "5–8", 3: "3–4"}
        names = {
            "segment": f"{tenth}0–{tenth + 1}0 %".replace("00–", "0–"),
            "frequency": f"{10 ** (digits - 1)}–{10**digits - 1}",
            "position": ends.get(low, str(low)),
        }
        for axis, name in names.items():
            expected[axis].setdefault(name, []).append(nats[number])
        if token == corpus.eos:
            position = 0
    largest = len(str(max(train)))
    last = expected["frequency"].pop(f"{10 ** (largest - 1)}–{10**largest - 1}")
    expected["frequency"][f"{10 ** (largest - 1)}–"] = last
    for axis, groups in token_groups(corpus, "test").items():
        found = {name: (total, count) for name, total, count in groups.sums(nats)}
        assert found.keys() == expected[axis].keys()
        for name, values in expected[axis].items():
            assert found[name] == pytest.approx((math.fsum(values), len(values)))


def test_empty_groups_are_left_out() -> None:
    groups = token_groups(read_corpus("kjv-small"), "test")["segment"]
    some = groups._replace(numbers=np.array([3, 3, 7]))
    assert list(some.sums(np.array([1.0, 2.0, 4.0]))) == [("30–40 %", 3.0, 2), ("70–80 %", 4.0, 1)]
