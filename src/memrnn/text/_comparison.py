"""Two models on the same tokens: the difference of their nats, and where it comes from."""

import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num, UInt16

from memrnn.errors import MemrnnError
from memrnn.text._corpus import Corpus, sentences

RESAMPLES = 10_000
LEVEL = 0.95

_CHUNK = 1 << 20
"""Sentences drawn at a time: 8 MB of their numbers."""

_KEPT = 50_000_000
"""Sentences drawn for all resamples up to which the draws are kept: 100 MB."""


class PairedDifference(NamedTuple):
    """How two models differ on the same tokens.

    Attributes:
        nats: mean difference per token, a - b; below 0 where a is better.
        low: lower end of its interval.
        high: upper end.
        tokens: how many there are.
        sentences: how many they are in.

    Examples:
        >>> from memrnn.text import PairedDifference
        >>> found = PairedDifference(nats=-0.1, low=-0.2, high=0.0, tokens=900, sentences=40)
        >>> round(found.ratio, 3)
        0.905
    """

    nats: float
    low: float
    high: float
    tokens: int
    sentences: int

    @property
    def ratio(self) -> float:
        """exp(nats): the perplexity of a divided by that of b."""
        return math.exp(self.nats)

    @property
    def ratio_interval(self) -> tuple[float, float]:
        """The interval of `ratio`."""
        return math.exp(self.low), math.exp(self.high)


