"""The way back through the inside weights: the lazy adjoint of the updates of a block.

The cotangent of a column is computed once, when it is needed, from the saved pops and the
cotangents of later columns, which are appended to blocks of the same form; for the columns of
earlier blocks that is one matrix product per block. The columns' factors count as constants, for no
reading depends on them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from memrnn.nn.memories.nondeterministic._layout import (
    Layout,
    in_window,
    opened,
    row_of,
    rows_in_window,
    width_of,
)
from memrnn.nn.memories.nondeterministic._shape import (
    Shape,
    after_each,
    fill_up,
    read_slots,
    weights_of,
    write_slots,
)


class Saved(NamedTuple):
    """What an update saves: its pops, the column's factor, and the tops before it."""

    pops: Array
    scale: Array
    tops: Array


class Now(NamedTuple):
    """What a step back needs about its update, computed for all of them at once.

    Attributes:
        weights: all weights of the update, in the order of `weights_of`.
        mixing: those of replace and pop, transposed.
        vector, slope: the pushed vector, and its derivative by the raw vector.
        scale: the column's factor.
        before, after: the tops around the update.
        pops: the pops of later updates of the block from the column that this one appended.
        slot, step: the update's place in the block and in the loop.
    """

    weights: Array
    mixing: Array
    vector: Array
    slope: Array
    scale: Array
    before: Array
    after: Array
    pops: Array
    slot: Array
    step: Array


class Fixed(NamedTuple):
    """What the loop back does not change.

    Attributes:
        blocks: all blocks after the loop, rows before slots: summing over rows is then fast.
        block, sources: those after the loop.
        lazy: cotangents of the block's columns from the updates of later blocks.
    """

    blocks: tuple[Array, ...]
    block: Array
    sources: Array
    lazy: Array


class Back(NamedTuple):
    """What the loop back carries.

    Attributes:
        column: the column after the update.
        d_column: its cotangent, but for that through its own tops.
        d_alpha: cotangent of its alpha, but for that through its own reading.
        d_sources: cotangent of the sources.
        cotangents: cotangents of the columns so far before their factor, as a block.
    """

    column: Array
    d_column: Array
    d_alpha: Array
    d_sources: Array
    cotangents: Array


class Later(NamedTuple):
    """A later block on the way back: its updates' pops, and the cotangents of its columns."""

    pops: Array
    cotangents: Array


class Adjoint(NamedTuple):
    """What a loop hands to the one before it: `Back` at its end, and the blocks so far."""

    d_column: Array
    d_alpha: Array
    d_sources: Array
    later: tuple[Later, ...]


def start_back(
    shape: Shape, after: Layout, controls: Array, saved: Saved, adjoint: Adjoint | None
) -> tuple[Fixed, Back, Now]:
    """`Loop.start_back`."""
    updates, batch = controls.shape[:2]
    filled = after.filled - updates
    weights, vectors = jax.vmap(lambda now: weights_of(shape, now))(controls)
    inner = _pops_from(shape, saved.pops, len(after.blocks), after.block.shape[2])
    inner = inner[..., filled : after.filled, :].transpose(4, 1, 2, 5, 0, 3)
    now = Now(
        weights,
        weights[:, :, : -shape.cells].swapaxes(2, 3),
        vectors,
        vectors * (1 - vectors),
        saved.scale,
        saved.tops,
        after_each(saved.tops, after.tops),
        inner.reshape(*inner.shape[:4], updates * shape.states),
        jnp.arange(filled, after.filled, dtype=jnp.int32),
        jnp.arange(updates, dtype=jnp.int32),
    )
    adjoint = _adjoint_of(shape, adjoint, after)
    size = updates * shape.states
    # Whole blocks are transposed, and then cut, because all loops see the same whole ones.
    earlier = [block.swapaxes(2, 3) for block in after.blocks]
    fixed = Fixed(
        (*rows_in_window(shape, after, earlier, axis=2), after.block.swapaxes(2, 3)),
        after.block,
        after.sources,
        _lazy(shape, adjoint.later, after.block, 1),
    )
    back = Back(
        after.column * after.scale[:, None, None],
        adjoint.d_column,
        adjoint.d_alpha,
        adjoint.d_sources,
        jnp.zeros((batch, shape.symbols, size, after.block.shape[-1]), after.block.dtype),
    )
    return fixed, back, now


