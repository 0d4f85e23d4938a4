"""The fast rule of the nondeterministic stack: its updates run as loops, a block each."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from memrnn.nn.memories._horizon import one_less, or_nan
from memrnn.nn.memories._loop import Loop
from memrnn.nn.memories.nondeterministic._backward import (
    Adjoint,
    BackwardCarry,
    Constants,
    Inputs,
    Residuals,
    layout_cotangent,
    start_backward,
    step_backward,
    stop_backward,
)
from memrnn.nn.memories.nondeterministic._layout import Layout, layout_of
from memrnn.nn.memories.nondeterministic._lost_runs import underflow, update_lost
from memrnn.nn.memories.nondeterministic._shape import (
    Shape,
    after_each,
    pad_rows,
    with_vector,
    write_slots,
)
from memrnn.nn.memories.nondeterministic._stack import Stack


class ForwardCarry(NamedTuple):
    """What a loop carries: a `Layout` with its last block only, and the next slot."""

    stack: Stack
    scale: Array
    slot: Int[Array, ""]


class ForwardConstants(NamedTuple):
    """What a loop does not change: earlier blocks, and `Layout.bottom_row`."""

    earlier: tuple[Array, ...]
    bottom_row: Int[Array, ""] | None


class BlockLoop(Loop):
    """The loops over the updates of a batch of strings; `_stack` has the formulas."""

    small: ClassVar[bool] = False

    def __init__(self, shape: Shape):
        self._shape = shape

    def layout_of(self, state: Stack, updates: int, *, fresh: bool) -> Layout:
        # The last of the updates is not read.
        return layout_of(self._shape, state, updates - 1, fresh=fresh)

    def state_of(self, layout: Layout, like: Stack) -> Stack:
        return layout.state(like)

    def lengths(self, layout: Layout, updates: int) -> Sequence[int]:
        width = layout.width
        first = min(width - layout.filled or width, updates)
        whole, rest = divmod(updates - first, width)
        return [first] + [width] * whole + [rest] * (rest > 0)

    def start(self, layout: Layout) -> tuple[ForwardConstants, ForwardCarry]:
        layout = layout.with_free_slot()
        constants = ForwardConstants(layout.earlier_rows(), layout.bottom_row)
        stack, slot = layout.stack._replace(blocks=(layout.block,)), layout.filled
        return constants, ForwardCarry(stack, layout.scale, jnp.array(slot, jnp.int32))

    def step(
        self, constants: ForwardConstants, carry: ForwardCarry, controls: Array
    ) -> tuple[ForwardCarry, Array, Residuals]:
        shape, pairs, stack = self._shape, self._shape.pairs, carry.stack
        weights, vector = shape.action_weights(controls)
        (block,) = stack.blocks
        row = shape.row_of(block, carry.slot)
        factor = carry.scale[:, None, None]

        slots = (stack.column * factor).reshape(len(controls), shape.symbols, shape.states, -1)
        block = write_slots(block, slots, carry.slot * shape.states)
        mixed = jnp.einsum("bmk,bki->bmi", weights[:, :-pairs] * factor, stack.column)
        pops = shape.pops_by_slot(mixed[:, pairs:])
        column = mixed[:, :pairs] + _popped(shape, pops, (*constants.earlier, block))
        column = column.reshape(*column.shape[:2], -1, pairs)
        rows = jnp.arange(column.shape[2], dtype=jnp.int32)
        pushed = (rows == row).astype(column.dtype)
        column = column + weights[:, -pairs:, None] * pushed[None, None, :, None]
        column = shape.rows_in_window(column.reshape(stack.column.shape), row)

        source = with_vector(stack.tops[:, 0], vector)
        sources = write_slots(stack.sources, source, row * pairs)
        tops = jnp.einsum("bhi,bmi->bhm", sources, column)
        scale = 1 / tops[:, 0].sum(axis=-1)
        oldest = row - (shape.window or len(rows) + 1) + 1
        bottom_row = constants.bottom_row if shape.window is None else oldest
        arguments = column, sources[:, 0], tops[:, 0], scale
        lost = update_lost(
            stack.lost, weights, *arguments, row=row, visible=rows >= oldest, bottom_row=bottom_row
        )
        after = Stack(
            (block,),
            column,
            sources,
            tops * scale[:, None, None],
            lost,
            underflow(stack.lost, stack.underflow, stack.left),
            one_less(stack.left),
        )
        reading = or_nan(after.left, shape.reading_of(after.tops))
        carry = ForwardCarry(after, scale, carry.slot + 1)
        return carry, reading, Residuals(pops, scale, stack.tops)

    def stop(self, layout: Layout, carry: ForwardCarry, updates: int) -> Layout:
        layout = layout.with_free_slot()
        blocks = (*layout.stack.blocks[:-1], *carry.stack.blocks)
        stack = carry.stack._replace(blocks=blocks)
        filled = layout.filled + updates
        return Layout(stack, carry.scale, layout.bottom_row, layout.shape, filled)

    def readings(self, carry: ForwardCarry, residuals: Residuals) -> Array:
        tops, left = carry.stack.tops, carry.stack.left
        readings = self._shape.reading_of(after_each(residuals.tops, tops))
        if left is None:
            return readings
        left = left + jnp.arange(len(readings), dtype=jnp.int32)[::-1]
        return jax.vmap(or_nan)(left, readings)

    def start_backward(
        self, layout: Layout, controls: Array, residuals: Residuals, adjoint: Adjoint | None
    ) -> tuple[Constants, BackwardCarry, Inputs]:
        return start_backward(layout, controls, residuals, adjoint)

    def step_backward(
        self, constants: Constants, carry: BackwardCarry, inputs: Inputs, d_reading: Array
    ) -> tuple[BackwardCarry, Array]:
        return step_backward(self._shape, constants, carry, inputs, d_reading)

    def stop_backward(
        self, carry: BackwardCarry, residuals: Residuals, adjoint: Adjoint | None
    ) -> tuple[Adjoint, None]:
        return stop_backward(carry, residuals, adjoint), None

    def layout_cotangent(self, layout: Layout, adjoint: Adjoint) -> Layout:
        return layout_cotangent(layout, adjoint)


def _popped(shape: Shape, pops: Array, blocks: Sequence[Array]) -> Array:
    """sum_k column[k-1] pops[k], a product with each block."""
    rows, slots = blocks[-1].shape[-1], blocks[-1].shape[2]
    products = [
        jnp.einsum("byrK,byKi->byri", pops[..., n * slots : (n + 1) * slots], block)
        for n, block in enumerate(blocks)
    ]
    total = pad_rows(products[0], rows)
    for product in products[1:]:
        total = total + pad_rows(product, rows)
    return total.reshape(len(pops), shape.pairs, rows)
