from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from memrnn.nn.controllers._controller import AffineController, Vectors


class Elman(AffineController):
    """Simple recurrent network, `h_t = tanh(W_ih u_t + b_ih + W_hh h_{t-1} + b_hh)`.

    Source: Elman, "Finding structure in time" (1990).
    """

    blocks: ClassVar[int] = 1

    def activate(
        self,
        from_input: Float[Array, "batch gates"],
        from_hidden: Float[Array, "batch gates"],
        state: Vectors,
    ) -> Vectors:
        return (jnp.tanh(from_input + from_hidden),)
