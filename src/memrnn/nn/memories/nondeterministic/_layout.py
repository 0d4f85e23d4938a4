"""The columns of a nondeterministic stack as the fast rule keeps them.

They are cut into blocks of `width` slots. A block has only the rows that its updates can fill: a
loop is compiled for each block, and it takes earlier blocks as constants. So shapes grow with the
updates, as those of a state must not: `layout_of` makes a `Layout` of a state, and `Layout.state` a
state of it. The layout depends on shapes only, never on the numbers in a state: the rows of a state
that may be at several updates are moved so that the last one has always the same index.
"""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from memrnn.nn.memories.nondeterministic._shape import Shape, pad_rows
from memrnn.nn.memories.nondeterministic._stack import Stack

MOST_BLOCKS = 16


class Layout(eqx.Module):
    """A `Stack` in blocks that grow.

    Attributes:
        stack: its blocks are those whose rows are still in the window, oldest first. The last one
            is being filled, and begins at the row at which the oldest one's own rows do; the others
            are as they were when they were full. Its column is the last one before its factor, and
            in no block yet.
        scale: the factor.
        bottom_row: the index of the bottom's row; None for the first row, and with a window.
        shape: the sizes.
        filled: number of slots of the last block that are filled.
    """

    stack: Stack
    scale: Float[Array, " batch"]
    bottom_row: Int[Array, ""] | None
    shape: Shape = eqx.field(static=True)
    filled: int = eqx.field(static=True)

    @property
    def block(self) -> Float[Array, "batch y slot rows"]:
        """The block that is being filled."""
        return self.stack.blocks[-1]

    @property
    def width(self) -> int:
        """Number of slots of a block."""
        return self.block.shape[2] // self.shape.states

    def earlier_rows(self, *, transposed: bool = False) -> tuple[Array, ...]:
        """The rows of earlier blocks from the first row of the last block."""
        own, axis = self.width * self.shape.pairs, 2 if transposed else 3
        # Whole blocks are transposed, and then cut, because all loops see the same whole ones.
        blocks = [b.swapaxes(2, 3) if transposed else b for b in self.stack.blocks[:-1]]
        return tuple(
            jax.lax.slice_in_dim(block, block.shape[axis] - (n + 1) * own, None, axis=axis)
            for n, block in enumerate(blocks)
        )

    def with_free_slot(self) -> "Layout":
        """The layout, with a new block where the last one is full."""
        stack, width = self.stack, self.width
        if self.filled < width:
            return self
        hidden = len(stack.blocks) - self.shape.blocks_in_window(len(stack.blocks), width)
        own, gone = width * self.shape.pairs, hidden * width * self.shape.pairs

        def move(array: Array) -> Array:
            return pad_rows(array[..., gone:], array.shape[-1] - gone + own)

        lost, column = stack.lost, move(stack.column)
        if self.bottom_row is None and self.shape.window is None:
            lost = jnp.pad(lost, ((0, 0), (0, width), (0, 0)))
        block = jnp.zeros((*self.block.shape[:3], column.shape[-1]), column.dtype)
        stack = stack._replace(
            blocks=(*stack.blocks[hidden:], block),
            column=column,
            sources=move(stack.sources),
            lost=lost,
        )
        return Layout(stack, self.scale, self.bottom_row, self.shape, 0)

    def state(self, like: Stack) -> Stack:
        """The state that the layout holds, in the shapes of another one."""
        stack, pairs = self.stack, self.shape.pairs
        rows = like.column.shape[-1] // pairs
        if stack.left is None:
            start = (len(stack.blocks) - 1) * self.width + self.filled - rows
        else:
            start = 0 if self.bottom_row is None else self.bottom_row
        blocks = (*self.earlier_rows(), self.block)
        ends = [block.shape[3] // pairs for block in like.blocks]
        column = stack.column * self.scale[:, None, None]
        return stack._replace(
            blocks=_resized_blocks(self.shape, blocks, start, ends),
            column=_padded_slice(column, 2, start * pairs, rows * pairs),
            sources=_padded_slice(stack.sources, 2, start * pairs, rows * pairs),
            lost=_padded_slice(stack.lost, 1, 0, rows),
        )


def block_width(window: int | None, updates: int) -> int:
    """How many updates share a block: measured, see `docs/nondeterministic.md`.

    Narrow blocks compute less in vain, but every block is a loop of its own to compile.
    """
    narrowest = 16 if window is None else max(4, math.ceil(window / 5))
    width = narrowest * math.ceil((updates + 1) / (narrowest * MOST_BLOCKS))
    # A text is longer than its segments, and only a segment's blocks are compiled.
    return width if window is None else min(width, max(narrowest, window))


def layout_of(shape: Shape, state: Stack, updates: int, *, fresh: bool) -> Layout:
    """The layout of a state.

    With a window the last row begins a block, after all blocks that the window can see. Without,
    the last row has the index that it has when the updates are the last ones of the horizon; if
    they turn out to go beyond it, all their readings are NaN.

    Args:
        updates: number of updates that are read.
        fresh: whether the state is as `initial_stack` made it. There is then no earlier block.
    """
    pairs = shape.pairs
    rows = state.column.shape[-1] // pairs
    left, lost, bottom_row = state.left, state.lost, None
    if left is None:
        width = block_width(shape.window, updates)
        last = 0 if fresh else shape.blocks_in_window(MOST_BLOCKS, width) * width
        start = rows - 1 - last
    else:
        last = 0 if fresh else max(0, rows - 1 - updates)
        width = block_width(None, last + updates)
        start = 0
        if not fresh:
            excess = rows - 1 - left - last
            left = jnp.where(excess > 0, -1, left)
            if last:
                start, bottom_row = excess, -excess
        if bottom_row is None:
            lost = _padded_slice(lost, 1, 0, width)
    count = last // width + 1
    size = count * width
    if last:
        ends = range(width, size + 1, width)
        blocks = _resized_blocks(shape, state.blocks, start, ends)
    else:
        block = (state.column.shape[0], shape.symbols, width * shape.states, width * pairs)
        blocks = (jnp.zeros(block, state.column.dtype),)
    stack = state._replace(
        blocks=blocks,
        column=_padded_slice(state.column, 2, start * pairs, size * pairs),
        sources=_padded_slice(state.sources, 2, start * pairs, size * pairs),
        lost=lost,
        left=left,
    )
    scale = jnp.ones_like(state.underflow)
    return Layout(stack, scale, bottom_row, shape, last - size + width + 1)


def memory_estimate(shape: Shape, updates: int, size: int, *, gradient: bool) -> tuple[int, int]:
    """`Memory.memory_estimate` for numbers of `size` bytes.

    Without the gradient those are a string's columns. With it columns and pops are kept, and the
    backward pass needs the columns' transposes, their cotangents, and twice what comes from later
    blocks.
    """
    width = block_width(shape.window, updates)
    blocks = -(-(updates + 1) // width)
    earlier = sum(shape.blocks_in_window(number, width) for number in range(blocks))
    columns = (earlier + blocks) * (width * shape.pairs) ** 2 * size
    return (4 * columns, columns + columns // shape.symbols) if gradient else (columns, 0)


def _padded_slice(array: Array, axis: int, start: Array | int, size: int) -> Array:
    """`size` entries of an axis from index `start`, and zeros where there are none."""
    front, end = size, size
    if isinstance(start, int):
        front, end = max(0, -start), max(0, start + size - array.shape[axis])
    widths = [(front, end) if n == axis else (0, 0) for n in range(array.ndim)]
    return jax.lax.dynamic_slice_in_dim(jnp.pad(array, widths), start + front, size, axis=axis)


def _resized_blocks(
    shape: Shape, blocks: Sequence[Array], start: Array | int, ends: Sequence[int]
) -> tuple[Array, ...]:
    """The columns of blocks from slot and row `start`, in blocks that end after these slots."""
    states, pairs = shape.states, shape.pairs
    rows = blocks[-1].shape[3]
    square = jnp.concatenate([pad_rows(block, rows) for block in blocks], axis=2)
    square = _padded_slice(square, 2, start * states, ends[-1] * states)
    square = _padded_slice(square, 3, start * pairs, ends[-1] * pairs)
    return tuple(
        square[:, :, begin * states : end * states, : end * pairs]
        for begin, end in zip([0, *ends], ends, strict=False)
    )
