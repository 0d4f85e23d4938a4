"""Restarts that train side by side in one program, each in a slot of a new first axis: for GPUs."""

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from memrnn.nn.components import COMPONENTS
from memrnn.nn.network import Network
from memrnn.runtime import checkpoints
from memrnn.runtime.devices import compiled, policy
from memrnn.runtime.precision import scope
from memrnn.tasks import Data, Scores, Traced, item_scores, total
from memrnn.training._programs import Learner, Plan, Rule, epoch, optimizer
from memrnn.training._restart import Outcome, Restart
from memrnn.training._start import BEST
from memrnn.training._writer import Checkpoint


class Slots(NamedTuple):
    """What a pack holds on the device; every leaf has a first axis of slots.

    Attributes:
        network: all parameters, those of frozen components, too.
        best: those of the best epoch.
        optimizer: the optimiser's state for all parameters.
        own: `Data.own`.
        batches: of the validation set.
    """

    network: Network
    best: Network
    optimizer: Any
    own: Any
    batches: list[Any]


class Key(NamedTuple):
    """What must agree for restarts to share a program: all that it is compiled for."""

    traced: Traced
    rule: Rule
    precision: str
    structure: Any
    shapes: tuple[Any, ...]
    carries: bool


def key_of(restart: Restart) -> Key:
    """The key of a restart; it draws the restart's data."""
    task, config = restart.experiment.task, restart.experiment.config
    arrays = restart.network, restart.data, list(restart.validation.batches)
    leaves, structure = jax.tree.flatten(arrays)
    return Key(
        Traced.of(task),
        Rule.of(config),
        config.precision,
        structure,
        tuple((np.shape(leaf), np.dtype(leaf.dtype).name) for leaf in leaves),
        restart.validation.carries,
    )


