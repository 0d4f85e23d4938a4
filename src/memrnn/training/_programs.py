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

from memrnn.network import HiddenStates, Marked, Network, mark_states
from memrnn.training._data import Batches


class Learner(NamedTuple):
    """What an epoch changes: the trained part of a network and the optimiser's moments."""

    trained: Network
    moments: Any


class Strings(NamedTuple):
    """What the programs read of batches of strings, batches first.

    Attributes:
        tokens, lengths: as in `Batches`.
        states: the hidden states of every string where they stay what they are, since only the
            classifier is trained.
    """

    tokens: Int[Array, "batches batch longest"]
    lengths: Int[Array, " batches"]
    states: HiddenStates | None


class Programs(NamedTuple):
    """Compiled once for a pack; every restart of the pack calls them.

    Attributes:
        epoch: (learner, frozen, strings, order, rate) -> (learner, training nats, all
            parameters finite).
        validate: (trained, frozen, strings) -> nats of each string, number of strings of
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


MOST_KEPT = 2**30
"""Bytes of hidden states that a restart keeps at most; more are computed anew in every epoch."""


def read(learner: Learner, frozen: Network, batches: Batches) -> Strings:
    """Batches as the programs read them.

    What comes before the classifier and is frozen says the same of a string in every epoch, so
    it is asked only once.
    """
    tokens, lengths = jax.device_put((batches.tokens, batches.lengths))
    network = eqx.combine(learner.trained, frozen)
    before = learner.trained.embedding, learner.trained.controller, learner.trained.memory
    size = network.controller.hidden_size * network.dtype.itemsize
    trains_before = any(leaf.size for leaf in jax.tree.leaves(before))
    if trains_before or tokens.size * size > MOST_KEPT:
        return Strings(tokens, lengths, None)
    return Strings(tokens, lengths, _every_state(network, tokens))


@jax.jit
def _every_state(network: Network, tokens: Int[Array, "batches batch longest"]) -> HiddenStates:
    """The hidden states of every batch, one after another: many at once need much memory."""
    return jax.lax.map(network.hidden_states, tokens)


def epoch(
    learner: Learner,
    frozen: Network,
    strings: Strings,
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
    size = strings.tokens.shape[1]

    def gradient(longest: int) -> Callable:
        def loss(trained: Network, batch: Strings) -> Array:
            batch = batch._replace(tokens=batch.tokens[:, :longest])
            return jnp.sum(_mark(eqx.combine(trained, frozen), batch).nats) / size

        return jax.value_and_grad(loss)

    def step(learner: Learner, number: Array) -> tuple[Learner, Array]:
        batch = jax.tree.map(lambda leaf: leaf[number], strings)
        bucket = jnp.searchsorted(jnp.asarray(buckets, batch.lengths.dtype), batch.lengths)
        batch = batch._replace(lengths=jnp.broadcast_to(batch.lengths, size))
        loss, gradients = jax.lax.switch(
            bucket, [gradient(longest) for longest in buckets], learner.trained, batch
        )
        # Optax mixes the number of steps, an integer, with floats.
        with jax.numpy_dtype_promotion("standard"):
            directions, moments = update(gradients, learner.moments)
        trained = jax.tree.map(lambda p, d: p - rate * d, learner.trained, directions)
        return Learner(trained, moments), loss

    learner, loss = jax.lax.scan(step, learner, order)
    finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(learner.trained)]
    all_finite = functools.reduce(jnp.logical_and, finite, jnp.array(True))
    return learner, jnp.sum(loss) * size, all_finite


def validate(
    trained: Network, frozen: Network, strings: Strings
) -> tuple[Float[Array, "batches batch"], Int[Array, ""]]:
    """Nats of every validation string, all of them in one forward pass; how many are doubtful."""
    count, size, longest = strings.tokens.shape
    states = strings.states and HiddenStates(
        jnp.moveaxis(strings.states.hidden, 0, 1).reshape(longest + 1, count * size, -1),
        strings.states.doubt.reshape(-1),
    )
    lengths = jnp.repeat(strings.lengths, size)
    together = Strings(strings.tokens.reshape(-1, longest), lengths, states)
    marked = _mark(eqx.combine(trained, frozen), together)
    return jnp.sum(marked.nats, axis=0).reshape(count, size), jnp.sum(marked.doubtful)


def _mark(network: Network, strings: Strings) -> Marked:
    """`mark` of one batch, from its hidden states if they are at hand."""
    tokens, lengths, states = strings
    states = states or network.hidden_states(tokens)
    return mark_states(network.output, states, tokens, lengths)


def compile_programs(
    learner: Learner,
    frozen: Network,
    training: Strings,
    validation: Strings,
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
    # On that axis a switch becomes a choice between the results of all its branches; and where
    # there is no loop over time, padding costs next to nothing.
    one_length = places is not None or training.states is not None
    buckets = tuple(buckets[-1:] if one_length else buckets)
    one_epoch, one_validation = functools.partial(epoch, clip=clip, buckets=buckets), validate
    arguments: Any = (learner, frozen, training, training.lengths, rate)
    tested: Any = (learner.trained, frozen, validation)
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
