"""Templates: how a string follows from its first word.

A template is a row of parts. With a parameter N >= 0 and a word w of N symbols from {0 .. k-1},

    Word()              contributes w,
    Word(reverse=True)  contributes w backwards,
    Word(shift=k)       contributes w with every id raised by k (an alphabet of its own),
    Repeat(a)              contributes the symbol a, N times,
    Marker(a)             contributes the symbol a, once.

With m blocks (all parts but markers) and c markers the lengths are m N + c. The first part, the
head, is the plain word, or a run where the template has no word at all. Hence all that follows it,
the tail, is a function of the head.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Int, Int32, Integer

from memrnn.errors import MemrnnError

_FIRST_STRETCH = 16
_STRETCH_GROWTH = 4


@final
@dataclass(frozen=True)
class Word:
    """A copy of the first word, perhaps backwards, perhaps with its ids raised by `shift`."""

    reverse: bool = False
    shift: int = 0


@final
@dataclass(frozen=True)
class Repeat:
    """One symbol, N times."""

    symbol: int


@final
@dataclass(frozen=True)
class Marker:
    """One symbol, once."""

    symbol: int


@final
@dataclass(frozen=True)
class Template:
    """A row of parts.

    Args:
        parts: The parts, from the head on. Their symbol ids must be 0 .. S-1 without a gap.
        word_symbols: k, the number of symbols of the word; 1 where there is no word.

    Raises:
        MemrnnError: If the parts are not a template as above.
    """

    parts: tuple[Word | Repeat | Marker, ...]
    word_symbols: int = 1

    def __post_init__(self) -> None:
        if self.word_symbols < 1:
            raise MemrnnError(f"A word needs symbols; give k >= 1 rather than {self.word_symbols}.")
        words = [part for part in self.parts if isinstance(part, Word)]
        begins_well = self.parts[:1] == (Word(),) or (self.has_run_head and not words)
        if not begins_well:
            raise MemrnnError(
                "A template must begin with Word(), or with a Repeat if it has no Word at all."
            )
        if any(word.shift != 0 and word.shift < self.word_symbols for word in words):
            raise MemrnnError(
                f"A shift may not mix two alphabets; give 0 or at least k = {self.word_symbols}."
            )
        if self._used_symbols() != set(range(self.eos)):
            raise MemrnnError(
                f"The symbol ids of a template must be 0, 1, 2, ... without a gap; "
                f"renumber {sorted(self._used_symbols())}."
            )

    @property
    def eos(self) -> int:
        """The id of EOS, which is also the number of symbols."""
        return len(self._used_symbols())

    @property
    def markers(self) -> int:
        """The number of markers, c."""
        return sum(isinstance(part, Marker) for part in self.parts)

    @property
    def blocks(self) -> int:
        """The number of blocks, m."""
        return len(self.parts) - self.markers

    @property
    def has_run_head(self) -> bool:
        """Whether the head is a run, so that there is one string a length."""
        return isinstance(self.parts[0], Repeat) if self.parts else False

    @property
    def head_symbols(self) -> slice:
        """The ids that a symbol of the head can have."""
        head = self.parts[0]
        if isinstance(head, Repeat):
            return slice(head.symbol, head.symbol + 1)
        return slice(0, self.word_symbols)

    def layout(
        self, repeats: int
    ) -> tuple[Int[np.ndarray, " positions"], Int[np.ndarray, " positions"]]:
        """What every position of a string holds when N = `repeats`, EOS at the end.

        Returns:
            Sources and offsets: the symbol is word symbol number `source` plus `offset`, or
            `offset` alone where `source` is -1.
        """
        sources, offsets = [], []
        for part in self.parts:
            size = 1 if isinstance(part, Marker) else repeats
            if isinstance(part, Word):
                indices = np.arange(repeats)
                sources.append(indices[::-1] if part.reverse else indices)
                offsets.append(np.full(size, part.shift))
            else:
                sources.append(np.full(size, -1))
                offsets.append(np.full(size, part.symbol))
        return np.concatenate([*sources, [-1]]), np.concatenate([*offsets, [self.eos]])

    def strings_of(
        self, words: Integer[np.ndarray, "count repeats"]
    ) -> Int32[np.ndarray, "count length"]:
        """The strings that begin with these words, N being the words' length."""
        source, offset = self.layout(words.shape[1])
        return (_pad(words)[:, source[:-1]] + offset[:-1]).astype(np.int32)

    def head_lengths(
        self, strings: Integer[np.ndarray, "count length"]
    ) -> Int[np.ndarray, " count"]:
        """How many symbols at the start of every string can lie in the head."""
        head = self.head_symbols
        fits = (strings >= head.start) & (strings < head.stop)
        return np.logical_and.accumulate(fits, axis=1).sum(axis=1)

    def tail_matches(
        self,
        strings: Integer[np.ndarray, "count length"],
        head_lengths: Int[np.ndarray, " count"],
        repeats: int,
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The prefixes that reach into the tail of a string with this N and agree with it.

        A wrong N is mostly found out within a few symbols, so the tail is compared in stretches
        that grow: the work is far below strings times positions.

        Args:
            strings: The group whose prefixes are judged.
            head_lengths: How many symbols of each may lie in the head; strings with fewer than N
                are passed over.
            repeats: N.

        Yields:
            Row, position and dictated next symbol of such prefixes, one stretch of positions at a
            time, each prefix once.
        """
        length = strings.shape[1]
        rows = np.flatnonzero(head_lengths >= repeats)
        if not rows.size:
            return
        source, offset = self.layout(repeats)
        heads = _pad(strings[rows, :repeats])
        end = min(source.size, length + 1)
        start, stretch = repeats, _FIRST_STRETCH
        while rows.size and start < end:
            stop = min(start + stretch, end)
            dictated = heads[:, source[start:stop]] + offset[start:stop]
            # The last position, be it the string's end or EOS, has nothing to be compared with.
            compared = min(stop, end - 1) - start
            actual = strings[rows, start : start + compared]
            agrees = np.logical_and.accumulate(dictated[:, :compared] == actual, axis=1)
            reached = np.ones_like(dictated, dtype=bool)
            reached[:, 1:] = agrees[:, : stop - start - 1]
            row, column = np.nonzero(reached)
            yield rows[row], start + column, dictated[row, column]
            alive = agrees.all(axis=1)
            rows, heads = rows[alive], heads[alive]
            start, stretch = stop, stretch * _STRETCH_GROWTH

    def _used_symbols(self) -> set[int]:
        used = set[int]()
        for part in self.parts:
            if isinstance(part, Word):
                used.update(range(part.shift, part.shift + self.word_symbols))
            else:
                used.add(part.symbol)
        return used


def _pad(words: Integer[np.ndarray, "count repeats"]) -> Integer[np.ndarray, "count repeats+1"]:
    """Adds a last column of zeros, so that the source -1 reads 0."""
    return np.concatenate([words, np.zeros((len(words), 1), words.dtype)], axis=1)
