from typing import ClassVar

import jax
import jax.numpy as jnp

from memrnn.nn.controllers._controller import DiscreteController, Gates, Vectors


class LSTM(DiscreteController):
    """Long short-term memory, gates in the order (input, forget, cell, output), two biases.

        c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(g)      h_t = sigmoid(o) * tanh(c_t)

    No peepholes, no offset on the forget gate, no dropout. Where it is `discrete`, c_t is clipped
    to [-1, 1] and rounded before h_t is computed from it, and h_t is rounded.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from memrnn.nn.controllers import LSTM
        >>> cell = LSTM(input_size=2, hidden_size=4, scale=0.1, rng=np.random.default_rng(0))
        >>> hidden, cells = cell.step(cell.init(batch=1), jnp.ones((1, 2)))
        >>> hidden.shape, cells.shape
        ((1, 4), (1, 4))

    Source: Hochreiter & Schmidhuber (1997); DuSell & Chiang 2023 (arXiv 2210.01343), section 2.
    """

    blocks: ClassVar[int] = 4
    state_vectors: ClassVar[int] = 2

    def activate(self, from_input: Gates, from_hidden: Gates, state: Vectors) -> Vectors:
        _, cell = state
        i, f, g, o = jnp.split(from_input + from_hidden, 4, axis=-1)
        cell = self.rounded(jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g))
        return self.rounded(jax.nn.sigmoid(o) * jnp.tanh(cell)), cell
