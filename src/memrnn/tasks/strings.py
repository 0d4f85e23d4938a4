"""Language modelling on strings of a formal language: predict every next symbol and the end."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from memrnn.errors import MemrnnError
from memrnn.languages import Distribution, canonical_language_name, get_language
from memrnn.languages.predictors import BASELINES, BAYES_OPTIMAL, Predictor, hits, surprisals
from memrnn.nn.groups import check_memory_limit
from memrnn.nn.models import Model
from memrnn.nn.network import Network, OneHot
from memrnn.runtime.options import format_range
from memrnn.tasks._metrics import Metric, Scores
from memrnn.tasks._padding import padded_lengths
from memrnn.tasks._string_predictions import Batch, HiddenStates, hidden_states, predict
from memrnn.tasks._task import (
    BAYES,
    Data,
    EvaluationSet,
    Relation,
    SetDescription,
    Task,
    random_order,
    whole_set,
)

EVALUATION_BATCH = 100
"""Strings per batch: the loop over time costs about the same for 10 strings as for 100."""

MOST_KEPT = 2**30
"""Bytes of hidden states that a run keeps at most; more are computed anew in every epoch."""

PERPLEXITY = Metric("perplexity", "min", "exp")
ACCURACY = Metric("accuracy", "max")
DETERMINED = Metric("determined_accuracy", "max")
SEQUENCE = Metric("sequence_accuracy", "max")
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


@dataclass(frozen=True)
class Strings(Task):
    """Strings of a formal language, end-of-string included in every prediction.

    The loss of a batch is the mean over its strings of the sum of nats over their symbols.

    Attributes:
        language: a name for `get_language`.
        train_lengths: shortest and longest training and validation length, inclusive.
        batch_size: strings per batch; all strings of a batch have one length.
        batches: training batches, drawn once; an epoch is one pass over them.
        validation_batches: validation batches, drawn once.
        length_bins: ranges of test lengths, inclusive; each is an evaluation set.
        samples_per_length: test strings of each valid length in a bin.

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), section 4 and appendix A; bins from Das &
    Mali 2024 (arXiv 2410.03154).
    """

    name: ClassVar[str] = "strings"
    evaluation_options: ClassVar[tuple[str, ...]] = ("length_bins", "samples_per_length")
    metrics: ClassVar[tuple[Metric, ...]] = (
        PERPLEXITY,
        ACCURACY,
        DETERMINED,
        SEQUENCE,
        UNDERFLOWED,
        NOT_FINITE,
    )
    selection: ClassVar[Metric] = PERPLEXITY
    headline: ClassVar[Metric] = ACCURACY
    group_axis: ClassVar[str | None] = "String length"

    language: str
    train_lengths: tuple[int, int] = (40, 80)
    batch_size: int = 10
    batches: int = 1000
    validation_batches: int = 100
    length_bins: tuple[tuple[int, int], ...] = ((40, 100), (100, 200), (200, 400))
    samples_per_length: int = 10

    def __post_init__(self) -> None:
        for name in ("batch_size", "batches", "validation_batches", "samples_per_length"):
            if getattr(self, name) < 1:
                raise MemrnnError(f"{name} is {getattr(self, name)}, but must be at least 1.")
        # One name for one language.
        object.__setattr__(self, "language", canonical_language_name(self.language))
        if len(set(self.length_bins)) < len(self.length_bins):
            raise MemrnnError("length_bins names a bin twice; name each once.")
        _ = self.distribution
        for bounds in self.length_bins:
            Distribution(self.distribution.language, *bounds)

    @cached_property
    def distribution(self) -> Distribution:
        """The distribution of training and validation strings."""
        return Distribution(get_language(self.language), *self.train_lengths)

    @property
    def title(self) -> str:
        return self.language

    @property
    def trained_groups(self) -> tuple[float, float]:
        low, high = self.train_lengths
        return float(low), float(high)

    @property
    def updates(self) -> int:
        return self.batches

    @property
    def widths(self) -> tuple[int, ...]:
        return self._widths

    @cached_property
    def _widths(self) -> tuple[int, ...]:
        return padded_lengths(self.distribution)

    @property
    def program(self) -> Any:
        """Nothing of a language: its strings and its symbols are arrays and shapes."""
        return self.widths

    def build(self, model: Model, seed: int) -> Network:
        symbols = len(self.distribution.language.symbols)
        return model.build(OneHot(symbols), classes=symbols + 1, seed=seed)

    def data(self, seed: int) -> Data:
        return Data(_draw(self, seed)[0])

    def plan(
        self, data: Data, seed: int, epoch: int
    ) -> tuple[Int[np.ndarray, " updates"], Int[np.ndarray, " updates"]]:
        order = random_order(self.batches, seed, epoch)
        lengths = data.own.lengths[order]
        return order, np.searchsorted(self.widths, lengths).astype(np.int32)

    def batch(self, data: Data, item: Any, width: int) -> Batch:
        own: Batch = jax.tree.map(lambda leaf: leaf[item], data.own)
        lengths = jnp.broadcast_to(own.lengths, own.tokens.shape[0])
        return own._replace(tokens=own.tokens[:, :width], lengths=lengths)

    def loss(
        self, network: Network, carry: Any, batch: Batch, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], tuple[Any, Scores]]:
        del key
        predicted = predict(network, batch)
        scores = {PERPLEXITY.name: (jnp.sum(predicted.nats, axis=0), predicted.symbols)}
        return jnp.sum(predicted.nats) / batch.tokens.shape[0], (carry, scores)

    def score(self, network: Network, carry: Any, batch: Batch) -> tuple[Any, Scores]:
        predicted = predict(network, batch)
        right, symbols = predicted.right, predicted.symbols
        one = jnp.ones_like(symbols)
        columns = [predicted.nats, right, predicted.not_finite]
        if batch.determined is not None:
            determined = jnp.asarray(batch.determined).T
            columns += [determined & right, determined]
        # One sum over all columns: each of its own would be compiled, and read, on its own.
        sums = jnp.sum(jnp.stack([column.astype(symbols.dtype) for column in columns]), axis=1)
        nats, counted, not_finite, *of_determined = sums
        scores = {
            PERPLEXITY.name: (nats, symbols),
            ACCURACY.name: (counted, symbols),
            NOT_FINITE.name: (not_finite, symbols),
            UNDERFLOWED.name: (predicted.underflow.astype(symbols.dtype), one),
        }
        if of_determined:
            found, asked = of_determined
            scores[DETERMINED.name] = (found, asked)
            scores[SEQUENCE.name] = ((found == asked).astype(symbols.dtype), one)
        return carry, scores

    def validation(self, seed: int) -> EvaluationSet:
        _, strings = _draw(self, seed)
        _, size, longest = strings.tokens.shape
        lengths = np.repeat(np.asarray(strings.lengths), size)
        return whole_set(Batch(np.asarray(strings.tokens).reshape(-1, longest), lengths), lengths)

    def validation_reference(self, seed: int) -> Scores:
        _, strings = _draw(self, seed)
        groups = [t[:, :n] for t, n in zip(strings.tokens, strings.lengths, strict=True)]
        nats = np.concatenate([-self.distribution.log_probabilities(group) for group in groups])
        symbols = np.repeat(np.asarray(strings.lengths) + 1.0, strings.tokens.shape[1])
        return {PERPLEXITY.name: (nats, symbols)}

    @property
    def sets(self) -> tuple[SetDescription, ...]:
        return tuple(
            SetDescription(format_range(bounds), self._relation(bounds))
            for bounds in self.length_bins
        )

    def evaluation_set(self, name: str) -> EvaluationSet:
        distribution, groups, masks = self._strings(name)
        batches: list[Batch] = []
        items: list[np.ndarray] = []
        first = 0
        edges = padded_lengths(distribution)
        # As many rows as if every length were valid: languages share programs.
        most = (distribution.longest - distribution.shortest) // len(edges) + 1
        size = min(EVALUATION_BATCH, most * self.samples_per_length)
        for low, longest in zip((-1, *edges), edges, strict=False):
            chosen = [n for n, group in enumerate(groups) if low < group.shape[1] <= longest]
            tokens = _pad([groups[n] for n in chosen], longest)
            determined = None if masks is None else _pad([masks[n] for n in chosen], longest + 1)
            lengths = np.concatenate([np.full(len(groups[n]), groups[n].shape[1]) for n in chosen])
            for start in range(0, len(lengths), size):
                # Rows that are missing repeat the first one and count for nothing.
                rows = np.arange(start, start + size)
                missing = rows >= len(lengths)
                items.append(np.where(missing, -1, first + rows))
                rows[missing] = start
                batches.append(
                    Batch(
                        tokens[rows].astype(np.int32),
                        lengths[rows].astype(np.int32),
                        None if determined is None else determined[rows].astype(bool),
                    )
                )
            first += len(lengths)
        names = [str(group.shape[1]) for group in groups for _ in group]
        return EvaluationSet(batches, items, names)

    def references(self, name: str) -> Mapping[str, Scores]:
        distribution, groups, masks = self._strings(name)
        predictors: dict[str, Predictor] = {
            floor.name: floor(self.distribution) for floor in BASELINES
        }
        predictors[BAYES] = BAYES_OPTIMAL(distribution)
        return {
            name: _reference(predictor, groups, masks) for name, predictor in predictors.items()
        }

    def precompute(self, network: Network, tree: Batch) -> Batch:
        size = network.controller.hidden_size * network.dtype.itemsize
        if tree.tokens.size * size > MOST_KEPT:
            return tree
        tokens = jax.device_put(tree.tokens)
        states = _states(network, tokens[None] if tokens.ndim == 2 else tokens)
        if tokens.ndim == 2:
            states = jax.tree.map(lambda leaf: leaf[0], states)
        return tree._replace(states=states)

    def check_memory(self, network: Network, *, training: bool, workers: int = 1) -> int:
        longest = (
            self.distribution.longest if training else max(high for _, high in self.length_bins)
        )
        strings = self.batch_size if training else EVALUATION_BATCH
        return check_memory_limit(
            network.memory, strings, longest, gradient=training, workers=workers
        )

    @property
    def labels(self) -> Sequence[str]:
        return (*self.distribution.language.symbols, "end")

    def encode(self, text: str) -> Int[np.ndarray, " length"]:
        language = self.distribution.language
        one_each = all(len(symbol) == 1 for symbol in language.symbols)
        # Spaces are welcome even where the language does without.
        return language.encode("".join(text.split()) if one_each else text)

    def targets(self, tokens: Int[np.ndarray, " length"]) -> Int[np.ndarray, " length_plus_1"]:
        return np.append(tokens, len(self.distribution.language.symbols))

    def remarks(self, text: str) -> Sequence[str]:
        language = self.distribution.language
        known = language.contains(self.encode(text))
        return () if known else (f"This is no string of {language.name}.",)

    def _relation(self, bounds: tuple[int, int]) -> Relation:
        longest = self.train_lengths[1]
        return "within" if bounds[1] <= longest else "beyond" if bounds[0] > longest else "across"

    def _strings(self, name: str) -> tuple[Distribution, list[np.ndarray], list[np.ndarray] | None]:
        """The distribution and the strings of a bin, one group per length, ascending.

        Beside every group where the prefix leaves no choice; None where it always leaves one.
        """
        bounds = {format_range(bounds): bounds for bounds in self.length_bins}
        return _test_strings(self.distribution.language.name, bounds[name], self.samples_per_length)


@jax.jit
def _states(network: Network, tokens: Int[Array, "batches rows longest"]) -> HiddenStates:
    """The hidden states of every batch, one after another: many at once need much memory."""
    return jax.lax.map(lambda each: hidden_states(network, each), tokens)


@functools.lru_cache(maxsize=8)
def _draw(task: Strings, seed: int) -> tuple[Batch, Batch]:
    """Training and validation batches, a pure function of the seed."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))

    def draw(count: int) -> Batch:
        groups = task.distribution.sample_groups(count, task.batch_size, rng)
        tokens = np.zeros((count, task.batch_size, task.widths[-1]), np.int32)
        for row, group in zip(tokens, groups, strict=True):
            row[:, : group.shape[1]] = group
        return Batch(tokens, np.array([group.shape[1] for group in groups], np.int32))

    return draw(task.batches), draw(task.validation_batches)


