from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from memrnn.nn.memories._memory import Memory


class Silenced(Memory):
    """What a network has in place of its memory to show what it does without: readings are 0.

    Attributes:
        reading: zeros, as many as a reading of that memory has.

    Examples:
        >>> import jax.numpy as jnp
        >>> from memrnn.nn.memories import Silenced
        >>> memory = Silenced(jnp.zeros(3))
        >>> memory.read(memory.init(batch=1, horizon=None))
        Array([[0., 0., 0.]], dtype=float32)
    """

    reading: Float[Array, " reading"]

    @property
    def reading_size(self) -> int:
        return self.reading.size

    def init(self, batch: int, horizon: int | None) -> Float[Array, "batch reading"]:
        del horizon
        return jnp.broadcast_to(self.reading, (batch, self.reading.size))

    def read(self, state: Float[Array, "batch reading"]) -> Float[Array, "batch reading"]:
        return state

    def step(self, state: Any, hidden: Float[Array, "batch hidden"]) -> Any:
        del hidden
        return state
