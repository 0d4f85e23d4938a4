"""One restart: a pure function of its experiment and its number, resumable at every epoch."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import msgspec
import numpy as np

from memrnn.errors import MemrnnError
from memrnn.nn.components import partition
from memrnn.nn.network import Network
from memrnn.runtime import checkpoints
from memrnn.runtime.precision import cast
from memrnn.tasks import Data, EvaluationSet, Metric, Total, Totals, Traced, score_set, total
from memrnn.training._experiment import Experiment, TrainingConfig
from memrnn.training._programs import (
    Learner,
    Plan,
    Rule,
    epoch_program,
    new_learner,
    only_output_trains,
)
from memrnn.training._schedule import Schedule
from memrnn.training._start import BEST, apply_start
from memrnn.training._writer import Checkpoint

Status = Literal["running", "done", "diverged"]


@dataclass(frozen=True)
class Epoch:
    """One line of a restart's curve.

    Attributes:
        train, validation: totals by metric; those of training are taken while it goes on, and
            empty where nothing is trained.
    """

    learning_rate: float
    train: Totals
    validation: Totals


@dataclass(frozen=True)
class Progress:
    """Where a restart stands.

    Attributes:
        selection: the task's selection metric.
        reference: value of that metric for the exact distribution on the restart's own validation
            items; None where it is not known.
        status: "diverged" as soon as a parameter or the validation value is not finite.
        best_epoch: number of the epoch with the best validation value, from 1; 0 for the start.
    """

    seed: int
    selection: Metric
    reference: float | None
    schedule: Schedule
    status: Status = "running"
    best_epoch: int = 0
    curve: tuple[Epoch, ...] = ()

    @property
    def epochs(self) -> int:
        return len(self.curve)

    @property
    def best_validation(self) -> Totals:
        """Validation totals at the best epoch; empty at the start."""
        return self.curve[self.best_epoch - 1].validation if self.best_epoch else {}

    @property
    def excess(self) -> float:
        """Mean of the selection metric at the best epoch above the reference's.

        The smaller the better, whatever the metric's goal; it ranks restarts. Infinite before the
        first epoch.
        """
        found = self.best_validation.get(self.selection.name)
        mean = None if found is None else self.selection.mean(found)
        if mean is None:
            return math.inf
        above = mean - (0.0 if self.reference is None else self.selection.mean_of(self.reference))
        return above if self.selection.goal == "min" else -above

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> "Progress":
        return msgspec.convert(values, Progress)


class Outcome(NamedTuple):
    """What an epoch has come to.

    Attributes:
        train, validation: totals by metric.
        finite: whether all parameters are.
    """

    train: Totals
    validation: Totals
    finite: bool


class Restart:
    """A restart in memory, and its checkpoint."""

    def __init__(self, experiment: Experiment, number: int, path: Path | None = None):
        """Begins the restart, or takes it up where its checkpoint is.

        Args:
            path: of its checkpoint; None for a restart that is never saved.

        Raises:
            MemrnnError: if the checkpoint is damaged or belongs to something else.
        """
        self.experiment, self.number, self.path = experiment, number, path
        task, config = experiment.task, experiment.config
        self.seed = experiment.restart_seed(number)
        network = cast(task.build(experiment.definition, self.seed), config.precision)
        if experiment.start is not None:
            network = apply_start(network, experiment.start)
        trained, self.frozen = partition(network, experiment.freeze)
        self.learner = new_learner(trained, config.max_grad_norm)
        self.best = network
        if path is not None and path.exists():
            self._load(path)
        else:
            rate = draw_learning_rate(config, self.seed)
            self.progress = Progress(
                self.seed, task.selection, self._reference(), Schedule.start(rate, task.selection)
            )
            self._settle()

    @cached_property
    def data(self) -> Data:
        """What it trains on, on the host; made when it is needed, for loading needs none."""
        return self.experiment.task.data(self.seed)

    @cached_property
    def validation(self) -> EvaluationSet:
        """Its validation set, on the host."""
        return self.experiment.task.validation(self.seed)

    @cached_property
    def _data_on_device(self) -> Data:
        data = self.data
        if self._fixed_states:
            data = data._replace(own=self.experiment.task.precompute(self.network, data.own))
        return jax.device_put(data)

    @cached_property
    def _validation_on_device(self) -> EvaluationSet:
        validation = self.validation
        batches = validation.batches
        if self._fixed_states:
            precompute = self.experiment.task.precompute
            batches = [precompute(self.network, batch) for batch in batches]
        return dataclasses.replace(validation, batches=jax.device_put(list(batches)))

    @property
    def network(self) -> Network:
        return eqx.combine(self.learner.trained, self.frozen)

    @property
    def finished(self) -> bool:
        """Whether another epoch would change nothing or is not asked for."""
        config, progress = self.experiment.config, self.progress
        return (
            progress.status == "diverged"
            or progress.epochs >= config.max_epochs
            or progress.schedule.stale >= config.early_stopping_patience
            or (progress.epochs > 0 and not self.trains)
        )

    @property
    def trains(self) -> bool:
        """Whether there is anything to train: not with every component frozen."""
        return bool(jax.tree.leaves(self.learner.trained))

    def epoch_arguments(
        self,
    ) -> tuple[Traced, tuple[int, ...], Rule, Learner, Network, Data, Plan]:
        """What `epoch_program` takes for the next epoch."""
        task = self.experiment.task
        # Without a loop over time, padding costs next to nothing.
        widths = task.widths[-1:] if self._fixed_states else task.widths
        return (
            Traced.of(task),
            widths,
            Rule.of(self.experiment.config),
            self.learner,
            self.frozen,
            self._data_on_device,
            self.plan(),
        )

    def plan(self) -> Plan:
        """What the next epoch does."""
        task, progress = self.experiment.task, self.progress
        items, widths = task.plan(self.data, progress.seed, progress.epochs)
        if self._fixed_states:
            widths = np.zeros_like(widths)
        words = np.random.SeedSequence(progress.seed, spawn_key=(4,)).generate_state(2)
        dtype = jnp.dtype(self.experiment.config.precision)
        return Plan(
            items,
            widths,
            np.asarray(progress.schedule.rate, dtype),
            words.astype(np.uint32),
            np.asarray(progress.epochs * task.updates, np.uint32),
        )

    def advance(self) -> None:
        """One epoch: train, validate, schedule."""
        train, finite = dict[str, Total](), True
        if self.trains:
            self.learner, scores, all_finite = epoch_program()(*self.epoch_arguments())
            train, finite = total(jax.device_get(scores)), bool(all_finite)
        network = self.network
        scored = score_set(self.experiment.task, network, self._validation_on_device)
        if self.record(Outcome(train, total(scored), finite)):
            self.best = network

    def record(self, outcome: Outcome) -> bool:
        """Takes over what an epoch has come to: the curve and the schedule's next state.

        Returns:
            Whether the network after this epoch is the best so far.
        """
        progress, metric = self.progress, self.progress.selection
        value = metric.value(outcome.validation[metric.name])
        value = math.nan if value is None else value
        epoch = Epoch(progress.schedule.rate, outcome.train, outcome.validation)
        schedule = progress.schedule.after(value, metric, self.experiment.config)
        improved = schedule.stale == 0
        self.progress = dataclasses.replace(
            progress,
            schedule=schedule,
            status="running" if outcome.finite and math.isfinite(value) else "diverged",
            best_epoch=progress.epochs + 1 if improved else progress.best_epoch,
            curve=(*progress.curve, epoch),
        )
        self._settle()
        if self.finished:
            # Others go on, and what this one was trained on can be large.
            for name in ("data", "validation", "_data_on_device", "_validation_on_device"):
                vars(self).pop(name, None)
        return improved

    def replace_network(self, network: Network) -> None:
        """Takes other parameters, before the first epoch.

        Raises:
            MemrnnError: if they are of another network.
        """
        arrays = checkpoints.arrays_of(network, BEST)
        self.best = checkpoints.restore(self.best, BEST, arrays)
        trained, self.frozen = partition(self.best, self.experiment.freeze)
        self.learner = self.learner._replace(trained=trained)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that its checkpoint holds of arrays, by name."""
        return {
            **checkpoints.arrays_of(self.network, "network"),
            **checkpoints.arrays_of(self.best, BEST),
            **checkpoints.arrays_of(self.learner.optimizer, "optimizer"),
        }

    def replace_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes arrays as `arrays` gives them; others may be among them.

        Raises:
            MemrnnError: if one is missing or has another shape or type.
        """
        network = checkpoints.restore(self.network, "network", arrays)
        moments = checkpoints.restore(self.learner.optimizer, "optimizer", arrays)
        trained, self.frozen = partition(network, self.experiment.freeze)
        self.learner = Learner(trained, moments)
        self.best = checkpoints.restore(self.best, BEST, arrays)

    def checkpoint(self, arrays: Mapping[str, np.ndarray] | None = None) -> Checkpoint:
        """The content of its checkpoint.

        Args:
            arrays: where they are not its own.
        """
        assert self.path is not None
        record = {
            "experiment": self.experiment.identity(),
            "restart": self.number,
            "progress": self.progress.to_json(),
        }
        return Checkpoint(self.path, self.arrays() if arrays is None else arrays, record)

    def save(self) -> None:
        """Writes the checkpoint, whole or not at all."""
        if self.path is not None:
            checkpoints.save(*self.checkpoint())

    @property
    def _fixed_states(self) -> bool:
        return self.trains and only_output_trains(self.learner.trained)

    def _reference(self) -> float | None:
        metric = self.experiment.task.selection
        scores = self.experiment.task.validation_reference(self.seed)
        if metric.name not in scores:
            return None
        return metric.value(total(scores)[metric.name])

    def _load(self, path: Path) -> None:
        arrays, record = checkpoints.load(path)
        if (record.get("experiment"), record.get("restart")) != (
            self.experiment.identity(),
            self.number,
        ):
            raise MemrnnError(f"{path} belongs to another experiment or restart.")
        self.progress = Progress.from_json(record["progress"])
        self.replace_arrays(arrays)
        # A restart that was done is not, if more epochs are asked for than then.
        self._settle()

    def _settle(self) -> None:
        if self.progress.status != "diverged":
            status = "done" if self.finished else "running"
            self.progress = dataclasses.replace(self.progress, status=status)


def draw_learning_rate(config: TrainingConfig, seed: int) -> float:
    """A restart's initial learning rate, log-uniform between the configured bounds."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    low, high = config.learning_rate_range
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
