"""When the learning rate decays and when training stops: two counters that count differently."""

from dataclasses import dataclass, replace

from memrnn.tasks import Metric
from memrnn.training._experiment import TrainingConfig

THRESHOLD = 1e-4
"""Relative improvement below which the plateau counter sees none."""


@dataclass(frozen=True)
class Schedule:
    """State of both counters after some epochs.

    Attributes:
        rate: learning rate of the next epoch.
        best: best validation value of the selection metric so far; any strict improvement counts.
        stale: epochs since then; training stops when they reach `early_stopping_patience`.
        plateau: best value as the plateau counter sees it.
        bad: epochs that did not improve on `plateau` by more than the threshold; when they exceed
            `lr_patience`, the rate is multiplied by `lr_decay` and the count starts anew.

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), appendix A, and PyTorch's
    ReduceLROnPlateau, whose defaults it uses.
    """

    rate: float
    best: float
    plateau: float
    stale: int = 0
    bad: int = 0

    @staticmethod
    def start(rate: float, metric: Metric) -> "Schedule":
        """The state before the first epoch."""
        return Schedule(rate, metric.worst, metric.worst)

    def after(self, value: float, metric: Metric, config: TrainingConfig) -> "Schedule":
        """The state after an epoch with this validation value."""
        rate, plateau, bad = self.rate, self.plateau, self.bad + 1
        if metric.improves(value, self.plateau, THRESHOLD):
            plateau, bad = value, 0
        if bad > config.lr_patience:
            bad = 0
            if rate * (1 - config.lr_decay) > 1e-8:
                rate *= config.lr_decay
        if metric.improves(value, self.best):
            return Schedule(rate, value, plateau, 0, bad)
        return replace(self, rate=rate, stale=self.stale + 1, plateau=plateau, bad=bad)
