import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from memrnn._init import zeros
from memrnn.memories._memory import Memory


class NoMemory(Memory):
    """The memory of a plain recurrent net: no parameters, a reading of length 0."""

    weight: Float[Array, "0 hidden"]

    def __init__(self, hidden_size: int, *, rng: np.random.Generator):
        del rng
        self.weight = zeros(0, hidden_size)

    @property
    def reading_size(self) -> int:
        return 0

    def affine(self) -> tuple[Float[Array, "0 hidden"], Float[Array, " 0"]]:
        return self.weight, self.weight[:, 0]

    def initial_state(self, batch: int, updates: int) -> Float[Array, "batch 0"]:
        del updates
        return jnp.zeros((batch, 0), self.weight.dtype)

    def update(
        self, state: Float[Array, "batch 0"], drive: Float[Array, "batch 0"]
    ) -> Float[Array, "batch 0"]:
        del drive
        return state

    def reading(self, state: Float[Array, "batch 0"]) -> Float[Array, "batch 0"]:
        return state
