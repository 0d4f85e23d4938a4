"""Templates: how a string follows from its first word.

A template is a sequence of segments. With N >= 0 and a word w of N symbols from {0 .. k-1},

    Word()              is w,
    Word(reverse=True)  is w backwards,
    Word(shift=k)       is w with every id raised by k (an alphabet of its own),
    Repeat(a)           is the symbol a, N times,
    Marker(a)           is the symbol a, once.

With m words and repeats and c markers the lengths are m N + c. The first segment, the head, is the
plain word, or a repeat where the template has no word at all. Hence all that follows it, the tail,
is a function of the head.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Int, Int32, Integer

from memrnn.errors import MemrnnError
from memrnn.languages._language import Group

_FIRST_CHUNK = 16
_CHUNK_GROWTH = 4


@final
@dataclass(frozen=True)
class Word:
    """A copy of the first word, perhaps backwards, perhaps with its ids raised by `shift`.

    Attributes:
        reverse: whether it is backwards.
        shift: what is added to each id.

    Examples:
        >>> import numpy as np
        >>> from memrnn.languages import Template, Word
        >>> Template((Word(), Word(reverse=True)), word_symbols=2).strings_of(np.array([[0, 1, 1]]))
        array([[0, 1, 1, 1, 1, 0]], dtype=int32)
    """

    reverse: bool = False
    shift: int = 0


@final
@dataclass(frozen=True)
class Repeat:
    """One symbol, N times.

    Attributes:
        symbol: its id.

    Examples:
        >>> import numpy as np
        >>> from memrnn.languages import Repeat, Template
        >>> Template((Repeat(0), Repeat(1))).strings_of(np.array([[0, 0]]))  # a a b b
        array([[0, 0, 1, 1]], dtype=int32)
    """

    symbol: int


@final
@dataclass(frozen=True)
class Marker:
    """One symbol, once.

    Attributes:
        symbol: its id.

    Examples:
        >>> import numpy as np
        >>> from memrnn.languages import Marker, Template, Word
        >>> marked = Template((Word(), Marker(2), Word()), word_symbols=2)
        >>> marked.strings_of(np.array([[0, 1]]))  # 0 1 # 0 1
        array([[0, 1, 2, 0, 1]], dtype=int32)
    """

    symbol: int


Segment = Word | Repeat | Marker


@final
@dataclass(frozen=True)
class Template:
    """A sequence of segments.

    Args:
        segments: from the head on. Their symbol ids must be 0 .. S-1 without a gap.
        word_symbols: k, the number of symbols of the word; 1 where there is no word.

    Raises:
        MemrnnError: if the segments are not a template as above.

    Examples:
        >>> import numpy as np
        >>> from memrnn.languages import Marker, Template, Word
        >>> marked = Template((Word(), Marker(2), Word()), word_symbols=2)
        >>> marked.blocks, marked.markers  # lengths are 2 N + 1
        (2, 1)
    """

    segments: tuple[Segment, ...]
    word_symbols: int = 1

    def __post_init__(self) -> None:
        if self.word_symbols < 1:
            raise MemrnnError(f"A word needs symbols; give k >= 1 rather than {self.word_symbols}.")
        head = self.segments[:1]
        words = [segment for segment in self.segments if isinstance(segment, Word)]
        if head != (Word(),) and (words or not head or not isinstance(head[0], Repeat)):
            raise MemrnnError(
                "A template must begin with Word(), or with a Repeat if it has no Word at all."
            )
        if any(word.shift != 0 and word.shift < self.word_symbols for word in words):
            raise MemrnnError(
                f"A shift may not mix two alphabets; give 0 or at least k = {self.word_symbols}."
            )
        if self._symbols() != set(range(self.eos)):
            raise MemrnnError(
                f"The symbol ids of a template must be 0, 1, 2, ... without a gap; "
                f"renumber {sorted(self._symbols())}."
            )

    @property
    def eos(self) -> int:
        """The id of EOS, which is also the number of symbols."""
        return len(self._symbols())

    @property
    def markers(self) -> int:
        """The number of markers, c."""
        return sum(isinstance(segment, Marker) for segment in self.segments)

    @property
    def blocks(self) -> int:
        """The number of words and repeats, m."""
        return len(self.segments) - self.markers

    @property
    def has_word(self) -> bool:
        """Whether the head is a word; if not, there is one string per length."""
        return isinstance(self.segments[0], Word)

    @property
    def head_symbols(self) -> slice:
        """The ids that a symbol of the head can have."""
        head = self.segments[0]
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
        for segment in self.segments:
            size = 1 if isinstance(segment, Marker) else repeats
            if isinstance(segment, Word):
                indices = np.arange(repeats)
                sources.append(indices[::-1] if segment.reverse else indices)
                offsets.append(np.full(size, segment.shift))
            else:
                sources.append(np.full(size, -1))
                offsets.append(np.full(size, segment.symbol))
        return np.concatenate([*sources, [-1]]), np.concatenate([*offsets, [self.eos]])

    def strings_of(
        self, words: Integer[np.ndarray, "count repeats"]
    ) -> Int32[np.ndarray, "count length"]:
        """The strings that begin with these words, N being the words' length."""
        source, offset = self.layout(words.shape[1])
        return (_pad(words)[:, source[:-1]] + offset[:-1]).astype(np.int32)

    def head_lengths(self, strings: Group) -> Int[np.ndarray, " count"]:
        """How many symbols at the start of every string can lie in the head."""
        head = self.head_symbols
        fits = (strings >= head.start) & (strings < head.stop)
        return np.logical_and.accumulate(fits, axis=1).sum(axis=1)

    def tail_matches(
        self, strings: Group, head_lengths: Int[np.ndarray, " count"], repeats: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Which prefixes of strings reach into the tail for an N and agree with it.

        A wrong N mostly disagrees within a few symbols, so the tail is compared in chunks that
        grow: the work is far below strings times positions.

        Args:
            strings: any strings.
            head_lengths: how many symbols of each may lie in the head; fewer than N rule it out.
            repeats: N.

        Yields:
            Rows, positions and dictated next symbols of such prefixes, each prefix once.
        """
        rows = np.flatnonzero(head_lengths >= repeats)
        if not rows.size:
            return
        source, offset = self.layout(repeats)
        heads = _pad(strings[rows, :repeats])
        end = min(source.size, strings.shape[1] + 1)
        start, chunk = repeats, _FIRST_CHUNK
        while rows.size and start < end:
            stop = min(start + chunk, end)
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
            start, chunk = stop, chunk * _CHUNK_GROWTH

    def _symbols(self) -> set[int]:
        symbols = set[int]()
        for segment in self.segments:
            if isinstance(segment, Word):
                symbols.update(range(segment.shift, segment.shift + self.word_symbols))
            else:
                symbols.add(segment.symbol)
        return symbols


def _pad(words: Integer[np.ndarray, "count repeats"]) -> Integer[np.ndarray, "count repeats+1"]:
    """Adds a last column of zeros, so that the source -1 reads 0."""
    return np.pad(words, ((0, 0), (0, 1)))
