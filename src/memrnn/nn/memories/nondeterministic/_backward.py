"""The backward pass through the inside weights: the lazy adjoint of the updates of a block.

The cotangent of a column is computed once, when it is needed, from the saved pops and the
cotangents of later columns, which are appended to blocks of the same form; for the columns of
earlier blocks that is one matrix product per block. The columns' factors count as constants, for no
reading depends on them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from memrnn.nn.memories.nondeterministic._layout import Layout
from memrnn.nn.memories.nondeterministic._shape import (
    Shape,
    after_each,
    pad_rows,
    read_slots,
    write_slots,
)


class Residuals(NamedTuple):
    """What an update saves: its pops, the column's factor, and the tops before it."""

    pops: Array
    scale: Array
    tops: Array


class Inputs(NamedTuple):
    """What a backward step needs about its update, computed for all of them at once."""

    soft: Array  # `Shape.soft_weights` of the update
    mixing: Array  # those of replace and pop, transposed
    vector: Array  # the pushed vector
    slope: Array  # its derivative by the raw vector
    scale: Array  # the column's factor
    before: Array  # the tops before the update
    after: Array  # the tops after it
    pops: Array  # the block's later pops from the column that this update appended
    slot: Array  # the update's index in the block
    step: Array  # and in the loop


class Constants(NamedTuple):
    """What the backward loop does not change; all as after the loop."""

    blocks: tuple[Array, ...]  # all blocks, rows before slots: summing over rows is then fast
    block: Array  # the last block
    sources: Array
    lazy: Array  # cotangents of the last block's columns from the updates of later blocks


class BackwardCarry(NamedTuple):
    """What the backward loop carries."""

    column: Array  # the column after the update
    d_column: Array  # its cotangent, but for that through its own tops
    d_alpha: Array  # cotangent of its alpha, but for that through its own reading
    d_sources: Array
    cotangents: Array  # of the columns so far before their factor, as a block


class LaterBlock(NamedTuple):
    """A block that is done: its updates' pops, and the cotangents of its columns."""

    pops: Array
    cotangents: Array


class Adjoint(NamedTuple):
    """What a backward loop leaves to the next one: its last carry, and the blocks that are done."""

    d_column: Array
    d_alpha: Array
    d_sources: Array
    later: tuple[LaterBlock, ...]


def start_backward(
    after: Layout, controls: Array, residuals: Residuals, adjoint: Adjoint | None
) -> tuple[Constants, BackwardCarry, Inputs]:
    """`Loop.start_backward`."""
    updates, batch = controls.shape[:2]
    shape, stack, block, filled = after.shape, after.stack, after.block, after.filled - updates
    weights, vectors = jax.vmap(shape.action_weights)(controls)
    soft, soft_vectors = jax.vmap(shape.soft_weights)(controls)
    own_pops = _pops_from(shape, residuals.pops, len(stack.blocks) - 1, block.shape[2])
    own_pops = own_pops[..., filled : after.filled, :].transpose(4, 1, 2, 5, 0, 3)
    inputs = Inputs(
        soft,
        weights[:, :, : -shape.pairs].swapaxes(2, 3),
        vectors,
        soft_vectors * (1 - soft_vectors),
        residuals.scale,
        residuals.tops,
        after_each(residuals.tops, stack.tops),
        own_pops.reshape(*own_pops.shape[:4], updates * shape.states),
        jnp.arange(filled, after.filled, dtype=jnp.int32),
        jnp.arange(updates, dtype=jnp.int32),
    )
    if adjoint is None:
        zeros = map(jnp.zeros_like, (stack.column, stack.tops[:, 0], stack.sources))
        adjoint = Adjoint(*zeros, later=())
    else:
        adjoint = _in_rows_of(after, adjoint)
    constants = Constants(
        (*after.earlier_rows(transposed=True), block.swapaxes(2, 3)),
        block,
        stack.sources,
        _lazy_cotangent(shape, adjoint.later, block, 1),
    )
    size = updates * shape.states
    carry = BackwardCarry(
        stack.column * after.scale[:, None, None],
        adjoint.d_column,
        adjoint.d_alpha,
        adjoint.d_sources,
        jnp.zeros((batch, shape.symbols, size, block.shape[-1]), block.dtype),
    )
    return constants, carry, inputs


