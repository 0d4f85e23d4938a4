from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from memrnn.errors import MemrnnError
from memrnn.nn.initialisation import SCALE, uniform
from memrnn.nn.memories._memory import AffineMemory, ControlLayer, Controls, Reading
from memrnn.nn.memories.nondeterministic._best_run import BestRun, best_run
from memrnn.nn.memories.nondeterministic._block_loop import BlockLoop
from memrnn.nn.memories.nondeterministic._layout import memory_estimate
from memrnn.nn.memories.nondeterministic._shape import Shape
from memrnn.nn.memories.nondeterministic._stack import (
    Stack,
    initial_stack,
    read_stack,
    update_stack,
)

BOTTOM_VECTORS = ("learned", "zero", "one")
BOTTOM_SCOPES = ("bottom", "all")


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

    With a `size` m > 0, symbols carry vectors of length m. A push puts `v = sigmoid(P h + d)` under
    its symbol, whichever symbol that is; replacing the symbol keeps the vector, popping it uncovers
    the older one. The reading, of length Q S m, is then the expectation of the top vector,

        reading[r, y, k] = sum over the runs in r with y on top of weight times top vector[k], / all

    With a `window` D, a run ends when its top symbol has been pushed more than D updates ago:
    time D^2 n, space D n, and the stack can be carried through a text of any length.

    Weights need not sum to 1, and adding a number to all logits of an update changes nothing.

    Where the memory is `hard`, the automaton is deterministic. Each (q, x) has one action, that of
    its largest logit (the first of equals), so there is one run, and the reading says where it is;
    vectors are binary, `v = [P h + d > 0]`. Gradients are those of the softmax of each (q, x), and
    of the sigmoid. So that the run never ends, symbol 0 is the bottom's alone: it is not popped,
    only replaced by itself, and no other symbol is replaced by it or pushed as it.

    Attributes:
        weight_actions: (Q S (2 Q S + Q), hidden). Rows (q, x), in each of them push (r, y), replace
            (r, y), pop r.
        bias_actions: of the same rows.
        weight_push: P, (m, hidden); None without vectors.
        bias_push: d, (m,); None without vectors.
        bottom: the bottom's vector before its sigmoid, where it is learned.
        states: Q.
        symbols: S.
        size: m, the length of the vectors; 0 for none.
        window: D, None for none.
        bottom_vector: "learned", "zero" or "one".
        bottom_scope: "bottom" as the authors meant it. "all" as their published code has it: its
            fake first push gives the bottom's vector to every (state, symbol), also to those that
            no run is in; the readings then contain runs that do not exist.

    Examples:
        >>> import numpy as np
        >>> from memrnn.nn.memories import Nondeterministic
        >>> memory = Nondeterministic(4, states=2, symbols=3, rng=np.random.default_rng(0))
        >>> memory.read(memory.init(batch=1, horizon=5))  # state 0 with the bottom on top
        Array([[1., 0., 0., 0., 0., 0.]], dtype=float32)

    Source: DuSell & Chiang 2020 (arXiv 2010.04674), 2022 (arXiv 2109.01982), section 3; vectors and
    window 2023 (arXiv 2210.01343), sections 3 and 6.
    """

    discrete_options: ClassVar[tuple[str, ...]] = ("hard",)

    weight_actions: Float[Array, "actions hidden"]
    bias_actions: Float[Array, " actions"]
    weight_push: Float[Array, "vector hidden"] | None
    bias_push: Float[Array, " vector"] | None
    bottom: Float[Array, " vector"] | None
    states: int = eqx.field(static=True)
    symbols: int = eqx.field(static=True)
    size: int = eqx.field(static=True)
    window: int | None = eqx.field(static=True)
    bottom_vector: str = eqx.field(static=True)
    bottom_scope: str = eqx.field(static=True)
    hard: bool = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        *,
        states: int,
        symbols: int,
        size: int = 0,
        bottom_vector: str = "learned",
        bottom_scope: str = "bottom",
        window: int | None = None,
        hard: bool = False,
        rng: np.random.Generator,
    ):
        """Draws all parameters from U(-0.1, 0.1), so that all runs weigh nearly the same.

        Raises:
            MemrnnError: if a number is too small or a word is not one of those above.
        """
        for name, number, least in (
            ("states", states, 1),
            ("symbols", symbols, 1),
            ("size", size, 0),
            ("window", window, 1),
        ):
            if number is not None and number < least:
                raise MemrnnError(f"{name} is {number}, but must be at least {least}.")
        for name, word, known in (
            ("bottom_vector", bottom_vector, BOTTOM_VECTORS),
            ("bottom_scope", bottom_scope, BOTTOM_SCOPES),
        ):
            if word not in known:
                raise MemrnnError(f"{name} is {word!r}, but must be one of {', '.join(known)}.")
        if hard and (window is not None or symbols < 2 or bottom_scope != "bottom"):
            raise MemrnnError(
                "A hard nondeterministic memory has one run, which must not end: it needs at least "
                '2 symbols, one of them for the bottom, no window, and bottom_scope "bottom".'
            )
        self.states, self.symbols, self.size = int(states), int(symbols), int(size)
        self.window, self.hard = window, hard
        self.bottom_vector, self.bottom_scope = bottom_vector, bottom_scope
        self.weight_actions = uniform(rng, (self.shape.actions, hidden_size), SCALE)
        self.bias_actions = uniform(rng, (self.shape.actions,), SCALE)
        self.weight_push = uniform(rng, (size, hidden_size), SCALE) if size else None
        self.bias_push = uniform(rng, (size,), SCALE) if size else None
        learned = size and bottom_vector == "learned"
        self.bottom = uniform(rng, (size,), SCALE) if learned else None

    @property
    def shape(self) -> Shape:
        """All sizes."""
        return Shape(self.states, self.symbols, self.size, self.window, self.hard)

    @property
    def reading_size(self) -> int:
        return self.shape.pairs * (self.size or 1)

    def controls(self) -> ControlLayer:
        """The logits in an order of their own, which `log_weights` undoes; then the raw vector."""
        weight = _in_control_order(self.shape, self.weight_actions)
        bias = _in_control_order(self.shape, self.bias_actions)
        if self.weight_push is None or self.bias_push is None:
            return weight, bias
        return (
            jnp.concatenate([weight, self.weight_push]),
            jnp.concatenate([bias, self.bias_push]),
        )

    def init(self, batch: int, horizon: int | None) -> Stack:
        if self.bottom is None:
            value = float(self.bottom_vector == "one")
            bottom = jnp.full(self.size, value, self.weight_actions.dtype)
        else:
            bottom = jax.nn.sigmoid(self.bottom)
        everywhere = self.bottom_scope == "all"
        return initial_stack(self.shape, batch, horizon, bottom, everywhere=everywhere)

    def read(self, state: Stack) -> Reading:
        return read_stack(self.shape, state)

    def update(self, state: Stack, controls: Controls) -> Stack:
        return update_stack(self.shape, state, controls)

    def loop(self) -> BlockLoop:
        return BlockLoop(self.shape)

    def diagnostics(self, state: Stack) -> dict[str, Float[Array, " batch"]]:
        return {"underflow": state.underflow}

    def memory_estimate(self, updates: int, *, gradient: bool = True) -> tuple[int, int]:
        itemsize = self.weight_actions.dtype.itemsize
        return memory_estimate(self.shape, updates, itemsize, gradient=gradient)

    def log_weights(
        self, controls: Float[np.ndarray, "updates controls"]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The logits by name: push and replace [updates, q, x, r, y], pop [updates, q, x, r].

        Of a hard memory they are 0 for the actions that are chosen, and -inf for all others.
        """
        states, symbols, pairs = self.states, self.symbols, self.shape.pairs
        actions = np.asarray(controls, np.float64)[:, : self.shape.actions]
        if self.hard:
            weights, _ = self.shape.action_weights(jnp.asarray(controls, self.weight_actions.dtype))
            chosen = np.asarray(weights).reshape(actions.shape) > 0
            actions = np.where(chosen, 0.0, -np.inf)
        replace, pop, push = np.split(actions, [pairs**2, pairs**2 + pairs * states], axis=1)
        named = (-1, symbols, states, symbols, states)
        push, replace = (each.reshape(named).transpose(0, 4, 3, 2, 1) for each in (push, replace))
        return push, replace, pop.reshape(-1, states, symbols, states).transpose(0, 3, 2, 1)

    def best_run(self, controls: Float[np.ndarray, "updates controls"]) -> BestRun:
        """The run of largest weight over the updates of one string (Viterbi), in float64.

        Args:
            controls: `W h_t + b` for the hidden states h_1 ... h_{n-1}, (W, b) from `controls`.
        """
        return best_run(*self.log_weights(controls), window=self.window)


def _in_control_order(shape: Shape, actions: Array) -> Array:
    """From the rows of the parameters to those of the controls.

    Parameters: (q, x), in each of them push (r, y), replace (r, y), pop r. Controls: replace
    (y, r), pop r, push (y, r), in each of them (x, q).
    """
    states, symbols, pairs = shape.states, shape.symbols, shape.pairs
    rest = actions.shape[1:]
    by_pair = actions.reshape(states, symbols, 2 * pairs + states, *rest)
    push, replace, pop = jnp.split(by_pair, [pairs, 2 * pairs], axis=2)
    axes = (states, symbols, states, symbols, *rest)
    last = range(4, len(axes))
    push, replace = (each.reshape(axes).transpose(3, 2, 1, 0, *last) for each in (push, replace))
    pop = pop.transpose(2, 1, 0, *range(3, pop.ndim))
    return jnp.concatenate([each.reshape(-1, *rest) for each in (replace, pop, push)])
