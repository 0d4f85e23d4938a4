"""A network: embedding, controller, memory and output layer, and what it predicts."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from memrnn.nn.controllers import Controller
from memrnn.nn.initialisation import xavier, zeros
from memrnn.nn.memories import Memory
from memrnn.nn.unroll import Rule, State, init, step, unroll


class Embedding(eqx.Module):
    """From raw inputs, such as symbol ids, to vectors."""

    size: eqx.AbstractVar[int]
    """Length of the vectors."""

    @abc.abstractmethod
    def __call__(self, inputs: Shaped[Array, "..."], dtype: jnp.dtype) -> Float[Array, "... size"]:
        """The vectors of raw inputs of any shape, as a new last axis."""


class OneHot(Embedding):
    """Symbol i is the i-th unit vector. No parameters."""

    size: int = eqx.field(static=True)

    def __call__(self, inputs: Int[Array, "..."], dtype: jnp.dtype) -> Float[Array, "... size"]:
        return jax.nn.one_hot(inputs, self.size, dtype=dtype)


class OutputLayer(eqx.Module):
    """The output layer, `logits = W h + b`; W from Xavier's distribution, b = 0 at the start."""

    weight: Float[Array, "classes hidden"]
    bias: Float[Array, " classes"]

    def __init__(self, hidden_size: int, classes: int, *, rng: np.random.Generator):
        self.weight = xavier(rng, (classes, hidden_size))
        self.bias = zeros(classes)

    def __call__(self, hidden: Float[Array, "... hidden"]) -> Float[Array, "... classes"]:
        scores = hidden @ self.weight.T
        return scores + jnp.broadcast_to(self.bias, scores.shape)


class Network(eqx.Module):
    """Embedding, controller, memory and output layer.

    In each time step the memory is read, the controller runs on the embedded input and the
    reading, and its new hidden state updates the memory; the output layer reads the hidden state,
    which is 0 before the first input.

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), section 2.
    """

    embedding: Embedding
    controller: Controller
    memory: Memory
    output: OutputLayer

    @property
    def dtype(self) -> jnp.dtype:
        return self.output.weight.dtype

    def init(self, batch: int, horizon: int | None) -> State:
        """The state before the first step of a batch of sequences; see `Memory.init`."""
        return init(self.controller, self.memory, batch, horizon)

    def step(self, state: State, x: Shaped[Array, "batch ..."]) -> State:
        """The state after one more raw input per sequence, such as a symbol id."""
        return step(self.controller, self.memory, state, self.embedding(x, self.dtype))

    def hidden(
        self,
        xs: Shaped[Array, "time batch ..."],
        state: State | None = None,
        *,
        rule: Rule | None = None,
    ) -> tuple[Float[Array, "time batch hidden"], State]:
        """The hidden states after each raw input, and the last state; `memrnn.unroll`.

        Args:
            state: None for a state before the first step that serves these steps only.
        """
        inputs = self.embedding(xs, self.dtype)
        return unroll(self.controller, self.memory, inputs, state, rule=rule)

    def prefix_logits(
        self, xs: Shaped[Array, "time batch ..."]
    ) -> Float[Array, "time_plus_1 batch classes"]:
        """The logits after 0 ... n inputs; the first are those of the hidden state 0."""
        return self.output(from_zero(self.hidden(xs)[0]))


def from_zero(
    hidden: Float[Array, "time batch hidden"],
) -> Float[Array, "time_plus_1 batch hidden"]:
    """Hidden states after 0 ... n inputs from those after 1 ... n; before the first they are 0."""
    return jnp.concatenate([jnp.zeros((1, *hidden.shape[1:]), hidden.dtype), hidden])
