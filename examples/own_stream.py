"""A task that carries state along a stream: predict every next character of a text file.

    memrnn train --import examples/own_stream.py --task characters:README.md --model lstm-32 \\
        --max-epochs 20 --restarts 2 --out runs/characters
    memrnn evaluate runs/characters

The first eight tenths of the file are trained on, in some parallel streams that are cut into
segments; the state of the network goes from each segment to the next, its gradient does not.
"""

# pyright: basic, reportAssignmentType=false
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import memrnn

NATS = memrnn.Metric("perplexity", "min", "exp")
ACCURACY = memrnn.Metric("accuracy", "max")


@memrnn.register_task
@dataclass(frozen=True)
class Characters(memrnn.Task):
    """Predict the next character of a text; its memory must serve any number of steps."""

    name, metrics = "characters", (NATS, ACCURACY)
    selection, headline = NATS, ACCURACY
    sets = (memrnn.SetDescription("test", "beyond"),)

    file: str
    streams: int = 8
    segment: int = 32

    @cached_property
    def text(self) -> np.ndarray:
        """The file's bytes as ids from 0, the bytes that occur in it in their order."""
        content = np.frombuffer(Path(self.file).read_bytes(), np.uint8)
        return np.searchsorted(np.unique(content), content).astype(np.int32)

    def identity(self):
        # The name of a file does not say what is in it.
        return super().identity() | {"text": hashlib.sha256(self.text.tobytes()).hexdigest()}

    def part(self, begin: float, end: float) -> np.ndarray:
        """A part of the text as parallel streams, [streams, steps + 1]; ends are shares of it."""
        text = self.text[int(begin * len(self.text)) : int(end * len(self.text))]
        steps = (len(text) // self.streams - 1) // self.segment * self.segment
        if steps < 1:
            raise memrnn.MemrnnError(f"{self.file} is too short; give a longer text.")
        starts = np.arange(self.streams)[:, None] * (len(text) // self.streams)
        return text[starts + np.arange(steps + 1)]

    @property
    def updates(self) -> int:
        return (self.part(0, 0.8).shape[1] - 1) // self.segment

    def build(self, model, seed):
        characters = int(self.text.max()) + 1
        return model.build(memrnn.OneHot(characters), classes=characters, seed=seed)

    def data(self, seed):
        return memrnn.Data(own=(), shared=self.part(0, 0.8))

    def plan(self, data, seed, epoch):
        starts = np.arange(self.updates, dtype=np.int32) * self.segment
        return starts, np.zeros_like(starts)

    def batch(self, data, item, width):
        return jax.lax.dynamic_slice_in_dim(data.shared, item, self.segment + 1, axis=1)

    def carry(self, network):
        return network.init(self.streams, horizon=None)

    def score(self, network, carry, batch):
        hidden, state = network.hidden(batch[:, :-1].T, carry)
        odds = jax.nn.log_softmax(network.logits(hidden))  # [time, streams, characters]
        targets = batch[:, 1:].T
        nats = -jnp.take_along_axis(odds, targets[..., None], axis=2)[..., 0].sum(axis=0)
        predicted = jnp.argmax(odds, axis=2).astype(targets.dtype)
        right = (predicted == targets) & jnp.all(jnp.isfinite(odds), axis=2)
        count = jnp.full_like(nats, self.segment)
        scores = {
            "perplexity": (nats, count),
            "accuracy": (right.sum(axis=0).astype(nats.dtype), count),
        }
        return jax.lax.stop_gradient(state), scores

    def stream_set(self, begin: float, end: float) -> memrnn.EvaluationSet:
        text = self.part(begin, end)
        starts = range(0, text.shape[1] - 1, self.segment)
        batches = [text[:, start : start + self.segment + 1] for start in starts]
        streams = np.arange(self.streams)  # each is one item, scored in several pieces
        return memrnn.EvaluationSet(
            batches, [streams] * len(batches), [f"stream {n}" for n in streams], carries=True
        )

    def validation(self, seed):
        return self.stream_set(0.8, 0.9)

    def evaluation_set(self, name):
        return self.stream_set(0.9, 1.0)
