"""One training step of a word language model with a nondeterministic stack, and without it.

The sizes are those of the Penn Treebank in DuSell & Chiang (ICLR 2023, arXiv 2210.01343): 10,000
words, an LSTM with 256 units, 32 streams of text in segments of 35 words, the stack rns-4-5 with a
window of 35 updates. A step reads one segment of every stream and hands controller and stack on to
the next: 35 updates forward and back, softmax over all words, gradient, clipping, plain descent.
float32, one core. The words are random; no number that is timed depends on them.

Both networks are the same but for the stack; several segments make one program, as in an epoch.
Rounds alternate between the two, because the speed of a shared machine drifts. The stack's share is
the median over rounds of

    (seconds with the stack - seconds without) / seconds without

A model needs a window or a limit of its depth, as a text has no end.

    python benchmarks/text_step.py [MODEL ...] [--streams 32] [--segments 4] [--rounds 7]
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before any thread pool starts

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

import memrnn
from memrnn import CONTROLLERS, MEMORIES, Controller, Memory, State, unroll

SEGMENT = 35
SETTLING = 3
"""Segments until the carried state no longer changes its shapes."""
CLIP, RATE = 0.25, 1.0


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


def mean_nats(
    network: WordNetwork, words: Int[Array, "time streams"], carried: State
) -> tuple[Float[Array, ""], State]:
    """The mean of nats over a segment: each word but the first is predicted from those before."""
    inputs = network.vectors[words[:-1]]
    carried = jax.lax.stop_gradient(carried)
    hidden, carried = unroll(network.controller, network.memory, inputs, carried)
    logits = hidden @ network.weight.T + network.bias[None, None]
    chosen = jnp.take_along_axis(logits, words[1:, :, None], axis=-1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - chosen), carried


def training_step(
    state: tuple[WordNetwork, State], words: Int[Array, "time streams"]
) -> tuple[tuple[WordNetwork, State], Float[Array, ""]]:
    """One step of clipped descent on a segment."""
    network, carried = state
    gradient = eqx.filter_value_and_grad(mean_nats, has_aux=True)
    (loss, carried), gradients = gradient(network, words, carried)
    norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradients)))
    rate = RATE * jnp.minimum(1, CLIP / norm)
    network = jax.tree.map(lambda p, g: p - rate * g, network, gradients)
    return (network, carried), loss


def compile_steps(
    model: memrnn.Model, words: int, streams: int, segments: int
) -> Callable[[], float]:
    """A function that trains on some segments from the middle of a text; seconds a segment."""
    network, rng = WordNetwork(model, words), np.random.default_rng(0)

    def settle(network: WordNetwork, words: Array) -> State:
        """Where the first segments end. The window is full then, and all further ones are alike."""
        carried = State(network.controller.init(streams), network.memory.init(streams, None))
        for segment in network.vectors[words[:, :-1]]:
            _, carried = unroll(network.controller, network.memory, segment, carried)
        return carried

    shape = SETTLING + segments, SEGMENT + 1, streams
    tokens = jnp.asarray(rng.integers(0, words, shape), jnp.int32)
    first, rest = tokens[:SETTLING], tokens[SETTLING:]
    state = network, jax.jit(settle)(network, first)
    program = jax.jit(lambda state, rest: jax.lax.scan(training_step, state, rest)[1])
    program = program.lower(state, rest).compile()

    def run() -> float:
        begin = time.perf_counter()
        jax.block_until_ready(program(state, rest))
        return (time.perf_counter() - begin) / segments

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["lstm-256+rns-4-5:window=35"])
    parser.add_argument("--words", type=int, default=10_000)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--segments", type=int, default=4, help="segments a round")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    sizes = arguments.words, arguments.streams, arguments.segments
    print(f"{sizes[0]} words, {sizes[1]} streams, float32, one core, medians of rounds")
    print(f"{'model':<30}{'stack ms':>10}{'none ms':>10}{'share':>8}")
    for name in arguments.models:
        model = memrnn.get_model(name)
        plain = memrnn.Model(model.controller, "none", model.hidden_size)
        runs = compile_steps(model, *sizes), compile_steps(plain, *sizes)
        for run in runs:
            run()
        rounds = [[run() for run in runs] for _ in range(arguments.rounds)]
        stack_ms, plain_ms = (1e3 * statistics.median(column) for column in zip(*rounds))
        share = statistics.median(stack / plain - 1 for stack, plain in rounds)
        print(f"{name:<30}{stack_ms:>10.0f}{plain_ms:>10.0f}{share:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