def step_back(
    shape: Shape, fixed: Fixed, carry: Back, now: Now, d_reading: Array
) -> tuple[Back, Array]:
    """`Loop.step_back`."""
    batch, cells, states = len(d_reading), shape.cells, shape.states
    row = row_of(shape, fixed.block, now.slot)

    d_tops = _through_reading(shape, d_reading, now.after)
    d_tops = d_tops.at[:, 0].add(carry.d_alpha)
    d_sources = carry.d_sources + jnp.einsum("bhm,bmi->bhi", d_tops, carry.column)
    d_source = read_slots(d_sources, row * cells, cells)
    d_vector = jnp.einsum("bhx,bx->bh", d_source[:, 1:], now.before[:, 0])
    d_alpha = d_source[:, 0] + jnp.einsum("bhx,bh->bx", d_source[:, 1:], now.vector)

    d_column = carry.d_column + jnp.einsum("bhm,bhi->bmi", d_tops, fixed.sources)
    d_column = in_window(shape, d_column * now.scale[:, None, None], row, row + 1)
    # The cotangent of a weight that has been rounded to zero can be beyond all bounds.
    largest = float(jnp.finfo(d_column.dtype).max) ** 0.9
    d_column = jnp.clip(d_column, -largest, largest)
    slots = d_column.reshape(batch, shape.symbols, states, -1)
    cotangents = write_slots(carry.cotangents, slots, now.step * states)

    previous = read_slots(fixed.block, now.slot * states, states).reshape(d_column.shape)
    d_pops = _pop_back(slots, fixed.blocks)
    d_mixed = jnp.concatenate([d_column, _by_row(shape, d_pops)], axis=1)
    d_mixing = jnp.einsum("bmi,bki->bmk", d_mixed, previous)
    d_previous = jnp.einsum("bkm,bmi->bki", now.mixing, d_mixed)
    lazy = jnp.einsum("bytK,byKi->byti", now.pops, cotangents)
    lazy = lazy + read_slots(fixed.lazy, now.slot * states, states)

    d_push = read_slots(d_column, row * cells, cells)
    d_weights = jnp.concatenate([d_mixing, d_push], axis=1) * now.weights
    d_controls = [d_weights.reshape(batch, -1), d_vector * now.slope]
    back = carry._replace(
        column=previous,
        d_column=d_previous + lazy.reshape(d_previous.shape),
        d_alpha=d_alpha,
        d_sources=d_sources,
        cotangents=cotangents,
    )
    return back, jnp.concatenate(d_controls, axis=1)


def stop_back(carry: Back, saved: Saved, adjoint: Adjoint | None) -> Adjoint:
    """The adjoint for the loop before."""
    later = (Later(saved.pops, carry.cotangents), *(adjoint.later if adjoint else ()))
    return Adjoint(carry.d_column, carry.d_alpha, carry.d_sources, later)


def cotangent(shape: Shape, layout: Layout, adjoint: Adjoint) -> Layout:
    """The cotangent of the first loop's first layout, but for that through its own reading."""
    full = opened(shape, layout) is not layout
    if full:
        adjoint = _in_rows_of(shape, layout, adjoint)
    blocks = (*layout.blocks, layout.block)
    youngest = len(layout.blocks) + full
    d_blocks = [
        _lazy(shape, adjoint.later, block, youngest - number) for number, block in enumerate(blocks)
    ]
    # The first loop overwrites the slots that are not filled.
    filled = jnp.arange(layout.block.shape[2], dtype=jnp.int32) < layout.filled * shape.states
    return Layout(
        tuple(d_blocks[:-1]),
        jnp.where(filled[None, None, :, None], d_blocks[-1], 0),
        adjoint.d_column,
        jnp.zeros_like(layout.scale),
        adjoint.d_sources,
        jnp.zeros_like(layout.tops).at[:, 0].set(adjoint.d_alpha),
        jnp.zeros_like(layout.lost),
        jnp.zeros_like(layout.underflow),
        None,
        None,
        layout.filled,
    )


