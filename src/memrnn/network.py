"""A network: embedding, controller, memory and output layer, and what it predicts."""

import abc
import os
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from memrnn._init import xavier, zeros
from memrnn.controllers import Controller
from memrnn.errors import MemrnnError
from memrnn.groups import group_size
from memrnn.memories import Memory
from memrnn.unroll import Rule, State, init, step, unroll


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
    """The output layer, `logits = W h + b`; W from Xavier's law, b = 0 at the start."""

    weight: Float[Array, "classes hidden"]
    bias: Float[Array, " classes"]

    def __init__(self, hidden_size: int, classes: int, *, rng: np.random.Generator):
        self.weight = xavier(rng, (classes, hidden_size))
        self.bias = zeros(classes)

    def __call__(self, hidden: Float[Array, "... hidden"]) -> Float[Array, "... classes"]:
        scores = hidden @ self.weight.T
        return scores + jnp.broadcast_to(self.bias, scores.shape)


class HiddenStates(NamedTuple):
    """What the output layer reads of strings, time first: `hidden[t]` has seen t symbols.

    Attributes:
        hidden: the controller's hidden states, zeros before the first symbol.
        doubt: the underflow bound of each string, see `Memory.diagnostics`.
    """

    hidden: Float[Array, "length_plus_1 batch hidden"]
    doubt: Float[Array, " batch"]


class Network(eqx.Module):
    """Embedding, controller, memory and output layer.

    In each time step the memory is read, the controller runs on the embedded input and the
    reading, and its new hidden state updates the memory; the output layer reads the hidden state.

    As a language model over symbols 0 ... S-1 it counts end-of-string as symbol S, a target that
    is never an input. The first symbol is predicted from the hidden state 0, so its logits are the
    output layer's bias; there is no begin-of-string symbol.

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
        """The state before the first step.

        Args:
            batch: number of sequences.
            horizon: number of steps that it must serve; beyond them the memory may read NaN.
                None for any number of steps.

        Raises:
            MemrnnError: for no horizon, where the memory's size depends on it.
        """
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
        return self.output(self._from_zero(self.hidden(xs)[0]))

    def logits(
        self, tokens: Int[Array, "batch length"]
    ) -> Float[Array, "length_plus_1 batch classes"]:
        """The logits of every next symbol, time first: `[t]` has seen t symbols.

        Strings shorter than the longest are padded at the end with any symbol id; what follows a
        string's last symbol changes nothing before it.
        """
        return self.prefix_logits(tokens.T)

    def hidden_states(self, tokens: Int[Array, "batch length"]) -> HiddenStates:
        """What the output layer reads of strings, which does not depend on its own parameters."""
        hidden, state = self.hidden(tokens.T)
        none = jnp.zeros(tokens.shape[0], self.dtype)
        underflow = self.memory.diagnostics(state.memory).get("underflow", none)
        return HiddenStates(self._from_zero(hidden), underflow)

    def _from_zero(self, hidden: Array) -> Array:
        return jnp.concatenate([jnp.zeros((1, *hidden.shape[1:]), hidden.dtype), hidden])


DOUBTFUL = 1e-3
"""Share of a reading that rounding may have lost, from which on a string counts as doubtful."""


def check_room(
    network: Network, strings: int, length: int, *, gradient: bool, workers: int = 1
) -> None:
    """Refuses what does not fit into this machine's memory.

    Raises:
        MemrnnError: with the arithmetic.
    """
    updates = max(0, length - 1)
    working, kept = network.memory.footprint(updates, gradient=gradient)
    size = group_size(network.memory, strings, updates, gradient=gradient)
    need = (working * size + kept * strings) * workers
    room = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if need > room:
        working_gb, kept_gb, need_gb, room_gb = (
            f"{n / 1e9:.3g} GB" for n in (working, kept, need, room)
        )
        raise MemrnnError(
            f"Strings of length {length} do not fit: ({working_gb} a string x {size} at a time"
            + (f" + {kept_gb} a string x {strings} strings" if kept else "")
            + f") x {workers} workers = {need_gb}, but this machine has {room_gb}. Take shorter "
            "strings, fewer states or symbols, fewer workers, or a window."
        )


class Marked(NamedTuple):
    """What a network gets on strings, time first: position t predicts symbol t + 1.

    Attributes:
        nats: negative log-likelihood of every symbol and of end-of-string; 0 on padding.
        right: whether the arg max is right; False on padding, and where a logit is not finite.
        doubtful: strings of which rounding may have removed what matters (`Memory.diagnostics`).
    """

    nats: Float[Array, "length_plus_1 batch"]
    right: Bool[Array, "length_plus_1 batch"]
    doubtful: Bool[Array, " batch"]


def mark(
    network: Network, tokens: Int[Array, "batch length"], lengths: Int[Array, " batch"]
) -> Marked:
    """Everything about strings at once.

    Nats are computed from the logits in float32, or float64 if the logits are float64, so that a
    low precision is tested in the network and not in the scoring.

    Args:
        tokens: symbol ids; row b counts up to `lengths[b]`, the rest is padding.
        lengths: string lengths without end-of-string.
    """
    return mark_states(network.output, network.hidden_states(tokens), tokens, lengths)


def mark_states(
    output: OutputLayer,
    states: HiddenStates,
    tokens: Int[Array, "batch length"],
    lengths: Int[Array, " batch"],
) -> Marked:
    """The same where the hidden states of the strings are at hand."""
    logits = output(states.hidden)
    logits = logits.astype(jnp.float64 if logits.dtype == jnp.float64 else jnp.float32)
    end = logits.shape[-1] - 1
    lengths = lengths[None]
    positions = jnp.arange(tokens.shape[1] + 1, dtype=lengths.dtype)[:, None]
    padded = jnp.pad(tokens, ((0, 0), (0, 1))).T
    targets = jnp.where(positions == lengths, end, padded)
    counted = positions <= lengths
    # One-hot instead of a gather: its gradient is a product, not a scatter.
    chosen = jax.nn.one_hot(targets, end + 1, dtype=logits.dtype)
    nats = jax.nn.logsumexp(logits, axis=-1) - jnp.sum(logits * chosen, axis=-1)
    finite = jnp.all(jnp.isfinite(logits), axis=-1)
    right = finite & (jnp.argmax(logits, axis=-1).astype(targets.dtype) == targets)
    return Marked(jnp.where(counted, nats, 0), counted & right, states.doubt > DOUBTFUL)


def losses(
    network: Network, tokens: Int[Array, "batch length"], lengths: Int[Array, " batch"]
) -> tuple[Float[Array, "length_plus_1 batch"], Array]:
    """Negative log-likelihood of every symbol and end-of-string, and whether arg-max is right.

    Args:
        tokens: symbol ids; row b counts up to `lengths[b]`, the rest is padding.
        lengths: string lengths without end-of-string.

    Returns:
        (nats, right) of `mark`, time first: position t predicts symbol t + 1.
    """
    nats, right, _ = mark(network, tokens, lengths)
    return nats, right
