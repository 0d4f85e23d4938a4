"""Language modelling on text: predict each word of a corpus from all before it."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from memrnn.errors import MemrnnError
from memrnn.nn.cross_entropy import weighted_nats
from memrnn.nn.groups import state_bytes, tree_bytes
from memrnn.nn.initialisation import orthonormal, truncated_normal, uniform, zeros
from memrnn.nn.model import Model
from memrnn.nn.network import Network, TiedOutput, WordVectors
from memrnn.nn.unroll import State
from memrnn.runtime.devices import memory_limit, policy
from memrnn.runtime.options import added
from memrnn.tasks._metrics import Metric, Scores
from memrnn.tasks._task import Data, EvaluationSet, Partition, Preset, SetDescription, Task
from memrnn.tasks._text_presets import PAPER, STRONG, STRONG_AVERAGED
from memrnn.text import (
    PARTS,
    Corpus,
    fit_baselines,
    lay_out,
    read_corpus,
    sentences,
    token_groups,
)

PERPLEXITY = Metric("perplexity", "min", "exp")

VECTORS, LOGITS, CARRIED = 10, 3, 6
"""Arrays as long as the hidden state that training holds per word, arrays of logits at a time, and
copies of what is carried within an update; measured: `docs/text.md`."""

SEGMENTS_OF_FILE = 10
"""Groups of an evaluation set: tenths of its file."""

FEW_WORDS = 200
"""Streams of fewer words are said to be short: their first words are predicted from little."""

SENTENCE = "sentence"
"""The partition by sentence, numbered from 1."""


class Segment(NamedTuple):
    """What an update of training takes.

    Attributes:
        offset: which token of the text comes first in this pass.
        step: the segment's first time step.
        begins: whether a pass begins, from the state before the first step.
    """

    offset: Int[np.ndarray | np.int32, "..."]
    step: Int[np.ndarray | np.int32, "..."]
    begins: Bool[np.ndarray, "..."]


class Words(NamedTuple):
    """A segment of every stream, time first; `begins` as of a `Segment`."""

    inputs: Int[Array | np.ndarray, "time streams"]
    targets: Int[Array | np.ndarray, "time streams"]
    mask: Bool[Array | np.ndarray, "time streams"]
    begins: Bool[Array | np.ndarray, ""]


@dataclass(frozen=True)
class Text(Task):
    """Predict each word of a text from all before it; the loss is the mean over a segment's words.

    The text is one sequence: `<eos>` ends each line, is predicted like any word, and resets
    nothing. It is cut into streams of equal length that are read side by side, a segment at a time;
    states go from each segment to the next, gradients do not. Evaluation is one pass from the state
    before the first step, in streams of its own number; every word of the part is a target once.

    Attributes:
        corpus: a folder of three tokenised files, or the name of a corpus that ships with memrnn.
        streams: S, read side by side in training.
        segment: T, the time steps of an update.
        evaluation_streams: side by side in evaluation; 1 predicts every word from all before it.
        updates_per_epoch: between two evaluations on the validation part; by default one pass.
        random_offsets: whether every pass begins at another word, drawn at random; the text is then
            read in a circle.
        embedding_size: of word vectors; by default as many as hidden units.
        tied: whether the output layer's matrix is that of the word vectors, `V (P h) + b`.
        least_count: words that occur fewer times are `<unk>`; 0 for what the corpus has.
        largest_size: of the vocabulary; 0 for what the corpus has.
        bound: of the initial parameters, which are drawn from U(-bound, bound) if `initialisation`
            is uniform.
        initialisation: uniform; or fan_in, a matrix with n columns from a normal distribution, cut
            at two standard deviations, with the standard deviation n^-.5, P with orthonormal rows,
            all other parameters 0.
        input_dropout: probability with which a number of a word's vector is 0.
        state_dropout: of the hidden state where weights multiply it; one draw per stream and
            segment.
        output_dropout: of the hidden state before the output layer, and of P h if it is tied.
        state_reset: probability with which a stream begins a segment without a state.

    Examples:
        >>> import memrnn
        >>> task = memrnn.make_task("text", {"corpus": "kjv-small", "streams": 8, "segment": 20})
        >>> task.spec, task.sample, task.metrics[0].name
        ('text:kjv-small', 'sentence', 'perplexity')

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), section 6; dropout and resets as in Melis et
    al. 2018 (arXiv 1707.05589).
    """

    name: ClassVar[str] = "text"
    evaluation_options: ClassVar[tuple[str, ...]] = ("evaluation_streams",)
    metrics: ClassVar[tuple[Metric, ...]] = (PERPLEXITY,)
    selection: ClassVar[Metric] = PERPLEXITY
    headline: ClassVar[Metric] = PERPLEXITY
    sample: ClassVar[str | None] = SENTENCE
    # Nothing is known before the <eos> that a text begins after.
    scored_from: ClassVar[int] = 1

    presets: ClassVar[Mapping[str, Preset]] = MappingProxyType(
        {"paper": PAPER, "strong": STRONG, "strong-averaged": STRONG_AVERAGED}
    )

    corpus: str
    streams: int = 32
    segment: int = 35
    evaluation_streams: int = 32
    updates_per_epoch: int = 0
    random_offsets: bool = False
    embedding_size: int = 0
    tied: bool = False
    least_count: int = 0
    largest_size: int = 0
    bound: float = 0.05
    input_dropout: float = 0.0
    state_dropout: float = 0.0
    output_dropout: float = 0.0
    state_reset: float = 0.0
    initialisation: Literal["uniform", "fan_in"] = added("uniform")

    def __post_init__(self) -> None:
        for name in ("streams", "segment", "evaluation_streams"):
            if getattr(self, name) < 1:
                raise MemrnnError(f"{name} is {getattr(self, name)}, but must be at least 1.")
        for name in ("updates_per_epoch", "embedding_size", "least_count", "largest_size"):
            if getattr(self, name) < 0:
                raise MemrnnError(f"{name} is {getattr(self, name)}, but must be at least 0.")
        for name in ("input_dropout", "state_dropout", "output_dropout", "state_reset"):
            if not 0 <= getattr(self, name) < 1:
                raise MemrnnError(f"{name} is {getattr(self, name)}, but must be in [0, 1).")
        if not self.bound > 0:
            raise MemrnnError(f"bound is {self.bound}, but must be positive.")

    @property
    def text(self) -> Corpus:
        folder = Path(self.corpus).absolute()
        return _read(self.corpus, self.least_count, self.largest_size, folder, _stamps(folder))

    @property
    def title(self) -> str:
        return self.text.about.name

    @property
    def notes(self) -> Sequence[str]:
        shortest = min(len(self.text.validation), len(self.text.test)) // self.evaluation_streams
        if self.evaluation_streams == 1 or shortest >= FEW_WORDS:
            return self.text.about.remarks
        return (
            *self.text.about.remarks,
            f"Scores are of {self.evaluation_streams} streams of {shortest} words or more, each of "
            "which begins without a state; n-gram baselines see all words before. "
            "--evaluation-streams 1 gives the network as much.",
        )

    @property
    def protocol(self) -> Mapping[str, str | int]:
        return {
            "streams": self.evaluation_streams,
            "segment": self.segment,
            "first target": "from <eos> and zero state",
            "<eos>": "counted",
            "state": "carried across segments and sentences",
            "dropped tokens": 0,
            "adaptation": "none",
        }

    def identity(self) -> dict[str, Any]:
        # The name of a folder does not say what is in it, and its path not even that.
        identity: dict[str, Any] = super().identity()
        options = {**identity["options"], "corpus": Path(self.corpus).absolute().name}
        return {**identity, "options": options, "text": self.text.digest}

    @property
    def program(self) -> Any:
        options = self.options()
        del options["corpus"]
        return [options, self.updates, self._passes]

    @property
    def _passes(self) -> int:
        """Updates of a pass over the training part."""
        longest = -(-len(self.text.train) // self.streams)
        return -(-longest // self.segment)

    @property
    def updates(self) -> int:
        return self.updates_per_epoch or self._passes

    def build(self, model: Model, seed: int) -> Network:
        words, hidden = self.text.size, model.hidden_size
        size = self.embedding_size or hidden
        embedding = WordVectors(jnp.zeros((words, size)))
        network = model.build(embedding, words, seed)
        if self.tied:
            output = TiedOutput(jnp.zeros((size, hidden)), jnp.zeros(words))
            network = eqx.tree_at(lambda one: one.output, network, output)
        # Each component draws from a stream of its own, so that networks with and without a memory
        # begin with the same words.
        streams = np.random.SeedSequence(seed, spawn_key=(6,)).spawn(4)
        parts = [network.embedding, network.controller, network.memory, network.output]
        drawn = [
            self._redrawn(part, np.random.default_rng(stream))
            for part, stream in zip(parts, streams, strict=True)
        ]
        return Network(*drawn)

    def _redrawn(self, part: Any, rng: np.random.Generator) -> Any:
        """The same component with other parameters, see `initialisation`."""

        def draw(path: Any, leaf: Any) -> Any:
            if not eqx.is_inexact_array(leaf):
                return leaf
            if self.initialisation == "uniform":
                return uniform(rng, leaf.shape, self.bound)
            if leaf.ndim < 2:
                return zeros(*leaf.shape)
            if path[0].name == "projection":
                return orthonormal(rng, leaf.shape)
            return truncated_normal(rng, leaf.shape, leaf.shape[-1] ** -0.5)

        return jax.tree_util.tree_map_with_path(draw, part)

    def data(self, seed: int) -> Data:
        return Data(own=(), shared=self.text.train)

    def continues(self, epoch: int) -> bool:
        # Where a pass begins, the segment says so.
        return epoch > 0

    def plan(
        self, data: Data, seed: int, epoch: int
    ) -> tuple[Segment, Int[np.ndarray, " updates"]]:
        numbers = epoch * self.updates + np.arange(self.updates)
        passes, segments = np.divmod(numbers, self._passes)
        offsets = np.zeros(self.updates, np.int32)
        if self.random_offsets:
            drawn = {number: self._offset(seed, number) for number in set(passes.tolist())}
            offsets = np.array([drawn[number] for number in passes.tolist()], np.int32)
        steps = (segments * self.segment).astype(np.int32)
        return Segment(offsets, steps, np.asarray(segments == 0)), np.zeros(self.updates, np.int32)

    def _offset(self, seed: int, number: int) -> int:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(7, number)))
        return int(rng.integers(len(self.text.train)))

    def batch(self, data: Data, item: Segment, width: int) -> Words:
        """The same words as `lay_out` gives, taken from the text as it lies on the device."""
        count = len(data.shared)
        bounds = (np.arange(self.streams + 1) * count // self.streams).astype(np.int32)
        steps = item.step + jnp.arange(self.segment, dtype=jnp.int32)[:, None]
        mask = jnp.less(steps, jnp.asarray(np.diff(bounds))[None])
        positions = (item.offset + jnp.asarray(bounds[:-1])[None] + steps) % count
        eos = data.shared[-1]
        inputs = jnp.where(mask & (steps > 0), data.shared[positions - 1], eos)
        return Words(inputs, jnp.where(mask, data.shared[positions], eos), mask, item.begins)

    def carry(self, network: Network) -> State:
        return network.init(self.streams, horizon=None)

    def evaluation_carry(self, network: Network) -> State:
        return network.init(self.evaluation_streams, horizon=None)

    def loss(
        self, network: Network, carry: State, batch: Words, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], tuple[State, Scores]]:
        keys = jax.random.split(key, 5)
        streams, dtype = batch.inputs.shape[1], network.dtype
        fresh = jnp.broadcast_to(batch.begins, streams)
        if self.state_reset:
            fresh |= jax.random.bernoulli(keys[0], self.state_reset, (streams,))
        carry = choose_streams(fresh, self.carry(network), carry)
        vectors = network.embedding(jnp.asarray(batch.inputs), dtype)
        vectors = dropout(keys[1], self.input_dropout, vectors)
        mask = None
        if self.state_dropout:
            ones = jnp.ones((streams, network.controller.hidden_size), dtype)
            mask = dropout(keys[2], self.state_dropout, ones)
        hidden, carry = network.unroll(vectors, jax.lax.stop_gradient(carry), hidden_mask=mask)
        hidden = dropout(keys[3], self.output_dropout, hidden)
        features = network.output.features(hidden)
        if isinstance(network.output, TiedOutput):
            features = dropout(keys[4], self.output_dropout, features)
        weights = jnp.asarray(batch.mask, dtype)
        weights /= jnp.maximum(jnp.ones((), dtype), weights.sum())
        loss, nats = self._nats(network, features, batch, weights)
        return loss, (jax.lax.stop_gradient(carry), _scores(nats, batch))

    def score(self, network: Network, carry: State, batch: Words) -> tuple[State, Scores]:
        hidden, carry = network.hidden(jnp.asarray(batch.inputs), carry)
        weights = jnp.zeros(batch.mask.shape, network.dtype)
        _, nats = self._nats(network, network.output.features(hidden), batch, weights)
        return carry, _scores(nats, batch)

    def _nats(self, network: Network, features: Array, batch: Words, weights: Array) -> Any:
        rows = features.reshape(-1, features.shape[-1])
        matrix = network.output.matrix(network.embedding)
        return weighted_nats(matrix, rows, jnp.ravel(batch.targets), weights.ravel())

    def check_memory(self, network: Network, *, training: bool, workers: int = 1) -> int:
        """Bytes of states, activations and logits of a segment; not those of the parameters."""
        streams = self.streams if training else self.evaluation_streams
        memory, itemsize = network.memory, network.dtype.itemsize
        states = state_bytes(memory, streams, self.segment, None, gradient=training).total
        # Per word the vector, the reading and, of an LSTM, gates, state and their cotangents.
        hidden = network.controller.hidden_size
        numbers = VECTORS * hidden + 2 * (self.embedding_size or hidden) + 2 * memory.reading_size
        activations = streams * self.segment * numbers * itemsize
        logits = LOGITS * policy().logit_rows * self.text.size * itemsize
        # Of a windowed nondeterministic stack what is carried is large: it is chosen between
        # streams, cut into groups and joined.
        carry = jax.eval_shape(self.carry if training else self.evaluation_carry, network)
        carried = CARRIED * tree_bytes(carry)
        need = (states + carried + activations + logits) * workers
        if need > (limit := memory_limit()):
            raise MemrnnError(
                f"{streams} streams of {self.segment} words x {workers} workers take "
                f"{need / 1e9:.3g} GB, but this machine has {limit / 1e9:.3g} GB. Take fewer "
                "streams or workers, or shorter segments."
            )
        return need

    @property
    def sets(self) -> tuple[SetDescription, ...]:
        return (SetDescription("validation", "within"), SetDescription("test", "within"))

    def validation(self, seed: int) -> EvaluationSet:
        return self.evaluation_set("validation")

    def evaluation_set(self, name: str) -> EvaluationSet:
        laid = lay_out(self._part(name), self.evaluation_streams, self.segment)
        batches = [
            Words(inputs, targets, mask, np.array(number == 0))
            for number, (inputs, targets, mask, _) in enumerate(zip(*laid, strict=True))
        ]
        items = [positions.ravel().astype(np.int64) for positions in laid.positions]
        return EvaluationSet(batches, items, self._groups(name), carries=True)

    def partitions(self, name: str) -> Mapping[str, Partition]:
        """By segment of the file, word frequency, position in the sentence; and by sentence."""
        part = self._part(name)
        groups = {kind: Partition(*one) for kind, one in token_groups(self.text, name).items()}
        numbers = sentences(part, self.text.eos)
        names = tuple(map(str, range(1, int(numbers[-1]) + 2)))
        return groups | {SENTENCE: Partition(names, numbers)}

    def references(self, name: str) -> Mapping[str, Scores]:
        part = self._part(name)
        ones = np.ones(len(part))
        baselines = _baselines(self.text)
        return {one: {"perplexity": (nats(part), ones)} for one, nats in baselines.items()}

    def _part(self, name: str) -> Int[np.ndarray, " tokens"]:
        if name not in PARTS[1:]:
            raise MemrnnError(
                f"There is no evaluation set {name!r}; there are validation and test."
            )
        return self.text.part(name)

    def _groups(self, name: str) -> Sequence[str]:
        count = len(self._part(name))
        tenths = np.arange(count) * SEGMENTS_OF_FILE // count
        return [str(number + 1) for number in tenths.tolist()]

    @property
    def labels(self) -> Sequence[str]:
        return self.text.vocabulary

    def encode(self, text: str) -> Int[np.ndarray, " length"]:
        # A sentence begins after the end of another one.
        return np.insert(self.text.encode(text), 0, self.text.eos)

    def targets(self, tokens: Int[np.ndarray, " length"]) -> Int[np.ndarray, " length_plus_1"]:
        return np.append(tokens, self.text.eos).astype(np.int32)


@functools.lru_cache(maxsize=4)
def _read(
    corpus: str,
    least_count: int,
    largest_size: int,
    folder: Path,
    stamps: tuple[tuple[str, int, int], ...],
) -> Corpus:
    """`read_corpus`, read again where another folder is meant or a file has changed."""
    del folder, stamps
    return read_corpus(corpus, least_count=least_count or None, largest_size=largest_size or None)


def _stamps(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, time and size of each file in it."""
    if not folder.is_dir():
        return ()
    stats = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)


