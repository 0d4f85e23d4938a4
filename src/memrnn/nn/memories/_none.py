import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from memrnn.nn.initialisation import zeros
from memrnn.nn.memories._memory import AffineMemory


class NoMemory(AffineMemory):
    """The memory of a plain recurrent net: no parameters, a reading of length 0.

    Attributes:
        weight: of no rows.

    Examples:
        >>> import numpy as np
        >>> from memrnn.nn.memories import NoMemory
        >>> NoMemory(hidden_size=4, rng=np.random.default_rng(0)).reading_size
        0
    """

    weight: Float[Array, "0 hidden"]

    def __init__(self, hidden_size: int, *, rng: np.random.Generator):
        del rng
        self.weight = zeros(0, hidden_size)

    @property
    def reading_size(self) -> int:
        return 0

    def controls(self) -> tuple[Float[Array, "0 hidden"], Float[Array, " 0"]]:
        return self.weight, self.weight[:, 0]

    def init(self, batch: int, horizon: int | None) -> Float[Array, "batch 0"]:
        del horizon
        return jnp.zeros((batch, 0), self.weight.dtype)

    def update(
        self, state: Float[Array, "batch 0"], controls: Float[Array, "batch 0"]
    ) -> Float[Array, "batch 0"]:
        del controls
        return state

    def read(self, state: Float[Array, "batch 0"]) -> Float[Array, "batch 0"]:
        return state
