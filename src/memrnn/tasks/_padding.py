"""Padding: the few lengths to which all strings of a distribution are filled up."""

from memrnn.languages import Distribution

MOST, WIDTH = 3, 13
"""At most 3 padded lengths a range, at least 13 symbols apart. Each is compiled once, and each
more saves less padding: 3 waste a tenth of the steps on [40, 80]."""


def padded_lengths(distribution: Distribution) -> tuple[int, ...]:
    """The lengths to which strings are padded, ascending; none without a string.

    They depend on the range of lengths rather than on which are valid, so that languages with
    equally many symbols share their compiled programs.
    """
    first, last = distribution.shortest, distribution.longest
    buckets = min(MOST, max(1, (last - first) // WIDTH))
    edges = [first + (last - first) * number // buckets for number in range(1, buckets + 1)]
    return tuple(
        edge
        for below, edge in zip([first - 1, *edges], edges, strict=False)
        if any(below < length <= edge for length in distribution.lengths)
    )
