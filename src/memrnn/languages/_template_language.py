"""Languages whose strings are a first word put through a template.

With N symbols in the word, p(w | n) is k^-N. Given N, a prefix of t symbols

    t <  N   lies in the head: probability k^-t, and the next symbol is free (or the repeat's),
    t >= N   has probability k^-N if it agrees with the tail that its first N symbols dictate,
             else 0; the tail, or EOS at its end, also dictates the next symbol.

All exact results below are sums of these two cases over the N still possible.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64, Int, Int32

from memrnn.errors import MemrnnError
from memrnn.languages._language import (
    Determined,
    Group,
    Language,
    Legal,
    LogProbabilities,
    NextSymbol,
)
from memrnn.languages._template import Repeat, Segment, Template, Word


@final
@dataclass(frozen=True)
class TemplateLanguage(Language):
    """A language made of a template; a word of N symbols is uniform over all.

    Args:
        name: the name, parameters included.
        symbols: the display name of every symbol, by id.
        template: the shape of the strings.

    Raises:
        MemrnnError: if the template has another number of symbols.

    Examples:
        >>> import numpy as np
        >>> from memrnn.languages import Repeat, Template, TemplateLanguage
        >>> anbn = TemplateLanguage("anbn", ("a", "b"), Template((Repeat(0), Repeat(1))))
        >>> anbn.decode(anbn.sample(6, 1, np.random.default_rng(0))[0])
        'aaabbb'
    """

    name: str
    symbols: tuple[str, ...]
    template: Template

    def __post_init__(self) -> None:
        if len(self.symbols) != self.template.eos:
            raise MemrnnError(
                f"{self.name} names {len(self.symbols)} symbols; name the {self.template.eos} of "
                "its template."
            )

    @property
    def has_determined_symbols(self) -> bool:
        # Where the word has a choice of symbols, no prefix determines one that may still lie in the
        # head, that is, none of word symbols only. Where there is one string per length, only a
        # template of a single repeat leaves two symbols everywhere.
        if self.template.word_symbols > 1:
            return len(self.symbols) > self.template.word_symbols
        return len(self.template.segments) > 1

    def describe(self) -> str:
        shape = " ".join(self._describe_segment(segment) for segment in self.template.segments)
        line = f"{shape}, N >= 0; lengths {self._describe_lengths()}"
        if not self.template.has_word:
            return line
        word = self.symbols[: self.template.word_symbols]
        shown = word if len(word) <= 4 else (word[0], word[1], "...", word[-1])
        return f"{line}; w in {{{', '.join(shown)}}}^N"

    def valid(self, length: int) -> bool:
        rest = length - self.template.markers
        return rest >= 0 and rest % self.template.blocks == 0

    def sample(
        self, length: int, count: int, rng: np.random.Generator
    ) -> Int32[np.ndarray, "{count} {length}"]:
        shape = (count, self._repeats(length))
        words = rng.integers(self.template.word_symbols, size=shape, dtype=np.int32)
        return self.template.strings_of(words)

    def log_probabilities(self, strings: Group) -> LogProbabilities:
        """-N log k for strings of the language, -inf for others; nats."""
        count, length = strings.shape
        if not self.valid(length):
            return np.full(count, -np.inf)
        repeats = self._repeats(length)
        member = self.template.head_lengths(strings) >= repeats
        member &= (self.template.strings_of(strings[:, :repeats]) == strings).all(axis=1)
        return np.where(member, -self.entropy(length), -np.inf)

    def entropy(self, length: int) -> float:
        """N log k, in nats."""
        return self._repeats(length) * math.log(self.template.word_symbols)

    def next_symbol_probabilities(self, strings: Group, lengths: Sequence[int]) -> NextSymbol:
        """As `Language.next_symbol_probabilities`.

        The weights after each prefix are taken relative to the largest, which is that of the
        smallest N whose tail agrees. So no length is too long; only a probability below the
        smallest float64 reads 0.
        """
        count, length = strings.shape
        candidates = sorted({self._repeats(n) for n in lengths})
        head_lengths = self.template.head_lengths(strings)
        weights = np.zeros((count, length + 1, self.eos + 1))
        smallest = np.full((count, length + 1), -1)
        # Ascending, so that the first N to agree with a prefix is its smallest.
        for repeats in candidates:
            matches = self.template.tail_matches(strings, head_lengths, repeats)
            for rows, positions, symbols in matches:
                known = smallest[rows, positions]
                base = np.where(known < 0, repeats, known)
                smallest[rows, positions] = base
                weights[rows, positions, symbols] += self._word_probability(repeats - base)

        positions = np.arange(length + 1)
        longer = len(candidates) - np.searchsorted(candidates, positions, side="right")
        in_head = positions <= head_lengths[:, None]
        excess = np.where(smallest < 0, 0, positions - smallest)
        head = longer * in_head * self._word_probability(excess)
        weights[..., self.template.head_symbols] += head[..., None] / self.template.word_symbols

        weights[weights.sum(axis=-1) == 0] = 1.0
        weights /= weights.sum(axis=-1, keepdims=True)
        return weights

    def determined(self, strings: Group) -> Determined:
        return self.legal(strings).sum(axis=-1) == 1

    def legal(self, strings: Group) -> Legal:
        """As `Language.legal`.

        All N beyond the strings' length look alike, since every position lies in their head, so
        finitely many N stand for all.
        """
        count, length = strings.shape
        head_lengths = self.template.head_lengths(strings)
        legal = np.zeros((count, length + 1, self.eos + 1), bool)
        in_head = np.arange(length + 1) <= head_lengths[:, None]
        legal[..., self.template.head_symbols] = in_head[..., None]
        for repeats in range(int(head_lengths.max(initial=-1)) + 1):
            for matches in self.template.tail_matches(strings, head_lengths, repeats):
                legal[matches] = True
        return legal

    def transition_counts(self, length: int) -> Float64[np.ndarray, "outputs outputs"]:
        """As `Language.transition_counts`.

        A pair of word symbols is uniform over k^2 pairs, or over k if both copy the same one.
        """
        source, offset = self.template.layout(self._repeats(length))
        source, offset = np.append(-1, source), np.append(self.eos, offset)
        copied = source >= 0
        tied = copied[:-1] & (source[:-1] == source[1:])
        kinds = np.stack([copied[:-1], offset[:-1], copied[1:], offset[1:], tied], axis=1)
        counts = np.zeros((self.eos + 1, self.eos + 1))
        word = np.arange(self.template.word_symbols)
        for kind, times in zip(*np.unique(kinds, axis=0, return_counts=True), strict=True):
            left_copied, left, right_copied, right, is_tied = kind
            lefts = left + word if left_copied else np.array([left])
            rights = right + word if right_copied else np.array([right])
            pairs = (lefts, rights) if is_tied else np.ix_(lefts, rights)
            counts[pairs] += times / counts[pairs].size
        return counts

    def _repeats(self, length: int) -> int:
        """N of strings of this length."""
        if not self.valid(length):
            raise MemrnnError(
                f"{self.name} has no string of length {length}; "
                f"its lengths are {self._describe_lengths()} with N >= 0."
            )
        return (length - self.template.markers) // self.template.blocks

    def _word_probability(
        self, repeats: Int[np.ndarray, "*shape"]
    ) -> Float64[np.ndarray, "*shape"]:
        """k^-N."""
        return np.exp(-math.log(self.template.word_symbols) * repeats)

    def _describe_segment(self, segment: Segment) -> str:
        if isinstance(segment, Word):
            word = "w^R" if segment.reverse else "w"
            return f"φ({word})" if segment.shift else word
        symbol = self.symbols[segment.symbol]
        return f"{symbol}^N" if isinstance(segment, Repeat) else symbol

    def _describe_lengths(self) -> str:
        markers = f" + {self.template.markers}" if self.template.markers else ""
        return f"{self.template.blocks}N{markers}"
