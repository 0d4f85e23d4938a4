"""Language modelling on strings of a formal language: predict every next symbol and the end."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from memrnn.errors import MemrnnError
from memrnn.languages import Distribution, canonical_language_name, get_language
from memrnn.languages.predictors import BASELINES, table_predictor
from memrnn.nn.groups import check_memory_limit
from memrnn.nn.model import Model
from memrnn.nn.network import Network, OneHot
from memrnn.runtime.options import format_range
from memrnn.tasks._metrics import Metric, Scores
from memrnn.tasks._string_presets import STABLE, STABLE_LATE
from memrnn.tasks._string_scores import (
    ACCURACY,
    DETERMINED,
    LONGER,
    METRICS,
    PERPLEXITY,
    SEQUENCE,
    Batch,
    HiddenStates,
    Longer,
    hidden_states,
    predict,
    reference_scores,
    string_scores,
)
from memrnn.tasks._string_sets import pad, padded_lengths, strings_of_set
from memrnn.tasks._task import (
    BAYES,
    Data,
    EvaluationSet,
    Preset,
    Relation,
    SetDescription,
    Task,
    added,
    random_order,
    whole_set,
)

EVALUATION_BATCH = 100
"""Strings per batch: the loop over time costs about the same for 10 strings as for 100."""
LONG = 512
"""Symbols from which on a string that only fills a batch up costs more than a program."""

MAX_STATES = 2**30
"""Bytes of hidden states that `precompute` keeps; more are computed anew in every epoch."""


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
        fresh_strings: whether every batch is drawn anew in every epoch, each of its strings with a
            length of its own; `batches` is then the number of updates per epoch.
        growing_epochs: number E of epochs in which fresh strings are short at first. Epoch e < E,
            numbered from 0, draws from the ceil(L (e + 1) / E) shortest of the L valid lengths.
        longer_strings: validation strings that are longer than all training strings, up to twice
            as long. If there are any, the share of them of which every determined symbol is right
            chooses the best epoch and the best restart, in place of the perplexity.

    Examples:
        >>> import memrnn
        >>> task = memrnn.Strings("marked-copy", train_lengths=(5, 30), length_bins=((31, 60),))
        >>> task.spec, task.updates, [one.name for one in task.sets]
        ('strings:marked-copy', 1000, ['31:60'])

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), section 4 and appendix A; bins from Das &
    Mali 2024 (arXiv 2410.03154).
    """

    name: ClassVar[str] = "strings"
    evaluation_options: ClassVar[tuple[str, ...]] = ("length_bins", "samples_per_length")
    headline: ClassVar[Metric] = ACCURACY
    overview: ClassVar[Metric | None] = DETERMINED
    group_axis: ClassVar[str | None] = "String length"
    presets: ClassVar[Mapping[str, Preset]] = MappingProxyType(
        {"paper": Preset(), "stable": STABLE, "stable-late": STABLE_LATE}
    )

    language: str
    train_lengths: tuple[int, int] = (40, 80)
    batch_size: int = 10
    batches: int = 1000
    validation_batches: int = 100
    length_bins: tuple[tuple[int, int], ...] = ((40, 100), (100, 200), (200, 400))
    samples_per_length: int = 10
    fresh_strings: bool = added(False)
    longer_strings: int = added(0)
    growing_epochs: int = added(0)

    def __post_init__(self) -> None:
        for name in ("batch_size", "batches", "validation_batches", "samples_per_length"):
            if getattr(self, name) < 1:
                raise MemrnnError(f"{name} is {getattr(self, name)}, but must be at least 1.")
        for name in ("longer_strings", "growing_epochs"):
            if getattr(self, name) < 0:
                raise MemrnnError(f"{name} is {getattr(self, name)}, but must be at least 0.")
        if self.growing_epochs and not self.fresh_strings:
            raise MemrnnError("growing_epochs needs fresh_strings: other strings are drawn once.")
        # One name for one language.
        object.__setattr__(self, "language", canonical_language_name(self.language))
        if len(set(self.length_bins)) < len(self.length_bins):
            raise MemrnnError("length_bins names a bin twice; name each once.")
        for bounds in (self.train_lengths, *self.length_bins):
            Distribution(get_language(self.language), *bounds)
        if self.longer_strings and not self.longer.language.has_determined_symbols:
            raise MemrnnError(
                f"{self.language} has no determined symbols, of which longer_strings would be "
                "judged; leave it at 0."
            )

    @property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]
        return (*METRICS, LONGER) if self.longer_strings else METRICS

    @property
    def selection(self) -> Metric:  # type: ignore[override]
        return LONGER if self.longer_strings else PERPLEXITY

    @cached_property
    def longer(self) -> Distribution:
        """The distribution of the longer validation strings."""
        longest = self.train_lengths[1]
        return Distribution(get_language(self.language), longest + 1, 2 * longest)

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
        widths = padded_lengths(self.distribution)
        # Nearly every batch of mixed lengths has a long string.
        return widths[-1:] if self.fresh_strings else widths

    @property
    def program(self) -> Any:
        """Nothing of a language: its strings and its symbols are arrays and shapes."""
        return [self.widths, self.fresh_strings] if self.fresh_strings else self.widths

    def build(self, model: Model, seed: int) -> Network:
        symbols = len(self.distribution.language.symbols)
        return model.build(OneHot(symbols), classes=symbols + 1, seed=seed)

    def data(self, seed: int) -> Data:
        return Data(_draw(self, seed)[0])

    def plan(self, data: Data, seed: int, epoch: int) -> tuple[Any, Int[np.ndarray, " updates"]]:
        if self.fresh_strings:
            return self._fresh(seed, epoch), np.zeros(self.batches, np.int32)
        order = random_order(self.batches, seed, epoch)
        lengths = data.own.lengths[order]
        return order, np.searchsorted(self.widths, lengths).astype(np.int32)

    def _fresh(self, seed: int, epoch: int) -> Batch:
        """The batches of an epoch, [updates, ...]: a pure function of its arguments."""
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(8, epoch)))
        distribution = self.distribution
        if epoch < self.growing_epochs:
            shortest, *_ = lengths = distribution.lengths
            count = -(-len(lengths) * (epoch + 1) // self.growing_epochs)
            distribution = Distribution(distribution.language, shortest, lengths[count - 1])
        strings = distribution.sample(self.batches * self.batch_size, rng)
        tokens = pad([string[None] for string in strings], self.widths[-1])
        lengths = np.array([len(string) for string in strings], np.int32)
        shape = self.batches, self.batch_size
        return Batch(tokens.reshape(*shape, -1), lengths.reshape(shape))

    def batch(self, data: Data, item: Any, width: int) -> Batch:
        if self.fresh_strings:
            return item
        own: Batch = super().batch(data, item, width)
        lengths = jnp.broadcast_to(own.lengths, own.tokens.shape[0])
        return own._replace(tokens=own.tokens[:, :width], lengths=lengths)

    def loss(
        self, network: Network, carry: Any, batch: Batch, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], tuple[Any, Scores]]:
        predicted = predict(network, batch)
        scores = {PERPLEXITY.name: (jnp.sum(predicted.nats, axis=0), predicted.symbols)}
        return jnp.sum(predicted.nats) / batch.tokens.shape[0], (carry, scores)

    def score(self, network: Network, carry: Any, batch: Batch | Longer) -> tuple[Any, Scores]:
        if isinstance(batch, Longer):
            return carry, {LONGER.name: string_scores(network, batch.strings)[SEQUENCE.name]}
        return carry, string_scores(network, batch)

    def validation(self, seed: int) -> EvaluationSet:
        _, strings = _draw(self, seed)
        _, size, longest = strings.tokens.shape
        lengths = np.repeat(np.asarray(strings.lengths), size)
        batch = Batch(np.asarray(strings.tokens).reshape(-1, longest), lengths)
        if not self.longer_strings:
            return whole_set(batch, lengths)
        longer = self._longer(seed)
        everything = np.concatenate([lengths, longer.strings.lengths])
        items = np.split(np.arange(len(everything)), [len(lengths)])
        return EvaluationSet([batch, longer], items, [str(length) for length in everything])

    def _longer(self, seed: int) -> Longer:
        """The longer validation strings."""
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(9,)))
        strings = [string[None] for string in self.longer.sample(self.longer_strings, rng)]
        determined = [self.longer.determined(string) for string in strings]
        widest = self.longer.lengths[-1]
        lengths = np.array([string.shape[1] for string in strings], np.int32)
        return Longer(Batch(pad(strings, widest), lengths, pad(determined, widest + 1)))

    def validation_reference(self, seed: int) -> Scores:
        if not self.distribution.language.exact:
            return {}
        _, strings = _draw(self, seed)
        groups = [t[:, :n] for t, n in zip(strings.tokens, strings.lengths, strict=True)]
        nats = np.concatenate([-self.distribution.log_probabilities(group) for group in groups])
        symbols = np.repeat(np.asarray(strings.lengths) + 1.0, strings.tokens.shape[1])
        every = np.ones(self.longer_strings)  # the exact distribution errs at no determined symbol
        return {PERPLEXITY.name: (nats, symbols)} | (
            {LONGER.name: (every, every)} if self.longer_strings else {}
        )

    @property
    def sets(self) -> tuple[SetDescription, ...]:
        return tuple(
            SetDescription(format_range(bounds), self._relation(bounds))
            for bounds in self.length_bins
        )

    def evaluation_set(self, name: str) -> EvaluationSet:
        distribution, groups, *known = strings_of_set(self.language, name, self.samples_per_length)
        widths = padded_lengths(distribution)
        lengths = np.concatenate([np.full(len(g), g.shape[1], np.int32) for g in groups])
        tokens = pad(groups, widths[-1])
        masks = [None if mask is None else pad(mask, widths[-1] + 1) for mask in known]
        of_width = np.searchsorted(widths, lengths)
        most = max(np.bincount(of_width))
        if widths[-1] < LONG:
            # As many rows as if every length were valid: languages share programs.
            every = (distribution.longest - distribution.shortest) // len(widths) + 1
            most = every * self.samples_per_length
        size = -(-most // -(-most // EVALUATION_BATCH))
        batches: list[Batch] = []
        items: list[np.ndarray] = []
        for number, width in enumerate(widths):
            members = np.flatnonzero(of_width == number)
            for start in range(0, len(members), size):
                numbers = np.full(size, -1)
                chunk = members[start : start + size]
                numbers[: len(chunk)] = chunk
                # Rows that only fill the batch up repeat its first one.
                rows = np.where(numbers < 0, chunk[0], numbers)
                determined, legal = (m if m is None else m[rows, : width + 1] for m in masks)
                batches.append(Batch(tokens[rows, :width], lengths[rows], determined, legal=legal))
                items.append(numbers)
        return EvaluationSet(batches, items, [str(length) for length in lengths])

    def references(self, name: str) -> Mapping[str, Scores]:
        distribution, groups, determined, legal = strings_of_set(
            self.language, name, self.samples_per_length
        )
        counts = self.distribution.transition_counts()
        predictors = {name: table_predictor(fit(counts)) for name, fit in BASELINES.items()}
        if distribution.language.exact:
            predictors[BAYES] = distribution.next_symbol_probabilities
        return {
            name: reference_scores(predictor, groups, determined, legal)
            for name, predictor in predictors.items()
        }

    def precompute(self, network: Network, tree: Any) -> Any:
        if isinstance(tree, Longer):
            return Longer(self.precompute(network, tree.strings))
        if not isinstance(tree, Batch):  # fresh strings come with the plan
            return tree
        size = network.controller.hidden_size * network.dtype.itemsize
        if tree.tokens.size * size > MAX_STATES:
            return tree
        tokens = jax.device_put(tree.tokens)
        states = _states(network, tokens[None] if tokens.ndim == 2 else tokens)
        if tokens.ndim == 2:
            states = jax.tree.map(lambda leaf: leaf[0], states)
        return tree._replace(states=states)

    def check_memory(self, network: Network, *, training: bool, workers: int = 1) -> int:
        if training:
            strings, longest = self.batch_size, self.distribution.longest
        else:
            strings, longest = EVALUATION_BATCH, max(high for _, high in self.length_bins)
        return check_memory_limit(
            network.memory, strings, longest, gradient=training, workers=workers
        )

    @property
    def labels(self) -> Sequence[str]:
        return (*self.distribution.language.symbols, "end")

    def encode(self, text: str) -> Int[np.ndarray, " length"]:
        language = self.distribution.language
        # Spaces are welcome even where the language does without.
        return language.encode(language.separator.join(text.split()))

    def targets(self, tokens: Int[np.ndarray, " length"]) -> Int[np.ndarray, " length_plus_1"]:
        return np.append(tokens, self.distribution.language.eos)

    def remarks(self, text: str) -> Sequence[str]:
        language = self.distribution.language
        known = language.contains(self.encode(text))
        return () if known else (f"This is no string of {language.name}.",)

    def _relation(self, bounds: tuple[int, int]) -> Relation:
        longest = self.train_lengths[1]
        return "within" if bounds[1] <= longest else "beyond" if bounds[0] > longest else "across"


@jax.jit
def _states(network: Network, tokens: Int[Array, "batches rows longest"]) -> HiddenStates:
    """The hidden states of every batch, one after another: many at once need much memory."""
    return jax.lax.map(lambda each: hidden_states(network, each), tokens)


@functools.lru_cache(maxsize=8)
def _draw(task: Strings, seed: int) -> tuple[Any, Batch]:
    """Training batches, none where they are fresh, and validation batches."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))

    def draw(count: int) -> Batch:
        groups = task.distribution.sample_groups(count, task.batch_size, rng)
        lengths = np.array([group.shape[1] for group in groups], np.int32)
        return Batch(pad(groups, task.widths[-1]).reshape(count, task.batch_size, -1), lengths)

    training = () if task.fresh_strings else draw(task.batches)
    return training, draw(task.validation_batches)