def _through_reading(shape: Shape, d_reading: Array, tops: Array) -> Array:
    """Cotangent of the tops, by which the alphas' sum divides all."""
    moved = d_reading.reshape(len(d_reading), shape.states, shape.symbols, -1)
    d_heads = moved.transpose(0, 3, 2, 1).reshape(len(d_reading), -1, shape.cells)
    heads = tops[:, 1:] if shape.vector else tops
    d_sum = -jnp.einsum("bhm,bhm->b", d_heads, heads)
    d_sum = jnp.broadcast_to(d_sum[:, None], tops[:, 0].shape)
    if shape.vector:
        return jnp.concatenate([d_sum[:, None], d_heads], axis=1)
    return d_heads + d_sum[:, None]


def _by_row(shape: Shape, slots: Float[Array, "batch y r slots"]) -> Float[Array, "batch r rows"]:
    batch, _, states = slots.shape[:3]
    pops = slots.reshape(batch, shape.symbols, states, -1, states).transpose(0, 2, 3, 1, 4)
    return pops.reshape(batch, states, -1)


def _pop_back(d_column: Array, blocks: Sequence[Array]) -> Array:
    """The cotangent of the pops, by slot."""
    pieces = [
        jnp.einsum("byri,byiK->byrK", d_column[..., : block.shape[-2]], block) for block in blocks
    ]
    return jnp.concatenate(pieces, axis=-1)


def _pops_from(shape: Shape, pops: Array, number: int, size: int) -> Array:
    """Saved pops from the slots of one block of a size: [update, batch, y, r, slot, t]."""
    piece = pops[..., number * size : (number + 1) * size]
    return piece.reshape(*piece.shape[:4], -1, shape.states)


def _adjoint_of(shape: Shape, adjoint: Adjoint | None, after: Layout) -> Adjoint:
    """What the next loop left, in the rows of this one's block."""
    if adjoint is None:
        column, alpha, sources = after.column, after.tops[:, 0], after.sources
        return Adjoint(*map(jnp.zeros_like, (column, alpha, sources)), later=())
    return _in_rows_of(shape, after, adjoint)


def _in_rows_of(shape: Shape, layout: Layout, adjoint: Adjoint) -> Adjoint:
    """The adjoint from the rows of the next block in the rows of the layout's own block."""
    rows, grown = layout.column.shape[-1], width_of(shape, layout) * shape.cells

    def move(array: Array) -> Array:
        kept = array[..., :-grown]
        return fill_up(kept, rows, front=rows - kept.shape[-1])

    return adjoint._replace(d_column=move(adjoint.d_column), d_sources=move(adjoint.d_sources))


def _lazy(shape: Shape, later: Sequence[Later], block: Array, distance: int) -> Array:
    """Cotangents of a block's columns from updates of later blocks, the first at a distance."""
    total = jnp.zeros_like(block)
    rows, slots = block.shape[-1], block.shape[2]
    width = slots // shape.states * shape.cells
    for each in later:
        number = each.cotangents.shape[-1] // width - 1 - distance
        distance += 1
        if number < 0:
            continue
        pops = _pops_from(shape, each.pops, number, slots).transpose(1, 2, 4, 5, 0, 3)
        pops = pops.reshape(*pops.shape[:2], slots, -1)
        seen = (number + 1) * width
        part = jnp.einsum("byKT,byTi->byKi", pops, each.cotangents[..., :seen])
        total = total + fill_up(part, rows, front=rows - seen)
    return total
