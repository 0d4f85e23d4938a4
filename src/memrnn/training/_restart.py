"""One restart: a pure function of its experiment and its number, resumable at every epoch."""

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from memrnn import checkpoints
from memrnn.errors import MemrnnError
from memrnn.experiment import Experiment
from memrnn.network import Network
from memrnn.padding import padded_lengths
from memrnn.parts import partition
from memrnn.precision import cast
from memrnn.training._data import Batches, Kind, draw_batches, draw_learning_rate, epoch_order
from memrnn.training._programs import (
    Learner,
    Programs,
    Strings,
    compile_programs,
    new_learner,
    read,
)
from memrnn.training._schedule import Schedule

Status = Literal["running", "done", "diverged"]


@dataclass(frozen=True)
class Epoch:
    """One line of a restart's curve; perplexities are per symbol, end-of-string included.

    Attributes:
        doubtful: number of validation strings of which rounding may have lost what matters.
    """

    train_perplexity: float
    validation_perplexity: float
    learning_rate: float
    doubtful: int = 0


@dataclass(frozen=True)
class Progress:
    """Where a restart stands.

    Attributes:
        status: "diverged" as soon as a parameter or the validation perplexity is not finite.
        bound: perplexity of the exact lower bound on the restart's own validation strings.
        best_epoch: number of the epoch with the smallest validation perplexity, from 1; 0 for
            the random start.
    """

    seed: int
    bound: float
    schedule: Schedule
    status: Status = "running"
    best_epoch: int = 0
    curve: tuple[Epoch, ...] = ()

    @property
    def epochs(self) -> int:
        return len(self.curve)

    @property
    def doubtful(self) -> int:
        """Number of doubtful validation strings at the best epoch."""
        return self.curve[self.best_epoch - 1].doubtful if self.best_epoch else 0

    @property
    def difference(self) -> float:
        """Best validation cross-entropy minus the bound's, nats per symbol: what selects."""
        return math.log(self.schedule.best) - math.log(self.bound)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> "Progress":
        return Progress(
            **values
            | {
                "schedule": Schedule(**values["schedule"]),
                "curve": tuple(Epoch(**epoch) for epoch in values["curve"]),
            }
        )


class Outcome(NamedTuple):
    """What an epoch has come to, before the restart takes it over.

    Attributes:
        learner: after the epoch.
        train_nats: of all training strings; nan where nothing is trained.
        finite: whether all parameters are.
        nats: of each validation string.
        doubtful: number of validation strings of which rounding may have lost what matters.
    """

    learner: Learner
    train_nats: float
    finite: bool
    nats: Float[np.ndarray, "batches batch"]
    doubtful: int


