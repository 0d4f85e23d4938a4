import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from memrnn.errors import MemrnnError
from memrnn.nn._init import SCALE, uniform
from memrnn.nn.memories._memory import AffineMemory
from memrnn.nn.memories.nondeterministic._actions import as_controls, log_weights, number_of_actions
from memrnn.nn.memories.nondeterministic._best_run import BestRun, best_run
from memrnn.nn.memories.nondeterministic._layout import memory_estimate
from memrnn.nn.memories.nondeterministic._loop import InsideLoop
from memrnn.nn.memories.nondeterministic._shape import Shape
from memrnn.nn.memories.nondeterministic._stack import Stack, first, read, update


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
        check_sizes(states=states, symbols=symbols, window=window)
        self.states, self.symbols, self.window = int(states), int(symbols), window
        rows = number_of_actions(self.shape)
        self.weight_actions = uniform(rng, (rows, hidden_size), SCALE)
        self.bias_actions = uniform(rng, (rows,), SCALE)

    @property
    def shape(self) -> Shape:
        """All sizes."""
        return Shape(self.states, self.symbols, 0, self.window)

    @property
    def reading_size(self) -> int:
        return self.shape.cells

    def controls(self) -> tuple[Float[Array, "controls hidden"], Float[Array, " controls"]]:
        """The controls' rows are in an order of their own; `log_weights` gives them names."""
        shape = self.shape
        return as_controls(shape, self.weight_actions), as_controls(shape, self.bias_actions)

    def init(self, batch: int, horizon: int | None) -> Stack:
        dtype = self.weight_actions.dtype
        return first(self.shape, batch, horizon, jnp.zeros(0, dtype))

    def read(self, state: Stack) -> Float[Array, "batch reading"]:
        return read(self.shape, state)

    def update(self, state: Stack, controls: Float[Array, "batch controls"]) -> Stack:
        return update(self.shape, state, controls)

    def loop(self) -> InsideLoop:
        return InsideLoop(self.shape)

    def diagnostics(self, state: Stack) -> dict[str, Float[Array, " batch"]]:
        return {"underflow": state.underflow}

    def memory_estimate(self, updates: int, *, gradient: bool = True) -> tuple[int, int]:
        size = self.weight_actions.dtype.itemsize
        return memory_estimate(self.shape, updates, size, gradient=gradient)

    def log_weights(
        self, controls: Float[np.ndarray, "updates controls"]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The logits by name: push and replace [updates, q, x, r, y], pop [updates, q, x, r]."""
        return log_weights(self.shape, controls)

    def best_run(self, controls: Float[np.ndarray, "updates controls"]) -> BestRun:
        """The run of largest weight over the updates of one string (Viterbi), in float64.

        Args:
            controls: `W h_t + b` for the hidden states h_1 ... h_{n-1}, (W, b) from `controls`.
        """
        return best_run(*self.log_weights(controls), window=self.window)


def check_sizes(**sizes: int | None) -> None:
    """Raises MemrnnError if a size is less than 1."""
    for name, size in sizes.items():
        if size is not None and size < 1:
            raise MemrnnError(f"{name} is {size}, but must be at least 1.")
