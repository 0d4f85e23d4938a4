"""What a formal language is.

A language is a set of strings over a finite alphabet together with, for each valid length, a
distribution p(w | n) over its strings of length n. All results are exact, in float64 on the host.

Strings are symbol ids in groups of one length, without padding. With S symbols the ids are
0 .. S-1; EOS has the id S and is never part of a string. Position t of a prediction
(0 <= t <= length) sees the first t symbols and predicts symbol t + 1; the last position predicts
EOS if the string is complete.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float64, Int32, Integer

from memrnn.errors import MemrnnError

Group = Integer[np.ndarray, "count length"]
"""Strings of one length."""
LogProbabilities = Float64[np.ndarray, " count"]
"""One number per string, in nats."""
NextSymbol = Float64[np.ndarray, "count length+1 outputs"]
"""Distributions of the next symbol after every prefix; outputs are the symbols, then EOS."""
Determined = Bool[np.ndarray, "count length+1"]
"""Whether every prefix has exactly one possible next symbol."""
Legal = Bool[np.ndarray, "count length+1 outputs"]
"""Which symbols may follow every prefix; outputs are the symbols, then EOS."""


class Language(ABC):
    """A formal language with an exact distribution over its strings of each length.

    Attributes:
        name: the name under which `get_language` finds it, parameters included.
        symbols: the display name of every symbol, by id.
        revision: grows when the same name and options mean another language than before.
        exact: whether its probabilities are known; without them nothing is compared with the exact
            distribution.

    Examples:
        >>> import numpy as np
        >>> import memrnn
        >>> language = memrnn.get_language("count-3")
        >>> string = language.encode("aabbcc")
        >>> string
        array([0, 0, 1, 1, 2, 2], dtype=int32)
        >>> language.contains(string), language.valid(7)
        (True, False)
        >>> language.determined(string[None])[0].astype(int)  # after 0 ... 6 symbols
        array([0, 0, 0, 1, 1, 1, 1])
    """

    name: str
    symbols: tuple[str, ...]
    revision: ClassVar[int] = 1
    exact: ClassVar[bool] = True

    @property
    def source(self) -> str | None:
        """Digest of the data that define it, where code does not; part of its identity."""
        return None

    @property
    @abstractmethod
    def has_determined_symbols(self) -> bool:
        """Whether any prefix of any string leaves exactly one possible next symbol."""

    @abstractmethod
    def describe(self) -> str:
        """One line for people: the shape of the strings, their alphabet and their lengths."""

    @abstractmethod
    def valid(self, length: int) -> bool:
        """Whether the language has a string of this length.

        Args:
            length: in symbols, without EOS.
        """

    @abstractmethod
    def sample(
        self, length: int, count: int, rng: np.random.Generator
    ) -> Int32[np.ndarray, "{count} {length}"]:
        """Draws independent strings from p(w | length).

        Args:
            length: in symbols, without EOS.
            count: number of strings.
            rng: from which they are drawn.

        Raises:
            MemrnnError: if the length is not valid; so do all methods below.
        """

    @abstractmethod
    def log_probabilities(self, strings: Group) -> LogProbabilities:
        """log p(w | |w|) of every string, in nats; -inf outside the language.

        Args:
            strings: any strings of one length.
        """

    @abstractmethod
    def entropy(self, length: int) -> float:
        """Entropy of p(w | length), in nats."""

    @abstractmethod
    def next_symbol_probabilities(self, strings: Group, lengths: Sequence[int]) -> NextSymbol:
        """The exact Bayes distribution of the next symbol when the length is uniform over a set.

            p(a | w_1..w_t)  proportional to  sum over n in lengths of p(w_1..w_t a is a prefix | n)

        where a is a symbol or EOS. After a prefix of probability zero the distribution is defined
        as uniform over the S + 1 outputs.

        Args:
            strings: need not belong to the language.
            lengths: the lengths possible before the first symbol, each valid.
        """

    @abstractmethod
    def determined(self, strings: Group) -> Determined:
        """Where the prefix leaves exactly one possible next symbol, EOS counted as a symbol.

        Judged by the language alone, over strings of all lengths, so that no distribution enters.
        False after a prefix that no string of the language has.

        Args:
            strings: any strings of one length.
        """

    def legal(self, strings: Group) -> Legal | None:
        """Which symbols, EOS among them, continue every prefix to that of a string.

        Judged by the language alone, over strings of all lengths, as `determined`. None is after a
        prefix that no string of the language has. By default None: it is not known.

        Args:
            strings: any strings of one length.
        """
        return None

    @abstractmethod
    def transition_counts(self, length: int) -> Float64[np.ndarray, "outputs outputs"]:
        """Expected counts of adjacent pairs in a string drawn from p(w | length).

        Row a < S counts what follows symbol a, row S what begins the string; column S is EOS. The
        entries sum to length + 1.
        """

    @property
    def eos(self) -> int:
        """The id of the end-of-string symbol, which is the number of symbols."""
        return len(self.symbols)

    def log_probability(self, string: Integer[np.ndarray, " length"]) -> float:
        """log p(w | |w|) of one string, in nats; -inf outside the language."""
        return float(self.log_probabilities(string[None])[0])

    def contains(self, string: Integer[np.ndarray, " length"]) -> bool:
        """Whether the string belongs to the language."""
        return self.log_probability(string) > -np.inf

    @property
    def separator(self) -> str:
        """What stands between symbols in text: a space where a symbol has several characters."""
        return "" if all(len(symbol) == 1 for symbol in self.symbols) else " "

    def encode(self, text: str) -> Int32[np.ndarray, " length"]:
        """Turns text into symbol ids; the inverse of `decode`.

        Args:
            text: symbols by their display names, with spaces between them or without.

        Raises:
            MemrnnError: if the text holds something that is not a symbol.
        """
        ids = {symbol: i for i, symbol in enumerate(self.symbols)}
        pieces = text.split() if self.separator else list(text)
        for piece in pieces:
            if piece not in ids:
                raise MemrnnError(
                    f"{piece!r} is not a symbol of {self.name}; "
                    f"write its symbols {self.separator.join(self.symbols)!r} only."
                )
        return np.array([ids[piece] for piece in pieces], dtype=np.int32)

    def decode(self, string: Integer[np.ndarray, " length"]) -> str:
        """Turns symbol ids into text.

        Raises:
            MemrnnError: if an id is not that of a symbol; EOS is none.
        """
        for i in string:
            if not 0 <= i < self.eos:
                raise MemrnnError(
                    f"{int(i)} is not a symbol id of {self.name}; use ids from 0 to {self.eos - 1}."
                )
        return self.separator.join(self.symbols[i] for i in string)
