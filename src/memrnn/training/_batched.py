"""Restarts of one experiment in one program, each on a slot of a new first axis: for GPUs."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from memrnn.experiment import Experiment
from memrnn.precision import scope
from memrnn.tasks import Data, Scores, of_items, total
from memrnn.training._programs import Learner, Plan, Programs, compile_together
from memrnn.training._restart import Outcome, Restart

RESERVE = 0.2
"""Share of the free memory that is left free: for what else a worker computes, and for gaps."""


class Pack:
    """Trains restarts of one experiment side by side, in programs with a slot for each.

    A restart comes and goes between epochs, and what it ends in does not depend on its
    neighbours, beyond rounding. A program for fewer slots is compiled when at most half of them
    are in use, so that slots without a restart never cost more than those with one.
    """

    def __init__(self, experiment: Experiment):
        self.experiment = experiment
        self.slots = 0
        self._restarts: list[Restart] = []
        self._fixed: tuple[Any, Data, list[Any]] | None = None
        self._programs: dict[int, Programs] = {}

    def compute(self, restarts: Sequence[Restart]) -> list[Outcome]:
        """The next epoch of each restart, which is to take it over by `Restart.record`."""
        with scope(self.experiment.config.precision):
            # A slot without a restart repeats the last one.
            slots = next_slots(self.slots, len(restarts))
            chosen = [*restarts, *[restarts[-1]] * (slots - len(restarts))]
            frozen, data, batches = self._upload(chosen)
            learner: Learner = _stack([one.learner for one in chosen])
            plan: Plan = _stack([_widest(one.plan()) for one in chosen])
            programs = self._compile(slots, (learner, frozen, data, plan))
            finite, train = np.full(slots, True), {}
            if chosen[0].trains:
                learner, train, finite = programs.epoch(learner, frozen, data, plan)
            task = self.experiment.task
            carry = _stack([task.carry(one.network) for one in chosen])
            scores: list[Scores] = []
            for batch in batches:
                following, scored = programs.score(learner.trained, frozen, carry, batch)
                carry = following if chosen[0].validation.carries else carry
                scores.append(scored)
            every = jax.device_get((learner, train, scores, finite))
            return [_outcome(every, restart, slot) for slot, restart in enumerate(restarts)]

    def _compile(self, slots: int, arguments: Any) -> Programs:
        if slots not in self._programs:
            self._programs[slots] = compile_together(
                self.experiment.task, self.experiment.config.max_grad_norm, arguments
            )
        return self._programs[slots]

    def _upload(self, chosen: list[Restart]) -> tuple[Any, Data, list[Any]]:
        """What no epoch changes; moved to the device when other restarts come."""
        if self._fixed is None or self._restarts != chosen:
            self.slots, self._restarts, self._fixed = len(chosen), chosen, None
            data = Data(_stack([one.data.own for one in chosen]), chosen[0].data.shared)
            batches = [
                _stack(pieces)
                for pieces in zip(*(one.validation.batches for one in chosen), strict=True)
            ]
            frozen = _stack([one.frozen for one in chosen])
            self._fixed = jax.device_put((frozen, data, batches))
        assert self._fixed is not None
        return self._fixed


def next_slots(slots: int, restarts: int) -> int:
    """Slots of a pack: enough for all restarts, halved as long as at most half are in use."""
    slots = max(slots, restarts)
    while restarts <= slots // 2:
        slots //= 2
    return slots


def measure_slots(experiment: Experiment) -> int | None:
    """How many restarts of an experiment fit into what is free of the device's memory.

    None if the device does not say, as CPUs do not.
    """
    stats: dict[str, int] | None = jax.devices()[0].memory_stats()
    if not stats or "bytes_limit" not in stats:
        return None
    with scope(experiment.config.precision):
        restart = Restart(experiment, 0)
        one, two = (bytes_needed(restart, slots) for slots in (1, 2))
    return restarts_that_fit(one, two, stats["bytes_limit"] - stats["bytes_in_use"])


def bytes_needed(restart: Restart, slots: int) -> int:
    """Bytes that the epoch's program takes for so many restarts like this one, as XLA says."""
    chosen = [restart] * slots
    data = Data(_stack([one.data.own for one in chosen]), restart.data.shared)
    learner, frozen = (_stack([each] * slots) for each in (restart.learner, restart.frozen))
    programs = compile_together(
        restart.experiment.task,
        restart.experiment.config.max_grad_norm,
        (learner, frozen, data, _stack([_widest(restart.plan())] * slots)),
    )
    sizes: Any = programs.epoch.memory_analysis()  # type: ignore[attr-defined]
    return sizes.argument_size_in_bytes + sizes.temp_size_in_bytes + sizes.output_size_in_bytes


def restarts_that_fit(one: int, two: int, free: int, reserve: float = RESERVE) -> int:
    """How many restarts fit at a time, at least 1: each more takes what the second takes.

    Args:
        one, two: bytes that packs of one and of two restarts need.
        free: bytes of free memory, of which the share `reserve` shall stay free.
    """
    return 1 + max(0, int((free * (1 - reserve) - one) // max(1, two - one)))


def _stack(trees: Sequence[Any]) -> Any:
    """One tree of arrays, on the host, with a new first axis over the trees."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def _widest(plan: Plan) -> Plan:
    return plan._replace(widths=np.zeros_like(plan.widths))


def _outcome(every: Any, restart: Restart, slot: int) -> Outcome:
    learner, train, scores, finite = jax.tree.map(lambda leaf: leaf[slot], every)
    validation = total(of_items(restart.validation, scores))
    return Outcome(jax.device_put(learner), total(train), validation, bool(finite))
