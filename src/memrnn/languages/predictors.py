"""Floors and ceiling: what trivial predictors and the exact Bayes predictor score.

A predictor gives a distribution of the next symbol (S symbols, then EOS) at every position of every
string. The floors are fitted exactly, on expected counts under a distribution, without sampling.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float, Float64, Integer

from memrnn.errors import MemrnnError
from memrnn.languages import Distribution

_TIE = 1e-9
"""Relative distance below which two probabilities tie."""


@dataclass(frozen=True)
class Predictor(ABC):
    """Something that predicts the next symbol.

    Args:
        distribution: The distribution on which it is fitted.
    """

    distribution: Distribution
    name: ClassVar[str]

    @abstractmethod
    def probabilities(
        self, strings: Integer[np.ndarray, "count length"]
    ) -> Float64[np.ndarray, "count length+1 outputs"]:
        """Distributions of the next symbol; position t sees the first t symbols."""


@final
@dataclass(frozen=True)
class RepeatLast(Predictor):
    """Predicts that the last symbol comes again.

    The last symbol has the probability rho with which a symbol repeats under the distribution,

        rho = E[number of pairs a a] / E[number of pairs a b or a EOS],

    and all other outputs share 1 - rho equally. The first symbol is distributed as under it.
    """

    name: ClassVar[str] = "repeat-last"

    @cached_property
    def _table(self) -> Float64[np.ndarray, "outputs outputs"]:
        counts = self.distribution.transition_counts()
        start = counts.shape[0] - 1
        after_symbols = counts[:start].sum()
        # A distribution of nothing but the empty string says nothing about repeating.
        rho = counts.trace() - counts[start, start]
        rho = rho / after_symbols if after_symbols else 1 / (start + 1)
        table = np.full_like(counts, (1 - rho) / start)
        np.fill_diagonal(table, rho)
        table[start] = counts[start]
        return table

    def probabilities(
        self, strings: Integer[np.ndarray, "count length"]
    ) -> Float64[np.ndarray, "count length+1 outputs"]:
        """Gives rho to the last symbol, an equal share of the rest to every other."""
        return self._table[_contexts(strings, self.distribution)]


@final
@dataclass(frozen=True)
class Unigram(Predictor):
    """Predicts every symbol, EOS among them, by its expected frequency under the distribution."""

    name: ClassVar[str] = "unigram"

    @cached_property
    def _frequencies(self) -> Float64[np.ndarray, " outputs"]:
        counts = self.distribution.transition_counts().sum(axis=0)
        return counts / counts.sum()

    def probabilities(
        self, strings: Integer[np.ndarray, "count length"]
    ) -> Float64[np.ndarray, "count length+1 outputs"]:
        """The same distribution everywhere."""
        count, length = strings.shape
        return np.tile(self._frequencies, (count, length + 1, 1))


@final
@dataclass(frozen=True)
class Bigram(Predictor):
    """Predicts by the symbol before: E[number of pairs a b] / E[number of pairs a anything].

    Uniform after a symbol that the distribution never shows.
    """

    name: ClassVar[str] = "bigram"

    @cached_property
    def _table(self) -> Float64[np.ndarray, "outputs outputs"]:
        counts = self.distribution.transition_counts()
        total = counts.sum(axis=1, keepdims=True)
        uniform = np.full_like(counts, 1 / counts.shape[1])
        return np.divide(counts, total, out=uniform, where=total > 0)

    def probabilities(
        self, strings: Integer[np.ndarray, "count length"]
    ) -> Float64[np.ndarray, "count length+1 outputs"]:
        """The row of the symbol before, or of the start."""
        return self._table[_contexts(strings, self.distribution)]


@final
@dataclass(frozen=True)
class Bayes(Predictor):
    """The ceiling: the distribution's exact conditional distribution of the next symbol."""

    name: ClassVar[str] = "bayes"

    def probabilities(
        self, strings: Integer[np.ndarray, "count length"]
    ) -> Float64[np.ndarray, "count length+1 outputs"]:
        """`Distribution.next_symbol_probabilities`."""
        return self.distribution.next_symbol_probabilities(strings)


BASELINES: tuple[type[Predictor], ...] = (RepeatLast, Unigram, Bigram)
"""The trivial predictors; a new one is one class and one entry here."""

BAYES_OPTIMAL: type[Predictor] = Bayes
"""The best predictor there is for strings of a distribution."""


@final
@dataclass(frozen=True)
class Score:
    """How a predictor does on strings.

    Attributes:
        accuracy: Share of symbols, EOS counted, that the arg max gets right.
        perplexity: exp of the nats per symbol, EOS counted; inf where a symbol that occurs was
            given probability zero.
    """

    accuracy: float
    perplexity: float


def score(predictor: Predictor, groups: Iterable[Integer[np.ndarray, "_ _"]]) -> Score:
    """Scores a predictor on groups of strings, every symbol with the same weight.

    Raises:
        MemrnnError: If there is no string.
    """
    points, nats, symbols = 0.0, 0.0, 0
    for strings in groups:
        probabilities = predictor.probabilities(strings)
        points += float(hits(probabilities, strings).sum())
        nats += float(surprisals(probabilities, strings).sum())
        symbols += strings.shape[0] * (strings.shape[1] + 1)
    if not symbols:
        raise MemrnnError("A score needs strings; give at least one.")
    return Score(accuracy=points / symbols, perplexity=float(np.exp(nats / symbols)))


def hits(
    probabilities: Float[np.ndarray, "count positions outputs"],
    strings: Integer[np.ndarray, "count _"],
) -> Float64[np.ndarray, "count positions"]:
    """Probability that the arg max is the target, ties at the maximum broken at random.

    Probabilities within 1e-9, relatively, of the maximum tie: m tied outputs get 1/m point each.
    """
    best = probabilities.max(axis=-1, keepdims=True)
    tied = probabilities >= best * (1 - _TIE)
    return _at_targets(tied, strings) / tied.sum(axis=-1)


def surprisals(
    probabilities: Float[np.ndarray, "count positions outputs"],
    strings: Integer[np.ndarray, "count _"],
) -> Float[np.ndarray, "count positions"]:
    """-log of the target's probability in nats; inf where it is zero."""
    with np.errstate(divide="ignore"):
        return -np.log(_at_targets(probabilities, strings))


def _at_targets(values: np.ndarray, strings: np.ndarray) -> np.ndarray:
    eos = values.shape[-1] - 1
    targets = np.pad(strings, ((0, 0), (0, 1)), constant_values=eos)
    return np.take_along_axis(values, targets[..., None], axis=-1)[..., 0]


def _contexts(
    strings: Integer[np.ndarray, "count length"], distribution: Distribution
) -> Integer[np.ndarray, "count length+1"]:
    """The symbol before every position; the start has the row of EOS's number."""
    return np.pad(strings, ((0, 0), (1, 0)), constant_values=distribution.language.eos)
