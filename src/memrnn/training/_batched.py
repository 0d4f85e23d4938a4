"""Restarts of one experiment in one program, each at a place of a batch axis: for GPUs."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from memrnn.experiment import Experiment
from memrnn.network import Network
from memrnn.padding import padded_lengths
from memrnn.parts import partition
from memrnn.precision import cast, scope
from memrnn.training._data import Batches
from memrnn.training._programs import (
    Learner,
    Programs,
    Strings,
    compile_programs,
    new_learner,
    read,
)
from memrnn.training._restart import Outcome, Restart

RESERVE = 0.2
"""Share of the free memory that is left free: for what else a worker computes, and for gaps."""


class _Fixed(NamedTuple):
    """What of the restarts of a pack no epoch changes, on the device, places first.

    Attributes:
        frozen: the frozen parts.
        train, validation: the strings.
    """

    frozen: Network
    train: Strings
    validation: Strings


class Pack:
    """Trains restarts of one experiment side by side, in programs with a place for each.

    A restart comes and goes between epochs, and what it ends in does not depend on its
    neighbours, beyond rounding. A program for fewer places is compiled when at most half of them
    are in use, so that places without a restart never cost more than those with one.
    """

    def __init__(self, experiment: Experiment):
        self.experiment = experiment
        self.places = 0
        self._lives: list[Restart] = []
        self._fixed: _Fixed | None = None

    def compute(self, lives: Sequence[Restart]) -> list[Outcome]:
        """The next epoch of each restart, which is to take it over by `Restart.record`."""
        with scope(self.experiment.recipe.precision):
            # A place without a restart repeats the last one.
            places = next_places(self.places, len(lives))
            seats = [*lives, *[lives[-1]] * (places - len(lives))]
            programs = compile_together(self.experiment, places)
            fixed = self._seat(seats)
            learner: Learner = _stack([life.learner for life in seats])
            train_nats, finite = np.full(places, np.nan), np.full(places, True)
            if seats[0].trains:
                order, rate = _stack([life.next_epoch() for life in seats])
                learner, train_nats, finite = programs.epoch(
                    learner, fixed.frozen, fixed.train, order, rate
                )
            nats, doubtful = programs.validate(learner.trained, fixed.frozen, fixed.validation)
            every = jax.device_get((learner, train_nats, finite, nats, doubtful))
            return [_outcome(every, place) for place in range(len(lives))]

    def _seat(self, seats: list[Restart]) -> _Fixed:
        """What does not change of these restarts; moved to the device when other ones come."""
        if self._fixed is None or self._lives != seats:
            self.places, self._lives, self._fixed = len(seats), seats, None
            fixed = _Fixed(
                _stack([life.frozen for life in seats]),
                _stack([life.strings["train"] for life in seats]),
                _stack([life.strings["validation"] for life in seats]),
            )
            self._fixed = _Fixed(*jax.device_put(fixed))
        return self._fixed


def next_places(places: int, lives: int) -> int:
    """Places of a pack: enough for all that live, halved as long as at most half are in use."""
    places = max(places, lives)
    while lives <= places // 2:
        places //= 2
    return places


@functools.lru_cache(maxsize=32)
def compile_together(experiment: Experiment, places: int) -> Programs:
    """The programs that train so many restarts of an experiment at a time."""
    recipe, law = experiment.recipe, experiment.law

    with scope(recipe.precision):
        network = experiment.definition.build(len(law.language.symbols), seed=0)
        trained, frozen = partition(cast(network, recipe.precision), experiment.freeze)
        learner = new_learner(trained, recipe.clip)

        def shape(count: int) -> Strings:
            tokens = np.zeros((count, recipe.batch_size, padded_lengths(law)[-1]), np.int32)
            batches = Batches(tokens, np.zeros(count, np.int32))
            return jax.eval_shape(lambda: read(learner, frozen, batches))

        return compile_programs(
            learner,
            frozen,
            shape(recipe.batches),
            shape(recipe.validation_batches),
            clip=recipe.clip,
            buckets=padded_lengths(law),
            places=places,
        )


def bytes_needed(programs: Programs) -> int:
    """Bytes that a pack takes on its device, by XLA's own numbers.

    The arguments of both programs, since the strings stay where they are, and beside them what
    the greedier one computes with.
    """
    sizes: list[Any] = [program.memory_analysis() for program in programs]
    return sum(size.argument_size_in_bytes for size in sizes) + max(
        size.temp_size_in_bytes + size.output_size_in_bytes for size in sizes
    )


def restarts_that_fit(one: int, two: int, free: int, reserve: float = RESERVE) -> int:
    """How many restarts fit at a time, at least 1: each more takes what the second takes.

    Args:
        one, two: bytes that packs of one and of two restarts need.
        free: bytes of free memory, of which the share `reserve` shall stay free.
    """
    return 1 + max(0, int((free * (1 - reserve) - one) // max(1, two - one)))


def measure_places(experiment: Experiment) -> int | None:
    """How many restarts of an experiment fit into what is free of the device's memory.

    None if the device does not tell, as CPUs do not.
    """
    stats: dict[str, int] | None = jax.devices()[0].memory_stats()
    if not stats or "bytes_limit" not in stats:
        return None
    one, two = (bytes_needed(compile_together(experiment, places)) for places in (1, 2))
    return restarts_that_fit(one, two, stats["bytes_limit"] - stats["bytes_in_use"])


def _stack(trees: Sequence[Any]) -> Any:
    """One tree of arrays, on the host, with a new first axis over the trees."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def _outcome(every: Any, place: int) -> Outcome:
    learner, train_nats, finite, nats, doubtful = jax.tree.map(lambda leaf: leaf[place], every)
    return Outcome(jax.device_put(learner), float(train_nats), bool(finite), nats, int(doubtful))
