"""Padding: the few lengths to which all strings of a law are filled up."""

import numpy as np

from memrnn.languages import Law

MOST, WIDTH = 3, 13
"""At most 3 padded lengths a range, at least 13 symbols apart. Each is compiled once, and each
more saves less padding: 3 waste a tenth of the steps on [40, 80]."""


def padded_lengths(law: Law) -> tuple[int, ...]:
    """The lengths to which strings are padded, ascending; the last is the law's longest."""
    first, last = law.lengths[0], law.lengths[-1]
    buckets = min(MOST, max(1, (last - first) // WIDTH))
    edges = np.linspace(first, last, buckets + 1)[1:]
    longest = (max(length for length in law.lengths if length <= edge + 1e-9) for edge in edges)
    return tuple(sorted(set(longest)))
