"""The fast rule of the nondeterministic stack: how its updates run as loops, a block each."""

from collections.abc import Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from memrnn.nn.memories._horizon import one_less, or_nan
from memrnn.nn.memories._loop import Loop
from memrnn.nn.memories.nondeterministic._back import (
    Adjoint,
    Back,
    Fixed,
    Now,
    Saved,
    cotangent,
    start_back,
    step_back,
    stop_back,
)
from memrnn.nn.memories.nondeterministic._layout import (
    Carry,
    Layout,
    enter,
    in_window,
    leave,
    opened,
    row_of,
    rows_in_window,
    width_of,
)
from memrnn.nn.memories.nondeterministic._lost_runs import follow, scaled, underflow
from memrnn.nn.memories.nondeterministic._shape import (
    Shape,
    after_each,
    by_slot,
    fill_up,
    reading_of,
    weights_of,
    with_vector,
    write_slots,
)
from memrnn.nn.memories.nondeterministic._stack import Stack


class InsideLoop(Loop):
    """The loops over the updates of a batch of strings; `_stack` has the formulas."""

    small: ClassVar[bool] = False

    def __init__(self, shape: Shape):
        self._shape = shape

    def enter(self, state: Stack, updates: int, *, fresh: bool) -> Layout:
        # The last of the updates is not read.
        return enter(self._shape, state, updates - 1, fresh=fresh)

    def leave(self, layout: Layout, state: Stack, updates: int) -> Stack:
        del updates
        return leave(self._shape, layout, state)

    def lengths(self, layout: Layout, updates: int) -> Sequence[int]:
        width = width_of(self._shape, layout)
        first = min(width - layout.filled or width, updates)
        whole, rest = divmod(updates - first, width)
        return [first] + [width] * whole + [rest] * (rest > 0)

    def start(self, layout: Layout) -> tuple[tuple[tuple[Array, ...], Array | None], Carry]:
        layout = opened(self._shape, layout)
        carry = Carry(
            layout.block,
            layout.column,
            layout.scale,
            layout.sources,
            layout.tops,
            layout.lost,
            layout.underflow,
            layout.left,
            jnp.array(layout.filled, jnp.int32),
        )
        return (rows_in_window(self._shape, layout), layout.moved), carry

    def step(
        self,
        fixed: tuple[tuple[Array, ...], Array | None],
        carry: Carry,
        controls: Float[Array, "batch controls"],
    ) -> tuple[Carry, Array, Saved]:
        shape, (earlier, lowest) = self._shape, fixed
        cells, window = shape.cells, shape.window
        weights, vector = weights_of(shape, controls)
        mixing, push = weights[:, :-cells], weights[:, -cells:]
        row = row_of(shape, carry.block, carry.slot)
        factor = carry.scale[:, None, None]

        slots = (carry.column * factor).reshape(len(controls), shape.symbols, shape.states, -1)
        block = write_slots(carry.block, slots, carry.slot * shape.states)
        mixed = jnp.einsum("bmk,bki->bmi", mixing * factor, carry.column)
        pops = by_slot(shape, mixed[:, cells:])
        column = mixed[:, :cells] + _pop(shape, pops, (*earlier, block))
        column = column.reshape(*column.shape[:2], -1, cells)
        rows = jnp.arange(column.shape[2], dtype=jnp.int32)
        pushed = (rows == row).astype(column.dtype)
        column = column + push[:, :, None] * pushed[None, None, :, None]
        column = in_window(shape, column.reshape(carry.column.shape), row)

        sources = write_slots(carry.sources, with_vector(carry.tops[:, 0], vector), row * cells)
        tops = jnp.einsum("bhi,bmi->bhm", sources, column)
        seen = rows > row - (window or len(rows) + 1)
        lowest = lowest if window is None else row - (window - 1)
        lost = follow(carry.lost, weights, column, sources[:, 0], tops[:, 0], seen, row, lowest)
        scale = 1 / tops[:, 0].sum(axis=-1)
        tops, lost = tops * scale[:, None, None], scaled(lost, scale)
        most = underflow(carry.lost, carry.underflow, carry.left)
        left = one_less(carry.left)
        after = Carry(block, column, scale, sources, tops, lost, most, left, carry.slot + 1)
        return after, or_nan(left, reading_of(shape, tops)), Saved(pops, scale, carry.tops)

    def stop(self, layout: Layout, carry: Carry, updates: int) -> Layout:
        layout = opened(self._shape, layout)
        return Layout(layout.blocks, *carry[:-1], layout.moved, layout.filled + updates)

    def readings(self, carry: Carry, saved: Saved) -> Array:
        readings = reading_of(self._shape, after_each(saved.tops, carry.tops))
        if carry.left is None:
            return readings
        left = carry.left + jnp.arange(len(readings), dtype=jnp.int32)[::-1]
        return jax.vmap(or_nan)(left, readings)

    def start_back(
        self,
        after: Layout,
        controls: Float[Array, "time batch controls"],
        saved: Saved,
        adjoint: Adjoint | None,
    ) -> tuple[Fixed, Back, Now]:
        return start_back(self._shape, after, controls, saved, adjoint)

    def step_back(
        self, fixed: Fixed, carry: Back, now: Now, d_reading: Float[Array, "batch reading"]
    ) -> tuple[Back, Array]:
        return step_back(self._shape, fixed, carry, now, d_reading)

    def stop_back(self, carry: Back, saved: Saved, adjoint: Adjoint | None) -> tuple[Adjoint, None]:
        return stop_back(carry, saved, adjoint), None

    def cotangent(self, layout: Layout, adjoint: Adjoint) -> Layout:
        return cotangent(self._shape, layout, adjoint)


def _pop(
    shape: Shape, pops: Float[Array, "batch y r slots"], blocks: Sequence[Array]
) -> Float[Array, "batch top rows"]:
    """sum_k column[k-1] pops[k], a product with each block."""
    rows, slots = blocks[-1].shape[-1], blocks[-1].shape[2]
    parts = [
        jnp.einsum("byrK,byKi->byri", pops[..., n * slots : (n + 1) * slots], block)
        for n, block in enumerate(blocks)
    ]
    total = fill_up(parts[0], rows)
    for part in parts[1:]:
        total = total + fill_up(part, rows)
    return total.reshape(len(pops), shape.cells, rows)
