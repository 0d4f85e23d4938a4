"""When the learning rate decays and when training stops: two counters that count differently."""

import math
from dataclasses import dataclass, replace

from memrnn.experiment import Recipe

THRESHOLD = 1e-4
"""Relative fall of the perplexity below which the plateau counter sees no improvement."""


@dataclass(frozen=True)
class Schedule:
    """State of both counters after some epochs.

    Attributes:
        rate: learning rate of the next epoch.
        best: smallest validation perplexity so far; any strict fall counts.
        stale: epochs since then; training stops when they reach `stop_patience`.
        plateau: smallest perplexity as the plateau counter sees it.
        bad: epochs that did not fall below `plateau * (1 - 1e-4)`; when they exceed
            `decay_patience`, the rate is multiplied by `decay` and the count starts anew.

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), appendix A, and PyTorch's
    ReduceLROnPlateau, whose defaults it uses.
    """

    rate: float
    best: float = math.inf
    stale: int = 0
    plateau: float = math.inf
    bad: int = 0

    def after(self, perplexity: float, recipe: Recipe) -> "Schedule":
        """The state after an epoch with this validation perplexity."""
        rate, plateau, bad = self.rate, self.plateau, self.bad + 1
        if perplexity < self.plateau * (1 - THRESHOLD):
            plateau, bad = perplexity, 0
        if bad > recipe.decay_patience:
            bad = 0
            if rate * (1 - recipe.decay) > 1e-8:
                rate *= recipe.decay
        if perplexity < self.best:
            return Schedule(rate, perplexity, 0, plateau, bad)
        return replace(self, rate=rate, stale=self.stale + 1, plateau=plateau, bad=bad)
