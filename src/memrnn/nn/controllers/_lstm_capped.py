from typing import ClassVar

import jax
import jax.numpy as jnp

from memrnn.nn.controllers._controller import AffineController, Gates, Vectors


class CappedLSTM(AffineController):
    """Long short-term memory whose input gate is at most one minus the forget gate.

        F = sigmoid(f + 1)      c_t = F * c_{t-1} + min(1 - F, sigmoid(i)) * tanh(g)
        h_t = sigmoid(o) * tanh(c_t)

    Gates in the order (input, forget, cell, output), one bias. |c_t| is at most 1 if |c_0| is.

    Examples:
        >>> import numpy as np
        >>> from memrnn.nn.controllers import CappedLSTM
        >>> cell = CappedLSTM(input_size=2, hidden_size=4, scale=0.1, rng=np.random.default_rng(0))
        >>> cell.bias_hidden is None  # one bias
        True

    Source: the cell of Melis et al. 2018 (arXiv 1707.05589), section 3 and appendix.
    """

    revision: ClassVar[int] = 2
    blocks: ClassVar[int] = 4
    state_vectors: ClassVar[int] = 2
    two_biases: ClassVar[bool] = False

    def activate(self, from_input: Gates, from_hidden: Gates, state: Vectors) -> Vectors:
        _, cell = state
        i, f, g, o = jnp.split(from_input + from_hidden, 4, axis=-1)
        forget = jax.nn.sigmoid(f + 1)
        cell = forget * cell + jnp.minimum(1 - forget, jax.nn.sigmoid(i)) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(cell), cell
