"""What a network predicts of strings that are padded at the end, symbol by symbol."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from memrnn.nn.network import Network, from_zero
from memrnn.tasks._metrics import AnyArray

UNDERFLOW = 1e-3
"""Share of a reading that rounding may have removed, from which a string is flagged."""


class HiddenStates(NamedTuple):
    """What the output layer reads of strings, time first: `hidden[t]` has seen t symbols.

    Attributes:
        hidden: the controller's hidden states, zeros before the first symbol.
        underflow: bound of the share of any reading that rounding has removed, per string.
    """

    hidden: Float[Array, "length_plus_1 rows hidden"]
    underflow: Float[Array, " rows"]


class Batch(NamedTuple):
    """Strings, padded at the end with any symbol; in `Data.own` with a first axis of batches.

    Attributes:
        tokens: symbol ids.
        lengths: of the strings, without end-of-string; one per batch in `Data.own`, whose
            batches hold strings of one length each.
        determined: where the prefix leaves no choice; None where it is not asked.
        states: what the output layer reads, where it is the same in every epoch.
    """

    tokens: Int[AnyArray, "*rows longest"]
    lengths: Int[AnyArray, " rows"]
    determined: Bool[AnyArray, "rows longest_plus_1"] | None = None
    states: HiddenStates | None = None


class Predicted(NamedTuple):
    """What a network predicts of strings, time first: position t predicts symbol t + 1.

    Attributes:
        nats: negative log-likelihood of every symbol and of end-of-string; 0 on padding.
        right: whether the arg max is right, which it never is where a logit is not finite.
        not_finite: where a logit is not finite.
        symbols: predicted symbols per string, end-of-string included.
        underflow: strings of which rounding may have removed what matters.
    """

    nats: Float[Array, "positions rows"]
    right: Bool[Array, "positions rows"]
    not_finite: Bool[Array, "positions rows"]
    symbols: Float[Array, " rows"]
    underflow: Bool[Array, " rows"]


def predict(network: Network, batch: Batch) -> Predicted:
    """Nats are computed in float32, or float64 if the logits are, whatever the network's format."""
    tokens, lengths = jnp.asarray(batch.tokens), jnp.asarray(batch.lengths)
    states = batch.states or hidden_states(network, tokens)
    logits = network.output(states.hidden)
    logits = logits.astype(jnp.float64 if logits.dtype == jnp.float64 else jnp.float32)
    end = logits.shape[-1] - 1
    positions = jnp.arange(tokens.shape[1] + 1, dtype=lengths.dtype)[:, None]
    padded = jnp.pad(tokens, ((0, 0), (0, 1))).T
    targets = jnp.where(positions == lengths[None], end, padded)
    counted = positions <= lengths[None]
    # One-hot instead of a gather: its gradient is a product, not a scatter.
    chosen = jax.nn.one_hot(targets, end + 1, dtype=logits.dtype)
    nats = jax.nn.logsumexp(logits, axis=-1) - jnp.sum(logits * chosen, axis=-1)
    finite = jnp.all(jnp.isfinite(logits), axis=-1)
    right = (jnp.argmax(logits, axis=-1).astype(targets.dtype) == targets) & finite
    return Predicted(
        jnp.where(counted, nats, 0),
        counted & right,
        counted & ~finite,
        (lengths + 1).astype(logits.dtype),
        states.underflow > UNDERFLOW,
    )


def hidden_states(network: Network, tokens: Int[Array, "rows longest"]) -> HiddenStates:
    hidden, state = network.hidden(tokens.T)
    none = jnp.zeros(tokens.shape[0], network.dtype)
    underflow = network.memory.diagnostics(state.memory).get("underflow", none)
    return HiddenStates(from_zero(hidden), underflow)
