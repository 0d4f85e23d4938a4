from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from memrnn._init import uniform
from memrnn.memories._inside import InsideLoop, Stack
from memrnn.memories._loop import Loop
from memrnn.memories._memory import Memory

SCALE = 0.1


class Nondeterministic(Memory):
    """stub docstring"""

    weight_actions: Float[Array, "actions hidden"]
    bias_actions: Float[Array, " actions"]
    states: int = eqx.field(static=True)
    symbols: int = eqx.field(static=True)
    window: int | None = eqx.field(static=True)

    def __init__(self, hidden_size: int, *, states: int, symbols: int, window: int | None = None, rng: np.random.Generator):
        self.states, self.symbols, self.window = states, symbols, window
        cells = states * symbols
        rows = cells * (2 * cells + states)
        self.weight_actions = uniform(rng, (rows, hidden_size), SCALE)
        self.bias_actions = uniform(rng, (rows,), SCALE)

    @property
    def vector_size(self) -> int:
        return 0

    @property
    def reading_size(self) -> int:
        return self.states * self.symbols

    def affine(self) -> tuple[Array, Array]:
        return self._order(self.weight_actions), self._order(self.bias_actions)

    def _order(self, actions: Array) -> Array:
        """From rows (q, x) and columns push (r, y), replace (r, y), pop r to the loop's order."""
        states, symbols, cells = self.states, self.symbols, self.states * self.symbols
        rest = actions.shape[1:]
        by_cell = actions.reshape(states, symbols, 2 * cells + states, *rest)
        push = by_cell[:, :, :cells].reshape(states, symbols, states, symbols, *rest)
        replace = by_cell[:, :, cells : 2 * cells].reshape(states, symbols, states, symbols, *rest)
        pop = by_cell[:, :, 2 * cells :]
        last = range(4, push.ndim)
        push, replace = (each.transpose(3, 2, 1, 0, *last) for each in (push, replace))
        pop = pop.transpose(2, 1, 0, *range(3, pop.ndim))
        return jnp.concatenate([each.reshape(-1, *rest) for each in (replace, pop, push)])

    def initial_state(self, batch: int, updates: int) -> Stack:
        width = chunk(updates, self.window)
        return initial(self, batch, width)

    def update(self, state: Stack, drive: Array) -> Stack:
        loop = self.loop()
        carry, _, _ = loop.step(loop.start(state), drive)
        return loop.stop(state, carry, 1)

    def reading(self, state: Stack) -> Array:
        return self._inside().reading(state.tops)

    def _inside(self) -> InsideLoop:
        parameters = eqx.filter(self, eqx.is_inexact_array)
        return InsideLoop(self.states, self.symbols, self.vector_size, self.window, parameters)

    def loop(self) -> Loop:
        return self._inside()


import os
def chunk(updates: int, window: int | None) -> int:
    return int(os.environ.get("W", "16"))


def initial(memory: Any, batch: int, width: int) -> Stack:
    cells, dtype = memory.states * memory.symbols, memory.weight_actions.dtype
    m = memory.vector_size
    first = np.zeros((batch, cells, width * cells)); first[:, 0, 0] = 1
    sources = np.zeros((batch, 1 + m, width * cells)); sources[:, 0, 0] = 1
    tops = np.zeros((batch, 1 + m, cells)); tops[:, 0, 0] = 1
    return Stack((), jnp.zeros((batch, memory.symbols, width * memory.states, width * cells), dtype),
        jnp.asarray(first, dtype), jnp.asarray(sources, dtype), jnp.asarray(tops, dtype), 1)
