"""A controller that passes its input on: it lets a test drive a memory as it likes."""

from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from memrnn.controllers import Controller
from memrnn.controllers._controller import State
from memrnn.memories import Memory
from memrnn.unroll import unroll


class Echo(Controller):
    """The hidden state is the input: the drive of the next update, then the last reading."""

    blocks: ClassVar[int] = 1

    def activate(
        self,
        from_input: Float[Array, "batch gates"],
        from_hidden: Float[Array, "batch gates"],
        state: State,
    ) -> State:
        return (from_input,)


def driven(
    memory: Memory, drives: Float[Array, "updates batch drive"], cuts: Sequence[int] = ()
) -> Float[Array, "updates batch reading"]:
    """The readings after each update, by `unroll`; between cuts the state is carried.

    Differentiable by the drives (without cuts) and by the memory's first state.
    """
    size, read = drives.shape[-1], memory.reading_size
    hidden = size + read
    controller = Echo(hidden, hidden, scale=0.1, rng=np.random.default_rng(0))
    zeros = jnp.zeros(hidden, drives.dtype)
    controller = eqx.tree_at(
        lambda c: (c.weight_input, c.weight_hidden, c.bias_input, c.bias_hidden),
        controller,
        (
            jnp.eye(hidden, dtype=drives.dtype),
            jnp.zeros((hidden, hidden), drives.dtype),
            zeros,
            zeros,
        ),
    )
    memory = _Open(memory, size)
    # The last input drives nothing; it is there to see the last reading.
    inputs = jnp.concatenate([drives, jnp.zeros_like(drives[:1])])
    state, pieces = None, []
    for start, stop in zip((0, *cuts), (*cuts, len(inputs)), strict=True):
        piece, state = unroll(controller, memory, inputs[start:stop], state, updates=len(drives))
        pieces.append(piece[..., size:])
    return jnp.concatenate(pieces)[1:]


class _Open(Memory):
    """A memory whose drive is the first part of the hidden state itself."""

    memory: Memory
    size: int = eqx.field(static=True)

    @property
    def reading_size(self) -> int:
        return self.memory.reading_size

    def affine(self) -> tuple[Array, Array]:
        _, bias = self.memory.affine()
        weight = jnp.eye(self.size, self.size + self.reading_size, dtype=bias.dtype)
        return weight, jnp.zeros_like(weight[:, 0])

    def initial_state(self, batch: int, updates: int):
        return self.memory.initial_state(batch, updates)

    def update(self, state, drive):
        return self.memory.update(state, drive)

    def reading(self, state):
        return self.memory.reading(state)

    def loop(self):
        return self.memory.loop()
