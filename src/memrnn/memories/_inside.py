"""The inside weights of all runs of a pushdown automaton, one update at a time, and back.

Times and indices. Update T = 1, 2, ... makes column T from column T-1; the fake update 0 pushes the
bottom symbol. Row p of column T holds the runs whose top symbol at T was pushed by update p:

    column[T][p, q, x -> r, y] = gamma[p-1 -> T][q, x -> r, y]

from state q with top x, before update p, to state r with top y, after update T, with nothing
below y touched. With the weights of update T,

    column[T] = s_T (row T: push_T;  other rows: column[T-1] repl_T + sum_k column[k-1] pops[k])
    pops[k][t, y -> r] = sum_{s, z} column[T-1][k, t, y -> s, z] pop_T[s, z -> r]
    alpha[T][r, y] = sum_p sum_{q, x} alpha[p-1][q, x] column[T][p, q, x -> r, y]

where s_T makes alpha[T] sum to 1. A common factor of everything that an update makes cancels in
all readings, so s_T counts as a constant on the way back and numbers stay in range. A vector
pushed by update p stays under its symbol for as long as that exists, so row p carries the vector
v_p as a factor, and the expected top vector is

    eta[T][r, y] = sum_p sum_{q, x} alpha[p-1][q, x] v_p column[T][p, q, x -> r, y]

Blocks. A long string's columns are cut into blocks of `width` slots; slot p of a block holds
column p - 1, which update p appends. A block has only the rows that its updates can fill, and its
loop sees earlier blocks as constants. On the way back the cotangent of a column is computed once,
when it is needed, from the saved pops and the cotangents of later columns, which are appended to
blocks of the same form; for the columns of earlier blocks that is one matrix product a block.

Layout: columns [batch, y r, p x q], blocks [batch, y, slot t, p x q], the last index fastest.

Source: DuSell & Chiang 2022 (arXiv 2109.01982) and 2023 (arXiv 2210.01343), section 3.
"""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from memrnn.memories._loop import Loop
from memrnn.memories._lost_runs import doubt as doubt_of
from memrnn.memories._lost_runs import follow, scaled


class Stack(eqx.Module):
    """The state of a nondeterministic stack.

    Attributes:
        blocks: earlier columns whose rows are still in the window, oldest first, each as it was
            when it was full; `block` begins at the row at which the oldest one's own rows do.
        block: the columns of the block that is being filled.
        column, scale: the last column before its factor, and the factor. It is in no block yet.
        sources: alpha[p-1] for each row p, and the same times each entry of v_p.
        tops: alpha of the last column, and eta.
        lost, doubt: bounds of the share of runs that rounding has removed, see `_lost_runs`; and
            the largest sum of it so far.
        filled: number of slots of `block` that are filled.
    """

    blocks: tuple[Float[Array, "batch y slot _"], ...]
    block: Float[Array, "batch y slot rows"]
    column: Float[Array, "batch top rows"]
    scale: Float[Array, " batch"]
    sources: Float[Array, "batch heads rows"]
    tops: Float[Array, "batch heads top"]
    lost: Float[Array, "batch height seen"]
    doubt: Float[Array, " batch"]
    filled: int = eqx.field(static=True)


class Carry(NamedTuple):
    """What the loop carries: a `Stack` but for its earlier blocks, and the next slot."""

    block: Array
    column: Array
    scale: Array
    sources: Array
    tops: Array
    lost: Array
    doubt: Array
    slot: Int[Array, ""]


class Saved(NamedTuple):
    """What an update saves: its pops, the column's factor, and the tops before it."""

    pops: Array
    scale: Array
    tops: Array


