"""Scores of strings: of a network on padded strings, and of predictors without training."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from memrnn.languages.predictors import Predictor, hits, illegal, surprisals
from memrnn.nn.network import Network, from_zero
from memrnn.tasks._metrics import AnyArray, Metric, Scores

PERPLEXITY = Metric("perplexity", "min", "exp")
ACCURACY = Metric("accuracy", "max")
DETERMINED = Metric("determined_accuracy", "max")
DETERMINED_PERPLEXITY = Metric("determined_perplexity", "min", "exp")
SEQUENCE = Metric("sequence_accuracy", "max")
ILLEGAL_MASS = Metric("illegal_mass", "min")
ILLEGAL_ARGMAX = Metric("illegal_argmax", "min")
NOT_FINITE = Metric(
    "not_finite",
    "min",
    warning="At so many symbols a logit is not finite; none of them counts as right.",
)
UNDERFLOWED = Metric(
    "underflow_flagged",
    "min",
    warning="In so many strings a run of the stack that rounding has removed may matter to the "
    "readings. Compare with --precision float64.",
)
LONGER = Metric("longer_sequence_accuracy", "max")
METRICS = (
    PERPLEXITY,
    ACCURACY,
    DETERMINED,
    DETERMINED_PERPLEXITY,
    SEQUENCE,
    ILLEGAL_MASS,
    ILLEGAL_ARGMAX,
    UNDERFLOWED,
    NOT_FINITE,
)

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
        legal: which outputs continue the prefix to that of a string; None where it is not asked.
    """

    tokens: Int[AnyArray, "*rows longest"]
    lengths: Int[AnyArray, " rows"]
    determined: Bool[AnyArray, "rows longest_plus_1"] | None = None
    states: HiddenStates | None = None
    legal: Bool[AnyArray, "rows longest_plus_1 outputs"] | None = None


class Longer(NamedTuple):
    """Validation strings longer than all training strings; they have no score but `LONGER`.

    Attributes:
        strings: with their determined symbols.
    """

    strings: Batch


class Predicted(NamedTuple):
    """What a network predicts of strings, time first: position t predicts symbol t + 1.

    Attributes:
        logits: in float32, or float64.
        counted: what is no padding.
        nats: negative log-likelihood of every symbol and of end-of-string; 0 on padding.
        right: whether the arg max is right, which it never is where a logit is not finite.
        not_finite: where a logit is not finite.
        symbols: predicted symbols per string, end-of-string included.
        underflow: strings of which rounding may have removed what matters.
    """

    logits: Float[Array, "positions rows outputs"]
    counted: Bool[Array, "positions rows"]
    nats: Float[Array, "positions rows"]
    right: Bool[Array, "positions rows"]
    not_finite: Bool[Array, "positions rows"]
    symbols: Float[Array, " rows"]
    underflow: Bool[Array, " rows"]


def predict(network: Network, batch: Batch) -> Predicted:
    """Nats are computed in float32, or float64 if the logits are, whatever the network's format."""
    tokens, lengths = jnp.asarray(batch.tokens), jnp.asarray(batch.lengths)
    states = batch.states or hidden_states(network, tokens)
    logits = network.logits(states.hidden)
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
        logits,
        counted,
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


def string_scores(network: Network, batch: Batch) -> Scores:
    """A network's scores of every string of a batch, by all metrics; without a derivative."""
    network = dataclasses.replace(network, memory=network.memory.without_gradient())
    predicted = predict(network, batch)
    right, symbols = predicted.right, predicted.symbols
    columns = [predicted.nats, right, predicted.not_finite]
    if batch.determined is not None:
        determined = jnp.asarray(batch.determined).T
        of_determined = jnp.where(determined, predicted.nats, 0)  # 0 times infinity is NaN
        columns += [determined & right, of_determined, determined]
    if batch.legal is not None:
        columns += _illegal(predicted, jnp.swapaxes(jnp.asarray(batch.legal), 0, 1))
    # One sum over all columns: each of its own would be compiled, and read, on its own.
    sums = jnp.sum(jnp.stack([column.astype(symbols.dtype) for column in columns]), axis=1)
    nats, correct, not_finite, *others = sums
    of_determined = others[: 3 * (batch.determined is not None)]
    scores = _scores_of_sums(nats, correct, symbols, *of_determined)
    if batch.legal is not None:
        scores |= _illegal_scores(others[-2], others[-1], symbols)
    scores[NOT_FINITE.name] = (not_finite, symbols)
    scores[UNDERFLOWED.name] = (predicted.underflow.astype(symbols.dtype), jnp.ones_like(symbols))
    return scores


def _illegal(predicted: Predicted, legal: Bool[Array, "positions rows outputs"]) -> list[Array]:
    """The probability of illegal outputs, and whether the arg max is one, per position.

    All is illegal where a logit is not finite.
    """
    logits, counted, bad = predicted.logits, predicted.counted, predicted.not_finite
    probabilities = jnp.where(legal, 0, jax.nn.softmax(logits, axis=-1))
    best = jax.nn.one_hot(jnp.argmax(logits, axis=-1), logits.shape[-1], dtype=bool)
    wrong = ~jnp.any(best & legal, axis=-1)
    mass = jnp.where(bad, 1, jnp.sum(probabilities, axis=-1))
    return [jnp.where(counted, mass, 0), counted & (wrong | bad)]


def reference_scores(
    predictor: Predictor,
    groups: Sequence[np.ndarray],
    determined: Sequence[np.ndarray] | None,
    legal: Sequence[np.ndarray] | None,
) -> Scores:
    """A predictor's scores of every string of groups; the masks of groups as `Batch` has them."""
    scores: list[dict[str, tuple[AnyArray, AnyArray]]] = []
    for number, group in enumerate(groups):
        probabilities = predictor(group)
        nats, right = surprisals(probabilities, group), hits(probabilities, group)
        columns = [nats, right, np.ones_like(nats)]
        if determined is not None:
            mask = determined[number]
            columns += [right * mask, np.where(mask, nats, 0.0), mask]
        sums = [column.sum(axis=1, dtype=np.float64) for column in columns]
        scores.append(_scores_of_sums(*sums))
        if legal is not None:
            mass, argmax = illegal(probabilities, legal[number])
            scores[-1] |= _illegal_scores(mass.sum(axis=1), argmax.sum(axis=1), sums[2])
    return {
        name: (
            np.concatenate([each[name][0] for each in scores]),
            np.concatenate([each[name][1] for each in scores]),
        )
        for name in scores[0]
    }


def _scores_of_sums(
    nats: AnyArray, right: AnyArray, symbols: AnyArray, *of_determined: AnyArray
) -> dict[str, tuple[AnyArray, AnyArray]]:
    """Scores per string from sums over its symbols; of determined ones: right, nats, and all."""
    scores = {PERPLEXITY.name: (nats, symbols), ACCURACY.name: (right, symbols)}
    if of_determined:
        correct, determined_nats, determined = of_determined
        whole = (correct == determined).astype(symbols.dtype)
        scores[DETERMINED.name] = (correct, determined)
        scores[DETERMINED_PERPLEXITY.name] = (determined_nats, determined)
        scores[SEQUENCE.name] = (whole, np.ones(symbols.shape, symbols.dtype))
    return scores


def _illegal_scores(
    mass: AnyArray, argmax: AnyArray, symbols: AnyArray
) -> dict[str, tuple[AnyArray, AnyArray]]:
    return {ILLEGAL_MASS.name: (mass, symbols), ILLEGAL_ARGMAX.name: (argmax, symbols)}
