"""The distribution by which strings are drawn, and the exact lower bounds that follow from it."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int32, Integer

from memrnn.errors import MemrnnError
from memrnn.languages._checks import Result, log_probabilities, sample
from memrnn.languages._language import (
    Determined,
    Group,
    Language,
    Legal,
    LogProbabilities,
    NextSymbol,
)

_SEARCH = 10_000
"""How far beyond the range an error message looks for the nearest valid length."""


@dataclass(frozen=True)
class Distribution:
    """Strings of a language whose lengths lie in a range.

    The length is uniform over the L valid ones in [shortest, longest], then the string follows the
    language's distribution given its length:

        p(w) = p(w | |w|) / L

    Args:
        language: the language. A result of its methods that breaks their contract is a
            `MemrnnError`.
        shortest: length in symbols without EOS, inclusive.
        longest: likewise.

    Raises:
        MemrnnError: if the range is not a range of lengths or holds no valid length.

    Examples:
        >>> import numpy as np
        >>> import memrnn
        >>> distribution = memrnn.Distribution(memrnn.get_language("marked-copy"), 3, 7)
        >>> distribution.lengths
        (3, 5, 7)
        >>> (string,) = distribution.sample(1, np.random.default_rng(0))
        >>> distribution.language.contains(string)
        True
        >>> round(distribution.expected_lower_bound(), 3)  # nats per symbol
        0.414

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), section 4.
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
        """Draws independent strings, each with a length of its own.

        Args:
            count: number of strings.
            rng: from which lengths and strings are drawn.
        """
        lengths = rng.choice(self.lengths, size=count).tolist()
        sizes = sorted(Counter(lengths).items())
        groups = sample(self.language, sizes, rng)
        strings = {length: iter(group) for (length, _), group in zip(sizes, groups, strict=True)}
        return [next(strings[length]) for length in lengths]

    def sample_groups(
        self, groups: int, count: int, rng: np.random.Generator
    ) -> list[Int32[np.ndarray, "count _"]]:
        """Draws groups of `count` strings; one length is drawn for each group as a whole.

        Args:
            groups: number of groups.
            count: number of strings of each.
            rng: from which lengths and strings are drawn.
        """
        lengths = rng.choice(self.lengths, size=groups)
        return sample(self.language, [(n, count) for n in lengths.tolist()], rng)

    def sample_each_length(
        self, count: int, rng: np.random.Generator
    ) -> list[Int32[np.ndarray, "count _"]]:
        """Draws `count` strings of every valid length, in ascending order of length.

        Args:
            count: number of strings of each length.
            rng: from which they are drawn.
        """
        return sample(self.language, [(n, count) for n in self.lengths], rng)

    def log_probabilities(self, strings: Group) -> LogProbabilities:
        """log p(w) = log p(w | |w|) - log L, in nats; -inf outside the distribution.

        Args:
            strings: any strings of one length.
        """
        if strings.shape[1] not in self.lengths:
            return np.full(strings.shape[0], -np.inf)
        return log_probabilities(self.language, strings) - math.log(len(self.lengths))

    def log_probability(self, string: Integer[np.ndarray, " length"]) -> float:
        """log p(w) of one string, in nats; -inf outside the distribution."""
        return float(self.log_probabilities(string[None])[0])

    def lower_bound(
        self, groups: Iterable[Integer[np.ndarray, "_ _"]], *, given_length: bool = False
    ) -> float:
        """Cross-entropy of the true distribution on these very strings, in nats per symbol.

            - sum over w of log p(w)  /  sum over w of (|w| + 1)

        A model may fall slightly below it on a sample. It is inf if a string lies outside the
        distribution; exp of it is the perplexity.

        Args:
            groups: strings.
            given_length: leaves log L out, as a bound where lengths are known beforehand.

        Raises:
            MemrnnError: if there is no string.

        Source: DuSell & Chiang 2023 (arXiv 2210.01343), section 4.
        """
        length_nats = math.log(len(self.lengths)) if given_length else 0.0
        nats, symbols = 0.0, 0
        for strings in groups:
            nats -= float(np.sum(self.log_probabilities(strings) + length_nats))
            symbols += strings.shape[0] * (strings.shape[1] + 1)
        if not symbols:
            raise MemrnnError("A lower bound needs strings; give at least one.")
        return nats / symbols

    def expected_lower_bound(self) -> float:
        """What `lower_bound` tends to on ever larger samples, in nats per symbol.

            sum over n of (log L + H_n)  /  sum over n of (n + 1)

        with H_n the entropy of the language's distribution given the length n.
        """
        nats = sum(math.log(len(self.lengths)) + self._entropy(length) for length in self.lengths)
        return nats / sum(length + 1 for length in self.lengths)

    def next_symbol_probabilities(self, strings: Group) -> NextSymbol:
        """The exact Bayes distribution of the next symbol after every prefix.

        Uniform after a prefix of probability zero, for instance one longer than every string.

        Args:
            strings: any strings of one length.
        """
        count, length = strings.shape
        values = self.language.next_symbol_probabilities(strings, self.lengths)
        result = Result(self.language, "next_symbol_probabilities", length, values)
        shape = (count, length + 1, self.language.eos + 1)
        return result.weights("probabilities", shape, axis=-1, total=1)

    def determined(self, strings: Group) -> Determined:
        """Where the language alone, over all lengths, leaves exactly one possible next symbol."""
        count, length = strings.shape
        result = Result(self.language, "determined", length, self.language.determined(strings))
        return result.array("truth values", (count, length + 1))

    def legal(self, strings: Group) -> Legal | None:
        """Which symbols the language, over all lengths, allows next; None if it is not known."""
        (count, length), legal = strings.shape, self.language.legal(strings)
        if legal is None:
            return None
        result = Result(self.language, "legal", length, legal)
        return result.array("truth values", (count, length + 1, self.language.eos + 1))

    def transition_counts(self) -> Float64[np.ndarray, "outputs outputs"]:
        """Expected counts of adjacent pairs in one string of the distribution."""
        return np.mean([self._transition_counts(length) for length in self.lengths], axis=0)

    def _transition_counts(self, length: int) -> Float64[np.ndarray, "outputs outputs"]:
        outputs, counts = self.language.eos + 1, self.language.transition_counts(length)
        result = Result(self.language, "transition_counts", length, counts)
        return result.weights("counts", (outputs, outputs), axis=None, total=length + 1)

    def _entropy(self, length: int) -> float:
        value = self.language.entropy(length)
        if not 0 <= value < np.inf:
            result = Result(self.language, "entropy", length, value)
            result.fail(f"is {value}", "a finite number that is at least 0")
        return float(value)

    def _nearest_valid(self) -> str:
        below = range(self.shortest, -1, -1)
        above = range(self.longest, self.longest + _SEARCH)
        first = [next(filter(self.language.valid, lengths), None) for lengths in (below, above)]
        nearest = [str(length) for length in first if length is not None]
        if not nearest:
            return "no valid length is near"
        noun = "lengths are" if len(nearest) == 2 else "length is"
        return f"the nearest valid {noun} {' and '.join(nearest)}"
