"""One pass over the training batches: what all restarts train by, one at a time or in slots."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from memrnn.nn.components import by_component
from memrnn.nn.network import Network
from memrnn.runtime.devices import compiled
from memrnn.tasks import Data, Scores, Traced
from memrnn.training._experiment import TrainingConfig

MATMUL = {"float32": "highest", "tf32": "tensorfloat32"}
"""What JAX calls the precisions of products."""


class Learner(NamedTuple):
    """What an epoch changes: the trained components of a network and the optimiser's state."""

    trained: Network
    optimizer: Any


class Rule(NamedTuple):
    """What an epoch's program needs of the configuration.

    Attributes:
        max_grad_norm, matmul_precision: as `TrainingConfig` has them.
    """

    max_grad_norm: float
    matmul_precision: str

    @staticmethod
    def of(config: TrainingConfig) -> "Rule":
        return Rule(config.max_grad_norm, config.matmul_precision)


class Plan(NamedTuple):
    """What an epoch is told by the host.

    Attributes:
        items, widths: as `Task.plan` gives them, [updates, ...].
        rate: learning rate.
        key: of the run, two words; update number u draws from `fold_in(key, u)`.
        first: number of the epoch's first update.
        trains: per component, whether it is trained; None where `Learner.trained` holds nothing
            else.
    """

    items: Any
    widths: Int[np.ndarray, " updates"]
    rate: Float[np.ndarray, ""]
    key: np.ndarray
    first: np.ndarray
    trains: Bool[np.ndarray, " components"] | None = None


def optimizer(max_grad_norm: float) -> Any:
    """Adam's direction after clipping by the global norm; the rate is applied by the caller.

    An `optax.GradientTransformation`, whose types do not know that a module is a tree of arrays.
    """
    return optax.chain(optax.clip_by_global_norm(max_grad_norm), optax.scale_by_adam())


def new_learner(trained: Network, max_grad_norm: float) -> Learner:
    """A learner before its first update; Adam's moments are zeros, made on the host."""
    shapes = jax.eval_shape(optimizer(max_grad_norm).init, trained)
    zeros = jax.tree.map(lambda leaf: jax.device_put(np.zeros(leaf.shape, leaf.dtype)), shapes)
    return Learner(trained, zeros)


def only_output_trains(trained: Network) -> bool:
    """Whether hidden states are the same in every epoch."""
    before = trained.embedding, trained.controller, trained.memory
    return not any(leaf.size for leaf in jax.tree.leaves(before))


def epoch(
    traced: Traced,
    widths: tuple[int, ...],
    rule: Rule,
    learner: Learner,
    frozen: Network,
    data: Data,
    plan: Plan,
) -> tuple[Learner, Scores, Array]:
    """One pass over the training batches, one update per batch.

    Args:
        widths: to which batches are cut; `plan.widths` counts in them.

    Returns:
        The next learner, scores per update and item, and whether all parameters are finite.
    """
    task = traced.task
    update = optimizer(rule.max_grad_norm).update
    key = jax.random.wrap_key_data(jnp.asarray(plan.key))

    def gradient(width: int) -> Callable:
        def loss(trained: Network, carry: Any, item: Any, key: Array) -> Any:
            batch = task.batch(data, item, width)
            return task.loss(eqx.combine(trained, frozen), carry, batch, key)

        def graded(*arguments: Any) -> Any:
            with jax.default_matmul_precision(MATMUL[rule.matmul_precision]):
                return jax.grad(loss, has_aux=True)(*arguments)

        return graded

    def choose(trained: Network, frozen: Network) -> Network:
        """The components that are trained from one network, the others from the other one."""
        return (
            trained
            if plan.trains is None
            else by_component(jnp.asarray(plan.trains), trained, frozen)
        )

    def step(state: tuple[Learner, Any], now: Any) -> tuple[tuple[Learner, Any], Scores]:
        (learner, carry), (item, width, number) = state, now
        gradients, (carry, scores) = jax.lax.switch(
            width,
            [gradient(width) for width in widths],
            learner.trained,
            carry,
            item,
            jax.random.fold_in(key, number),
        )
        gradients = choose(gradients, jax.tree.map(jnp.zeros_like, gradients))
        # Optax mixes the number of steps, an integer, with floats.
        with jax.numpy_dtype_promotion("standard"):
            directions, moments = update(gradients, learner.optimizer)
        trained = jax.tree.map(lambda p, d: p - plan.rate * d, learner.trained, directions)
        if plan.trains is not None:
            # Where nothing is trained, no step is counted.
            some = jnp.any(plan.trains)
            moments = jax.tree.map(lambda a, b: jnp.where(some, a, b), moments, learner.optimizer)
        trained = choose(trained, learner.trained)
        return (Learner(trained, moments), carry), scores

    carry = task.carry(eqx.combine(learner.trained, frozen))
    numbers = plan.first + jnp.arange(task.updates, dtype=plan.first.dtype)
    (learner, _), scores = jax.lax.scan(step, (learner, carry), (plan.items, plan.widths, numbers))
    finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(learner.trained)]
    return learner, scores, functools.reduce(jnp.logical_and, finite, jnp.array(True))


epoch_program = compiled(static_argnums=(0, 1, 2))(epoch)
"""Returns `epoch` as a program, compiled once for restarts whose arrays have the same shapes."""
