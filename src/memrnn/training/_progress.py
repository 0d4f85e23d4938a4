"""Where a restart stands: its curve, its learning rate, and when it stops."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from memrnn.errors import MemrnnError
from memrnn.tasks import Metric, Totals
from memrnn.training._experiment import TrainingConfig

THRESHOLD = 1e-4
"""Relative improvement below which the plateau counter sees none."""


@dataclass(frozen=True)
class Schedule:
    """The learning rate and the two counters that decay it and end training.

    Attributes:
        rate: learning rate of the next epoch, before `lr_anneal`.
        best: best validation value of the selection metric so far; any strict improvement counts.
        plateau: best value as the plateau counter sees it.
        stale: epochs since `best`; training stops when they reach `early_stopping_patience`.
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

    def after(
        self,
        value: float,
        metric: Metric,
        config: TrainingConfig,
        *,
        late: bool = False,
        selectable: bool = True,
    ) -> "Schedule":
        """The state after an epoch with this validation value.

        Args:
            late: whether the rate decays now, whatever the value.
            selectable: whether the epoch may be the best one.
        """
        rate, plateau, bad = self.rate, self.plateau, self.bad + 1
        if metric.improves(value, self.plateau, THRESHOLD):
            plateau, bad = value, 0
        if bad > config.lr_patience or late:
            bad = 0
            if rate * (1 - config.lr_decay) > 1e-8:
                rate *= config.lr_decay
        best, stale = self.best, self.stale
        if selectable:
            equal = config.latest_of_equals and value == self.best
            improved = equal or metric.improves(value, self.best)
            best, stale = (value, 0) if improved else (self.best, self.stale + 1)
        return Schedule(rate, best, plateau, stale, bad)