class Restart:
    """The state of one restart in training; `advance` runs one epoch and saves it."""

    def __init__(self, experiment: Experiment, number: int, path: Path):
        """Draws parameters and data, and takes up the checkpoint at `path` if there is one."""
        self.experiment, self.number, self.path = experiment, number, path
        recipe, law = experiment.recipe, experiment.law
        seed = experiment.restart_seed(number)
        network = experiment.definition.build(len(law.language.symbols), seed)
        network = cast(network, recipe.precision)
        trained, self.frozen = partition(network, experiment.freeze)
        self.learner = new_learner(trained, recipe.clip)
        self.best = network
        if path.exists():
            self._load()
        else:
            validation = self.batches["validation"]
            bound = law.lower_bound_perplexity(
                tokens[:, :length]
                for tokens, length in zip(validation.tokens, validation.lengths, strict=True)
            )
            self.progress = Progress(seed, bound, Schedule(draw_learning_rate(recipe, seed)))

    @cached_property
    def batches(self) -> dict[Kind, Batches]:
        """The restart's strings; drawn when they are needed, for loading needs none."""
        experiment = self.experiment
        seed = experiment.restart_seed(self.number)
        return draw_batches(experiment.law, experiment.recipe, seed)

    @cached_property
    def strings(self) -> dict[Kind, Strings]:
        """The same as the programs read them."""
        return {kind: read(self.learner, self.frozen, each) for kind, each in self.batches.items()}

    @property
    def network(self) -> Network:
        return eqx.combine(self.learner.trained, self.frozen)

    @property
    def finished(self) -> bool:
        """Whether another epoch would change nothing or is not asked for."""
        recipe, progress = self.experiment.recipe, self.progress
        return (
            progress.status == "diverged"
            or progress.epochs >= recipe.epochs
            or progress.schedule.stale >= recipe.stop_patience
            or (progress.epochs > 0 and not self.trains)
        )

    def compile(self) -> Programs:
        """The programs that train this restart and every other of its pack."""
        return compile_programs(
            self.learner,
            self.frozen,
            self.strings["train"],
            self.strings["validation"],
            clip=self.experiment.recipe.clip,
            buckets=padded_lengths(self.experiment.law),
        )

    @property
    def trains(self) -> bool:
        """Whether there is anything to train: not with every part frozen."""
        return bool(jax.tree.leaves(self.learner.trained))

    def next_epoch(self) -> tuple[Int[np.ndarray, " batches"], Float[np.ndarray, ""]]:
        """The order of the batches in the next epoch, and its learning rate."""
        recipe, progress = self.experiment.recipe, self.progress
        order = epoch_order(recipe.batches, progress.seed, progress.epochs)
        return order, np.asarray(progress.schedule.rate, jnp.dtype(recipe.precision))

    def advance(self, programs: Programs) -> None:
        """One epoch: shuffle, train, validate, schedule, save."""
        self.record(self._compute(programs))

    def _compute(self, programs: Programs) -> Outcome:
        learner, train_nats, finite = self.learner, math.nan, True
        if self.trains:
            learner, nats, all_finite = programs.epoch(
                learner, self.frozen, self.strings["train"], *self.next_epoch()
            )
            train_nats, finite = float(nats), bool(all_finite)
        nats, doubtful = programs.validate(learner.trained, self.frozen, self.strings["validation"])
        return Outcome(learner, train_nats, finite, np.asarray(nats), int(doubtful))

    def record(self, outcome: Outcome) -> None:
        """Takes over what an epoch has come to: the schedule's next state, the checkpoint."""
        progress, batches = self.progress, self.batches
        self.learner = outcome.learner
        nats = float(np.sum(np.asarray(outcome.nats, np.float64)))
        perplexity = _perplexity(nats / batches["validation"].symbols)
        train_perplexity = _perplexity(outcome.train_nats / batches["train"].symbols)
        epoch = Epoch(train_perplexity, perplexity, progress.schedule.rate, outcome.doubtful)
        schedule = progress.schedule.after(perplexity, self.experiment.recipe)
        improved = schedule.stale == 0
        self.progress = dataclasses.replace(
            progress,
            schedule=schedule,
            status="running" if outcome.finite and math.isfinite(perplexity) else "diverged",
            best_epoch=progress.epochs + 1 if improved else progress.best_epoch,
            curve=(*progress.curve, epoch),
        )
        if improved:
            self.best = self.network
        self._settle()
        self._save()
        if self.finished:
            # A pack lasts longer than its restarts, and hidden states can be large.
            vars(self).pop("strings", None)

    def _save(self) -> None:
        arrays = {
            **checkpoints.arrays_of(self.network, "network"),
            **checkpoints.arrays_of(self.best, "best"),
            **checkpoints.arrays_of(self.learner.moments, "moments"),
        }
        record = {
            "experiment": self.experiment.identity(),
            "restart": self.number,
            "progress": self.progress.to_json(),
        }
        checkpoints.save(self.path, arrays, record)

    def _load(self) -> None:
        arrays, record = checkpoints.load(self.path)
        if (record["experiment"], record["restart"]) != (
            self.experiment.identity(),
            self.number,
        ):
            raise MemrnnError(f"{self.path} belongs to another experiment or restart.")
        self.progress = Progress.from_json(record["progress"])
        network = checkpoints.restore(self.network, "network", arrays)
        moments = checkpoints.restore(self.learner.moments, "moments", arrays)
        trained, self.frozen = partition(network, self.experiment.freeze)
        self.learner = Learner(trained, moments)
        self.best = checkpoints.restore(self.best, "best", arrays)
        # A restart that was done is not, if more epochs are asked for than then.
        self._settle()

    def _settle(self) -> None:
        if self.progress.status != "diverged":
            status = "done" if self.finished else "running"
            self.progress = dataclasses.replace(self.progress, status=status)


def _perplexity(nats: float) -> float:
    """exp, infinite where it overflows."""
    return math.exp(nats) if nats < 709 else math.inf if nats == nats else math.nan
