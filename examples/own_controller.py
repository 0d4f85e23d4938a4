"""A controller of one's own: the minimal gated unit, which has a single gate.

A cell needs `init` and `step` only, and JAX differentiates it. This file registers one and then
*is* the command line; the cell's name stands wherever `lstm` does:

    python examples/own_controller.py train --language marked-copy --model mgu+jm-10 --out runs/mgu
    python examples/own_controller.py evaluate runs/mgu

Source: Zhou et al., "Minimal gated unit for recurrent neural networks" (2016).
"""

import jax
import jax.numpy as jnp
import numpy as np

import memrnn
from memrnn.cli import main


class MinimalGatedUnit(memrnn.Controller):
    """`f = sigmoid(W_f [x; h] + b_f)`, `h' = (1 - f) h + f tanh(W [x; f h] + b)`."""

    gate: jax.Array
    gate_bias: jax.Array
    new: jax.Array
    new_bias: jax.Array

    def __init__(
        self, input_size: int, hidden_size: int, *, scale: float, rng: np.random.Generator
    ):
        shape = hidden_size, input_size + hidden_size
        self.gate, self.new = jnp.asarray(rng.uniform(-scale, scale, (2, *shape)), jnp.float32)
        self.gate_bias, self.new_bias = jnp.zeros((2, hidden_size), jnp.float32)

    @property
    def input_size(self) -> int:
        return self.gate.shape[1] - self.hidden_size

    @property
    def hidden_size(self) -> int:
        return self.gate.shape[0]

    def init(self, batch: int) -> jax.Array:
        return jnp.zeros((batch, self.hidden_size), self.gate.dtype)

    def step(self, state: jax.Array, inputs: jax.Array) -> jax.Array:
        both = jnp.concatenate([inputs, state], axis=1)
        forget = jax.nn.sigmoid(both @ self.gate.T + self.gate_bias[None])
        both = jnp.concatenate([inputs, forget * state], axis=1)
        return (1 - forget) * state + forget * jnp.tanh(both @ self.new.T + self.new_bias[None])


memrnn.register_controller("mgu", MinimalGatedUnit)

if __name__ == "__main__":
    main()
