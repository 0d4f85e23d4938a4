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

MATMUL = {"float32": "highest", "tf32": "tensorfloat32"}
"""What JAX calls the precisions of products."""


class ProgramKey(NamedTuple):
    """What an epoch's program is compiled for, beside the shapes of its arrays.

    Attributes:
        widths: to which batches are cut; `Plan.widths` holds indices of these.
        max_grad_norm, matmul_precision: as `TrainingConfig` has them.
    """

    traced: Traced
    widths: tuple[int, ...]
    max_grad_norm: float
    matmul_precision: str


class Plan(NamedTuple):
    """What the host sends for an epoch.

    Attributes:
        items, widths: as `Task.plan` gives them, [updates, ...].
        rate: learning rate.
        key: of the run, two words; update number u draws from `fold_in(key, u)`.
        first: number of the epoch's first update.
        trains: per component, whether it is trained; None where the trained network holds nothing
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


def initial_moments(network: Network, max_grad_norm: float) -> Any:
    """The optimiser's state before the first update: zeros, made on the host."""
    shapes = jax.eval_shape(optimizer(max_grad_norm).init, network)
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)


def epoch(
    key: ProgramKey, trained: Network, moments: Any, frozen: Network, data: Data, plan: Plan
) -> tuple[Network, Any, Scores, Array]:
    """One pass over the training batches, one update per batch.

    Args:
        trained, frozen: a network, split as by `partition`.
        moments: the optimiser's state for `trained`.

    Returns:
        The next `trained` and `moments`, scores per update and item, and whether all parameters
        are finite.
    """
    task = key.traced.task
    update = optimizer(key.max_grad_norm).update
    run_key = jax.random.wrap_key_data(jnp.asarray(plan.key))

    def gradient(width: int) -> Callable:
        def loss(trained: Network, carry: Any, item: Any, key: Array) -> Any:
            batch = task.batch(data, item, width)
            return task.loss(eqx.combine(trained, frozen), carry, batch, key)

        def loss_gradient(*arguments: Any) -> Any:
            with jax.default_matmul_precision(MATMUL[key.matmul_precision]):
                return jax.grad(loss, has_aux=True)(*arguments)

        return loss_gradient

    gradients_by_width = [gradient(width) for width in key.widths]

    def choose(trained: Network, other: Network) -> Network:
        """The components that are trained from the first network, the others from the second."""
        if plan.trains is None:
            return trained
        return by_component(jnp.asarray(plan.trains), trained, other)

    def step(state: tuple[Network, Any, Any], inputs: Any) -> tuple[Any, Scores]:
        (network, moments, carry), (item, width, number) = state, inputs
        gradients, (carry, scores) = jax.lax.switch(
            width, gradients_by_width, network, carry, item, jax.random.fold_in(run_key, number)
        )
        gradients = choose(gradients, jax.tree.map(jnp.zeros_like, gradients))
        # Optax mixes the number of steps, an integer, with floats.
        with jax.numpy_dtype_promotion("standard"):
            directions, new_moments = update(gradients, moments)
        updated = jax.tree.map(lambda p, d: p - plan.rate * d, network, directions)
        if plan.trains is not None:
            # Where nothing is trained, no step is counted.
            some = jnp.any(plan.trains)
            new_moments = jax.tree.map(lambda a, b: jnp.where(some, a, b), new_moments, moments)
        return (choose(updated, network), new_moments, carry), scores

    carry = task.carry(eqx.combine(trained, frozen))
    numbers = plan.first + jnp.arange(task.updates, dtype=plan.first.dtype)
    (trained, moments, _), scores = jax.lax.scan(
        step, (trained, moments, carry), (plan.items, plan.widths, numbers)
    )
    finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(trained)]
    return trained, moments, scores, functools.reduce(jnp.logical_and, finite, jnp.array(True))


epoch_program = compiled(static_argnums=0)(epoch)
"""Returns `epoch` as a program, compiled once for restarts whose arrays have the same shapes."""
