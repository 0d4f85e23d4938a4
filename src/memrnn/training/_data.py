"""The strings of one restart, padded into few lengths so that few programs are compiled."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int

from memrnn.experiment import Recipe
from memrnn.languages import Law

BUCKETS = 3
"""Padded lengths per range of lengths. Each is compiled once; each more saves less padding
(3 waste a tenth of the steps on [40, 80])."""


@dataclass(frozen=True)
class Batches:
    """Batches of strings of one length each, padded to the longest with symbol 0.

    Attributes:
        tokens: (batches, batch_size, longest).
        lengths: length of the strings of each batch, (batches,).
    """

    tokens: Int[np.ndarray, "batches batch longest"]
    lengths: Int[np.ndarray, " batches"]

    @property
    def symbols(self) -> int:
        """Number of predicted symbols, end-of-string included."""
        return int(np.sum(self.lengths + 1)) * self.tokens.shape[1]


def padded_lengths(law: Law, buckets: int = BUCKETS) -> tuple[int, ...]:
    """The lengths to which batches are padded, ascending; the last is the law's longest."""
    edges = np.linspace(law.lengths[0], law.lengths[-1], buckets + 1)[1:]
    longest = [max(length for length in law.lengths if length <= edge + 1e-9) for edge in edges]
    return tuple(sorted(set(longest)))


def draw_batches(
    law: Law, recipe: Recipe, seed: int
) -> dict[Literal["train", "validation"], Batches]:
    """The training and validation batches of a restart, a pure function of its seed."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    longest = law.lengths[-1]

    def draw(count: int) -> Batches:
        groups = law.sample_groups(count, recipe.batch_size, rng)
        tokens = np.zeros((count, recipe.batch_size, longest), np.int32)
        for row, group in zip(tokens, groups, strict=True):
            row[:, : group.shape[1]] = group
        return Batches(tokens, np.array([group.shape[1] for group in groups], np.int32))

    return {"train": draw(recipe.batches), "validation": draw(recipe.validation_batches)}


def epoch_order(batches: int, seed: int, epoch: int) -> Int[np.ndarray, " batches"]:
    """The order of the batches in an epoch, a pure function of seed and epoch."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3, epoch)))
    return rng.permutation(batches).astype(np.int32)


def draw_learning_rate(recipe: Recipe, seed: int) -> float:
    """A restart's initial learning rate, log-uniform between the recipe's bounds."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    low, high = recipe.learning_rate
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
