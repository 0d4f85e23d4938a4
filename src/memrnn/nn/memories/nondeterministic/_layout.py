"""The columns of a nondeterministic stack as the fast rule keeps them.

They are cut into blocks of `width` slots. A block has only the rows that its updates can fill: a
loop is compiled for each block, and it takes earlier blocks as constants. So shapes grow with the
updates, as those of a state must not: `enter` makes a `Layout` of a `Stack`, and `leave` a `Stack`
of a `Layout`. The layout depends on shapes only, never on the numbers in a state: the rows of a
state that may be at several updates are moved so that the last one has always the same index.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from memrnn.nn.memories._horizon import Left
from memrnn.nn.memories.nondeterministic._shape import Shape, fill_up
from memrnn.nn.memories.nondeterministic._stack import Stack

MOST_BLOCKS = 16


class Layout(eqx.Module):
    """A `Stack` in blocks that grow.

    Attributes:
        blocks: earlier columns whose rows are still in the window, oldest first, each as it was
            when it was full; `block` begins at the row at which the oldest one's own rows do.
        block: the columns of the block that is being filled.
        column, scale: the last column before its factor, and the factor. It is in no block yet.
        sources, tops, lost, underflow, left: as in `Stack`.
        moved: number of rows before the bottom's; None for none, and with a window.
        filled: number of slots of `block` that are filled.
    """

    blocks: tuple[Float[Array, "batch y slot _"], ...]
    block: Float[Array, "batch y slot rows"]
    column: Float[Array, "batch top rows"]
    scale: Float[Array, " batch"]
    sources: Float[Array, "batch heads rows"]
    tops: Float[Array, "batch heads top"]
    lost: Float[Array, "batch height seen"]
    underflow: Float[Array, " batch"]
    left: Left
    moved: Int[Array, ""] | None
    filled: int = eqx.field(static=True)


class Carry(NamedTuple):
    """What a loop carries: a `Layout` but for its earlier blocks, and the next slot."""

    block: Array
    column: Array
    scale: Array
    sources: Array
    tops: Array
    lost: Array
    underflow: Array
    left: Left
    slot: Int[Array, ""]


def block_width(window: int | None, updates: int) -> int:
    """How many updates share a block: measured, see `docs/nondeterministic.md`.

    Narrow blocks compute less in vain; but every block is a loop of its own to compile, so
    there are at most `MOST_BLOCKS` of them.
    """
    narrowest = 16 if window is None else max(4, math.ceil(window / 5))
    width = narrowest * math.ceil((updates + 1) / (narrowest * MOST_BLOCKS))
    # A text is longer than its segments, and only a segment's blocks are compiled.
    return width if window is None else min(width, max(narrowest, window))


def enter(shape: Shape, state: Stack, updates: int, *, fresh: bool) -> Layout:
    """The layout of a state.

    With a window the last row begins a block, after all blocks that the window can see. Without,
    the last row has the index that it has when the updates are the last ones of the horizon; if
    they turn out to go beyond it, all their readings are NaN.

    Args:
        updates: number of updates that are read.
        fresh: whether the state is as `first` made it. There is then no earlier block.
    """
    cells, states = shape.cells, shape.states
    rows = state.column.shape[-1] // cells
    left, lost, moved = state.left, state.lost, None
    if left is None:
        width = block_width(shape.window, updates)
        last = 0 if fresh else blocks_in_window(shape, MOST_BLOCKS, width) * width
        start = rows - 1 - last
    else:
        last = 0 if fresh else max(0, rows - 1 - updates)
        width = block_width(None, last + updates)
        start = 0
        if not fresh:
            excess = rows - 1 - left - last
            left = jnp.where(excess > 0, -1, left)
            if last:
                start, moved = excess, -excess
        if moved is None:
            lost = _cut(lost, 1, 0, width)
    number = last // width
    size = (number + 1) * width
    blocks = []
    if last:
        square = _cut(_square(state.blocks), 2, start * states, size * states)
        square = _cut(square, 3, start * cells, size * cells)
        blocks = _stairs(square, [(n + 1) * width for n in range(number + 1)], shape)
    else:
        batch, symbols = state.column.shape[0], shape.symbols
        blocks = [jnp.zeros((batch, symbols, width * states, width * cells), state.column.dtype)]
    return Layout(
        tuple(blocks[:-1]),
        blocks[-1],
        _cut(state.column, 2, start * cells, size * cells),
        jnp.ones_like(state.underflow),
        _cut(state.sources, 2, start * cells, size * cells),
        state.tops,
        lost,
        state.underflow,
        left,
        moved,
        last - number * width + 1,
    )


def leave(shape: Shape, layout: Layout, state: Stack) -> Stack:
    """The state that a layout holds; its shapes are those of `state`."""
    cells, states = shape.cells, shape.states
    rows = state.column.shape[-1] // cells
    if layout.left is None:
        start = len(layout.blocks) * width_of(shape, layout) + layout.filled - rows
    else:
        start = 0 if layout.moved is None else layout.moved
    blocks = (*rows_in_window(shape, layout), layout.block)
    square = _cut(_square(blocks), 2, start * states, rows * states)
    square = _cut(square, 3, start * cells, rows * cells)
    ends = [block.shape[3] // cells for block in state.blocks]
    return Stack(
        tuple(_stairs(square, ends, shape)),
        _cut(layout.column * layout.scale[:, None, None], 2, start * cells, rows * cells),
        _cut(layout.sources, 2, start * cells, rows * cells),
        layout.tops,
        _cut(layout.lost, 1, 0, rows),
        layout.underflow,
        layout.left,
    )


def width_of(shape: Shape, layout: Layout) -> int:
    """Number of slots of a block."""
    return layout.block.shape[2] // shape.states


def blocks_in_window(shape: Shape, earlier: int, width: int) -> int:
    """How many of the earlier blocks a block still sees."""
    return earlier if shape.window is None else min(earlier, -(-(shape.window - 1) // width))


def rows_in_window(
    shape: Shape, layout: Layout, blocks: Sequence[Array] | None = None, axis: int = 3
) -> tuple[Array, ...]:
    """The rows of earlier blocks from the first row of `layout.block`."""
    own = width_of(shape, layout) * shape.cells
    return tuple(
        jax.lax.slice_in_dim(block, block.shape[axis] - (n + 1) * own, None, axis=axis)
        for n, block in enumerate(layout.blocks if blocks is None else blocks)
    )


def row_of(shape: Shape, block: Array, slot: Array) -> Array:
    """The row that an update fills, counted from the first row of its block."""
    _, _, slots, rows = block.shape
    return slot + (rows // shape.cells - slots // shape.states)


def in_window(shape: Shape, column: Array, row: Array, end: Array | None = None) -> Array:
    """Zeros in the rows that are no longer in the window, and in those from `end`."""
    if shape.window is None and end is None:
        return column
    rows = jnp.repeat(jnp.arange(column.shape[-1] // shape.cells, dtype=jnp.int32), shape.cells)
    inside = jnp.array(True) if shape.window is None else rows > row - shape.window
    if end is not None:
        inside = inside & (rows < end)
    return jnp.where(inside[None, None], column, 0)


def opened(shape: Shape, layout: Layout) -> Layout:
    """The layout with room for another update: a new block where the last one is full."""
    width = width_of(shape, layout)
    if layout.filled < width:
        return layout
    blocks = (*layout.blocks, layout.block)
    forgotten = len(blocks) - blocks_in_window(shape, len(blocks), width)
    grown, gone = width * shape.cells, forgotten * width * shape.cells

    def move(array: Array) -> Array:
        return fill_up(array[..., gone:], array.shape[-1] - gone + grown)

    lost, column = layout.lost, move(layout.column)
    if layout.moved is None and shape.window is None:
        lost = jnp.pad(lost, ((0, 0), (0, width), (0, 0)))
    return Layout(
        blocks[forgotten:],
        jnp.zeros((*layout.block.shape[:3], column.shape[-1]), column.dtype),
        column,
        layout.scale,
        move(layout.sources),
        layout.tops,
        lost,
        layout.underflow,
        layout.left,
        layout.moved,
        0,
    )


def memory_estimate(shape: Shape, updates: int, size: int, *, gradient: bool) -> tuple[int, int]:
    """Bytes per string while it runs, and until its gradient is there.

    Without the gradient those are its columns. With it columns and pops are kept, and the way back
    needs the columns' transposes, their cotangents, and twice what comes from later blocks.

    Args:
        size: bytes per number.
    """
    width = block_width(shape.window, updates)
    blocks = -(-(updates + 1) // width)
    earlier = sum(blocks_in_window(shape, number, width) for number in range(blocks))
    columns = (earlier + blocks) * (width * shape.cells) ** 2 * size
    return (4 * columns, columns + columns // shape.symbols) if gradient else (columns, 0)


def _cut(array: Array, axis: int, start: Array | int, size: int) -> Array:
    """`size` entries of an axis from index `start`, and zeros where there are none."""
    front, end = size, size
    if isinstance(start, int):
        front, end = max(0, -start), max(0, start + size - array.shape[axis])
    widths = [(front, end) if n == axis else (0, 0) for n in range(array.ndim)]
    return jax.lax.dynamic_slice_in_dim(jnp.pad(array, widths), start + front, size, axis=axis)


def _square(blocks: Sequence[Array]) -> Array:
    """Blocks as one array of all slots and all rows."""
    rows = blocks[-1].shape[3]
    return jnp.concatenate([fill_up(block, rows) for block in blocks], axis=2)


def _stairs(square: Array, ends: Sequence[int], shape: Shape) -> list[Array]:
    """Undoes `_square`, for blocks that end after these numbers of slots."""
    return [
        square[:, :, begin * shape.states : end * shape.states, : end * shape.cells]
        for begin, end in zip([0, *ends], ends, strict=False)
    ]
