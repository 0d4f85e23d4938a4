"""The strings of one restart, its learning rate and the order of its batches."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int

from memrnn.experiment import Recipe
from memrnn.languages import Law
from memrnn.padding import padded_lengths

Kind = Literal["train", "validation"]


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


def draw_batches(law: Law, recipe: Recipe, seed: int) -> dict[Kind, Batches]:
    """The training and validation batches of a restart, a pure function of its seed."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    longest = padded_lengths(law)[-1]

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