@dataclass(frozen=True)
class Epoch:
    """One line of a restart's curve.

    Attributes:
        learning_rate: at its beginning.
        train: totals by metric, taken while training goes on; empty where nothing is trained.
        validation: totals by metric.
        measured: numbers of the experiment's measures, NaN where there is none.

    Examples:
        >>> from memrnn.tasks import Total
        >>> from memrnn.training import Epoch
        >>> epoch = Epoch(1e-3, train={}, validation={"perplexity": Total(25.0, 20.0)})
        >>> epoch.validation["perplexity"].numerator
        25.0
    """

    learning_rate: float
    train: Totals
    validation: Totals
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """Where a restart stands.

    Attributes:
        seed: the restart's own.
        selection: the task's selection metric.
        reference: value of that metric for the exact distribution on the restart's own validation
            items; None where it is not known.
        schedule: learning rate, and the counters that decay it and end training.
        status: "diverged" as soon as a parameter is not finite, or a validation value that counts.
        best_epoch: number of the epoch with the best validation value, from 1; 0 for the start.
        curve: a line for each epoch.
        averaged_from: number of the epoch after which iterates are averaged; None before that.
        measured: as `Epoch` has it, of the start.

    Examples:
        >>> import memrnn
        >>> task = memrnn.Strings("count-3", train_lengths=(3, 9), batches=2, validation_batches=1)
        >>> config = memrnn.TrainingConfig(max_epochs=1)
        >>> run = memrnn.train(memrnn.Experiment(task, "jm-2", config=config), "run", restarts=1)
        >>> progress = run.restarts[0].progress
        >>> progress.epochs, progress.best_epoch, progress.excess > 0
        (1, 1, True)
    """

    seed: int
    selection: Metric
    reference: float | None
    schedule: Schedule
    status: Literal["running", "done", "diverged"] = "running"
    best_epoch: int = 0
    curve: tuple[Epoch, ...] = field(default=(), repr=False)
    averaged_from: int | None = None
    measured: Mapping[str, float] = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        return len(self.curve)

    @property
    def best_validation(self) -> Totals:
        """Validation totals at the best epoch; empty at the start, and without a curve."""
        return (
            self.curve[self.best_epoch - 1].validation if 0 < self.best_epoch <= self.epochs else {}
        )

    @property
    def excess(self) -> float:
        """Mean of the selection metric at the best epoch above the reference's.

        The smaller the better, whatever the metric's goal; it ranks restarts. Infinite before the
        first epoch.
        """
        total = self.best_validation.get(self.selection.name)
        mean = None if total is None else self.selection.mean(total)
        if mean is None:
            return math.inf
        excess = mean - (0.0 if self.reference is None else self.selection.mean_of(self.reference))
        return excess if self.selection.goal == "min" else -excess

    @property
    def excess_text(self) -> str:
        """`excess` in words, for people; empty without a reference or before an epoch."""
        if self.reference is None or not math.isfinite(self.excess):
            return ""
        unit = " nats" if self.selection.scale == "exp" else ""
        side = "above" if self.selection.goal == "min" else "below"
        return f"{self.excess:z.4f}{unit} {side} its reference"

    def numbers(
        self, metrics: Sequence[Metric], epoch: int | None = None
    ) -> dict[str, int | float]:
        """Numbers of an evaluation point by name, as trackers of experiments take them.

        The names are `epoch`, `learning_rate`, `train/METRIC` and `validation/METRIC` of every
        metric that has a value, and those of measures (`drift.action_gap`).

        Args:
            metrics: of the task; others are left out.
            epoch: by default the last one; 0 is the start, of which measures alone have numbers.

        Raises:
            MemrnnError: for an epoch that the curve does not have.
        """
        epoch = self.epochs if epoch is None else epoch
        if not 0 <= epoch <= self.epochs:
            raise MemrnnError(f"There is no epoch {epoch}; there are 0 to {self.epochs}.")
        if epoch == 0:
            return {"epoch": 0, **self.measured}
        point = self.curve[epoch - 1]
        numbers: dict[str, int | float] = {"epoch": epoch, "learning_rate": point.learning_rate}
        for part, totals in (("train", point.train), ("validation", point.validation)):
            for metric in metrics:
                total = totals.get(metric.name)
                value = None if total is None else metric.value(total)
                if value is not None:
                    numbers[f"{part}/{metric.name}"] = value
        return numbers | dict(point.measured)

    @property
    def _has_decayed(self) -> bool:
        return bool(self.curve) and self.schedule.rate < self.curve[0].learning_rate

    def after(
        self,
        train: Totals,
        validation: Totals,
        finite: bool,
        config: TrainingConfig,
        measured: Mapping[str, float],
    ) -> "Progress":
        """The progress after an epoch.

        Args:
            train: totals of the epoch's training, by metric.
            validation: totals of its validation, by metric.
            finite: whether all parameters are.
            measured: as `Epoch` has it.
        """
        value = self.selection.value(validation[self.selection.name])
        value = math.nan if value is None else value
        latest, epochs = config.lr_decay_latest, self.epochs + 1
        late = latest is not None and epochs >= latest and not self._has_decayed
        selectable = config.selectable(epochs)
        schedule, averaged_from = self.schedule, self.averaged_from
        if config.validation_counts(epochs):
            schedule = schedule.after(
                value, self.selection, config, late=late, selectable=selectable
            )
            finite = finite and math.isfinite(value)
            if averaged_from is None and _averaging_begins(epochs, schedule.stale, config):
                averaged_from = epochs
        best = selectable and not schedule.stale
        return dataclasses.replace(
            self,
            schedule=schedule,
            status="running" if finite else "diverged",
            best_epoch=epochs if best else self.best_epoch,
            curve=(*self.curve, Epoch(self.rate(config), train, validation, measured)),
            averaged_from=averaged_from,
        )

    def rate(self, config: TrainingConfig) -> float:
        """The learning rate at the beginning of the next epoch."""
        share = np.array([self.epochs / max(1, config.max_epochs)])
        return self.schedule.rate * config.rate_factor_after(share).item()


def _averaging_begins(epochs: int, stale: int, config: TrainingConfig) -> bool:
    """Whether iterates are averaged after this epoch.

    Source: the trigger of Melis et al. 2020 (arXiv 1909.01792), as published with their code.
    """
    patience, latest = config.averaging_patience, config.averaging_latest
    return (patience is not None and stale >= patience) or (latest is not None and epochs >= latest)
