"""One pass over the training batches: what all restarts train by, one at a time or in slots."""

import dataclasses
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
from memrnn.nn.gate_noise import GateNoise
from memrnn.nn.network import Network
from memrnn.runtime.devices import compiled
from memrnn.runtime.precision import converted
from memrnn.tasks import Data, Scores, Traced
from memrnn.training._experiment import TrainingConfig

MATMUL = {"float32": "highest", "tf32": "tensorfloat32"}
"""What JAX calls the precisions of products."""


class ProgramKey(NamedTuple):
    """What an epoch's program is compiled for, beside the shapes of its arrays.

    Attributes:
        widths: to which batches are cut; `Plan.widths` holds indices of these.
        matmul_precision, optimizer, beta2, weight_decay, compute_precision: as `TrainingConfig`
            has them.
        continuous: structure, a `PyTreeDef`, of the network that trains before
            `TrainingConfig.discrete_from`; None where no other one than later does.
    """

    traced: Traced
    widths: tuple[int, ...]
    matmul_precision: str
    optimizer: str
    beta2: float
    weight_decay: float
    compute_precision: str = "same"
    continuous: Any = None


class Plan(NamedTuple):
    """What the host sends for an epoch.

    Attributes:
        items, widths: as `Task.plan` gives them, [updates, ...].
        rate: learning rate of each update.
        max_grad_norm: largest norm of a gradient.
        key: of the run, two words; update number u draws from `fold_in(key, u)`.
        first: number of the epoch's first update.
        fresh: whether the epoch begins with `Task.carry`, not with what the last one carried.
        discrete: whether each update is one of the discrete network; None where
            `ProgramKey.continuous` is.
        gate_noise: standard deviation of each update's noise on the gates; None for no noise.
        trains: per component, whether it is trained; None where the trained network holds nothing
            else.
        averaged: iterates in the mean before the epoch; -1 if there is none yet, and None where
            iterates are never averaged.
    """

    items: Any
    widths: Int[np.ndarray, " updates"]
    rate: Float[np.ndarray, " updates"]
    max_grad_norm: Float[np.ndarray, ""]
    key: np.ndarray
    first: np.ndarray
    fresh: Bool[np.ndarray, ""]
    discrete: Bool[np.ndarray, " updates"] | None = None
    gate_noise: Float[np.ndarray, " updates"] | None = None
    trains: Bool[np.ndarray, " components"] | None = None
    averaged: Int[np.ndarray, ""] | None = None


DIRECTIONS: dict[str, Callable[[float], Any]] = {
    "adam": lambda beta2: optax.scale_by_adam(b2=beta2),
    "rmsprop": lambda beta2: optax.scale_by_adam(b1=0.0, b2=beta2),
    "sgd": lambda _: optax.identity(),
}
"""What each optimiser makes of a gradient; the rate is applied by the caller."""


def transformation(optimizer: str, beta2: float, max_grad_norm: Any) -> Any:
    """Clips by the global norm, and gives the optimiser's direction.

    An `optax.GradientTransformation`, whose types do not know that a module is a tree of arrays.
    """
    clip: Any = optax.clip_by_global_norm(max_grad_norm)
    return optax.chain(clip, DIRECTIONS[optimizer](beta2))


def initial_moments(network: Network, config: TrainingConfig) -> Any:
    """The optimiser's state before the first update: zeros, made on the host."""
    chain = transformation(config.optimizer, config.beta2, 1.0)
    return zeros_like(jax.eval_shape(chain.init, network))


def zeros_like(tree: Any) -> Any:
    """Zeros of the shapes and types of all leaves, made on the host."""
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), tree)


def computing_network(network: Network, compute_precision: str) -> Network:
    """The network whose loss is differentiated, see `TrainingConfig.compute_precision`; traced."""
    return network if compute_precision == "same" else converted(network, compute_precision)


