from typing import ClassVar

import jax.numpy as jnp

from memrnn.nn.controllers._controller import DiscreteController, Gates, Vectors


class Elman(DiscreteController):
    """Simple recurrent network, `h_t = tanh(W_ih u_t + b_ih + W_hh h_{t-1} + b_hh)`.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from memrnn.nn.controllers import Elman
        >>> cell = Elman(input_size=2, hidden_size=4, scale=0.1, rng=np.random.default_rng(0))
        >>> (hidden,) = cell.step(cell.init(batch=1), jnp.ones((1, 2)))
        >>> hidden.shape
        (1, 4)

    Source: Elman, "Finding structure in time" (1990).
    """

    blocks: ClassVar[int] = 1

    def activate(self, from_input: Gates, from_hidden: Gates, state: Vectors) -> Vectors:
        return (self.rounded(jnp.tanh(from_input + from_hidden)),)
