"""Nats of every symbol of padded strings, position by position, from the logits alone."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from memrnn.nn.network import Network


def losses(
    network: Network, tokens: Int[Array, "batch length"], lengths: Int[Array, " batch"]
) -> tuple[Array, Array]:
    """Nats and whether the arg max is right, [length + 1, batch]; zeros and False on padding."""
    logits = network.prefix_logits(tokens.T)
    if logits.dtype != jnp.float64:
        logits = logits.astype(jnp.float32)
    positions = jnp.arange(tokens.shape[1] + 1, dtype=lengths.dtype)[:, None]
    padded = jnp.pad(tokens.T, ((0, 1), (0, 0))).astype(lengths.dtype)
    targets = jnp.where(positions == lengths[None], logits.shape[-1] - 1, padded)
    nats = -jnp.take_along_axis(jax.nn.log_softmax(logits), targets[..., None], axis=-1)[..., 0]
    right = jnp.argmax(logits, axis=-1).astype(lengths.dtype) == targets
    counted = positions <= lengths[None]
    return jnp.where(counted, nats, 0), right & counted
