"""The distribution by which strings are drawn, and the exact lower bounds that follow from it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64, Int32, Integer

from memrnn.errors import MemrnnError
from memrnn.languages import _checks
from memrnn.languages._language import Language

_SEARCH = 10_000
"""How far beyond the range an error message looks for the nearest valid length."""


@dataclass(frozen=True)
class Distribution:
    """Strings of a language whose lengths lie in a range.

    The length is uniform over the L valid ones in [shortest, longest], then the string follows the
    language's distribution given its length:

        p(w) = p(w | |w|) / L

    What the language's methods return is checked: a result that breaks their contract raises a
    `MemrnnError` that says what is wrong.

    Args:
        language: The language.
        shortest: The smallest length, in symbols without EOS; inclusive.
        longest: The largest length; inclusive.

    Raises:
        MemrnnError: If the range is not a range of lengths or holds no valid length.

    Reference:
        DuSell & Chiang 2023 (arXiv 2210.01343), section 4.
    """

    language: Language
    shortest: int
    longest: int

    def __post_init__(self) -> None:
        if not 0 <= self.shortest <= self.longest:
            raise MemrnnError(
                f"{self.shortest} to {self.longest} is not a range of lengths; "
                "give 0 <= shortest <= longest."
            )
        if not self.lengths:
            raise MemrnnError(
                f"{self.language.name} has no string with a length from {self.shortest} to "
                f"{self.longest}; {self._nearest_valid()}."
            )

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """The valid lengths of the range, ascending."""
        return tuple(n for n in range(self.shortest, self.longest + 1) if self.language.valid(n))

    def sample(self, count: int, rng: np.random.Generator) -> list[Int32[np.ndarray, " length"]]:
        """Draws independent strings, each with a length of its own."""
        lengths = rng.choice(self.lengths, size=count)
        each, counts = np.unique(lengths, return_counts=True)
        sizes = list(zip(each.tolist(), counts.tolist(), strict=True))
        strings: list[np.ndarray] = [np.empty(0, np.int32)] * count
        for length, group in zip(each, _checks.sample(self.language, sizes, rng), strict=True):
            for place, string in zip(np.flatnonzero(lengths == length), group, strict=True):
                strings[place] = string
        return strings

    def sample_groups(
        self, groups: int, count: int, rng: np.random.Generator
    ) -> list[Int32[np.ndarray, "count _"]]:
        """Draws groups of `count` strings; one length is drawn for each group as a whole."""
        lengths = rng.choice(self.lengths, size=groups)
        return _checks.sample(self.language, [(n, count) for n in lengths.tolist()], rng)

    def sample_each_length(
        self, count: int, rng: np.random.Generator
    ) -> list[Int32[np.ndarray, "count _"]]:
        """Draws `count` strings of every valid length, in ascending order of length."""
        return _checks.sample(self.language, [(n, count) for n in self.lengths], rng)

    def log_probabilities(
        self, strings: Integer[np.ndarray, "count length"]
    ) -> Float64[np.ndarray, " count"]:
        """Nats log p(w) = log p(w | |w|) - log L; -inf outside the distribution."""
        if strings.shape[1] not in self.lengths:
            return np.full(strings.shape[0], -np.inf)
        price = math.log(len(self.lengths))
        return _checks.log_probabilities(self.language, strings) - price

    def log_probability(self, string: Integer[np.ndarray, " length"]) -> float:
        """Nats log p(w) of one string; -inf outside the distribution."""
        return float(self.log_probabilities(string[None])[0])

    def lower_bound(
        self, groups: Iterable[Integer[np.ndarray, "_ _"]], *, given_length: bool = False
    ) -> float:
        """Cross-entropy of the true distribution on these very strings, in nats per symbol.

            - sum over w of log p(w)  /  sum over w of (|w| + 1)

        A model may fall slightly below it on a sample.

        Args:
            groups: Groups of strings.
            given_length: Leave the price log L of the length out, as a bound for strings whose
                length is known beforehand.

        Returns:
            The bound; inf if a string lies outside the distribution.

        Raises:
            MemrnnError: If there is no string.

        Reference:
            DuSell & Chiang 2023 (arXiv 2210.01343), section 4.
        """
        price = math.log(len(self.lengths)) if given_length else 0.0
        nats, symbols = 0.0, 0
        for strings in groups:
            nats -= float(np.sum(self.log_probabilities(strings) + price))
            symbols += strings.shape[0] * (strings.shape[1] + 1)
        if not symbols:
            raise MemrnnError("A lower bound needs strings; give at least one.")
        return nats / symbols

    def lower_bound_perplexity(
        self, groups: Iterable[Integer[np.ndarray, "_ _"]], *, given_length: bool = False
    ) -> float:
        """The perplexity exp(`lower_bound`)."""
        return math.exp(self.lower_bound(groups, given_length=given_length))

    def expected_lower_bound(self) -> float:
        """What `lower_bound` tends to on ever larger samples, in nats per symbol.

            sum over n of (log L + H_n)  /  sum over n of (n + 1)

        with H_n the entropy of the language's distribution given the length n.
        """
        price = math.log(len(self.lengths))
        nats = sum(price + _checks.entropy(self.language, length) for length in self.lengths)
        return nats / sum(length + 1 for length in self.lengths)

    def expected_lower_bound_perplexity(self) -> float:
        """The perplexity exp(`expected_lower_bound`)."""
        return math.exp(self.expected_lower_bound())

    def next_symbol_probabilities(
        self, strings: Integer[np.ndarray, "count length"]
    ) -> Float64[np.ndarray, "count length+1 outputs"]:
        """The exact Bayes distribution of the next symbol (or EOS) after every prefix.

        Uniform after a prefix that has probability zero under the distribution, for instance one
        longer than the distribution's longest string.
        """
        return _checks.next_symbol_probabilities(self.language, strings, self.lengths)

    def determined(
        self, strings: Integer[np.ndarray, "count length"]
    ) -> Bool[np.ndarray, "count length+1"]:
        """Where the language alone, over all lengths, leaves exactly one possible next symbol."""
        return _checks.determined(self.language, strings)

    def transition_counts(self) -> Float64[np.ndarray, "outputs outputs"]:
        """Expected counts of adjacent pairs in one string of the distribution.

        Rows and columns are those of `Language.transition_counts`.
        """
        counts = [_checks.transition_counts(self.language, length) for length in self.lengths]
        return np.mean(counts, axis=0)

    def _nearest_valid(self) -> str:
        below = next((n for n in range(self.shortest, -1, -1) if self.language.valid(n)), None)
        beyond = range(self.longest, self.longest + _SEARCH)
        above = next((n for n in beyond if self.language.valid(n)), None)
        nearest = [str(n) for n in (below, above) if n is not None]
        if not nearest:
            return "no valid length is near"
        noun = "lengths are" if len(nearest) == 2 else "length is"
        return f"the nearest valid {noun} {' and '.join(nearest)}"
