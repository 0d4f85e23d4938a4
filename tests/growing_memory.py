"""A memory that overflows: its state doubles in every step. Imported by tests and by commands."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import memrnn


class Growing(memrnn.AffineMemory):
    """s_t = 2 s_{t-1} + d_t."""

    weight: jax.Array
    bias: jax.Array
    size: int = eqx.field(static=True)

    def __init__(self, hidden_size: int, *, size: int, rng: np.random.Generator):
        self.size = size
        self.weight = jnp.asarray(rng.normal(0, 0.3, (size, hidden_size)), jnp.float32)
        self.bias = jnp.asarray(rng.normal(0, 0.3, size), jnp.float32)

    @property
    def reading_size(self) -> int:
        return self.size

    def init(self, batch: int, horizon: int | None) -> jax.Array:
        return jnp.zeros((batch, self.size), self.weight.dtype)

    def read(self, state: jax.Array) -> jax.Array:
        return state

    def controls(self) -> tuple[jax.Array, jax.Array]:
        return self.weight, self.bias

    def update(self, state: jax.Array, controls: jax.Array) -> jax.Array:
        return 2 * state + controls


if "growing" not in memrnn.MEMORIES:  # also imported by name, where a command has its own copy
    memrnn.register_memory("growing", Growing)
    memrnn.register_model("growing-4", memrnn.Model("lstm", "growing", options={"size": 4}))
