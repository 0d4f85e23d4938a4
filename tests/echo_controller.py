"""A controller that passes its input on: it lets a test control a memory as it likes."""

from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from memrnn import AffineController, AffineMemory, unroll
from memrnn.nn.controllers import Vectors


class Echo(AffineController):
    """The hidden state is the input: the controls of the next update, then the last reading."""

    blocks: ClassVar[int] = 1

    def activate(
        self,
        from_input: Float[Array, "batch gates"],
        from_hidden: Float[Array, "batch gates"],
        state: Vectors,
    ) -> Vectors:
        return (from_input,)


def controlled(
    memory: AffineMemory, controls: Float[Array, "updates batch controls"], cuts: Sequence[int] = ()
) -> Float[Array, "updates batch reading"]:
    """The readings after each update, by `unroll`; between cuts the state is carried.

    Differentiable by the controls and by the memory's first state.
    """
    size, read = controls.shape[-1], memory.reading_size
    hidden = size + read
    controller = Echo(hidden, hidden, scale=0.1, rng=np.random.default_rng(0))
    zeros = jnp.zeros(hidden, controls.dtype)
    controller = eqx.tree_at(
        lambda c: (c.weight_input, c.weight_hidden, c.bias_input, c.bias_hidden),
        controller,
        (
            jnp.eye(hidden, dtype=controls.dtype),
            jnp.zeros((hidden, hidden), controls.dtype),
            zeros,
            zeros,
        ),
    )
    memory = _Open(memory, size)
    # The last input controls nothing that is read; it is there to see the last reading.
    inputs = jnp.concatenate([controls, jnp.zeros_like(controls[:1])])
    state, pieces = None, []
    for start, stop in zip((0, *cuts), (*cuts, len(inputs)), strict=True):
        horizon = len(inputs) if state is None else None
        piece, state = unroll(controller, memory, inputs[start:stop], state, horizon=horizon)
        pieces.append(piece[..., size:])
    return jnp.concatenate(pieces)[1:]


class _Open(AffineMemory):
    """A memory whose controls are the first part of the hidden state itself."""

    memory: AffineMemory
    size: int = eqx.field(static=True)

    @property
    def reading_size(self) -> int:
        return self.memory.reading_size

    def controls(self) -> tuple[Array, Array]:
        _, bias = self.memory.controls()
        weight = jnp.eye(self.size, self.size + self.reading_size, dtype=bias.dtype)
        return weight, jnp.zeros_like(weight[:, 0])

    def init(self, batch: int, horizon: int | None):
        return self.memory.init(batch, horizon)

    def update(self, state, controls):
        return self.memory.update(state, controls)

    def read(self, state):
        return self.memory.read(state)

    def loop(self):
        return self.memory.loop()
