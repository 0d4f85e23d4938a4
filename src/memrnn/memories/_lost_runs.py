"""How much the runs that rounding to zero has removed could matter: a bound, carried along.

A column's entry that is too small for the number format becomes zero, and with it all runs through
it. That is harmless as long as they stay small; if later updates favour them above all others,
they may come to dominate, and the readings are finite but wrong. `Lost` bounds their weight, as a
share of all runs' weight:

- What a column may have lost is at most the smallest normal number for each entry that is close
  to it, times the entry's alpha.
- Lost runs then move as all others do. Of each, state and top symbol are kept, and its height on
  the stack, counted as if no symbol had ever been popped unseen: so many pops are still possible.
- What a pop uncovers is not known: the run takes, until it pushes or replaces, the largest weight
  that any symbol would have.

A bound, so it can be large where nothing is wrong.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Lost = Float[Array, "batch height seen"]
"""Shares by height and, last, by top symbol and state, then by state with the top unknown."""


def lose(
    lost: Lost,
    weights: Float[Array, "batch actions top"],
    states: int,
    scale: Float[Array, " batch"],
) -> Lost:
    """What an update makes of the runs that are lost already.

    Args:
        weights: as `InsideForward.weights` orders them.
        scale: the column's factor.
    """
    batch, actions, cells = weights.shape
    likeliest = weights.reshape(batch, actions, -1, states).max(axis=2)
    known_or_not = jnp.concatenate([weights, likeliest], axis=2)
    moved = jnp.einsum("bhk,bmk->bhm", lost, known_or_not)
    stay, pop, push = jnp.split(moved, [cells, cells + states], axis=2)
    # What is higher than there is room for stays on the last height.
    higher = jnp.pad(push[:, :-1], ((0, 0), (1, 0), (0, 0)))
    higher = higher.at[:, -1].add(push[:, -1])
    lower = jnp.pad(pop[:, 1:], ((0, 0), (0, 1), (0, 0)))
    lost = jnp.concatenate([stay + higher, lower], axis=2) * scale[:, None, None]
    return jnp.minimum(lost, _largest(lost.dtype))


def newly_lost(
    column: Float[Array, "batch top rows"],
    scale: Float[Array, " batch"],
    alphas: Float[Array, "batch rows"],
    top: Float[Array, "batch top"],
    row: Int[Array, ""],
) -> Float[Array, "batch height top"]:
    """What rounding may have removed from a column, by row, for no run is higher than its row.

    Args:
        column: before its factor.
        alphas: alpha of each entry's start.
        top: the column's own alpha.
        row: the last row that is filled.
    """
    batch, cells, _ = column.shape
    smallest = jnp.finfo(column.dtype).tiny
    threshold = float(smallest) ** 0.8
    small = (column * scale[:, None, None] < threshold).astype(column.dtype)
    share = jnp.einsum(
        "bmpx,bpx->bpm",
        small.reshape(batch, cells, -1, cells),
        alphas.reshape(batch, -1, cells),
    )
    rows = (jnp.arange(share.shape[1], dtype=row.dtype) == row).astype(column.dtype)
    gone = (top < threshold).astype(column.dtype)
    return smallest * (share + rows[None, :, None] * gone[:, None])


def _largest(dtype: jnp.dtype) -> float:
    return float(jnp.finfo(dtype).max) ** 0.5
