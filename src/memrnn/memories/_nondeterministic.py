import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from memrnn._init import SCALE, uniform
from memrnn.errors import MemrnnError
from memrnn.memories._best_run import BestRun, best_run
from memrnn.memories._horizon import updates_of
from memrnn.memories._inside import Stack
from memrnn.memories._inside_back import InsideLoop
from memrnn.memories._memory import AffineMemory

MOST_BLOCKS = 16


class Nondeterministic(AffineMemory):
    """A stack in all states of all runs of a weighted pushdown automaton at once.

    The automaton has Q states q and S stack symbols x; it begins in state 0 with symbol 0, the
    bottom, on its stack. An update can push a symbol, replace the top one or pop it, and change
    the state; the bottom can be replaced, but not popped. The hidden state h weighs all of it:

        log push[q, x -> r, y],  log replace[q, x -> r, y],  log pop[q, x -> r]  =  W h + b

    A run weighs as much as the product of its actions. The reading is the share of every (state,
    top symbol) in the weight of all runs so far,

        reading[r, y] = sum of the weights of the runs that are in r with y on top, / all

    of length Q S, r first. All runs are summed exactly, in time n^3 and space n^2 (n updates).

    With a `window` D, a run ends when its top symbol has been pushed more than D updates ago:
    time D^2 n, space D n, and the stack can be carried through a text of any length.

    Weights need not sum to 1, and adding a number to all logits of an update changes nothing.

    Attributes:
        weight_actions, bias_actions: (Q S (2 Q S + Q), hidden) and its rows' bias. Rows (q, x), in
            each of them push (r, y), replace (r, y), pop r.
        states, symbols, window: Q, S, D.

    Source: DuSell & Chiang 2020 (arXiv 2010.04674), 2022 (arXiv 2109.01982), section 3; the window
    2023 (arXiv 2210.01343), section 6.
    """

    weight_actions: Float[Array, "actions hidden"]
    bias_actions: Float[Array, " actions"]
    states: int = eqx.field(static=True)
    symbols: int = eqx.field(static=True)
    window: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        *,
        states: int,
        symbols: int,
        window: int | None = None,
        rng: np.random.Generator,
    ):
        """Draws all parameters from U(-0.1, 0.1), so that all runs weigh nearly the same.

        Raises:
            MemrnnError: if `states`, `symbols` or `window` is less than 1.
        """
        for name, value in (("states", states), ("symbols", symbols), ("window", window)):
            if value is not None and value < 1:
                raise MemrnnError(f"{name} is {value}, but must be at least 1.")
        self.states, self.symbols, self.window = int(states), int(symbols), window
        cells = self.states * self.symbols
        rows = cells * (2 * cells + self.states)
        self.weight_actions = uniform(rng, (rows, hidden_size), SCALE)
        self.bias_actions = uniform(rng, (rows,), SCALE)

    @property
    def vector_size(self) -> int:
        """Length of the vector under each symbol; 0 without vectors."""
        return 0

    @property
    def reading_size(self) -> int:
        return self.states * self.symbols

    def controls(self) -> tuple[Float[Array, "controls hidden"], Float[Array, " controls"]]:
        """The controls' rows are in the loop's order; `log_weights` gives them their names."""
        return self._order(self.weight_actions), self._order(self.bias_actions)

    def init(self, batch: int, horizon: int | None) -> Stack:
        if horizon is None and self.window is not None:
            horizon = self.window
        updates = updates_of(horizon, "nondeterministic memory", ', or the memory a "window"')
        return self.loop().first(batch, self._block(updates), self.weight_actions.dtype)

    def update(self, state: Stack, controls: Float[Array, "batch controls"]) -> Stack:
        """The next state, whose shapes grow with the columns: loops use `loop` instead."""
        loop = self.loop()
        carry, _, _ = loop.step(*loop.start(state), controls)
        return loop.stop(state, carry, 1)

    def read(self, state: Stack) -> Float[Array, "batch reading"]:
        return self.loop().reading(state.tops)

    def loop(self) -> InsideLoop:
        return InsideLoop(self.states, self.symbols, self.vector_size, self.window)

    def diagnostics(self, state: Stack) -> dict[str, Float[Array, " batch"]]:
        return {"underflow": state.doubt}

    def footprint(self, updates: int, *, gradient: bool = True) -> tuple[int, int]:
        numbers = self.loop().numbers(self._block(updates), updates, gradient=gradient)
        working, kept = (count * self.weight_actions.dtype.itemsize for count in numbers)
        return working, kept

    def log_weights(
        self, controls: Float[np.ndarray, "updates controls"]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The logits by name: push and replace [updates, q, x, r, y], pop [updates, q, x, r]."""
        states, symbols, cells = self.states, self.symbols, self.states * self.symbols
        actions = np.asarray(controls, np.float64)[:, : self.weight_actions.shape[0]]
        replace, pop, push = np.split(actions, [cells**2, cells**2 + cells * states], axis=1)
        named = (-1, symbols, states, symbols, states)
        push, replace = (each.reshape(named).transpose(0, 4, 3, 2, 1) for each in (push, replace))
        return push, replace, pop.reshape(-1, states, symbols, states).transpose(0, 3, 2, 1)

    def best_run(self, controls: Float[np.ndarray, "updates controls"]) -> BestRun:
        """The run of largest weight over the updates of one string (Viterbi), in float64.

        Args:
            controls: `W h_t + b` for the hidden states h_1 ... h_{n-1}, (W, b) from `controls`.
        """
        return best_run(*self.log_weights(controls), window=self.window)

    def _order(self, actions: Array) -> Array:
        """From the rows documented above to the loop's: replace (y, r), pop r, push (y, r)."""
        states, symbols, cells = self.states, self.symbols, self.states * self.symbols
        rest = actions.shape[1:]
        by_cell = actions.reshape(states, symbols, 2 * cells + states, *rest)
        push, replace, pop = jnp.split(by_cell, [cells, 2 * cells], axis=2)
        pairs = (states, symbols, states, symbols, *rest)
        last = range(4, len(pairs))
        push, replace = (
            each.reshape(pairs).transpose(3, 2, 1, 0, *last) for each in (push, replace)
        )
        pop = pop.transpose(2, 1, 0, *range(3, pop.ndim))
        return jnp.concatenate([each.reshape(-1, *rest) for each in (replace, pop, push)])

    def _block(self, updates: int) -> int:
        """How many updates share a block: measured, see `docs/nondeterministic.md`.

        Narrow blocks compute less in vain; but every block is a loop of its own to compile, so
        there are at most `MOST_BLOCKS` of them.
        """
        narrowest = 16 if self.window is None else max(4, math.ceil(self.window / 5))
        width = narrowest * math.ceil((updates + 1) / (narrowest * MOST_BLOCKS))
        # A text is longer than its segments, and only a segment's blocks are compiled.
        return width if self.window is None else min(width, max(narrowest, self.window))
