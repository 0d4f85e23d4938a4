"""The strings of an evaluation set, and the lengths to which strings are padded."""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from memrnn.languages import Distribution, get_language
from memrnn.runtime.options import parse_range

MAX_WIDTHS, WIDTH_DISTANCE, WIDTH_RATIO = 3, 13, 0.2
"""At most 3 padded lengths per range, at least 13 symbols and a fifth of the longest apart. Each is
compiled once, and each more saves less padding: 3 waste a tenth of the steps on [40, 80], and so
does one at most where the shortest string has four fifths of the longest's symbols."""


def padded_lengths(distribution: Distribution) -> tuple[int, ...]:
    """The lengths to which strings are padded, ascending; none without a string.

    They depend on the range of lengths rather than on which are valid, so that languages with
    equally many symbols share their compiled programs.
    """
    first, last = distribution.shortest, distribution.longest
    distances = (last - first) // WIDTH_DISTANCE, math.ceil((last - first) / (WIDTH_RATIO * last))
    count = max(1, min(MAX_WIDTHS, *distances))
    edges = [first + (last - first) * number // count for number in range(1, count + 1)]
    return tuple(
        edge
        for below, edge in zip([first - 1, *edges], edges, strict=False)
        if any(below < length <= edge for length in distribution.lengths)
    )


class StringsOfSet(NamedTuple):
    """The distribution and the strings of a length bin, one group per length, ascending.

    Attributes:
        determined: per group, where the prefix leaves no choice; None where it always leaves one.
        legal: per group, the legal outputs after each prefix; None where the language does not say.
    """

    distribution: Distribution
    groups: list[np.ndarray]
    determined: list[np.ndarray] | None
    legal: list[np.ndarray] | None


@functools.lru_cache(maxsize=32)
def strings_of_set(language: str, name: str, samples: int) -> StringsOfSet:
    bounds = parse_range(name)
    distribution = Distribution(get_language(language), *bounds)
    # Test strings do not depend on what is tested: every network sees the same ones.
    groups = distribution.sample_each_length(samples, np.random.default_rng([0, *bounds]))
    # Of all strings at once, which is faster; what follows a prefix depends on nothing after it.
    padded = distribution.legal(pad(groups, groups[-1].shape[1]))
    legal = padded if padded is None else _cut(padded, groups)
    determined = None
    if distribution.language.has_determined_symbols:
        if legal is None:
            determined = [distribution.determined(group) for group in groups]
        else:
            determined = [each.sum(axis=-1) == 1 for each in legal]
    return StringsOfSet(distribution, groups, determined, legal)


def _cut(padded: np.ndarray, groups: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The rows of each group, as many positions as its strings have."""
    ends = np.cumsum([len(group) for group in groups])
    pieces = np.split(padded, ends[:-1])
    return [rows[:, : group.shape[1] + 1] for rows, group in zip(pieces, groups, strict=True)]


def pad(groups: Sequence[np.ndarray], longest: int) -> np.ndarray:
    """All rows of groups, filled up with zeros at the end."""
    padded = np.zeros((sum(map(len, groups)), longest, *groups[0].shape[2:]), groups[0].dtype)
    begin = 0
    for group in groups:
        padded[begin : begin + len(group), : group.shape[1]] = group
        begin += len(group)
    return padded
