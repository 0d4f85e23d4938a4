import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from memrnn._init import SCALE, uniform
from memrnn.errors import MemrnnError
from memrnn.memories._inside import Stack
from memrnn.memories._nondeterministic import Nondeterministic

BOTTOMS = ("learned", "zero", "one")
SCOPES = ("bottom", "all")


class VectorNondeterministic(Nondeterministic):
    """A nondeterministic stack whose symbols carry vectors of length m.

    A push puts `v = sigmoid(P h + d)` under its symbol, whichever symbol that is; replacing the
    symbol keeps the vector, popping it uncovers the older one. The reading is the expectation of
    the top vector in each (state, top symbol),

        reading[r, y, k] = sum over the runs in r with y on top of weight times top vector[k], / all

    of length Q S m, where "all" is the weight of all runs.

    Attributes:
        weight_push, bias_push: (m, hidden) and (m,).
        bottom: the bottom's vector before its sigmoid, where it is learned.
        bottom_vector: "learned", "zero" or "one".
        bottom_scope: "bottom" as the authors meant it. "all" as their published code has it: its
            fake first push gives the bottom's vector to every (state, symbol), also to those that
            no run is in; the readings then contain runs that do not exist.

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), section 3.
    """

    weight_push: Float[Array, "vector hidden"]
    bias_push: Float[Array, " vector"]
    bottom: Float[Array, " vector"] | None
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
        super().__init__(hidden_size, states=states, symbols=symbols, window=window, rng=rng)
        if size < 1:
            raise MemrnnError(f"size is {size}, but must be at least 1.")
        for name, value, known in (
            ("bottom_vector", bottom_vector, BOTTOMS),
            ("bottom_scope", bottom_scope, SCOPES),
        ):
            if value not in known:
                raise MemrnnError(f"{name} is {value!r}, but must be one of {', '.join(known)}.")
        self.weight_push = uniform(rng, (size, hidden_size), SCALE)
        self.bias_push = uniform(rng, (size,), SCALE)
        self.bottom = uniform(rng, (size,), SCALE) if bottom_vector == "learned" else None
        self.bottom_vector, self.bottom_scope = bottom_vector, bottom_scope

    @property
    def vector_size(self) -> int:
        return self.weight_push.shape[0]

    @property
    def reading_size(self) -> int:
        return self.states * self.symbols * self.vector_size

    def controls(self) -> tuple[Float[Array, "controls hidden"], Float[Array, " controls"]]:
        weight, bias = super().controls()
        return (
            jnp.concatenate([weight, self.weight_push]),
            jnp.concatenate([bias, self.bias_push]),
        )

    def init(self, batch: int, horizon: int | None) -> Stack:
        if self.bottom is None:
            bottom = jnp.full_like(self.bias_push, float(self.bottom_vector == "one"))
        else:
            bottom = jax.nn.sigmoid(self.bottom)
        first = super().init(batch, horizon)
        return self.loop().with_bottom(first, bottom, everywhere=self.bottom_scope == "all")
