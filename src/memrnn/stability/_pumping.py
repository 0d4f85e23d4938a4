"""Whether the codes of a discrete network repeat along strings whose blocks grow."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32

from memrnn.stability.discrete import Table

MOST = 24
"""The largest period that is tried."""


class Pumping(NamedTuple):
    """What repeats where every block of a string has as many symbols more as the period.

    Attributes:
        period: symbols, and codes, more per block.
        first, last: symbols per block of the shorter string, for all numbers of which it was found.

    Examples:
        >>> from memrnn.stability import Pumping
        >>> Pumping(period=2, first=3, last=198).period
        2
    """

    period: int
    first: int
    last: int


def pumping(table: Table, strings: Sequence[Int32[np.ndarray, " _"]]) -> Pumping | None:
    """The smallest period by which the codes along strings of growing blocks repeat.

    A block is a run of equal symbols. With period P the codes along a block of n + P symbols are
    those along the block of n with P codes inserted at one place, for the last third of the n tried
    at least. What repeats so far may not do so for ever: it is no proof.

    Args:
        table: of a discrete network.
        strings: the n-th has the same blocks as the first, each of n symbols.

    Returns:
        None where no period is found.

    Examples:
        >>> import numpy as np
        >>> import memrnn
        >>> from memrnn.automata import machine_of
        >>> from memrnn.stability import Table, compile_machine, pumping
        >>> model = memrnn.get_model("lstm-7:discrete+jm-1.1:hard")
        >>> machine = machine_of("count-3")
        >>> network = compile_machine(machine, model.build(memrnn.OneHot(3), classes=4, seed=0))
        >>> strings = [np.repeat(np.arange(3, dtype=np.int32), n) for n in range(1, 61)]
        >>> pumping(Table(network, "float32"), strings)
        Pumping(period=1, first=1, last=59)

    Source: the idea of a pumping lemma (Bar-Hillel, Perles & Shamir 1961), checked on examples.
    """
    blocks = [_blocks(table, string) for string in strings]
    for period in range(1, MOST + 1):
        pairs = zip(blocks, blocks[period:], strict=False)
        repeats = [all(map(_inserted, one, other)) for one, other in pairs]
        before = max((n for n, each in enumerate(repeats, 1) if not each), default=0)
        if before < 2 * len(repeats) // 3:
            return Pumping(period, before + 1, len(repeats))
    return None


def _blocks(table: Table, string: Int32[np.ndarray, " _"]) -> list[list[int]]:
    """The codes after each symbol, by block."""
    ends = np.flatnonzero(np.diff(string)) + 1
    return [codes.tolist() for codes in np.split(table.run(string).codes[1:], ends)]


def _inserted(codes: list[int], more: list[int]) -> bool:
    """Whether the longer list is the shorter one with something at one place."""
    start = end = 0
    while start < len(codes) and codes[start] == more[start]:
        start += 1
    while end < len(codes) - start and codes[-1 - end] == more[-1 - end]:
        end += 1
    return start + end == len(codes)
