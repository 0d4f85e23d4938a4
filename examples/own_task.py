"""A task of one's own, recognition: is a string in the language, or was it edited?
memrnn train --import examples/own_task.py --task recognition:marked-copy --model jm-10 --out OUT"""

# pyright: basic, reportAssignmentType=false
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

import memrnn


@memrnn.register_task
@dataclass(frozen=True)
class Recognition(memrnn.Task):
    """Accept or reject strings; half of them are strings of the language with random edits."""

    name, group_axis, evaluation_options = "recognition", "String length", ("longest_test",)
    metrics = memrnn.Metric("nats", "min"), memrnn.Metric("accuracy", "max")
    selection, headline = metrics
    sets = memrnn.SetDescription("seen", "within"), memrnn.SetDescription("longer", "beyond")

    language: str
    longest: int = 24
    longest_test: int = 60
    updates: int = 100

    def draw(self, low, high, seed, count):
        language, rng = memrnn.get_language(self.language), np.random.default_rng(seed)
        tokens, (lengths, members) = np.zeros((count, high), "i4"), np.zeros((2, count), "i4")
        for row, string in enumerate(memrnn.Distribution(language, low, high).sample(count, rng)):
            if row % 2:
                places = rng.integers(len(string), size=rng.integers(1, 4))
                string[places] = rng.integers(len(language.symbols), size=len(places))
            tokens[row, : len(string)], lengths[row] = string, len(string)
            members[row] = language.contains(string)
        return (tokens, lengths, members), lengths  # lengths once more, as groups

    def build(self, model, seed):
        symbols = memrnn.get_language(self.language).symbols
        return model.build(memrnn.OneHot(len(symbols)), classes=2, seed=seed)

    def data(self, seed):
        strings, _ = self.draw(1, self.longest, [seed, 0], 10 * self.updates)
        return memrnn.Data([part.reshape(-1, 10, *part.shape[1:]) for part in strings])

    def validation(self, seed):
        return memrnn.whole_set(*self.draw(1, self.longest, [seed, 1], 300))

    def evaluation_set(self, name):
        bounds = (1, self.longest) if name == "seen" else (self.longest + 1, self.longest_test)
        return memrnn.whole_set(*self.draw(*bounds, [0, 2], 500))

    def score(self, network, carry, batch):
        tokens, lengths, members = batch
        last = network.prefix_logits(tokens.T)[lengths, jnp.arange(len(lengths))]
        nats = -jnp.sum(jax.nn.log_softmax(last) * jax.nn.one_hot(members, 2), axis=1)
        right, one = (nats < jnp.log(2)).astype(nats.dtype), jnp.ones_like(nats)
        return carry, {"nats": (nats, one), "accuracy": (right, one)}
