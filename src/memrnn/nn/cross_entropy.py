"""Cross-entropy of a large output layer, whose logits are never held at once."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from memrnn.runtime.devices import policy


def weighted_nats(
    matrix: tuple[Float[Array, "classes hidden"], Float[Array, " classes"]],
    hidden: Float[Array, "rows hidden"],
    targets: Int[Array, " rows"],
    weights: Float[Array, " rows"],
    chunk: int | None = None,
) -> tuple[Float[Array, ""], Float[Array, " rows"]]:
    """The weighted sum of cross-entropies, and the cross-entropy of each row, in nats.

    With z_i = W h_i + b, nats_i = log sum_j exp z_ij - z_i,y_i, and the sum is
    sum_i weights_i nats_i. Its gradient with respect to W, b and `hidden`,

        d_i = weights_i (softmax(z_i) - onehot(y_i));  dW = sum_i d_i h_i^T;  db = sum_i d_i;
        dh_i = W^T d_i,

    is computed in the same pass, `chunk` rows at a time, so that no logit is computed twice and
    memory beyond that of `hidden`, W and their gradients does not grow with the rows. The second
    result and the weights have no gradient.

    Args:
        matrix: W and b.
        weights: 0 leaves a row out, whatever its target.
        chunk: by default what suits the device, see `memrnn.runtime.devices`.
    """
    rows = hidden.shape[0]
    chunk = min(chunk or policy().logit_rows, rows)
    padding = -rows % chunk

    def cut(values: Array) -> Array:
        padded = jnp.pad(values, [(0, padding), *[(0, 0)] * (values.ndim - 1)])
        return padded.reshape(-1, chunk, *values.shape[1:])

    weights = jax.lax.stop_gradient(weights)
    total, nats = _chunked(matrix, cut(hidden), cut(targets), cut(weights))
    return total, jax.lax.stop_gradient(nats).reshape(-1)[:rows]


@jax.custom_vjp
def _chunked(
    matrix: tuple[Array, Array],
    hidden: Float[Array, "chunks rows hidden"],
    targets: Int[Array, "chunks rows"],
    weights: Float[Array, "chunks rows"],
) -> tuple[Float[Array, ""], Float[Array, "chunks rows"]]:
    def of_chunk(inputs: tuple[Array, Array]) -> Array:
        nats, _, _ = _nats(matrix, *inputs)
        return nats

    nats = jax.lax.map(of_chunk, (hidden, targets))
    return jnp.sum(weights * nats), nats


def _nats(matrix: tuple[Array, Array], hidden: Array, targets: Array) -> tuple[Array, Array, Array]:
    """Nats of each row, exp(z - max z) and its sum over classes."""
    weight, bias = matrix
    logits = hidden @ weight.T + bias[None]
    largest = jnp.max(logits, axis=1, keepdims=True)
    powers = jnp.exp(logits - largest)
    sums = jnp.sum(powers, axis=1, keepdims=True)
    right = jnp.take_along_axis(logits, targets[:, None], axis=1)
    return (jnp.log(sums) + largest - right)[:, 0], powers, sums


def _forward(matrix: tuple[Array, Array], hidden: Array, targets: Array, weights: Array) -> Any:
    rows = jnp.arange(hidden.shape[1])

    def of_chunk(gradient: tuple[Array, Array], inputs: tuple[Array, Array, Array]) -> Any:
        hidden, targets, weights = inputs
        nats, powers, sums = _nats(matrix, hidden, targets)
        errors = powers * (weights[:, None] / sums)
        errors = errors.at[rows, targets].add(-weights)
        added = gradient[0] + errors.T @ hidden, gradient[1] + errors.sum(axis=0)
        return added, (nats, errors @ matrix[0])

    nothing = jax.tree.map(jnp.zeros_like, matrix)
    gradient, (nats, of_hidden) = jax.lax.scan(of_chunk, nothing, (hidden, targets, weights))
    return (jnp.sum(weights * nats), nats), (gradient, of_hidden)


def _backward(saved: Any, cotangents: tuple[Array, Array]) -> Any:
    (gradient, of_hidden), (of_total, _) = saved, cotangents
    gradient, of_hidden = jax.tree.map(lambda leaf: of_total * leaf, (gradient, of_hidden))
    return gradient, of_hidden, None, None


_chunked.defvjp(_forward, _backward)
