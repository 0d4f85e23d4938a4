"""Test strings of a bin of lengths, and all about them that no network is needed for."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from memrnn.errors import MemrnnError
from memrnn.languages import Law
from memrnn.predictors import CEILING, FLOORS, Predictor, hits, surprisals

Group = Int[np.ndarray, "_ _"]
Bin = tuple[int, int]

SEED = 0
"""Test strings do not depend on what is tested: every network sees the same ones."""


@dataclass(frozen=True)
class Marks:
    """What a predictor or a network gets on strings of one length, symbol by symbol.

    Attributes:
        nats: negative log-likelihood of each next symbol, end-of-string included.
        right: 1 where the arg max is right, shared equally between outputs that tie.
        doubtful: number of strings of which rounding may have lost what matters.
    """

    nats: Float[np.ndarray, "count positions"]
    right: Float[np.ndarray, "count positions"] | Bool[np.ndarray, "count positions"]
    doubtful: int = 0


@dataclass(frozen=True)
class TestSet:
    """Strings of every valid length in a bin, the same number of each.

    Args:
        law: the law of the bin, to which the ceiling belongs.
        training: the law of the training strings, on which the floors are fitted.
        strings_per_length: how many strings of each valid length.
    """

    __test__ = False  # not a test case, whatever its name makes pytest think

    law: Law
    training: Law
    strings_per_length: int

    def __post_init__(self) -> None:
        if self.strings_per_length < 1:
            raise MemrnnError(
                f"strings_per_length is {self.strings_per_length}, but must be at least 1."
            )

    @cached_property
    def groups(self) -> list[Group]:
        """The strings, one group a length, lengths ascending."""
        rng = np.random.default_rng([SEED, self.law.shortest, self.law.longest])
        return self.law.sample_each_length(self.strings_per_length, rng)

    @cached_property
    def determined(self) -> list[Bool[np.ndarray, "_ _"]] | None:
        """Where the prefix leaves no choice; None if nowhere in this language."""
        if not self.law.language.has_determined_symbols:
            return None
        return [self.law.determined(group) for group in self.groups]

    @cached_property
    def floors(self) -> dict[str, list[Marks]]:
        """Marks of the trivial predictors, fitted on the training law."""
        return {floor.name: self._mark(floor(self.training)) for floor in FLOORS}

    @cached_property
    def ceiling(self) -> list[Marks]:
        """Marks of the exact Bayes predictor, which knows the law of the bin."""
        return self._mark(CEILING(self.law))

    def _mark(self, predictor: Predictor) -> list[Marks]:
        marks = []
        for group in self.groups:
            probabilities = predictor.probabilities(group)
            marks.append(Marks(surprisals(probabilities, group), hits(probabilities, group)))
        return marks


def parse_bin(text: str) -> Bin:
    """`40:100` as (40, 100), both inclusive.

    Raises:
        MemrnnError: if it is not two lengths in order.
    """
    shortest, colon, longest = text.partition(":")
    if not (colon and shortest.isdecimal() and longest.isdecimal()):
        raise MemrnnError(f"{text!r} is not a bin; write SHORTEST:LONGEST, for instance 40:100.")
    if int(shortest) > int(longest):
        raise MemrnnError(f"The bin {text} is empty; the shorter length comes first.")
    return int(shortest), int(longest)


def make_test_sets(training: Law, bins: Sequence[Bin], strings_per_length: int) -> list[TestSet]:
    """The test sets of some bins.

    Raises:
        MemrnnError: if a bin holds no valid length.
    """
    laws = [Law(training.language, *bounds) for bounds in bins]
    return [TestSet(law, training, strings_per_length) for law in laws]