class Pack:
    """Trains restarts side by side, of one experiment or of several that share a program.

    A restart comes and goes between epochs. What it ends in does not depend on its neighbours,
    and on the number of slots by rounding only. While a restart has a slot, its arrays are there,
    and only its progress is kept up to date in the `Restart`.

    Attributes:
        restarts: by slot; None for a free one.
        seconds: that the program of the epochs took so far, its compilation included.
    """

    def __init__(self, first: Restart, slots: int):
        """A pack for restarts like the first one, which is not yet in it."""
        self.key = key_of(first)
        self.restarts: list[Restart | None] = [None] * slots
        self.seconds = 0.0
        config = first.experiment.config
        self._precision = config.precision
        self._shared = jax.device_put(first.data.shared)
        with scope(self._precision):
            row = _row(first)
            many = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (slots, *leaf.shape)), row)
            self._slots: Slots = jax.device_put(many)
        self._static = (
            Traced.of(first.experiment.task),
            Rule.of(config),
            _Validation(first.validation.carries, min(slots, policy().validated)),
        )

    @property
    def active(self) -> list[Restart]:
        """The restarts in it, in the order of their slots."""
        return [one for one in self.restarts if one is not None]

    def put(self, restart: Restart) -> None:
        """Gives the restart a free slot."""
        slot = self.restarts.index(None)
        with scope(self._precision):
            self._slots = _insert(self._slots, _row(restart), np.int32(slot))
        self.restarts[slot] = restart

    def admits(self, restart: Restart) -> bool:
        """Whether there is a slot for the restart, and it shares the pack's program."""
        return None in self.restarts and key_of(restart) == self.key

    def take(self, restart: Restart) -> None:
        """Takes the restart out of its slot; it has its arrays again."""
        slot = self.restarts.index(restart)
        with scope(self._precision):
            restart.replace_arrays(_arrays(_get(self._slots, np.int32(slot))))
        self.restarts[slot] = None

    def checkpoints(self) -> list[Checkpoint]:
        """What the checkpoint of every restart holds now."""
        every, found = _arrays(self._slots), list[Checkpoint]()
        for slot, restart in enumerate(self.restarts):
            if restart is None or restart.path is None:
                continue
            # Moments of frozen components are no part of a checkpoint.
            arrays = {name: np.asarray(every[name][slot]) for name in restart.arrays()}
            found.append(restart.checkpoint(arrays))
        return found

    def halve(self) -> None:
        """Moves the restarts, at most half as many as there are slots, into half of the slots."""
        taken = [slot for slot, one in enumerate(self.restarts) if one is not None]
        size = max(1, len(self.restarts) // 2)
        assert len(taken) <= size
        rows = np.array((taken + [0] * size)[:size], np.int32)
        with scope(self._precision):
            self._slots = _gather(self._slots, rows)
        kept = [self.restarts[slot] for slot in taken]
        self.restarts = [*kept, *[None] * (size - len(kept))]

    def advance(self) -> None:
        """The next epoch of every restart."""
        with scope(self._precision):
            plans = [None if one is None else _plan(one) for one in self.restarts]
            some = next(plan for plan in plans if plan is not None)
            plan = jax.tree.map(lambda *leaves: np.stack(leaves), *(one or some for one in plans))
            began = time.perf_counter()
            network, optimizer, *found = _epoch_of_all()(
                *self._static, self._slots, self._shared, plan
            )
            jax.block_until_ready(found)
            self.seconds += time.perf_counter() - began
            found = jax.device_get(found)
            improved = np.zeros(len(self.restarts), bool)
            for slot, restart in enumerate(self.restarts):
                if restart is None:
                    continue
                own = jax.tree.map(lambda leaf, slot=slot: leaf[slot], found)
                train, validation, finite = own
                outcome = Outcome(
                    total(train) if restart.trains else {},
                    total(item_scores(restart.validation, validation)),
                    bool(finite),
                )
                improved[slot] = restart.record(outcome)
            best = _keep(improved, network, self._slots.best)
            self._slots = self._slots._replace(network=network, best=best, optimizer=optimizer)


def _row(restart: Restart) -> Slots:
    """What a restart brings into its slot, on the host."""
    max_grad_norm = restart.experiment.config.max_grad_norm
    moments = jax.eval_shape(optimizer(max_grad_norm).init, restart.network)
    known = restart.arrays()

    def filled(path: Any, leaf: Any) -> np.ndarray:
        # Those of a frozen component are zero, and stay so.
        name = f"optimizer{jax.tree_util.keystr(path)}"
        return known.get(name, np.zeros(leaf.shape, leaf.dtype))

    network, best = jax.device_get((restart.network, restart.best))
    return Slots(
        network,
        best,
        jax.tree_util.tree_map_with_path(filled, moments),
        restart.data.own,
        list(restart.validation.batches),
    )


def _arrays(slots: Slots) -> dict[str, np.ndarray]:
    """The parameters and moments in slots, or in one, by their names in a checkpoint."""
    return {
        **checkpoints.arrays_of(slots.network, "network"),
        **checkpoints.arrays_of(slots.best, BEST),
        **checkpoints.arrays_of(slots.optimizer, "optimizer"),
    }


def _plan(restart: Restart) -> Plan:
    """What a restart's next epoch does; on the slot axis a choice of widths would compute all."""
    plan = restart.plan()
    frozen = restart.experiment.freeze
    trains = np.array([component not in frozen for component in COMPONENTS])
    return plan._replace(widths=np.zeros_like(plan.widths), trains=trains)


class _Validation(NamedTuple):
    """How a pack validates.

    Attributes:
        carries: whether the state goes from one batch to the next.
        at_once: slots that are validated at a time.
    """

    carries: bool
    at_once: int


@compiled(static_argnums=(0, 1, 2))
def _epoch_of_all(
    traced: Traced,
    rule: Rule,
    validation: _Validation,
    slots: Slots,
    shared: Any,
    plan: Plan,
) -> tuple[Network, Any, Scores, list[Scores], Array]:
    """An epoch of every slot.

    Returns:
        Networks, states of the optimiser, scores of training and of validation, and whether all
        parameters are finite.
    """
    task = traced.task

    def train(slots: Slots, shared: Any, plan: Plan) -> tuple[Learner, Scores, Array]:
        nothing = jax.tree.map(lambda _: None, slots.network)
        learner = Learner(slots.network, slots.optimizer)
        data = Data(slots.own, shared)
        return epoch(traced, task.widths[-1:], rule, learner, nothing, data, plan)

    def validate(arguments: tuple[Network, list[Any]]) -> list[Scores]:
        network, batches = arguments
        carry, found = task.carry(network), list[Scores]()
        for batch in batches:
            following, scores = task.score(network, carry, batch)
            carry = following if validation.carries else carry
            found.append(scores)
        return found

    learner, scores, finite = jax.vmap(train, in_axes=(0, None, 0))(slots, shared, plan)
    validated = jax.lax.map(
        validate, (learner.trained, slots.batches), batch_size=validation.at_once
    )
    return learner.trained, learner.optimizer, scores, validated, finite


@jax.jit
def _keep(improved: Bool[Array, " slots"], network: Network, best: Network) -> Network:
    """The best networks after an epoch."""
    return jax.vmap(
        lambda one, new, old: jax.tree.map(lambda a, b: jnp.where(one, a, b), new, old)
    )(improved, network, best)


@jax.jit
def _insert(slots: Slots, row: Slots, slot: Int[Array, ""]) -> Slots:
    return jax.tree.map(lambda many, one: many.at[slot].set(one), slots, row)


@jax.jit
def _gather(slots: Slots, rows: Int[Array, " half"]) -> Slots:
    return jax.tree.map(lambda leaf: leaf[rows], slots)


@jax.jit
def _get(slots: Slots, slot: Int[Array, ""]) -> Slots:
    return jax.tree.map(lambda leaf: leaf[slot], slots)