def epoch(
    key: ProgramKey,
    trained: Network,
    moments: Any,
    average: Network | None,
    carry: Any,
    frozen: Network,
    data: Data,
    plan: Plan,
) -> tuple[Network, Any, Network | None, Any, Scores, Array]:
    """The updates between two evaluation points.

    Args:
        trained, frozen: a network, split as by `partition`.
        moments: the optimiser's state for `trained`.
        average: the mean of the iterates so far, of the shapes of `trained`; before the first one
            zeros, and None where iterates are never averaged.
        carry: what the task carries from the last epoch, see `Task.continues`.

    Returns:
        The next `trained`, `moments`, `average` and `carry`, scores per update and item, and
        whether all parameters are finite.
    """
    task = key.traced.task
    update = transformation(key.optimizer, key.beta2, plan.max_grad_norm).update
    run_key = jax.random.wrap_key_data(jnp.asarray(plan.key))

    def computing(network: Network) -> Network:
        return computing_network(network, key.compute_precision)

    def gradient(width: int, structure: Any) -> Callable:
        def loss(trained: Network, carry: Any, item: Any, key: Array, noise: Array | None) -> Any:
            batch = task.batch(data, item, width)
            network = eqx.combine(trained, frozen)
            if structure is not None:
                network = jax.tree.unflatten(structure, jax.tree.leaves(network))
            if noise is not None:
                key, own = jax.random.split(key)
                network = dataclasses.replace(network, gate_noise=GateNoise(noise, own))
            return task.loss(computing(network), carry, batch, key)

        def loss_gradient(*arguments: Any) -> Any:
            with jax.default_matmul_precision(MATMUL[key.matmul_precision]):
                return jax.grad(loss, has_aux=True)(*arguments)

        return loss_gradient

    # Those of the discrete network, then those of the continuous one.
    structures = [None] if key.continuous is None else [None, key.continuous]
    gradients_by_kind = [gradient(width, one) for one in structures for width in key.widths]

    def choose(trained: Network, other: Network) -> Network:
        """The components that are trained from the first network, the others from the second."""
        if plan.trains is None:
            return trained
        return by_component(jnp.asarray(plan.trains), trained, other)

    def next_mean(average: Network, network: Network, number: Array) -> Network:
        """With the iterate after this update, if averaging has begun."""
        assert plan.averaged is not None
        count = plan.averaged + 1 + (number - plan.first).astype(jnp.int32)

        def of_leaf(mean: Array, iterate: Array) -> Array:
            following = mean + (iterate - mean) / count.astype(mean.dtype)
            return jnp.where(count > 0, following, mean)

        return jax.tree.map(of_leaf, average, network)

    def step(state: tuple[Network, Any, Any, Any], inputs: Any) -> tuple[Any, Scores]:
        (network, moments, average, carry), (item, chosen, number, rate, noise) = state, inputs
        update_key = jax.random.fold_in(run_key, number)
        gradients, (carry, scores) = jax.lax.switch(
            chosen, gradients_by_kind, network, carry, item, update_key, noise
        )
        if key.weight_decay:
            gradients = jax.tree.map(lambda g, p: g + key.weight_decay * p, gradients, network)
        gradients = choose(gradients, jax.tree.map(jnp.zeros_like, gradients))
        # Optax mixes the number of steps, an integer, with floats.
        with jax.numpy_dtype_promotion("standard"):
            directions, new_moments = update(gradients, moments, network)
        updated = jax.tree.map(lambda p, d: p - rate * d, network, directions)
        if plan.trains is not None:
            # Where nothing is trained, no step is counted.
            some = jnp.any(plan.trains)
            new_moments = jax.tree.map(lambda a, b: jnp.where(some, a, b), new_moments, moments)
        network = choose(updated, network)
        if average is not None:
            average = next_mean(average, network, number)
        return (network, new_moments, average, carry), scores

    begin = task.carry(computing(eqx.combine(trained, frozen)))
    carry = jax.tree.map(lambda new, old: jnp.where(plan.fresh, new, old), begin, carry)
    numbers = plan.first + jnp.arange(task.updates, dtype=plan.first.dtype)
    kinds = plan.widths
    if plan.discrete is not None:
        kinds = jnp.where(plan.discrete, kinds, kinds + len(key.widths))
    (trained, moments, average, carry), scores = jax.lax.scan(
        step,
        (trained, moments, average, carry),
        (plan.items, kinds, numbers, plan.rate, plan.gate_noise),
    )
    finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(trained)]
    all_finite = functools.reduce(jnp.logical_and, finite, jnp.array(True))
    return trained, moments, average, carry, scores, all_finite


epoch_program = compiled(static_argnums=0)(epoch)
"""Returns `epoch` as a program, compiled once for restarts whose arrays have the same shapes."""