@functools.lru_cache(maxsize=32)
def _test_strings(
    language: str, bounds: tuple[int, int], samples: int
) -> tuple[Distribution, list[np.ndarray], list[np.ndarray] | None]:
    distribution = Distribution(get_language(language), *bounds)
    # Test strings do not depend on what is tested: every network sees the same ones.
    groups = distribution.sample_each_length(samples, np.random.default_rng([0, *bounds]))
    if not distribution.language.has_determined_symbols:
        return distribution, groups, None
    return distribution, groups, [distribution.determined(group) for group in groups]


def _reference(
    predictor: Predictor, groups: Sequence[np.ndarray], masks: Sequence[np.ndarray] | None
) -> Scores:
    columns: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for number, group in enumerate(groups):
        probabilities = predictor.probabilities(group)
        right = hits(probabilities, group)
        symbols = np.full(len(group), group.shape[1] + 1.0)
        scores = {
            PERPLEXITY.name: (surprisals(probabilities, group).sum(axis=1), symbols),
            ACCURACY.name: (right.sum(axis=1), symbols),
        }
        if masks is not None:
            asked = masks[number].sum(axis=1).astype(float)
            found = (right * masks[number]).sum(axis=1)
            scores[DETERMINED.name] = (found, asked)
            scores[SEQUENCE.name] = ((found == asked).astype(float), np.ones(len(group)))
        for name, column in scores.items():
            columns.setdefault(name, []).append(column)
    return {
        name: tuple(np.concatenate(parts) for parts in zip(*pieces, strict=True))  # type: ignore[misc]
        for name, pieces in columns.items()
    }


def _pad(groups: Sequence[np.ndarray], longest: int) -> np.ndarray:
    padded = [np.pad(group, ((0, 0), (0, longest - group.shape[1]))) for group in groups]
    return np.concatenate(padded)
