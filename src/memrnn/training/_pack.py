"""Restarts that train side by side in one program, each in a slot of a new first axis: for GPUs."""

import functools
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from memrnn.nn.components import COMPONENTS, by_component
from memrnn.nn.network import Network
from memrnn.runtime import checkpoints
from memrnn.runtime.devices import compiled, policy
from memrnn.runtime.digests import array_digest
from memrnn.runtime.precision import scope
from memrnn.tasks import Data, Scores, item_scores, total
from memrnn.training._programs import Plan, ProgramKey, epoch, initial_moments, zeros_like
from memrnn.training._restart import Checkpoint, Restart, TrainingState


class Slots(NamedTuple):
    """What a pack holds on the device; every leaf has a first axis of slots.

    Attributes:
        state: also of frozen components, whose moments and average do not count.
        own: `Data.own`.
        batches: of the validation set.
    """

    state: TrainingState
    own: Any
    batches: list[Any]


def pack_key(restart: Restart) -> tuple[Any, ...]:
    """What must agree for restarts to share a pack; it draws the restart's data."""
    arrays = restart.network, restart.data, list(restart.validation.batches)
    leaves, structure = jax.tree.flatten(arrays)
    return (
        _program_key(restart),
        restart.experiment.config.precision,
        restart.experiment.config.averages,
        restart.validation.carries,
        structure,
        tuple((np.shape(leaf), np.dtype(leaf.dtype).name) for leaf in leaves),
        tuple(array_digest(np.asarray(leaf)) for leaf in jax.tree.leaves(restart.data.shared)),
    )


class Pack:
    """Trains restarts side by side, of one experiment or of several that share a program.

    A restart enters and leaves between epochs. What it ends in does not depend on the other
    restarts, and on the number of slots by rounding only. While a restart has a slot, its arrays
    are there, and only its progress is kept up to date in the `Restart`.

    Attributes:
        restarts: by slot; None for a free one.
        seconds: that the program of the epochs took so far, its compilation included.
    """

    def __init__(self, first: Restart, slots: int):
        """A pack for restarts like the first one, which is not yet in it."""
        self.key = pack_key(first)
        self.restarts: list[Restart | None] = [None] * slots
        self.seconds = 0.0
        self._precision = first.experiment.config.precision
        self._static = _program_key(first), first.validation.carries, min(slots, policy().validated)
        self._shared = jax.device_put(first.data.shared)
        with scope(self._precision):
            row = _row(first)
            rows = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (slots, *leaf.shape)), row)
            self._slots: Slots = jax.device_put(rows)

    @property
    def active(self) -> list[Restart]:
        """The restarts in it, in the order of their slots."""
        return [restart for restart in self.restarts if restart is not None]

    def admits(self, restart: Restart) -> bool:
        """Whether there is a slot for the restart, and it shares the pack's program."""
        return None in self.restarts and pack_key(restart) == self.key

    def insert(self, restart: Restart) -> None:
        """Gives the restart a free slot."""
        slot = self.restarts.index(None)
        with scope(self._precision):
            self._slots = _set_row(self._slots, _row(restart), np.int32(slot))
        self.restarts[slot] = restart

    def remove(self, restart: Restart) -> None:
        """Frees the restart's slot; it has its arrays again."""
        slot = self.restarts.index(restart)
        with scope(self._precision):
            row = _select(self._slots.state, np.int32(slot))
            restart.replace_arrays(checkpoints.arrays_of(row))
        self.restarts[slot] = None

    def halve(self) -> None:
        """Moves the restarts, at most half as many as there are slots, into half of the slots."""
        used = [slot for slot, restart in enumerate(self.restarts) if restart is not None]
        size = max(1, len(self.restarts) // 2)
        assert len(used) <= size
        rows = np.array((used + [0] * size)[:size], np.int32)
        with scope(self._precision):
            self._slots = _select(self._slots, rows)
        self.restarts = [*self.active, *[None] * (size - len(used))]

    def checkpoints(self) -> list[Checkpoint]:
        """What the checkpoint of every restart holds now."""
        stacked = checkpoints.arrays_of(self._slots.state)
        return [
            # Moments and average of frozen components are no part of a checkpoint.
            restart.checkpoint({name: np.asarray(stacked[name][slot]) for name in restart.arrays()})
            for slot, restart in enumerate(self.restarts)
            if restart is not None
        ]

    def advance(self) -> None:
        """The next epoch of every restart."""
        with scope(self._precision):
            filler = _plan(self.active[0])  # for free slots
            plans = [filler if one is None else _plan(one) for one in self.restarts]
            plan = jax.tree.map(lambda *leaves: np.stack(leaves), *plans)
            begin = time.perf_counter()
            network, moments, average, carry, mean, *results = _epoch_of_all()(
                *self._static, self._slots, self._shared, plan
            )
            jax.block_until_ready(results)
            self.seconds += time.perf_counter() - begin
            results = jax.device_get(results)
            validated = network if mean is None else mean
            improved = np.zeros(len(self.restarts), bool)
            for slot, restart in enumerate(self.restarts):
                if restart is None:
                    continue
                row = jax.tree.map(lambda leaf, slot=slot: leaf[slot], results)
                train, validation, finite = row
                improved[slot] = restart.finish_epoch(
                    total(train) if restart.trains else {},
                    total(item_scores(restart.validation, validation)),
                    bool(finite),
                    functools.partial(_select, validated, np.int32(slot)),
                )
            best = _choose_best(improved, validated, self._slots.state.best)
            state = TrainingState(network, best, moments, carry, average)
            self._slots = self._slots._replace(state=state)


def _program_key(restart: Restart) -> ProgramKey:
    """On the slot axis a choice of widths would compute all, as that of `discrete_from` does."""
    return restart.program_key._replace(widths=restart.experiment.task.widths[-1:])


def _plan(restart: Restart) -> Plan:
    frozen = restart.experiment.freeze
    trains = np.array([component not in frozen for component in COMPONENTS])
    plan = restart.plan()
    return plan._replace(widths=np.zeros_like(plan.widths), trains=trains)


def _row(restart: Restart) -> Slots:
    """What a restart brings into its slot, on the host."""
    known = restart.arrays()

    def stored(field: str, zeros: Any) -> Any:
        """Those of trained components, with zeros for the others."""
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: known.get(f"{field}{jax.tree_util.keystr(path)}", leaf), zeros
        )

    moments = stored("optimizer", initial_moments(restart.network, restart.experiment.config))
    network, best, _, carry, average = restart.state
    network, best, carry = jax.device_get((network, best, carry))
    if average is not None:
        average = stored("average", zeros_like(network))
    state = TrainingState(network, best, moments, carry, average)
    return Slots(state, restart.data.own, list(restart.validation.batches))


