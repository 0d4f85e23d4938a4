"""Dyck languages: well-nested brackets of several kinds, uniform given the length.

With r symbols left and h brackets open there are

    c(r, h) k^((r - h) / 2)

ways to go on: c counts the shapes, paths from height h to 0 in r steps of +1 and -1 that stay
between 0 and the bound of the depth, and each of the (r - h) / 2 opening brackets still to come is
one of k kinds. Everything below follows from the logarithm of this number.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64, Int, Int32
from scipy.special import gammaln

from memrnn.errors import MemrnnError
from memrnn.languages._language import (
    Determined,
    Group,
    Language,
    Legal,
    LogProbabilities,
    NextSymbol,
)

_SHOWN = "([{<", ")]}>"


@final
@dataclass(frozen=True)
class Dyck(Language):
    """Well-nested brackets of k kinds.

    Args:
        k: number of kinds. The ids of the opening brackets come first.
        depth: how many brackets may be open at once; 0 for any number.

    Raises:
        MemrnnError: if k is not positive or the depth is negative.
    """

    revision: ClassVar[int] = 1
    k: int = 2
    depth: int = 0

    def __post_init__(self) -> None:
        if self.k < 1 or self.depth < 0:
            raise MemrnnError(
                f"k is {self.k} and depth {self.depth}; give k >= 1 and depth >= 0, 0 for any."
            )

    @property
    def name(self) -> str:  # type: ignore[override]
        given = [f"k={self.k}"] * (self.k != 2) + [f"depth={self.depth}"] * (self.depth > 0)
        return ":".join(["dyck", *filter(None, [",".join(given)])])

    @property
    def symbols(self) -> tuple[str, ...]:  # type: ignore[override]
        if self.k <= len(_SHOWN[0]):
            return tuple(_SHOWN[0][: self.k] + _SHOWN[1][: self.k])
        return tuple(f"{bracket}{kind}" for bracket in "()" for kind in range(self.k))

    @property
    def has_determined_symbols(self) -> bool:
        return self.depth > 0

    def describe(self) -> str:
        line = f"well-nested brackets of {self.k} kinds, uniform given the length; lengths 2N"
        return f"{line}; at most {self.depth} open" if self.depth else line

    def valid(self, length: int) -> bool:
        return length >= 0 and length % 2 == 0

    def sample(
        self, length: int, count: int, rng: np.random.Generator
    ) -> Int32[np.ndarray, "{count} {length}"]:
        self._check(length)
        strings = np.empty((count, length), np.int32)
        heights = np.zeros(count, np.int64)
        opened = np.empty((count, length // 2 + 1), np.int32)  # the kinds that are open
        rows = np.arange(count)
        kinds = rng.integers(self.k, size=(count, length), dtype=np.int32)
        draws = rng.random((count, length))
        for t in range(length):
            left = length - t
            whole = self._log_ways(left, heights)
            opening = self._log_ways(left - 1, heights + 1) + math.log(self.k)
            opens = draws[:, t] < np.exp(opening - whole)
            strings[:, t] = np.where(opens, kinds[:, t], self.k + opened[rows, heights - 1])
            opened[rows[opens], heights[opens]] = kinds[opens, t]
            heights += np.where(opens, 1, -1)
        return strings

    def log_probabilities(self, strings: Group) -> LogProbabilities:
        """Minus the logarithm of the number of strings of this length, -inf for others."""
        count, length = strings.shape
        if not self.valid(length):
            return np.full(count, -np.inf)
        heights, _ = self._heights(strings)
        return np.where(heights[:, -1] == 0, -self.entropy(length), -np.inf)

    def entropy(self, length: int) -> float:
        """The logarithm of the number of strings of this length, in nats."""
        self._check(length)
        return float(self._log_ways(length, np.zeros(1, np.int64))[0])

    def next_symbol_probabilities(self, strings: Group, lengths: Sequence[int]) -> NextSymbol:
        count, length = strings.shape
        for each in lengths:
            self._check(each)
        heights, tops = self._heights(strings)
        positions = np.arange(length + 1)
        nothing = np.full(heights.shape, -np.inf)
        opening, closing, ending = nothing.copy(), nothing.copy(), nothing.copy()
        for total in sorted(set(lengths)):
            left = np.maximum(total - positions - 1, -1) * np.ones_like(heights)
            share = -self.entropy(total)
            opening = np.logaddexp(opening, self._log_ways(left, heights + 1) + share)
            closing = np.logaddexp(closing, self._log_ways(left, heights - 1) + share)
            ends = (heights == 0) & (positions == total)
            ending = np.where(ends, share, ending)
        logs = np.full((count, length + 1, self.eos + 1), -np.inf)
        logs[..., : self.k] = opening[..., None]
        rows, columns = np.nonzero(heights > 0)
        logs[rows, columns, self.k + tops[rows, columns]] = closing[rows, columns]
        logs[..., -1] = ending
        logs[heights < 0] = -np.inf
        largest = logs.max(axis=-1, keepdims=True)
        weights = np.exp(logs - np.where(np.isneginf(largest), 0.0, largest))
        weights[weights.sum(axis=-1) == 0] = 1.0
        weights /= weights.sum(axis=-1, keepdims=True)
        return weights

    def determined(self, strings: Group) -> Determined:
        return self.legal(strings).sum(axis=-1) == 1

    def legal(self, strings: Group) -> Legal:
        heights, tops = self._heights(strings)
        legal = np.zeros((*heights.shape, self.eos + 1), bool)
        may_open = (heights >= 0) & ((heights < self.depth) | (self.depth == 0))
        legal[..., : self.k] = may_open[..., None]
        rows, columns = np.nonzero(heights > 0)
        legal[rows, columns, self.k + tops[rows, columns]] = True
        legal[..., -1] = heights == 0
        return legal

    def transition_counts(self, length: int) -> Float64[np.ndarray, "outputs outputs"]:
        """As `Language.transition_counts`.

        A shape with p places where an opening bracket is followed by a closing one has n/2 - p
        pairs of two opening and of two closing brackets each, and p - 1 the other way round. The
        kinds of two neighbours are independent, but for an opening bracket and its closing one.
        """
        self._check(length)
        counts = np.zeros((self.eos + 1, self.eos + 1))
        if length == 0:
            counts[-1, -1] = 1.0
            return counts
        peaks, k = self._expected_peaks(length), self.k
        opens, closings = slice(0, k), slice(k, 2 * k)
        counts[opens, opens] = counts[closings, closings] = (length / 2 - peaks) / k**2
        counts[closings, opens] = (peaks - 1) / k**2
        counts[range(k), range(k, 2 * k)] = peaks / k
        counts[-1, opens] = counts[closings, -1] = 1 / k
        return counts

    def _expected_peaks(self, length: int) -> float:
        """Expected number of opening brackets that are closed at once."""
        # From the start to height h in t steps there are as many ways as from h to the end.
        steps = np.arange(length - 1)[:, None]
        heights = np.arange(self.depth or length // 2 + 1)[None, :]
        shapes = functools.partial(_log_paths, depth=self.depth)
        ways = shapes(steps, heights) + shapes(length - 2 - steps, heights)
        return float(np.exp(ways - shapes(np.array([length]), np.array([0]))).sum())

    def _log_ways(
        self, left: Int[np.ndarray, "*shape"] | int, heights: Int[np.ndarray, "*shape"]
    ) -> Float64[np.ndarray, "*shape"]:
        """log of the number of ways to end in `left` symbols with so many brackets open."""
        left = np.broadcast_to(left, heights.shape)
        return _log_paths(left, heights, self.depth) + (left - heights) / 2 * math.log(self.k)

    def _heights(
        self, strings: Group
    ) -> tuple[Int[np.ndarray, "count length+1"], Int[np.ndarray, "count length+1"]]:
        """How many brackets are open after every prefix, and the kind of the innermost one.

        -1 are open after a prefix that no string has.
        """
        count, length = strings.shape
        heights = np.zeros((count, length + 1), np.int64)
        tops = np.zeros((count, length + 1), np.int64)
        opened = np.zeros((count, length + 1), np.int64)
        rows = np.arange(count)
        height, valid = np.zeros(count, np.int64), np.ones(count, bool)
        most = self.depth or length
        for t in range(length):
            symbol = strings[:, t]
            opens = (symbol >= 0) & (symbol < self.k) & (height < most)
            top = opened[rows, np.maximum(height - 1, 0)]
            closes = (height > 0) & (symbol == self.k + top)
            valid &= opens | closes
            opened[rows[opens], height[opens]] = symbol[opens]
            height = np.where(valid, height + np.where(opens, 1, -1), 0)
            heights[:, t + 1] = np.where(valid, height, -1)
            tops[:, t + 1] = opened[rows, np.maximum(height - 1, 0)]
        return heights, tops

    def _check(self, length: int) -> None:
        if not self.valid(length):
            raise MemrnnError(
                f"{self.name} has no string of length {length}; its lengths are 2N with N >= 0."
            )


def _log_paths(
    steps: Int[np.ndarray, "..."], heights: Int[np.ndarray, "..."], depth: int
) -> Float64[np.ndarray, "..."]:
    """log c(steps, heights), -inf where there is no path; without a bound for depth 0."""
    steps, heights = np.broadcast_arrays(steps, heights)
    possible = (heights >= 0) & (heights <= steps) & ((steps - heights) % 2 == 0)
    if depth:
        possible &= heights <= depth
        longest = int(steps.max(initial=0))
        table = _bounded_paths(1 << max(longest, 1).bit_length(), depth)
        return np.where(possible, table[steps * possible, heights * possible], -np.inf)
    # The ballot theorem: (h + 1) / (d + 1) binomial(r, d), d of the steps going down.
    r, h = (each * possible for each in (steps, heights))
    down = (r + h) // 2
    ways = gammaln(r + 1) - gammaln(down + 1) - gammaln(r - down + 1)
    return np.where(possible, ways + np.log((h + 1) / (down + 1)), -np.inf)


@functools.lru_cache(maxsize=8)
def _bounded_paths(longest: int, depth: int) -> Float64[np.ndarray, "steps heights"]:
    """log c for all numbers of steps below `longest`."""
    logs = np.full((longest, depth + 1), -np.inf)
    logs[0, 0] = 0.0
    for r in range(1, longest):
        logs[r, :-1] = logs[r - 1, 1:]
        logs[r, 1:] = np.logaddexp(logs[r, 1:], logs[r - 1, :-1])
    return logs