def step_backward(
    shape: Shape, constants: Constants, carry: BackwardCarry, inputs: Inputs, d_reading: Array
) -> tuple[BackwardCarry, Array]:
    """`Loop.step_backward`."""
    batch, pairs, states = len(d_reading), shape.pairs, shape.states
    row = shape.row_of(constants.block, inputs.slot)

    d_tops = _tops_cotangent(shape, d_reading, inputs.after)
    d_tops = d_tops.at[:, 0].add(carry.d_alpha)
    d_sources = carry.d_sources + jnp.einsum("bhm,bmi->bhi", d_tops, carry.column)
    d_source = read_slots(d_sources, row * pairs, pairs)
    d_vector = jnp.einsum("bhx,bx->bh", d_source[:, 1:], inputs.before[:, 0])
    d_alpha = d_source[:, 0] + jnp.einsum("bhx,bh->bx", d_source[:, 1:], inputs.vector)

    d_column = carry.d_column + jnp.einsum("bhm,bhi->bmi", d_tops, constants.sources)
    d_column = shape.rows_in_window(d_column * inputs.scale[:, None, None], row, row + 1)
    # The cotangent of a weight that has been rounded to zero can be beyond all bounds.
    largest = float(jnp.finfo(d_column.dtype).max) ** 0.9
    d_column = jnp.clip(d_column, -largest, largest)
    slots = d_column.reshape(batch, shape.symbols, states, -1)
    cotangents = write_slots(carry.cotangents, slots, inputs.step * states)

    previous = read_slots(constants.block, inputs.slot * states, states).reshape(d_column.shape)
    d_pops = [
        jnp.einsum("byri,byiK->byrK", slots[..., : block.shape[-2]], block)
        for block in constants.blocks
    ]
    d_pops = shape.pops_by_row(jnp.concatenate(d_pops, axis=-1))
    d_mixed = jnp.concatenate([d_column, d_pops], axis=1)
    d_mixing = jnp.einsum("bmi,bki->bmk", d_mixed, previous)
    d_previous = jnp.einsum("bkm,bmi->bki", inputs.mixing, d_mixed)
    lazy = jnp.einsum("bytK,byKi->byti", inputs.pops, cotangents)
    lazy = lazy + read_slots(constants.lazy, inputs.slot * states, states)

    d_push = read_slots(d_column, row * pairs, pairs)
    d_weights = jnp.concatenate([d_mixing, d_push], axis=1)
    d_logits = shape.logit_cotangents(d_weights, inputs.soft)
    d_controls = jnp.concatenate([d_logits.reshape(batch, -1), d_vector * inputs.slope], axis=1)
    d_previous = d_previous + lazy.reshape(d_previous.shape)
    return BackwardCarry(previous, d_previous, d_alpha, d_sources, cotangents), d_controls


def stop_backward(carry: BackwardCarry, residuals: Residuals, adjoint: Adjoint | None) -> Adjoint:
    """The adjoint for the loop before."""
    later = (LaterBlock(residuals.pops, carry.cotangents), *(adjoint.later if adjoint else ()))
    return Adjoint(carry.d_column, carry.d_alpha, carry.d_sources, later)


def layout_cotangent(layout: Layout, adjoint: Adjoint) -> Layout:
    """The cotangent of the first loop's first layout, but for that through its own reading."""
    shape, stack, distance = layout.shape, layout.stack, len(layout.stack.blocks) - 1
    if layout.filled == layout.width:  # the first loop has begun a new block
        adjoint = _in_rows_of(layout, adjoint)
        distance += 1
    *d_earlier, d_block = (
        _lazy_cotangent(shape, adjoint.later, block, distance - number)
        for number, block in enumerate(stack.blocks)
    )
    # The first loop overwrites the slots that are not filled.
    filled = jnp.arange(layout.block.shape[2], dtype=jnp.int32) < layout.filled * shape.states
    d_stack = stack._replace(
        blocks=(*d_earlier, jnp.where(filled[None, None, :, None], d_block, 0)),
        column=adjoint.d_column,
        sources=adjoint.d_sources,
        tops=jnp.zeros_like(stack.tops).at[:, 0].set(adjoint.d_alpha),
        lost=jnp.zeros_like(stack.lost),
        underflow=jnp.zeros_like(stack.underflow),
        left=None,
    )
    return Layout(d_stack, jnp.zeros_like(layout.scale), None, shape, layout.filled)


def _tops_cotangent(shape: Shape, d_reading: Array, tops: Array) -> Array:
    """Cotangent of the tops by a reading, which is the tops divided by the sum of the alphas."""
    batch = len(d_reading)
    d_values = d_reading.reshape(batch, shape.states, shape.symbols, -1)
    d_values = d_values.transpose(0, 3, 2, 1).reshape(batch, -1, shape.pairs)
    values = tops[:, 1:] if shape.vector else tops
    d_sum = -jnp.einsum("bhm,bhm->b", d_values, values)
    d_sum = jnp.broadcast_to(d_sum[:, None], tops[:, 0].shape)[:, None]
    return jnp.concatenate([d_sum, d_values], axis=1) if shape.vector else d_values + d_sum


def _pops_from(shape: Shape, pops: Array, number: int, size: int) -> Array:
    """Saved pops from the slots of one block of a size: [update, batch, y, r, slot, t]."""
    pops = pops[..., number * size : (number + 1) * size]
    return pops.reshape(*pops.shape[:4], -1, shape.states)


def _in_rows_of(layout: Layout, adjoint: Adjoint) -> Adjoint:
    """The adjoint from the rows of the next block in the rows of the layout's own block."""
    rows, own = layout.stack.column.shape[-1], layout.width * layout.shape.pairs

    def move(array: Array) -> Array:
        return pad_rows(array[..., :-own], rows, front=rows - array.shape[-1] + own)

    return adjoint._replace(d_column=move(adjoint.d_column), d_sources=move(adjoint.d_sources))


def _lazy_cotangent(
    shape: Shape, later: Sequence[LaterBlock], block: Array, distance: int
) -> Array:
    """Cotangents of a block's columns from updates of later blocks, the first at a distance."""
    total = jnp.zeros_like(block)
    rows, slots = block.shape[-1], block.shape[2]
    width = slots // shape.states * shape.pairs
    for blocks_between, (pops, cotangents) in enumerate(later, distance):
        number = cotangents.shape[-1] // width - 1 - blocks_between
        if number < 0:
            continue
        pops = _pops_from(shape, pops, number, slots).transpose(1, 2, 4, 5, 0, 3)
        pops = pops.reshape(*pops.shape[:2], slots, -1)
        seen = (number + 1) * width
        product = jnp.einsum("byKT,byTi->byKi", pops, cotangents[..., :seen])
        total = total + pad_rows(product, rows, front=rows - seen)
    return total