def paired_difference(
    nats_a: Float[np.ndarray, " tokens"],
    nats_b: Float[np.ndarray, " tokens"],
    sentences: Int[np.ndarray, " tokens"],
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> PairedDifference:
    """The difference in nats per token, with a percentile interval of the paired bootstrap.

    With d_s the sum of a - b over the n_s tokens of sentence s, the difference is

        sum_s d_s / sum_s n_s

    and each resample draws as many sentences as there are, with replacement. Sentences are drawn
    and not tokens, since the errors within a sentence depend on each other. The interval is about
    the sample of sentences; how much restarts differ is another question.

    Args:
        nats_a: of the one model, a value per token.
        nats_b: of the other, for the same tokens.
        sentences: number of the sentence of each token, from 0, as `memrnn.text.sentences` gives.
        resamples: how many.
        level: share of the resamples that the interval holds, in the middle.
        seed: the same seed gives the same interval.

    Returns:
        The mean difference, its interval, and how much it is of.

    Raises:
        MemrnnError: if there is no token, or a value is not finite.

    Examples:
        >>> import numpy as np
        >>> from memrnn.text import paired_difference
        >>> nats, sentences = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 0, 1, 1])
        >>> paired_difference(nats, nats + 0.5, sentences).nats
        -0.5

    Source: Koehn 2004, Statistical significance tests for machine translation evaluation.
    """
    difference = nats_a.astype(np.float64) - nats_b
    sums, tokens = np.bincount(sentences, difference), np.bincount(sentences)
    sums = sums.astype(np.float64)  # of no token NumPy gives integers
    return difference_of_sums(sums, tokens, resamples=resamples, level=level, seed=seed)


def difference_of_sums(
    sums: Float[np.ndarray, " sentences"],
    tokens: Num[np.ndarray, " sentences"],
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> PairedDifference:
    """The same from sums per sentence: `sums` of a - b over its tokens, and their number.

    Args:
        sums: of a - b over the tokens of each sentence, in nats.
        tokens: how many each sentence has.
        resamples: how many.
        level: share of the resamples that the interval holds, in the middle.
        seed: the same seed gives the same interval.

    Returns:
        What `paired_difference` gives.

    Raises:
        MemrnnError: if there is no token, or a sum is not finite.

    Examples:
        >>> import numpy as np
        >>> from memrnn.text import difference_of_sums
        >>> difference_of_sums(np.array([-1.0, -1.0]), np.array([2, 2]))
        PairedDifference(nats=-0.5, low=-0.5, high=-0.5, tokens=4, sentences=2)
    """
    total = float(tokens.sum())
    if not total > 0:
        raise MemrnnError("There is no token to compare.")
    if not np.isfinite(sums).all():
        raise MemrnnError("Nats of a token are not finite; such models cannot be compared.")
    means: list[np.ndarray] = []
    for counted in _draws(len(sums), resamples, seed):
        drawn = counted.astype(np.float64)
        means.append((drawn @ sums) / (drawn @ tokens))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return PairedDifference(
        float(sums.sum()) / total, float(low), float(high), int(total), len(sums)
    )


def _draws(count: int, resamples: int, seed: int) -> Iterable[UInt16[np.ndarray, "rows sentences"]]:
    """How often each resample holds each of `count` sentences, some resamples at a time.

    They are the same for all comparisons, and kept where that takes little memory.
    """
    if count * resamples <= _KEPT:
        return _kept(count, resamples, seed)
    return _drawn(count, resamples, seed)


@functools.lru_cache(maxsize=1)
def _kept(count: int, resamples: int, seed: int) -> tuple[np.ndarray, ...]:
    return tuple(_drawn(count, resamples, seed))


def _drawn(count: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // count)
    for start in range(0, resamples, rows):
        shape = min(rows, resamples - start), count
        drawn = rng.integers(count, size=shape) + count * np.arange(shape[0])[:, None]
        counted = np.bincount(drawn.ravel(), minlength=shape[0] * count)
        yield counted.reshape(shape).astype(np.uint16)


class TokenGroups(NamedTuple):
    """A partition of tokens.

    Attributes:
        names: of the groups, in order; some may be empty.
        numbers: the group of each token.

    Examples:
        >>> import numpy as np
        >>> from memrnn.text import TokenGroups
        >>> groups = TokenGroups(("rare", "frequent"), np.array([0, 1, 1]))
        >>> list(groups.sums(np.array([5.0, 1.0, 2.0])))
        [('rare', 5.0, 1), ('frequent', 3.0, 2)]
    """

    names: tuple[str, ...]
    numbers: Int[np.ndarray, " tokens"]

    def sums(self, nats: Float[np.ndarray, " tokens"]) -> Iterator[tuple[str, float, int]]:
        """Name, sum of nats in float64 and number of tokens of each group that is not empty."""
        count = len(self.names)
        sums = np.bincount(self.numbers, nats, minlength=count)
        tokens = np.bincount(self.numbers, minlength=count)
        for name, total, size in zip(self.names, sums.tolist(), tokens.tolist(), strict=True):
            if size:
                yield name, total, size


def token_groups(corpus: Corpus, part: str) -> dict[str, TokenGroups]:
    """Partitions of the tokens of a part, by what they group them by.

    `segment`: tenths of the part, in order. `frequency`: decades of how often the token occurs in
    the training part. `position`: the token's position in its sentence, from 1, in bins whose ends
    are powers of 2.

    Args:
        corpus: whose part it is.
        part: train, validation or test.

    Examples:
        >>> from memrnn.text import read_corpus, token_groups
        >>> groups = token_groups(read_corpus("kjv-small"), "test")
        >>> list(groups)
        ['segment', 'frequency', 'position']
    """
    tokens = corpus.part(part)
    return {
        "segment": _segments(len(tokens)),
        "frequency": _frequencies(corpus.train, tokens, corpus.size),
        "position": _positions(tokens, corpus.eos),
    }


def _segments(count: int) -> TokenGroups:
    names = [f"{10 * tenth}–{10 * tenth + 10} %" for tenth in range(10)]
    return TokenGroups(tuple(names), np.arange(count) * 10 // count)


def _frequencies(
    train: Int[np.ndarray, " train"], tokens: Int[np.ndarray, " tokens"], size: int
) -> TokenGroups:
    counts = np.bincount(train, minlength=size)  # above 0: the vocabulary is that of training
    bounds = [10**exponent for exponent in range(1, len(str(counts.max())))]
    return _binned(counts[tokens], [1, *bounds])


def _positions(tokens: Int[np.ndarray, " tokens"], eos: int) -> TokenGroups:
    number = sentences(tokens, eos)
    first = np.searchsorted(number, number)  # where the token's sentence begins
    return _binned(np.arange(len(tokens)) - first + 1, [1, 2, 3, 5, 9, 17, 33])


def _binned(values: Int[np.ndarray, " tokens"], starts: Sequence[int]) -> TokenGroups:
    """Groups of values by bins that begin at `starts`; the last one has no end."""
    names = [
        str(low) if high == low + 1 else f"{low}–{high - 1}"
        for low, high in itertools.pairwise(starts)
    ]
    numbers = np.searchsorted(np.asarray(starts), values, side="right") - 1
    return TokenGroups((*names, f"{starts[-1]}–"), numbers)
