"""A memory of one's own: a soft queue, which gives back vectors in the order they came in.

`w # w` needs a queue, not a stack. This file registers one and then *is* the command line:

    python examples/own_memory.py train --language marked-copy --model queue-5 --out runs/queue
    python examples/own_memory.py evaluate runs/queue
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import memrnn
from memrnn.cli import main

State = tuple[jax.Array, jax.Array, jax.Array]


class Queue(memrnn.AffineMemory):
    """Superposition of enqueue (at the tail), dequeue (at the head) and no-op.

    The state is the vectors in the slots, the head first; where the tail is; and how many more
    updates there are slots for.
    """

    weight: jax.Array
    bias: jax.Array
    size: int = eqx.field(static=True)

    def __init__(self, hidden_size: int, *, size: int, rng: np.random.Generator):
        self.size = size
        self.weight = jnp.asarray(rng.normal(0, 0.3, (3 + size, hidden_size)), jnp.float32)
        self.bias = jnp.zeros(3 + size, jnp.float32)

    @property
    def reading_size(self) -> int:
        return self.size

    def controls(self) -> tuple[jax.Array, jax.Array]:
        return self.weight, self.bias

    def init(self, batch: int, horizon: int | None) -> State:
        if horizon is None:
            raise memrnn.MemrnnError("A queue needs a slot per step; give a horizon.")
        slots = jnp.zeros((batch, horizon, self.size), self.weight.dtype)
        tail = jnp.zeros_like(slots[..., 0]).at[:, 0].set(1)
        return slots, tail, jnp.array(horizon - 1, jnp.int32)

    def read(self, state: State) -> jax.Array:
        slots, _, left = state
        return jnp.where(left < 0, jnp.nan, slots[:, 0])

    def update(self, state: State, controls: jax.Array) -> State:
        slots, tail, left = state
        enqueue, dequeue, keep = jnp.split(jax.nn.softmax(controls[:, :3]), 3, axis=1)
        vector = jax.nn.sigmoid(controls[:, 3:])
        filled = slots + tail[..., None] * vector[:, None]
        ahead = jnp.concatenate([slots[:, 1:], 0 * slots[:, :1]], axis=1)
        later = jnp.concatenate([0 * tail[:, :1], tail[:, :-1]], axis=1)
        sooner = jnp.concatenate([tail[:, 1:], 0 * tail[:, :1]], axis=1).at[:, 0].add(tail[:, 0])
        slots = enqueue[..., None] * filled + dequeue[..., None] * ahead + keep[..., None] * slots
        return slots, enqueue * later + dequeue * sooner + keep * tail, left - 1


memrnn.register_memory("queue", Queue)
memrnn.register_model("queue-5", memrnn.Model("lstm", "queue", options={"size": 5}))

if __name__ == "__main__":
    main()