class InsideForward(Loop):
    """The loops over the updates of a batch of strings, a block each, but for the way back.

    Args:
        states, symbols: Q and S.
        vector: length m of the pushed vectors; 0 without vectors.
        window: number of updates after which a pushed symbol that is on top ends the run; None
            for never.
    """

    def __init__(self, states: int, symbols: int, vector: int, window: int | None):
        self._states, self._symbols, self._vector = states, symbols, vector
        self._cells = states * symbols
        self._window = window

    # The way forward.

    def first(self, batch: int, width: int, dtype: jnp.dtype) -> Stack:
        """The state before any update: state 0, the bottom pushed by the fake update 0.

        Args:
            width: number of slots of a block.
        """
        heads, cells, rows = 1 + self._vector, self._cells, width * self._cells
        block = jnp.zeros((batch, self._symbols, width * self._states, rows), dtype)
        column = jnp.zeros((batch, cells, rows), dtype).at[:, 0, 0].set(1)
        sources = jnp.zeros((batch, heads, rows), dtype).at[:, 0, 0].set(1)
        tops = jnp.zeros((batch, heads, cells), dtype).at[:, 0, 0].set(1)
        lost = jnp.zeros((batch, width, cells + self._states), dtype)
        one, none = jnp.ones(batch, dtype), jnp.zeros(batch, dtype)
        # Slot 0, column -1, is filled: it is empty.
        return Stack((), block, column, one, sources, tops, lost, none, 1)

    def with_bottom(self, first: Stack, bottom: Array, *, everywhere: bool) -> Stack:
        """The first state with a vector under the bottom, or under everything that could be."""
        cells = self._cells if everywhere else 1
        tops = first.tops.at[:, 1:, :cells].set(bottom[None, :, None])
        if cells == 1:
            sources = first.sources.at[:, 1:, 0].set(bottom[None])
            return eqx.tree_at(lambda s: (s.sources, s.tops), first, (sources, tops))
        # Entry 1 of row 0 is free, as all runs begin in entry 0. It takes the runs that begin in
        # any state and symbol: they have the vector, but no part in alpha.
        column = first.column.at[:, :, 1].set(1)
        sources = first.sources.at[:, 1:, 1].set(bottom[None])
        return eqx.tree_at(lambda s: (s.column, s.sources, s.tops), first, (column, sources, tops))

    def enter(self, state: Stack, updates: int, *, fresh: bool) -> Stack:
        del updates, fresh
        return state

    def leave(self, layout: Stack, state: Stack, updates: int) -> Stack:
        del state, updates
        return layout

    def lengths(self, layout: Stack, updates: int) -> Sequence[int]:
        width = self._width(layout)
        first = min(width - layout.filled or width, updates)
        whole, rest = divmod(updates - first, width)
        return [first] + [width] * whole + [rest] * (rest > 0)

    def start(self, layout: Stack) -> tuple[tuple[Array, ...], Carry]:
        layout = self._open(layout)
        return self._rows_in_sight(layout, layout.blocks), Carry(
            layout.block,
            layout.column,
            layout.scale,
            layout.sources,
            layout.tops,
            layout.lost,
            layout.doubt,
            jnp.array(layout.filled, jnp.int32),
        )

    def step(
        self, fixed: tuple[Array, ...], carry: Carry, controls: Array
    ) -> tuple[Carry, Array, Saved]:
        cells = self._cells
        weights, vector, _ = self.weights(controls)
        mixing, push = weights[:, :-cells], weights[:, -cells:]
        row = self._row(carry.block, carry.slot)
        factor = carry.scale[:, None, None]

        slots = (carry.column * factor).reshape(len(controls), self._symbols, self._states, -1)
        block = write(carry.block, slots, carry.slot * self._states)
        mixed = jnp.einsum("bmk,bki->bmi", mixing * factor, carry.column)
        pops = self._by_slot(mixed[:, cells:])
        column = mixed[:, :cells] + self._pop(pops, (*fixed, block))
        column = column.reshape(*column.shape[:2], -1, cells)
        rows = jnp.arange(column.shape[2], dtype=jnp.int32)
        pushed = (rows == row).astype(column.dtype)
        column = column + push[:, :, None] * pushed[None, None, :, None]
        column = self._in_window(column.reshape(carry.column.shape), row)

        sources = write(carry.sources, _with_vector(carry.tops[:, 0], vector), row * cells)
        tops = jnp.einsum("bhi,bmi->bhm", sources, column)
        in_window = rows > row - (self._window or len(rows) + 1)
        lost = follow(carry.lost, weights, column, sources[:, 0], tops[:, 0], in_window, row)
        scale = 1 / tops[:, 0].sum(axis=-1)
        tops, lost = tops * scale[:, None, None], scaled(lost, scale)
        doubt = jnp.maximum(carry.doubt, doubt_of(lost))
        after = Carry(block, column, scale, sources, tops, lost, doubt, carry.slot + 1)
        return after, self.reading(tops), Saved(pops, scale, carry.tops)

    def stop(self, layout: Stack, carry: Carry, updates: int) -> Stack:
        opened = self._open(layout)
        return Stack(opened.blocks, *carry[:-1], opened.filled + updates)

    def reading(self, tops: Float[Array, "... heads top"]) -> Float[Array, "... reading"]:
        """The reading in the literature's order: state, symbol, entry of the vector."""
        heads = tops[..., 1:, :] if self._vector else tops
        cells = heads.reshape(*heads.shape[:-1], self._symbols, self._states)
        return jnp.moveaxis(cells, -3, -1).swapaxes(-3, -2).reshape(*tops.shape[:-2], -1)

    def readings(self, carry: Carry, saved: Saved) -> Array:
        return self.reading(after_each(saved.tops, carry.tops))

    def numbers(self, width: int, updates: int, *, gradient: bool) -> tuple[int, int]:
        """How many numbers one string takes while it runs, and until its gradient is there.

        Without the gradient those are its columns. With it columns and pops are kept, and the
        way back needs the columns' transposes, their cotangents, and twice what comes from later
        blocks.
        """
        blocks = -(-(updates + 1) // width)
        earlier = sum(self._seen(number, width) for number in range(blocks))
        columns = (earlier + blocks) * width * self._cells * width * self._cells
        return (4 * columns, columns + columns // self._symbols) if gradient else (columns, 0)

    # Weights and readings.

    def weights(self, controls: Float[Array, "batch controls"]) -> tuple[Array, Array, Array]:
        """The weights of an update up to a common factor, its vector, and the vector's slope.

        Weights are [batch, 2 Q S + Q, Q S]: rows (y, r) of replace, r of pop, (y, r) of push;
        columns (x, q). Their largest is 1, whatever the logits are.
        """
        actions = controls[:, : controls.shape[1] - self._vector]
        actions = jnp.exp(actions - jax.lax.stop_gradient(actions.max(axis=1, keepdims=True)))
        vector = jax.nn.sigmoid(controls[:, controls.shape[1] - self._vector :])
        return actions.reshape(len(controls), -1, self._cells), vector, vector * (1 - vector)

    # Rows and slots.

    def _width(self, state: Stack) -> int:
        return state.block.shape[2] // self._states

    def _seen(self, earlier: int, width: int) -> int:
        """How many of the earlier blocks a block still sees."""
        return earlier if self._window is None else min(earlier, -(-(self._window - 1) // width))

    def _row(self, block: Array, slot: Array) -> Array:
        """The row that an update fills, counted from the first row of its block."""
        _, _, slots, rows = block.shape
        return slot + (rows // self._cells - slots // self._states)

    def _in_window(self, column: Array, row: Array, end: Array | None = None) -> Array:
        """Zeros in the rows that are no longer in the window, and in those from `end`."""
        if self._window is None and end is None:
            return column
        rows = jnp.repeat(jnp.arange(column.shape[-1] // self._cells, dtype=jnp.int32), self._cells)
        inside = jnp.array(True) if self._window is None else rows > row - self._window
        if end is not None:
            inside = inside & (rows < end)
        return jnp.where(inside[None, None], column, 0)

    def _open(self, state: Stack) -> Stack:
        """The state with room for another update: a new block where the last one is full."""
        width = self._width(state)
        if state.filled < width:
            return state
        blocks = (*state.blocks, state.block)
        forgotten = len(blocks) - self._seen(len(blocks), width)
        grown, cut = width * self._cells, forgotten * width * self._cells

        def move(array: Array) -> Array:
            return fill_up(array[..., cut:], array.shape[-1] - cut + grown)

        column = move(state.column)
        return Stack(
            blocks[forgotten:],
            jnp.zeros((*state.block.shape[:3], column.shape[-1]), column.dtype),
            column,
            state.scale,
            move(state.sources),
            state.tops,
            state.lost if forgotten else jnp.pad(state.lost, ((0, 0), (0, width), (0, 0))),
            state.doubt,
            0,
        )

    def _rows_in_sight(
        self, state: Stack, blocks: Sequence[Array], axis: int = 3
    ) -> tuple[Array, ...]:
        """The rows of earlier blocks from the first row of `state.block`."""
        own = self._width(state) * self._cells
        return tuple(
            jax.lax.slice_in_dim(block, block.shape[axis] - (n + 1) * own, None, axis=axis)
            for n, block in enumerate(blocks)
        )

    # Pops: by row of a column, (p, y, t), and by slot of the blocks, [y, r, (p, t)].

    def _by_slot(self, rows: Float[Array, "batch r rows"]) -> Float[Array, "batch y r slots"]:
        batch, states = rows.shape[:2]
        pops = rows.reshape(batch, states, -1, self._symbols, states).transpose(0, 3, 1, 2, 4)
        return pops.reshape(batch, self._symbols, states, -1)

    def _pop(self, pops: Array, blocks: Sequence[Array]) -> Float[Array, "batch top rows"]:
        """sum_k column[k-1] pops[k], a product with each block."""
        rows, slots = blocks[-1].shape[-1], blocks[-1].shape[2]
        parts = [
            jnp.einsum("byrK,byKi->byri", pops[..., n * slots : (n + 1) * slots], block)
            for n, block in enumerate(blocks)
        ]
        total = fill_up(parts[0], rows)
        for part in parts[1:]:
            total = total + fill_up(part, rows)
        return total.reshape(len(pops), self._cells, rows)


def fill_up(array: Array, rows: int, front: int = 0) -> Array:
    """Zeros before and after the rows of `array`, so that there are `rows`."""
    after = rows - front - array.shape[-1]
    return jnp.pad(array, ((0, 0),) * (array.ndim - 1) + ((front, after),))


def write(array: Array, update: Array, start: Array) -> Array:
    """`array` with `update` written in from index `start` of axis 2."""
    return jax.lax.dynamic_update_slice_in_dim(array, update, start, axis=2)


def _with_vector(alpha: Array, vector: Array) -> Array:
    """alpha, and alpha times each entry of the vector."""
    return jnp.concatenate([alpha[:, None], vector[:, :, None] * alpha[:, None]], axis=1)


def after_each(before: Array, last: Array) -> Array:
    """From the values before each step and after the last one: those after each step."""
    return jnp.concatenate([before[1:], last[None]])