@compiled(static_argnums=(0, 1, 2))
def _epoch_of_all(
    key: ProgramKey, carries: bool, validated: int, slots: Slots, shared: Any, plan: Plan
) -> tuple[Network, Any, Any, Any, Network | None, Scores, list[Scores], Array]:
    """An epoch of every slot.

    Args:
        carries: whether the state goes from one batch of the validation set to the next.
        validated: slots that are validated at a time.

    Returns:
        Networks, states of the optimiser, averages, what is carried, the networks that were
        validated if there are averages, scores of training and of validation, and whether all
        parameters are finite.
    """
    task = key.traced.task

    def train(slots: Slots, plan: Plan) -> Any:
        nothing = jax.tree.map(lambda _: None, slots.state.network)
        data = Data(slots.own, shared)
        network, _, moments, carry, average = slots.state
        network, moments, average, *rest = epoch(
            key, network, moments, average, carry, nothing, data, plan
        )
        if average is None:
            return network, moments, None, None, *rest
        averaged = jnp.asarray(plan.trains) & (jnp.asarray(plan.averaged) >= 0)
        return network, moments, average, by_component(averaged, average, network), *rest

    def validate(arguments: tuple[Network, list[Any]]) -> list[Scores]:
        network, batches = arguments
        carry, results = task.evaluation_carry(network), list[Scores]()
        for batch in batches:
            next_carry, scores = task.score(network, carry, batch)
            carry = next_carry if carries else carry
            results.append(scores)
        return results

    network, moments, average, mean, carry, scores, finite = jax.vmap(train)(slots, plan)
    networks = network if mean is None else mean
    validation = jax.lax.map(validate, (networks, slots.batches), batch_size=validated)
    return network, moments, average, carry, mean, scores, validation, finite


@jax.jit
def _choose_best(improved: Bool[Array, " slots"], network: Network, best: Network) -> Network:
    """The best networks after an epoch."""
    return jax.vmap(
        lambda better, new, old: jax.tree.map(lambda a, b: jnp.where(better, a, b), new, old)
    )(improved, network, best)


@jax.jit
def _set_row(slots: Slots, row: Slots, slot: Int[Array, ""]) -> Slots:
    return jax.tree.map(lambda leaf, values: leaf.at[slot].set(values), slots, row)


@jax.jit
def _select(slots: Any, rows: Int[Array, "..."]) -> Any:
    """A row, or several."""
    return jax.tree.map(lambda leaf: leaf[rows], slots)