@functools.lru_cache(maxsize=2)
def _baselines(corpus: Corpus) -> Mapping[str, Any]:
    return fit_baselines(corpus)


def dropout(key: PRNGKeyArray, rate: float, values: Float[Array, "..."]) -> Float[Array, "..."]:
    """Each value 0 with probability `rate`, else divided by 1 - rate; as it is for rate 0."""
    if not rate:
        return values
    kept = jax.random.bernoulli(key, 1 - rate, values.shape)
    return jnp.where(kept, values / (1 - rate), jnp.zeros_like(values))


def choose_streams(choice: Bool[Array, " streams"], yes: State, no: State) -> State:
    """The states of some streams from one state, of the others from another.

    A leaf's first axis holds the streams, of some memories several rows of each; a scalar, as the
    number of steps that a window has seen, is that of all streams and stays as it is unless all
    change.
    """
    streams = len(choice)

    def choose(one: Array, other: Array) -> Array:
        if one.ndim == 0 or one.shape[0] % streams:
            return jnp.where(jnp.all(choice), one, other)
        rows = jnp.repeat(choice, one.shape[0] // streams)
        return jnp.where(rows.reshape(-1, *[1] * (one.ndim - 1)), one, other)

    return jax.tree.map(choose, yes, no)


def _scores(nats: Float[Array, " words"], batch: Words) -> Scores:
    """Of every word; a row without a target counts nothing."""
    mask = batch.mask.ravel()
    zeros = jnp.zeros_like(nats)
    return {"perplexity": (jnp.where(mask, nats, zeros), mask.astype(nats.dtype))}
