"""The compiled programs of a pack: one pass over the training batches, one over validation."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.stages import Compiled
from jaxtyping import Array, Float, Int

from memrnn.network import Network, losses, mark
from memrnn.training._data import Batches


class Learner(NamedTuple):
    """What an epoch changes: the trained part of a network and the optimiser's moments."""

    trained: Network
    moments: Any


class Programs(NamedTuple):
    """Compiled once for a pack; every restart of the pack calls them.

    Attributes:
        epoch: (learner, frozen, tokens, lengths, order, rate) -> (learner, training nats, all
            parameters finite).
        validate: (trained, frozen, tokens, lengths) -> nats of each string, number of strings of
            which rounding may have lost what matters.
    """

    epoch: Compiled
    validate: Compiled


def optimizer(clip: float) -> Any:
    """Adam's direction after clipping by the global norm; the rate is applied by the caller.

    An `optax.GradientTransformation`, whose types do not know that a module is a tree of arrays.
    """
    return optax.chain(optax.clip_by_global_norm(clip), optax.scale_by_adam())


def new_learner(trained: Network, clip: float) -> Learner:
    """A learner before its first update; Adam's moments are zeros, made on the host."""
    shapes = jax.eval_shape(optimizer(clip).init, trained)
    moments = jax.tree.map(lambda leaf: jax.device_put(np.zeros(leaf.shape, leaf.dtype)), shapes)
    return Learner(trained, moments)


def epoch(
    learner: Learner,
    frozen: Network,
    tokens: Int[Array, "batches batch longest"],
    lengths: Int[Array, " batches"],
    order: Int[Array, " batches"],
    rate: Float[Array, ""],
    *,
    clip: float,
    buckets: Sequence[int],
) -> tuple[Learner, Float[Array, ""], Array]:
    """One pass over the training batches, one update a batch.

    The loss of a batch is the mean over its strings of the sum of nats over the symbols.
    """
    update = optimizer(clip).update

    def gradient(longest: int) -> Callable:
        def loss(trained: Network, tokens: Array, lengths: Array) -> Array:
            nats, _ = losses(eqx.combine(trained, frozen), tokens[:, :longest], lengths)
            return jnp.sum(nats) / tokens.shape[0]

        return jax.value_and_grad(loss)

    def step(learner: Learner, batch: Array) -> tuple[Learner, Array]:
        batch_lengths = jnp.broadcast_to(lengths[batch], tokens.shape[1])
        bucket = jnp.searchsorted(jnp.asarray(buckets, lengths.dtype), lengths[batch])
        loss, gradients = jax.lax.switch(
            bucket,
            [gradient(longest) for longest in buckets],
            learner.trained,
            tokens[batch],
            batch_lengths,
        )
        # Optax mixes the number of steps, an integer, with floats.
        with jax.numpy_dtype_promotion("standard"):
            directions, moments = update(gradients, learner.moments)
        trained = jax.tree.map(lambda p, d: p - rate * d, learner.trained, directions)
        return Learner(trained, moments), loss

    learner, loss = jax.lax.scan(step, learner, order)
    finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(learner.trained)]
    all_finite = functools.reduce(jnp.logical_and, finite, jnp.array(True))
    return learner, jnp.sum(loss) * tokens.shape[1], all_finite


def validate(
    trained: Network,
    frozen: Network,
    tokens: Int[Array, "batches batch longest"],
    lengths: Int[Array, " batches"],
) -> tuple[Float[Array, "batches batch"], Int[Array, ""]]:
    """Nats of every validation string, all of them in one forward pass; how many are doubtful."""
    strings = tokens.reshape(-1, tokens.shape[2])
    each = jnp.repeat(lengths, tokens.shape[1])
    marked = mark(eqx.combine(trained, frozen), strings, each)
    return jnp.sum(marked.nats, axis=0).reshape(tokens.shape[:2]), jnp.sum(marked.doubtful)


def compile_programs(
    learner: Learner,
    frozen: Network,
    training: Batches,
    validation: Batches,
    *,
    clip: float,
    buckets: Sequence[int],
    places: int | None = None,
) -> Programs:
    """Compiles both programs for the shapes of these arguments.

    Args:
        places: None for programs of one restart; else they are for so many, which lie on a new
            first axis of every argument and every result.
    """
    rate = np.zeros((), eqx.combine(learner.trained, frozen).dtype)
    # On that axis a switch becomes a choice between the results of all its branches.
    buckets = tuple(buckets if places is None else buckets[-1:])
    one_epoch, one_validation = functools.partial(epoch, clip=clip, buckets=buckets), validate
    arguments: Any = (learner, frozen, training.tokens, training.lengths, training.lengths, rate)
    tested: Any = (learner.trained, frozen, validation.tokens, validation.lengths)
    if places is not None:
        one_epoch, one_validation = jax.vmap(one_epoch), jax.vmap(one_validation)
        arguments, tested = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((places, *leaf.shape), leaf.dtype),
            (arguments, tested),
        )
    return Programs(
        jax.jit(one_epoch).lower(*arguments).compile(),
        jax.jit(one_validation).lower(*tested).compile(),
    )
