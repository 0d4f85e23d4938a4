"""One training step of a word language model with a nondeterministic stack, and without it.

The sizes are those of the Penn Treebank in DuSell & Chiang (ICLR 2023, arXiv 2210.01343): 10,000
words, an LSTM with 256 units, 32 streams of text in segments of 35 words, the stack rns-4-5 with a
window of 35 updates. A step reads one segment of every stream and hands controller and stack on to
the next: 35 updates forward and back, softmax over all words, gradient, clipping, plain descent.
float32, one core. The words are random; no number that is timed depends on them.

Both networks are the same but for the stack, and each runs as many streams at a time as suits it
best. Rounds alternate between them, because the speed of a shared machine drifts. The stack's share
is the median over rounds of

    (seconds with the stack - seconds without) / seconds without

    python benchmarks/text_step.py [MODEL ...] [--streams 32] [--group 1] [--rounds 15]
"""

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before any thread pool starts

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

import memrnn
from memrnn.controllers import CONTROLLERS, Controller
from memrnn.memories import MEMORIES, Memory
from memrnn.unroll import Carried, unroll

SEGMENT = 35
CLIP, RATE = 0.25, 1.0
GROUP, PLAIN_GROUP = 1, 16
"""Streams at a time with and without a stack: the fastest of 1, 2, 4, ... 32, each for itself."""


class WordNetwork(eqx.Module):
    """Word vectors, controller, memory and softmax over all words."""

    vectors: Float[Array, "words features"]
    controller: Controller
    memory: Memory
    weight: Float[Array, "words hidden"]
    bias: Float[Array, " words"]

    def __init__(self, model: memrnn.Model, words: int):
        rng, hidden = np.random.default_rng(0), model.hidden_size
        self.vectors = jnp.asarray(rng.uniform(-0.05, 0.05, (words, hidden)), jnp.float32)
        self.weight = jnp.asarray(rng.uniform(-0.05, 0.05, (words, hidden)), jnp.float32)
        self.bias = jnp.zeros(words, jnp.float32)
        self.memory = MEMORIES[model.memory](hidden, rng=rng, **model.options)
        inputs = hidden + self.memory.reading_size
        self.controller = CONTROLLERS[model.controller](inputs, hidden, scale=0.05, rng=rng)


def group_loss(
    network: WordNetwork, words: Int[Array, "time streams"], carried: Carried | None
) -> tuple[Float[Array, ""], Carried]:
    """The sum of nats of a segment: each word but the first is predicted from those before it."""
    inputs = network.vectors[words[:-1]]
    hidden, carried = unroll(network.controller, network.memory, inputs, carried)
    logits = hidden @ network.weight.T + network.bias[None, None]
    chosen = jnp.take_along_axis(logits, words[1:, :, None], axis=-1)[..., 0]
    return jnp.sum(jax.nn.logsumexp(logits, axis=-1) - chosen), carried


def training_step(
    network: WordNetwork, words: Int[Array, "groups time streams"], carried: Carried | None
) -> tuple[WordNetwork, Carried, Float[Array, ""]]:
    """One step of descent on the mean of nats; streams run a group at a time.

    Few streams at a time keep what the stack looks back on in the processor's cache.
    """
    gradient = eqx.filter_value_and_grad(group_loss, has_aux=True)
    symbols = words.shape[0] * (words.shape[1] - 1) * words.shape[2]
    if len(words) == 1:
        first = jax.tree.map(lambda leaf: leaf[0], carried)
        (loss, after), gradients = gradient(network, words[0], first)
        after = jax.tree.map(lambda leaf: leaf[None], after)
    else:

        def add(total: Any, group: Any) -> tuple[Any, Carried]:
            (loss, after), gradients = gradient(network, *group)
            return jax.tree.map(jnp.add, total, (loss, gradients)), after

        none = jnp.zeros(()), jax.tree.map(jnp.zeros_like, network)
        (loss, gradients), after = jax.lax.scan(add, none, (words, carried))
    squares = [jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradients)]
    norm = jnp.sqrt(sum(squares, start=jnp.zeros(()))) / symbols
    rate = RATE / symbols * jnp.minimum(1, CLIP / norm)
    network = jax.tree.map(lambda p, g: p - rate * g, network, gradients)
    return network, after, loss / symbols


def compile_step(model: memrnn.Model, words: int, streams: int, group: int) -> Callable[[], float]:
    """A function that makes one step from the middle of a text and returns its seconds."""
    if streams % group:
        raise ValueError(f"{streams} streams cannot be cut into groups of {group}.")
    network, rng = WordNetwork(model, words), np.random.default_rng(0)

    def settle(network: WordNetwork, first: Array, second: Array) -> Carried:
        """Where two segments end. The window is full then, so that further steps cost the same."""
        controller, memory = network.controller, network.memory
        inputs = network.vectors[first[:-1]], network.vectors[second[:-1]]
        # What has a window makes room for itself; all else gets room for the three segments.
        _, carried = unroll(controller, memory, inputs[0], updates=3 * SEGMENT)
        return unroll(controller, memory, inputs[1], carried)[1]

    def settle_all(network: WordNetwork, first: Array, second: Array) -> Carried:
        return jax.lax.map(lambda group: settle(network, *group), (first, second))

    shape = 3, streams // group, SEGMENT + 1, group
    first, second, third = jnp.asarray(rng.integers(0, words, shape), jnp.int32)
    carried = jax.jit(settle_all)(network, first, second)
    program = jax.jit(training_step).lower(network, third, carried).compile()

    def run() -> float:
        begin = time.perf_counter()
        jax.block_until_ready(program(network, third, carried))
        return time.perf_counter() - begin

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["lstm-256+rns-4-5:window=35"])
    parser.add_argument("--words", type=int, default=10_000)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--group", type=int, default=GROUP, help="streams at a time, with a stack")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    streams = arguments.streams
    print(f"{arguments.words} words, {streams} streams, float32, one core, medians of rounds")
    print(f"{'model':<30}{'stack ms':>10}{'none ms':>10}{'share':>8}")
    for name in arguments.models:
        model = memrnn.get_model(name)
        plain = memrnn.Model(model.controller, "none", model.hidden_size)
        runs = (
            compile_step(model, arguments.words, streams, arguments.group),
            compile_step(plain, arguments.words, streams, math.gcd(streams, PLAIN_GROUP)),
        )
        for run in runs:
            run()
        rounds = [[run() for run in runs] for _ in range(arguments.rounds)]
        stack_ms, plain_ms = (1e3 * statistics.median(column) for column in zip(*rounds))
        share = statistics.median(stack / plain - 1 for stack, plain in rounds)
        print(f"{name:<30}{stack_ms:>10.0f}{plain_ms:>10.0f}{share:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
