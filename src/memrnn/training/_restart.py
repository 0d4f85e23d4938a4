"""One restart: a pure function of its experiment and its number, resumable at every epoch."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import msgspec
import numpy as np

from memrnn.errors import MemrnnError
from memrnn.identity import differences
from memrnn.nn.components import partition
from memrnn.nn.models import continuous
from memrnn.nn.network import Network
from memrnn.runtime import checkpoints
from memrnn.runtime.precision import cast, scope
from memrnn.tasks import Data, EvaluationSet, Task, Total, Totals, Traced, score_set, total
from memrnn.training._experiment import Experiment, TrainingConfig, best_arrays
from memrnn.training._measures import MEASURES
from memrnn.training._programs import (
    Plan,
    ProgramKey,
    computing_network,
    epoch_program,
    initial_moments,
    zeros_like,
)
from memrnn.training._progress import Progress, Schedule


class TrainingState(NamedTuple):
    """The arrays of a restart; a leaf's path in it is its name in a checkpoint.

    Attributes:
        network, best: now, and what was validated at the best epoch.
        optimizer: the optimiser's state for the trained components.
        carry: what the task carries from one batch to the next.
        average: of the trained components the mean of the iterates, zeros before averaging has
            begun; None where iterates are never averaged.
    """

    network: Network
    best: Network
    optimizer: Any
    carry: Any
    average: Network | None = None


class Checkpoint(NamedTuple):
    """The content of one checkpoint, and where it belongs."""

    path: Path
    arrays: Mapping[str, np.ndarray]
    record: Mapping[str, Any]


class Restart:
    """A restart in memory, and its checkpoint.

    Examples:
        >>> import memrnn
        >>> from memrnn.training import Restart
        >>> task = memrnn.Strings("count-3", train_lengths=(3, 9), batches=2, validation_batches=1)
        >>> config = memrnn.TrainingConfig(max_epochs=1)
        >>> restart = Restart(memrnn.Experiment(task, "jm-2", config=config), 0)
        >>> restart.advance()
        >>> restart.finished
        True
    """

    def __init__(self, experiment: Experiment, number: int, path: Path | None = None):
        """Begins the restart, or continues from its checkpoint.

        Args:
            path: of its checkpoint; None for a restart that is never saved.

        Raises:
            MemrnnError: if the checkpoint is damaged or belongs to something else.
        """
        self.experiment, self.number, self.path = experiment, number, path
        self.seed = experiment.restart_seed(number)
        self._network_only = False  # constructed, or kept without what training needs
        task, config = experiment.task, experiment.config
        with scope(config.precision):
            network = self.initial_network()
            trained, _ = partition(network, experiment.freeze)
            moments = jax.device_put(initial_moments(trained, config))
            carry = _initial_carry(task, computing_network(network, config.compute_precision))
            average = jax.device_put(zeros_like(trained)) if config.averages else None
            self.state = TrainingState(network, network, moments, carry, average)
            self.trains = bool(jax.tree.leaves(trained))
            inner = trained.embedding, trained.controller, trained.memory
            # Then hidden states are the same in every epoch.
            self._only_output_trains = (
                self.trains
                and not config.gate_noise
                and self._continuous is None
                and not any(leaf.size for leaf in jax.tree.leaves(inner))
            )
            if path is not None and path.exists():
                self._load(path)
            else:
                self.progress = self._initial_progress()
                if experiment.measure:
                    numbers = self._measured(lambda: network)
                    self.progress = dataclasses.replace(self.progress, measured=numbers)
        self._update_status()

    def initial_network(self) -> Network:
        """The network before the first update."""
        experiment = self.experiment
        with scope(experiment.config.precision):
            network = experiment.task.build(experiment.definition, self.seed)
            network = cast(network, experiment.config.precision)
            return network if experiment.start is None else experiment.start.load_into(network)

    @cached_property
    def data(self) -> Data:
        """What it trains on, on the host; made when it is needed, for loading needs none."""
        return self.experiment.task.data(self.seed)

    @cached_property
    def validation(self) -> EvaluationSet:
        """Its validation set, on the host."""
        return self.experiment.task.validation(self.seed)

    @cached_property
    def _on_device(self) -> tuple[Data, EvaluationSet]:
        own, batches = self.data.own, list(self.validation.batches)
        if self._only_output_trains:
            precompute = self.experiment.task.precompute
            computing = self.experiment.config.compute_precision
            own = precompute(computing_network(self.network, computing), own)
            batches = [precompute(self.network, batch) for batch in batches]
        data, batches = jax.device_put((self.data._replace(own=own), batches))
        return data, dataclasses.replace(self.validation, batches=batches)

    @property
    def network(self) -> Network:
        return self.state.network

    @property
    def best(self) -> Network:
        """The network at the best epoch."""
        return self.state.best

    @property
    def finished(self) -> bool:
        """Whether another epoch would change nothing, is not asked for or cannot be."""
        config, progress = self.experiment.config, self.progress
        return (
            self._network_only
            or progress.status == "diverged"
            or progress.epochs >= config.max_epochs
            or progress.schedule.stale >= config.early_stopping_patience
            or (progress.epochs > 0 and not self.trains)
        )

    def epoch_arguments(self) -> tuple[ProgramKey, Network, Any, Any, Any, Network, Data, Plan]:
        """What `epoch_program` takes for the next epoch."""
        trained, frozen = partition(self.network, self.experiment.freeze)
        data, _ = self._on_device
        _, _, moments, carry, average = self.state
        return self.program_key, trained, moments, average, carry, frozen, data, self.plan()

    @property
    def program_key(self) -> ProgramKey:
        task, config = self.experiment.task, self.experiment.config
        # Without a loop over time, padding costs next to nothing.
        widths = task.widths[-1:] if self._only_output_trains else task.widths
        return ProgramKey(
            Traced.of(task),
            widths,
            config.matmul_precision,
            config.optimizer,
            config.beta2,
            config.weight_decay,
            config.compute_precision,
            self._continuous,
        )

    def plan(self) -> Plan:
        """What the next epoch does."""
        task, progress, config = self.experiment.task, self.progress, self.experiment.config
        items, widths = task.plan(self.data, self.seed, progress.epochs)
        if self._only_output_trains:
            widths = np.zeros_like(widths)
        number = jnp.dtype(config.precision).type
        first = progress.epochs * task.updates
        share = (first + np.arange(task.updates)) / max(1, task.updates * config.max_epochs)
        rates = progress.schedule.rate * config.rate_factor_after(share)
        noise = config.noise_after(share).astype(number) if config.gate_noise else None
        discrete = None if self._continuous is None else share >= config.discrete_from
        words = np.random.SeedSequence(self.seed, spawn_key=(4,)).generate_state(2)
        return Plan(
            items,
            widths,
            rates.astype(number),
            np.asarray(number(_draw_max_grad_norm(config, self.seed))),
            words.astype(np.uint32),
            np.asarray(first, np.uint32),
            np.asarray(not task.continues(progress.epochs)),
            discrete=discrete,
            gate_noise=noise,
            averaged=self._averaged,
        )

    @cached_property
    def _continuous(self) -> Any:
        """As `ProgramKey` has it.

        Raises:
            MemrnnError: if the two networks do not have the same parameters.
        """
        experiment = self.experiment
        definition = continuous(experiment.definition)
        if not experiment.config.discrete_from or definition == experiment.definition.canonical():
            return None
        with scope(experiment.config.precision):
            other = experiment.task.build(definition, self.seed)
            own = experiment.task.build(experiment.definition, self.seed)
        if _shapes(other) != _shapes(own):
            raise MemrnnError(
                f"{experiment.model} has other parameters than without its discrete options, so "
                "that it cannot begin without them; discrete_from must be 0."
            )
        return jax.tree.structure(other)

    @property
    def _averaged(self) -> np.ndarray | None:
        """As `Plan` has it."""
        if not self.experiment.config.averages:
            return None
        begin, epochs = self.progress.averaged_from, self.progress.epochs
        count = -1 if begin is None else (epochs - begin) * self.experiment.task.updates
        return np.asarray(count, np.int32)

    def advance(self) -> None:
        """One epoch: train, validate, schedule."""
        with scope(self.experiment.config.precision):
            train, finite, state = dict[str, Total](), True, self.state
            validated = state.network
            if self.trains:
                arguments = self.epoch_arguments()
                trained, moments, average, carry, scores, all_finite = epoch_program()(*arguments)
                train, finite = total(jax.device_get(scores)), bool(all_finite)
                *_, frozen, _, _ = arguments
                network = validated = eqx.combine(trained, frozen)
                state = TrainingState(network, state.best, moments, carry, average)
                if self.progress.averaged_from is not None:
                    validated = eqx.combine(average, frozen)
            _, validation = self._on_device
            scores = score_set(self.experiment.task, validated, validation)
            if self.finish_epoch(train, total(scores), finite, lambda: validated):
                state = state._replace(best=validated)
            self.state = state

    def finish_epoch(
        self,
        train: Totals,
        validation: Totals,
        finite: bool,
        validated: Callable[[], Network],
    ) -> bool:
        """Updates the progress, see `Progress.after`.

        Args:
            validated: gives the network that was validated, where measures ask for it.

        Returns:
            Whether the network that was validated is the best so far.
        """
        numbers = self._measured(validated) if self.experiment.measure else {}
        config = self.experiment.config
        self.progress = self.progress.after(train, validation, finite, config, numbers)
        self._update_status()
        if self.finished:
            # Others go on, and what this one was trained on can be large.
            for name in ("data", "validation", "_on_device"):
                vars(self).pop(name, None)
        return self.progress.best_epoch == self.progress.epochs

    def _measured(self, validated: Callable[[], Network]) -> dict[str, float]:
        """What the experiment's measures give, as `MEASURE.NUMBER`."""
        network = validated()
        return {
            f"{name}.{number}": float(value)
            for name in self.experiment.measure
            for number, value in MEASURES[name](self, network).items()
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays of its checkpoint, by name."""
        return checkpoints.arrays_of(self.state)

    def replace_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Sets its arrays from those that `arrays` returned; others may be among them.

        Raises:
            MemrnnError: if one is missing or has another shape or type.
        """
        self.state = checkpoints.restore(self.state, arrays)

    def checkpoint(self, arrays: Mapping[str, np.ndarray] | None = None) -> Checkpoint:
        """The content of its checkpoint, by default with its own arrays."""
        assert self.path is not None
        record = {
            "experiment": self.experiment.identity(),
            "restart": self.number,
            "progress": dataclasses.asdict(self.progress),
        }
        return Checkpoint(self.path, self.arrays() if arrays is None else arrays, record)

    def save(self) -> None:
        """Writes the checkpoint, whole or not at all."""
        checkpoints.save(*self.checkpoint())

    def _load(self, path: Path) -> None:
        arrays, record = checkpoints.load(path)
        if record.get("restart") != self.number:
            raise MemrnnError(f"{path} belongs to another restart, {record.get('restart')}.")
        if changed := differences(record.get("experiment", {}), self.experiment.identity()):
            raise MemrnnError(f"{path} belongs to another experiment: they differ in {changed}.")
        self.progress = msgspec.convert(record["progress"], Progress)
        best = best_arrays(arrays)
        self._network_only = len(best) == len(arrays)
        if self._network_only:
            network = checkpoints.restore(self.best, best)
            self.state = self.state._replace(network=network, best=network)
        else:
            self.replace_arrays(arrays)

    def _initial_progress(self) -> Progress:
        task, reference = self.experiment.task, None
        scores = task.validation_reference(self.seed)
        if task.selection.name in scores:
            reference = task.selection.value(total(scores)[task.selection.name])
        rate = _draw_learning_rate(self.experiment.config, self.seed)
        schedule = Schedule(rate, task.selection.worst, task.selection.worst)
        return Progress(self.seed, task.selection, reference, schedule)

    def _update_status(self) -> None:
        # A restart that was done is not, if more epochs are asked for than then.
        if self.progress.status != "diverged":
            status = "done" if self.finished else "running"
            self.progress = dataclasses.replace(self.progress, status=status)


def _shapes(network: Network) -> list[tuple[str, Any]]:
    """Of every array its path, shape and type; of what is none, such as a flag, the value."""
    return [
        (
            jax.tree_util.keystr(path),
            (leaf.shape, leaf.dtype.name) if hasattr(leaf, "dtype") else leaf,
        )
        for path, leaf in jax.tree_util.tree_leaves_with_path(network)
    ]


def _initial_carry(task: Task, network: Network) -> Any:
    """Zeros; the first epoch does not read them."""
    return jax.device_put(zeros_like(jax.eval_shape(task.carry, network)))


def _draw_max_grad_norm(config: TrainingConfig, seed: int) -> float:
    """Log-uniform between the configured bounds, where there are any."""
    if config.max_grad_norm_range is None:
        return config.max_grad_norm
    return _log_uniform(np.random.SeedSequence(seed, spawn_key=(5,)), config.max_grad_norm_range)


def _draw_learning_rate(config: TrainingConfig, seed: int) -> float:
    """Log-uniform between the configured bounds."""
    return _log_uniform(np.random.SeedSequence(seed, spawn_key=(1,)), config.learning_rate_range)


def _log_uniform(seed: np.random.SeedSequence, bounds: tuple[float, float]) -> float:
    low, high = bounds
    return float(np.exp(np.random.default_rng(seed).uniform(np.log(low), np.log(high))))
