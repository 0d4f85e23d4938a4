import equinox as eqx
import jax
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
from memrnn.nn.memories.nondeterministic._nondeterministic import check_sizes
from memrnn.nn.memories.nondeterministic._shape import Shape
from memrnn.nn.memories.nondeterministic._stack import Stack, first, read, update

BOTTOMS = ("learned", "zero", "one")
SCOPES = ("bottom", "all")


class VectorNondeterministic(AffineMemory):
    """A nondeterministic stack whose symbols carry vectors of length m.

    States, symbols, actions, runs and the window are those of `Nondeterministic`. A push puts
    `v = sigmoid(P h + d)` under its symbol, whichever symbol that is; replacing the symbol keeps
    the vector, popping it uncovers the older one. The reading is the expectation of the top vector
    in each (state, top symbol),

        reading[r, y, k] = sum over the runs in r with y on top of weight times top vector[k], / all

    of length Q S m, where "all" is the weight of all runs.

    Attributes:
        weight_actions, bias_actions: as in `Nondeterministic`.
        weight_push, bias_push: (m, hidden) and (m,).
        bottom: the bottom's vector before its sigmoid, where it is learned.
        states, symbols, window: Q, S, D.
        bottom_vector: "learned", "zero" or "one".
        bottom_scope: "bottom" as the authors meant it. "all" as their published code has it: its
            fake first push gives the bottom's vector to every (state, symbol), also to those that
            no run is in; the readings then contain runs that do not exist.

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), section 3.
    """

    weight_actions: Float[Array, "actions hidden"]
    bias_actions: Float[Array, " actions"]
    weight_push: Float[Array, "vector hidden"]
    bias_push: Float[Array, " vector"]
    bottom: Float[Array, " vector"] | None
    states: int = eqx.field(static=True)
    symbols: int = eqx.field(static=True)
    window: int | None = eqx.field(static=True)
    bottom_vector: str = eqx.field(static=True)
    bottom_scope: str = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        *,
        states: int,
        symbols: int,
        size: int,
        bottom_vector: str = "learned",
        bottom_scope: str = "bottom",
        window: int | None = None,
        rng: np.random.Generator,
    ):
        """Draws all parameters from U(-0.1, 0.1).

        Args:
            size: the length m of the vectors.

        Raises:
            MemrnnError: if a number is less than 1 or a word is not one of those above.
        """
        check_sizes(states=states, symbols=symbols, window=window, size=size)
        for name, value, known in (
            ("bottom_vector", bottom_vector, BOTTOMS),
            ("bottom_scope", bottom_scope, SCOPES),
        ):
            if value not in known:
                raise MemrnnError(f"{name} is {value!r}, but must be one of {', '.join(known)}.")
        self.states, self.symbols, self.window = int(states), int(symbols), window
        self.bottom_vector, self.bottom_scope = bottom_vector, bottom_scope
        rows = number_of_actions(Shape(states, symbols, size, window))
        self.weight_actions = uniform(rng, (rows, hidden_size), SCALE)
        self.bias_actions = uniform(rng, (rows,), SCALE)
        self.weight_push = uniform(rng, (size, hidden_size), SCALE)
        self.bias_push = uniform(rng, (size,), SCALE)
        self.bottom = uniform(rng, (size,), SCALE) if bottom_vector == "learned" else None

    @property
    def shape(self) -> Shape:
        """All sizes."""
        return Shape(self.states, self.symbols, len(self.bias_push), self.window)

    @property
    def reading_size(self) -> int:
        return self.shape.cells * self.shape.vector

    def controls(self) -> tuple[Float[Array, "controls hidden"], Float[Array, " controls"]]:
        """The logits as in `Nondeterministic`, then the vector before its sigmoid."""
        weight, bias = (
            as_controls(self.shape, x) for x in (self.weight_actions, self.bias_actions)
        )
        return (
            jnp.concatenate([weight, self.weight_push]),
            jnp.concatenate([bias, self.bias_push]),
        )

    def init(self, batch: int, horizon: int | None) -> Stack:
        if self.bottom is None:
            bottom = jnp.full_like(self.bias_push, float(self.bottom_vector == "one"))
        else:
            bottom = jax.nn.sigmoid(self.bottom)
        return first(self.shape, batch, horizon, bottom, everywhere=self.bottom_scope == "all")

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
        """The logits by name, as in `Nondeterministic`."""
        return log_weights(self.shape, controls)

    def best_run(self, controls: Float[np.ndarray, "updates controls"]) -> BestRun:
        """The run of largest weight over the updates of one string, as in `Nondeterministic`."""
        return best_run(*self.log_weights(controls), window=self.window)
