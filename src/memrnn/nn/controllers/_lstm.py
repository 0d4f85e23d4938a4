from typing import ClassVar

import jax
import jax.numpy as jnp

from memrnn.nn.controllers._controller import AffineController, Gates, Vectors


class LSTM(AffineController):
    """Long short-term memory, gates in the order (input, forget, cell, output), two biases.

        c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(g)      h_t = sigmoid(o) * tanh(c_t)

    No peepholes, no offset on the forget gate, no dropout.

    Source: Hochreiter & Schmidhuber (1997); DuSell & Chiang 2023 (arXiv 2210.01343), section 2.
    """

    blocks: ClassVar[int] = 4
    state_vectors: ClassVar[int] = 2

    def activate(self, from_input: Gates, from_hidden: Gates, state: Vectors) -> Vectors:
        _, cell = state
        i, f, g, o = jnp.split(from_input + from_hidden, 4, axis=-1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(cell), cell
