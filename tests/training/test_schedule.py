"""Both counters, against a transcription of PyTorch's ReduceLROnPlateau and of early stopping."""

import math

import numpy as np
import pytest

from memrnn.experiment import Recipe
from memrnn.training._schedule import Schedule


class TorchPlateau:
    """mode min, threshold_mode rel, cooldown 0, eps 1e-8."""

    def __init__(self, rate: float, factor: float, patience: int):
        self.rate, self.factor, self.patience = rate, factor, patience
        self.best, self.bad = math.inf, 0

    def step(self, metric: float) -> None:
        if metric < self.best * (1 - 1e-4):
            self.best, self.bad = metric, 0
        else:
            self.bad += 1
        if self.bad > self.patience:
            new = self.rate * self.factor
            if self.rate - new > 1e-8:
                self.rate = new
            self.bad = 0


@pytest.mark.parametrize("seed", range(20))
def test_equals_torch(seed: int) -> None:
    rng = np.random.default_rng(seed)
    recipe = Recipe(decay_patience=int(rng.integers(0, 6)), decay=0.5)
    rate = 10.0 ** rng.uniform(-7.5, -2)
    schedule, torch = Schedule(rate), TorchPlateau(rate, 0.5, recipe.decay_patience)
    best, stale = math.inf, 0
    for _ in range(80):
        perplexity = 1.5 + rng.integers(0, 4) * 10.0 ** -rng.integers(1, 7)
        schedule = schedule.after(perplexity, recipe)
        torch.step(perplexity)
        best, stale = (perplexity, 0) if perplexity < best else (best, stale + 1)
        assert (schedule.rate, schedule.plateau, schedule.bad) == (
            torch.rate,
            torch.best,
            torch.bad,
        )
        assert (schedule.best, schedule.stale) == (best, stale)


def test_a_tiny_fall_resets_the_stop_but_not_the_plateau() -> None:
    recipe, schedule = Recipe(), Schedule(0.01)
    for epoch in range(7):
        schedule = schedule.after(2 - 1e-6 * epoch, recipe)
    assert schedule.stale == 0
    assert schedule.rate == 0.01 * 0.9  # the sixth bad epoch exceeds the patience of 5


def test_not_a_number_is_no_improvement() -> None:
    schedule = Schedule(0.01).after(1.5, Recipe()).after(math.nan, Recipe())
    assert (schedule.best, schedule.stale, schedule.bad) == (1.5, 1, 1)
