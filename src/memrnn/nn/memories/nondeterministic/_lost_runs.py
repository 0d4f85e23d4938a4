"""How much the runs that rounding to zero has removed could matter: a bound, carried along.

A column's entry that is too small for the number format becomes zero, and with it all runs through
it. That is harmless as long as they stay small; if later updates favour them above all others,
they may come to dominate, and the readings are finite but wrong. `Lost` bounds their weight, as a
share of all runs' weight:

- What a column may have lost is the smallest normal number for each entry that has become zero,
  times the entry's alpha.
- Lost runs then move as all others do. Of each, state and top symbol are kept, and its height on
  the stack, counted as if no symbol had ever been popped unseen: so many pops are still possible.
- What a pop uncovers is not known: the run takes, until it pushes or replaces, the largest weight
  that any symbol would have.

It takes the worst case again and again, so it can be large where nothing is wrong; and entries
just above zero may have lost a part of their sum unseen, so it can be late.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from memrnn.nn.memories._horizon import Left

Lost = Float[Array, "batch height top"]
"""Shares, times `_unit`, by height and, last, by top symbol and state; then by state alone where
the top is unknown."""


def update_lost(
    lost: Lost,
    weights: Float[Array, "batch actions pairs"],
    column: Float[Array, "batch pairs rows"],
    alphas: Float[Array, "batch rows"],
    top: Float[Array, "batch pairs"],
    scale: Float[Array, " batch"],
    *,
    row: Int[Array, ""],
    visible: Bool[Array, " pushes"],
    bottom_row: Int[Array, ""] | None = None,
) -> Lost:
    """The bound after an update.

    Args:
        weights: as `action_weights` orders them.
        column: the column that the update has made, before its factor `scale`.
        alphas: alpha of the start of each of its entries.
        top: the column's own alpha.
        row: the last row that is filled.
        visible: the rows that can be on top.
        bottom_row: the row of height 0; None where that is the first row and the bound has a
            height for each row.
    """
    lost = _move(lost, weights)
    new = _removed(column, alphas, top, visible, row)
    if bottom_row is not None:
        heights = lost.shape[1]
        new = jnp.pad(new, ((0, 0), (heights, heights), (0, 0)))
        new = jax.lax.dynamic_slice_in_dim(new, bottom_row + heights, heights, axis=1)
    lost = lost.at[..., : column.shape[1]].add(new)
    # The bound ends where the number format ends.
    return jnp.minimum(lost * scale[:, None, None], float(jnp.finfo(lost.dtype).max) ** 0.93)


def underflow(lost: Lost, before: Float[Array, " batch"], left: Left) -> Float[Array, " batch"]:
    """The largest share of all runs' weight that the lost ones may have had at any reading.

    Args:
        lost: the bound at the last reading.
        before: the largest share at the readings before it.
        left: how many more updates can be read; a reading beyond the horizon does not count.
    """
    share = jnp.maximum(before, lost.sum(axis=(1, 2)) / _unit(lost.dtype))
    return share if left is None else jnp.where(left < 0, before, share)


def _move(lost: Lost, weights: Array) -> Lost:
    """Lost runs push, replace and pop as all others do."""
    batch, actions, pairs = weights.shape
    states = lost.shape[2] - pairs
    largest = weights.reshape(batch, actions, -1, states).max(axis=2)
    weights = jnp.concatenate([weights, largest], axis=2)
    moved = jnp.einsum("bhk,bmk->bhm", lost, weights)
    replace, pop, push = jnp.split(moved, [pairs, pairs + states], axis=2)
    # What is higher than the heights that are kept stays on the last one.
    higher = jnp.pad(push[:, :-1], ((0, 0), (1, 0), (0, 0)))
    higher = higher.at[:, -1].add(push[:, -1])
    lower = jnp.pad(pop[:, 1:], ((0, 0), (0, 1), (0, 0)))
    return jnp.concatenate([replace + higher, lower], axis=2)


def _removed(column: Array, alphas: Array, top: Array, visible: Array, row: Array) -> Array:
    """What rounding has removed from a column, by row, for no run is higher than its row."""
    batch, pairs, _ = column.shape
    dtype, smallest = column.dtype, float(jnp.finfo(column.dtype).tiny)
    gone = (column < smallest).astype(dtype).reshape(batch, pairs, -1, pairs)
    share = jnp.einsum("bmpx,bpx->bpm", gone, alphas.reshape(batch, -1, pairs))
    # A top that is nearly gone may have lost parts of its sum before.
    faint = (top < smallest**0.8).astype(dtype)
    last = (jnp.arange(len(visible), dtype=row.dtype) == row).astype(dtype)
    share = share * visible.astype(dtype)[None, :, None] + last[None, :, None] * faint[:, None]
    return smallest * _unit(dtype) * share


def _unit(dtype: jnp.dtype) -> float:
    """What 1 is stored as, so that the bound itself is not rounded to zero."""
    return float(jnp.finfo(dtype).max) ** 0.75
