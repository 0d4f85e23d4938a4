"""The way back through the inside weights; see `memrnn.memories._inside`."""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from memrnn.memories._inside import InsideForward, Saved, Stack, after_each, fill_up, write


class _Now(NamedTuple):
    """What a step back needs about its update, computed for all of them at once.

    Attributes:
        weights: all weights of the update, in the order of `InsideForward.weights`.
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


class _Fixed(NamedTuple):
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


class _Back(NamedTuple):
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


class _Later(NamedTuple):
    """A later block on the way back: its updates' pops, and the cotangents of its columns."""

    pops: Array
    cotangents: Array


class _Adjoint(NamedTuple):
    """What a loop hands to the one before it: `_Back` at its end, and the blocks so far."""

    d_column: Array
    d_alpha: Array
    d_sources: Array
    later: tuple[_Later, ...]


class InsideLoop(InsideForward):
    """The loops over the updates of a batch of strings, forward and back."""

    def start_back(
        self, after: Stack, controls: Array, saved: Saved, adjoint: _Adjoint | None
    ) -> tuple[_Fixed, _Back, _Now]:
        updates, batch = controls.shape[:2]
        filled = after.filled - updates
        weights, vectors, slopes = jax.vmap(self.weights)(controls)
        inner = self._pops_from(saved.pops, len(after.blocks), after)[..., filled : after.filled, :]
        inner = inner.transpose(4, 1, 2, 5, 0, 3)
        now = _Now(
            weights,
            weights[:, :, : -self._cells].swapaxes(2, 3),
            vectors,
            slopes,
            saved.scale,
            saved.tops,
            after_each(saved.tops, after.tops),
            inner.reshape(*inner.shape[:4], updates * self._states),
            jnp.arange(filled, after.filled, dtype=jnp.int32),
            jnp.arange(updates, dtype=jnp.int32),
        )
        adjoint = self._adjoint_of(adjoint, after)
        size = updates * self._states
        # Whole blocks are transposed, and then cut, because all loops see the same whole ones.
        earlier = [block.swapaxes(2, 3) for block in after.blocks]
        fixed = _Fixed(
            (*self._rows_in_sight(after, earlier, axis=2), after.block.swapaxes(2, 3)),
            after.block,
            after.sources,
            self._lazy(adjoint.later, after),
        )
        back = _Back(
            after.column * after.scale[:, None, None],
            adjoint.d_column,
            adjoint.d_alpha,
            adjoint.d_sources,
            jnp.zeros((batch, self._symbols, size, after.block.shape[-1]), after.block.dtype),
        )
        return fixed, back, now

    def step_back(
        self, fixed: _Fixed, carry: _Back, now: _Now, d_reading: Array
    ) -> tuple[_Back, Array]:
        batch, cells, states = len(d_reading), self._cells, self._states
        row = self._row(fixed.block, now.slot)

        d_tops = self._through_reading(d_reading, now.after)
        d_tops = d_tops.at[:, 0].add(carry.d_alpha)
        d_sources = carry.d_sources + jnp.einsum("bhm,bmi->bhi", d_tops, carry.column)
        d_source = _read(d_sources, row * cells, cells)
        d_vector = jnp.einsum("bhx,bx->bh", d_source[:, 1:], now.before[:, 0])
        d_alpha = d_source[:, 0] + jnp.einsum("bhx,bh->bx", d_source[:, 1:], now.vector)

        d_column = carry.d_column + jnp.einsum("bhm,bhi->bmi", d_tops, fixed.sources)
        d_column = self._in_window(d_column * now.scale[:, None, None], row, row + 1)
        # The cotangent of a weight that has been rounded to zero can be beyond all bounds.
        largest = float(jnp.finfo(d_column.dtype).max) ** 0.9
        d_column = jnp.clip(d_column, -largest, largest)
        slots = d_column.reshape(batch, self._symbols, states, -1)
        cotangents = write(carry.cotangents, slots, now.step * states)

        previous = _read(fixed.block, now.slot * states, states).reshape(d_column.shape)
        d_pops = self._pop_back(slots, fixed.blocks)
        d_mixed = jnp.concatenate([d_column, self._by_row(d_pops)], axis=1)
        d_mixing = jnp.einsum("bmi,bki->bmk", d_mixed, previous)
        d_previous = jnp.einsum("bkm,bmi->bki", now.mixing, d_mixed)
        lazy = jnp.einsum("bytK,byKi->byti", now.pops, cotangents)
        lazy = lazy + _read(fixed.lazy, now.slot * states, states)

        d_push = _read(d_column, row * cells, cells)
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

    def stop_back(
        self, carry: _Back, saved: Saved, adjoint: _Adjoint | None
    ) -> tuple[_Adjoint, None]:
        later = (_Later(saved.pops, carry.cotangents), *(adjoint.later if adjoint else ()))
        return _Adjoint(carry.d_column, carry.d_alpha, carry.d_sources, later), None

    def cotangent(self, layout: Stack, adjoint: _Adjoint) -> Stack:
        # Of a first state only the sources depend on parameters, by the bottom vector.
        zeros = jax.tree.map(jnp.zeros_like, layout)
        rows = zeros.sources.shape[-1]
        return eqx.tree_at(lambda stack: stack.sources, zeros, adjoint.d_sources[..., :rows])

    def _through_reading(self, d_reading: Array, tops: Array) -> Array:
        """Cotangent of the tops, by which the alphas' sum divides all."""
        moved = d_reading.reshape(len(d_reading), self._states, self._symbols, -1)
        d_heads = moved.transpose(0, 3, 2, 1).reshape(len(d_reading), -1, self._cells)
        read = tops[:, 1:] if self._vector else tops
        d_sum = -jnp.einsum("bhm,bhm->b", d_heads, read)
        d_sum = jnp.broadcast_to(d_sum[:, None], tops[:, 0].shape)
        if self._vector:
            return jnp.concatenate([d_sum[:, None], d_heads], axis=1)
        return d_heads + d_sum[:, None]

    def _by_row(self, slots: Float[Array, "batch y r slots"]) -> Float[Array, "batch r rows"]:
        batch, _, states = slots.shape[:3]
        pops = slots.reshape(batch, self._symbols, states, -1, states).transpose(0, 2, 3, 1, 4)
        return pops.reshape(batch, states, -1)

    def _pop_back(self, d_column: Array, blocks: Sequence[Array]) -> Array:
        """The cotangent of the pops, by slot."""
        pieces = [
            jnp.einsum("byri,byiK->byrK", d_column[..., : block.shape[-2]], block)
            for block in blocks
        ]
        return jnp.concatenate(pieces, axis=-1)

    def _pops_from(self, pops: Array, number: int, state: Stack) -> Array:
        """Saved pops from the slots of one block: [update, batch, y, r, slot, t]."""
        size = state.block.shape[2]
        piece = pops[..., number * size : (number + 1) * size]
        return piece.reshape(*piece.shape[:4], -1, self._states)

    # Between the loops back.

    def _adjoint_of(self, adjoint: _Adjoint | None, after: Stack) -> _Adjoint:
        """What the next loop left, in the rows of this one's block."""
        if adjoint is None:
            column, alpha, sources = after.column, after.tops[:, 0], after.sources
            return _Adjoint(*map(jnp.zeros_like, (column, alpha, sources)), later=())
        rows, grown = after.column.shape[-1], self._width(after) * self._cells

        def move(array: Array) -> Array:
            kept = array[..., :-grown]
            return fill_up(kept, rows, front=rows - kept.shape[-1])

        return adjoint._replace(d_column=move(adjoint.d_column), d_sources=move(adjoint.d_sources))

    def _lazy(self, later: Sequence[_Later], after: Stack) -> Array:
        """Cotangents of the block's columns from the updates of later blocks."""
        total = jnp.zeros_like(after.block)
        rows, slots = after.block.shape[-1], after.block.shape[2]
        width = slots // self._states * self._cells
        for distance, each in enumerate(later, start=1):
            number = each.cotangents.shape[-1] // width - 1 - distance
            if number < 0:
                continue
            pops = self._pops_from(each.pops, number, after).transpose(1, 2, 4, 5, 0, 3)
            pops = pops.reshape(*pops.shape[:2], slots, -1)
            seen = (number + 1) * width
            part = jnp.einsum("byKT,byTi->byKi", pops, each.cotangents[..., :seen])
            total = total + fill_up(part, rows, front=rows - seen)
        return total


def _read(array: Array, start: Array, size: int) -> Array:
    """`size` entries of axis 2 from index `start`."""
    return jax.lax.dynamic_slice_in_dim(array, start, size, axis=2)
