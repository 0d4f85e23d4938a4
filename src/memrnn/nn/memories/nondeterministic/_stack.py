"""The inside weights of all runs of a pushdown automaton: the state, and an update of it.

Update T = 1, 2, ... makes column T from column T-1; the fake update 0 pushes the
bottom symbol. Row p of column T holds the runs whose top symbol at T was pushed by update p:

    column[T][p, q, x -> r, y] = gamma[p-1 -> T][q, x -> r, y]

from state q with top x, before update p, to state r with top y, after update T, with nothing
below y touched. With the weights of update T,

    column[T] = s_T (row T: push_T;  other rows: column[T-1] repl_T + sum_k column[k-1] pops[k])
    pops[k][t, y -> r] = sum_{s, z} column[T-1][k, t, y -> s, z] pop_T[s, z -> r]
    alpha[T][r, y] = sum_p sum_{q, x} alpha[p-1][q, x] column[T][p, q, x -> r, y]

where s_T makes alpha[T] sum to 1: a common factor of everything that an update makes cancels in
all readings, and numbers stay in range. A vector pushed by update p stays under its symbol for as
long as that exists, so row p carries the vector v_p as a factor, and the expected top vector is

    eta[T][r, y] = sum_p sum_{q, x} alpha[p-1][q, x] v_p column[T][p, q, x -> r, y]

Without a window, row p has index p, and there are as many rows as the horizon has steps. With a
window D there are the D rows that can be on top: row p = T has the last index.

Slot p holds column p-1, which update p appends. Rows after p-1 of a slot are zero, so the slots are
cut into blocks, and a block has only the rows that its slots can fill. With a window there is one
block. A column has the axes [batch, y r, p x q], a block [batch, y, slot t, p x q], the last index
fastest.

Source: DuSell & Chiang 2022 (arXiv 2109.01982) and 2023 (arXiv 2210.01343), section 3.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from memrnn.nn.memories._horizon import Left, left_of, one_less, or_nan, updates_of
from memrnn.nn.memories.nondeterministic._lost_runs import Lost, underflow, update_lost
from memrnn.nn.memories.nondeterministic._shape import Shape, pad_rows, with_vector, write_slots

WIDTH = 16
"""Number of slots of a block: fewer compute less in vain, but are more operations."""


class Stack(NamedTuple):
    """The state of a nondeterministic stack."""

    blocks: tuple[Float[Array, "batch y slots _"], ...]  # the columns before the last one
    column: Float[Array, "batch top rows"]  # the last column
    sources: Float[Array, "batch channels rows"]  # per row p alpha[p-1], and that times v_p
    tops: Float[Array, "batch channels top"]  # alpha of the last column, and eta
    lost: Lost  # bound of the share of runs that rounding has removed
    underflow: Float[Array, " batch"]  # the largest sum of `lost` at any reading so far
    left: Left  # None with a window


def initial_stack(
    shape: Shape,
    batch: int,
    horizon: int | None,
    bottom: Float[Array, " vector"],
    *,
    everywhere: bool,
) -> Stack:
    """The state before any update: state 0, the bottom pushed by the fake update 0.

    Args:
        bottom: the vector under the bottom, of length 0 without vectors.
        everywhere: whether all that could be at the start has that vector, and not only what is.
    """
    pairs, dtype = shape.pairs, bottom.dtype
    if shape.window is None:
        remedy = ", or the memory a window, as rns-2-3:window=35"
        rows, row = 1 + updates_of(horizon, "nondeterministic memory", remedy), 0
    else:
        rows, row = shape.window, shape.window - 1
    start = row * pairs
    column = jnp.zeros((batch, pairs, rows * pairs), dtype).at[:, 0, start].set(1)
    sources = jnp.zeros((batch, shape.channels, rows * pairs), dtype).at[:, 0, start].set(1)
    tops = jnp.zeros((batch, shape.channels, pairs), dtype).at[:, 0, 0].set(1)
    if everywhere and pairs > 1:
        # Entry 1 of row `row` is free, as all runs begin in entry 0. It takes the runs that begin
        # in any state and symbol: they have the vector, but no part in alpha.
        column = column.at[:, :, start + 1].set(1)
        sources = sources.at[:, 1:, start + 1].set(bottom[None])
        tops = tops.at[:, 1:].set(bottom[None, :, None])
    else:
        sources = sources.at[:, 1:, start].set(bottom[None])
        tops = tops.at[:, 1:, 0].set(bottom[None])
    ends = [rows] if shape.window is not None else [*range(WIDTH, rows, WIDTH), rows]
    return Stack(
        tuple(
            jnp.zeros((batch, shape.symbols, (end - begin) * shape.states, end * pairs), dtype)
            for begin, end in zip([0, *ends], ends, strict=False)
        ),
        column,
        sources,
        tops,
        jnp.zeros((batch, rows, pairs + shape.states), dtype),
        jnp.zeros(batch, dtype),
        left_of(horizon if shape.window is None else None),
    )


def read_stack(shape: Shape, state: Stack) -> Float[Array, "batch reading"]:
    """The reading; NaN beyond the horizon."""
    # The sum is 1 but for rounding. Its derivative is not.
    total = state.tops[:, :1].sum(axis=-1, keepdims=True)
    return or_nan(state.left, shape.reading_of(state.tops / total))


def update_stack(shape: Shape, state: Stack, controls: Float[Array, "batch controls"]) -> Stack:
    """The state after an update."""
    pairs, rows = shape.pairs, state.sources.shape[2] // shape.pairs
    if shape.window is not None:
        state = _without_oldest(shape, state)
    row = jnp.array(rows - 1, jnp.int32) if state.left is None else rows - state.left
    index = jnp.arange(rows, dtype=jnp.int32)

    def with_newest_row(array: Array, values: Array) -> Array:
        by_row = array.reshape(*array.shape[:2], rows, pairs)
        newest = (index == row)[None, None, :, None]
        return jnp.where(newest, values[:, :, None], by_row).reshape(array.shape)

    weights, vector = shape.action_weights(controls)
    mixed = jnp.einsum("bmk,bki->bmi", weights[:, :-pairs], state.column)
    pops = shape.pops_by_slot(mixed[:, pairs:])
    blocks, popped = _append_and_pop(shape, state.blocks, state.column, pops, row)
    column = with_newest_row(mixed[:, :pairs] + popped, weights[:, -pairs:])
    sources = with_newest_row(state.sources, with_vector(state.tops[:, 0], vector))
    tops = jnp.einsum("bhi,bmi->bhm", sources, column)
    scale = 1 / tops[:, 0].sum(axis=-1)
    arguments = column, sources[:, 0], tops[:, 0], scale
    bound = (
        update_lost(state.lost, weights, *arguments, row=row, visible=index >= 0),
        underflow(state.lost, state.underflow, state.left),
    )
    factor = scale[:, None, None]
    return Stack(
        blocks,
        column * factor,
        sources,
        tops * factor,
        *jax.lax.stop_gradient(bound),
        one_less(state.left),
    )


def _without_oldest(shape: Shape, state: Stack) -> Stack:
    """The state without the row, and the slot, that leaves the window."""

    def shift(array: Array, axis: int, size: int) -> Array:
        rest = jax.lax.slice_in_dim(array, size, None, axis=axis)
        return jnp.pad(rest, [(0, size if n == axis else 0) for n in range(array.ndim)])

    (block,) = state.blocks
    return state._replace(
        blocks=(shift(shift(block, 2, shape.states), 3, shape.pairs),),
        column=shift(state.column, 2, shape.pairs),
        sources=shift(state.sources, 2, shape.pairs),
    )


def _append_and_pop(
    shape: Shape, blocks: tuple[Array, ...], column: Array, pops: Array, row: Array
) -> tuple[tuple[Array, ...], Array]:
    """The blocks with the column in slot `row`, and sum_k column[k-1] pops[k]."""
    batch, rows = column.shape[0], column.shape[-1]
    slots = column.reshape(batch, shape.symbols, shape.states, rows)
    appended, total, begin = [], jnp.zeros_like(slots), 0
    for block in blocks:
        end = begin + block.shape[2]
        start = row * shape.states - begin
        operands = block, slots[..., : block.shape[3]], pops[..., begin:end], start
        if len(blocks) == 1:
            block, popped = _append_and_pop_block(*operands)
        else:
            block, popped = jax.lax.cond(start >= 0, _append_and_pop_block, _pop_empty, *operands)
        appended.append(block)
        total = total + pad_rows(popped, rows)
        begin = end
    return tuple(appended), total.reshape(column.shape)


def _append_and_pop_block(
    block: Array, slots: Array, pops: Array, start: Array
) -> tuple[Array, Array]:
    inside = start < block.shape[2]
    block = jax.lax.cond(inside, write_slots, lambda block, *_: block, block, slots, start)
    return block, jnp.einsum("byrK,byKi->byri", pops, block)


def _pop_empty(block: Array, slots: Array, pops: Array, start: Array) -> tuple[Array, Array]:
    """What `_append_and_pop_block` does where a block is still empty."""
    del pops, start
    return block, jnp.zeros_like(slots)
