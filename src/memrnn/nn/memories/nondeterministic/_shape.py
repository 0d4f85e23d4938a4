"""The sizes of a nondeterministic stack, and array operations that both rules share."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from memrnn.nn.straight_through import straight_through


@dataclass(frozen=True)
class Shape:
    """The sizes of a nondeterministic stack.

    Attributes:
        states, symbols: Q and S.
        vector: length m of the pushed vectors; 0 without vectors.
        window: number of updates after which a pushed symbol that is on top ends the run; None
            for never.
        hard: whether an update has one action for each pair, and vectors are binary.
    """

    states: int
    symbols: int
    vector: int
    window: int | None
    hard: bool

    @property
    def pairs(self) -> int:
        """Number of pairs of a top symbol and a state, Q S; the state is the faster index."""
        return self.states * self.symbols

    @property
    def channels(self) -> int:
        """What is summed over runs: their weight, and their weight times each vector entry."""
        return 1 + self.vector

    @property
    def actions(self) -> int:
        """Number of action logits, Q S (2 Q S + Q)."""
        return self.pairs * (2 * self.pairs + self.states)

    def action_weights(
        self, controls: Float[Array, "batch controls"]
    ) -> tuple[Float[Array, "batch actions pairs"], Float[Array, "batch vector"]]:
        """The weights of an update up to a common factor, and its vector.

        Weights have rows (y, r) of replace, r of pop, (y, r) of push, and columns (x, q). Their
        largest is 1, whatever the logits are. Where the stack is hard, the largest logit of each
        column has weight 1 and all others 0, with the gradient of `soft_weights`.
        """
        soft, vector = self.soft_weights(controls)
        if not self.hard:
            return soft, vector
        logits, raw = self._split(controls)
        chosen = jnp.argmax(jnp.where(self._legal, logits, -jnp.inf), axis=1)
        one_hot = jax.nn.one_hot(chosen, logits.shape[1], axis=1, dtype=logits.dtype)
        one_hot = one_hot + 0 * logits.sum(axis=1, keepdims=True)  # not a number if one is none
        binary = (raw > 0).astype(raw.dtype)
        return straight_through(one_hot, soft), straight_through(binary, vector)

    def soft_weights(
        self, controls: Float[Array, "batch controls"]
    ) -> tuple[Float[Array, "batch actions pairs"], Float[Array, "batch vector"]]:
        """What weights and vectors have the gradient of: themselves, where the stack is soft.

        Of a hard one the softmax of each column, over the actions that it may choose.
        """
        logits, raw = self._split(controls)
        if self.hard:
            return jax.nn.softmax(logits, axis=1, where=self._legal), jax.nn.sigmoid(raw)
        largest = jax.lax.stop_gradient(logits.max(axis=(1, 2), keepdims=True))
        return jnp.exp(logits - largest), jax.nn.sigmoid(raw)

    def logit_cotangents(
        self,
        d_weights: Float[Array, "batch actions pairs"],
        soft: Float[Array, "batch actions pairs"],
    ) -> Float[Array, "batch actions pairs"]:
        """From cotangents of the weights to those of their logits, given `soft_weights`."""
        scaled = soft * d_weights
        return scaled - soft * scaled.sum(axis=1, keepdims=True) if self.hard else scaled

    def _split(self, controls: Array) -> tuple[Array, Array]:
        logits, raw = jnp.split(controls, [controls.shape[1] - self.vector], axis=1)
        return logits.reshape(len(controls), -1, self.pairs), raw

    @property
    def _legal(self) -> Bool[np.ndarray, "1 actions pairs"]:
        """Which actions a hard stack may choose, so that its one run never ends.

        Symbol 0 is the bottom's alone: it is not popped, and no other symbol becomes it.
        """
        bottom = np.arange(self.pairs) < self.states
        replace = bottom[:, None] == bottom
        pop = np.broadcast_to(~bottom, (self.states, self.pairs))
        push = np.broadcast_to(~bottom[:, None], replace.shape)
        return np.concatenate([replace, pop, push])[None]

    def reading_of(self, tops: Float[Array, "... channels top"]) -> Float[Array, "... reading"]:
        """The reading in the literature's order: state, symbol, entry of the vector."""
        values = tops[..., 1:, :] if self.vector else tops
        values = values.reshape(*values.shape[:-1], self.symbols, self.states)
        return jnp.moveaxis(values, -3, -1).swapaxes(-3, -2).reshape(*tops.shape[:-2], -1)

    def pops_by_slot(self, pops: Float[Array, "batch r rows"]) -> Float[Array, "batch y r slots"]:
        """Pops by rows of a column, (p, y, t), as pops by slots of the columns, [y, r, (p, t)]."""
        batch, states = pops.shape[:2]
        pops = pops.reshape(batch, states, -1, self.symbols, states).transpose(0, 3, 1, 2, 4)
        return pops.reshape(batch, self.symbols, states, -1)

    def pops_by_row(self, pops: Float[Array, "batch y r slots"]) -> Float[Array, "batch r rows"]:
        """Undoes `pops_by_slot`."""
        batch, _, states = pops.shape[:3]
        pops = pops.reshape(batch, self.symbols, states, -1, states).transpose(0, 2, 3, 1, 4)
        return pops.reshape(batch, states, -1)

    def row_of(self, block: Array, slot: Array) -> Array:
        """The row that an update fills, counted from the first row of its block."""
        _, _, slots, rows = block.shape
        return slot + (rows // self.pairs - slots // self.states)

    def rows_in_window(self, column: Array, row: Array, end: Array | None = None) -> Array:
        """The column with zeros in the rows outside the window, and in those from `end`."""
        if self.window is None and end is None:
            return column
        rows = jnp.repeat(jnp.arange(column.shape[-1] // self.pairs, dtype=jnp.int32), self.pairs)
        inside = jnp.array(True) if self.window is None else rows > row - self.window
        if end is not None:
            inside = inside & (rows < end)
        return jnp.where(inside[None, None], column, 0)

    def blocks_in_window(self, earlier: int, width: int) -> int:
        """How many of the earlier blocks a block of this many slots still sees."""
        return earlier if self.window is None else min(earlier, -(-(self.window - 1) // width))


def with_vector(
    alpha: Float[Array, "batch pairs"], vector: Float[Array, "batch vector"]
) -> Float[Array, "batch channels pairs"]:
    """alpha, and alpha times each entry of the vector."""
    return jnp.concatenate([alpha[:, None], vector[:, :, None] * alpha[:, None]], axis=1)


def pad_rows(array: Array, rows: int, front: int = 0) -> Array:
    """Zeros before and after the last axis of `array`, so that its length is `rows`."""
    after = rows - front - array.shape[-1]
    return jnp.pad(array, ((0, 0),) * (array.ndim - 1) + ((front, after),))


def write_slots(array: Array, update: Array, start: Array | int) -> Array:
    """`array` with `update` written in from index `start` of axis 2."""
    return jax.lax.dynamic_update_slice_in_dim(array, update, start, axis=2)


def read_slots(array: Array, start: Array, size: int) -> Array:
    """`size` entries of axis 2 from index `start`."""
    return jax.lax.dynamic_slice_in_dim(array, start, size, axis=2)


def after_each(before: Array, last: Array) -> Array:
    """From the values before each step and after the last one: those after each step."""
    return jnp.concatenate([before[1:], last[None]])
