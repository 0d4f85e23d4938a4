from typing import ClassVar

import jax
import jax.numpy as jnp

from memrnn.nn.controllers._controller import DiscreteController, Gates, Vectors


class GRU(DiscreteController):
    """Gated recurrent unit, blocks in the order (reset, update, new), as in PyTorch.

        r = sigmoid(a_r + b_r)    z = sigmoid(a_z + b_z)    n = tanh(a_n + r * b_n)
        h_t = (1 - z) * n + z * h_{t-1}

    where `a` is the affine map of the input and `b` that of the hidden state.

    Examples:
        >>> import numpy as np
        >>> from memrnn.nn.controllers import GRU
        >>> cell = GRU(input_size=2, hidden_size=4, scale=0.1, rng=np.random.default_rng(0))
        >>> cell.weight_input.shape  # three blocks of 4 rows
        (12, 2)

    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder" (2014).
    """

    blocks: ClassVar[int] = 3

    def activate(self, from_input: Gates, from_hidden: Gates, state: Vectors) -> Vectors:
        (hidden,) = state
        input_reset, input_update, input_new = jnp.split(from_input, 3, axis=-1)
        hidden_reset, hidden_update, hidden_new = jnp.split(from_hidden, 3, axis=-1)
        reset = jax.nn.sigmoid(input_reset + hidden_reset)
        update = jax.nn.sigmoid(input_update + hidden_update)
        new = jnp.tanh(input_new + reset * hidden_new)
        return (self.rounded((1 - update) * new + update * hidden),)
