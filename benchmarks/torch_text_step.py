"""One training step on text: this package's task, and `torch.nn.LSTM` with the same ends.

Word vectors, an LSTM, a softmax over 10,000 words, the mean of cross-entropies over a segment of 35
words per stream, the gradient, clipping by its norm and plain descent; states go from each segment
to the next. float32, one core, both in one process. Rounds alternate between the two, because the
speed of a shared machine drifts; the ratio is the median over rounds of

    seconds of PyTorch / seconds of this package

so that 2 means twice as fast as PyTorch. The words are random; no number that is timed depends on
them. `--model M` takes the place of PyTorch by the task with the same sizes and the model M: the
ratio says what a memory costs. `--loop` leaves out word vectors and softmax: the loss is the mean
of the hidden states.

    python benchmarks/torch_text_step.py [small large] [--model lstm-256+jm-22:depth_limit=10]
        [--loop] [--segments 4] [--rounds 9]

It needs PyTorch (written for 2.13), which the package itself does not.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before any thread pool starts

import jax
import jax.numpy as jnp
import numpy as np
import optax

import memrnn
from memrnn.runtime.devices import compiled
from memrnn.tasks.text import Text, Words

WORDS, SEGMENT, CLIP, RATE = 10_000, 35, 0.25, 1.0


class Sizes(NamedTuple):
    hidden: int
    streams: int
    embedding: int
    tied: bool


SIZES = {"small": Sizes(256, 32, 256, False), "large": Sizes(1194, 64, 268, True)}
"""lstm-256 of DuSell & Chiang (2023); the one-layer net of 10 million parameters of Melis et al.
(2018), without dropout and with the gates of `torch.nn.LSTM`."""


def random_corpus(folder: Path) -> str:
    """Three files in which every word occurs."""
    rng = np.random.default_rng(0)
    for part, lines in (("train", 2000), ("valid", 20), ("test", 21)):
        words = rng.permutation(np.arange(lines * 20) % (WORDS - 1)).reshape(lines, 20)
        text = "\n".join(" ".join(f"w{word}" for word in line) for line in words)
        (folder / f"{part}.txt").write_text(text + "\n")
    return str(folder)


def our_steps(
    corpus: str, sizes: Sizes, tokens: np.ndarray, name: str, *, loop: bool
) -> Callable[[], float]:
    """A function that trains on some segments; seconds per segment."""
    model = memrnn.get_model(name or f"lstm-{sizes.hidden}")
    options = {"embedding_size": sizes.embedding, "tied": sizes.tied}
    task = Text(corpus, streams=sizes.streams, segment=SEGMENT, **options)
    network, key = task.build(model, 0), jax.random.key(0)
    clip = optax.clip_by_global_norm(CLIP)

    def loss(network: Any, carry: Any, batch: Words) -> Any:
        if not loop:
            return task.loss(network, carry, batch, key)
        vectors = jax.lax.stop_gradient(network.embedding.weight)[batch.inputs]
        hidden, carry = network.unroll(vectors, jax.lax.stop_gradient(carry))
        return hidden.mean(), (jax.lax.stop_gradient(carry), ())

    def step(state: Any, words: Any) -> Any:
        network, carry = state
        batch = Words(words[:-1], words[1:], jnp.ones(words[1:].shape, bool), jnp.array(False))
        (value, (carry, _)), gradient = jax.value_and_grad(loss, has_aux=True)(
            network, carry, batch
        )
        gradient, _ = clip.update(gradient, clip.init(network))
        network = jax.tree.map(lambda p, g: p - RATE * g, network, gradient)
        return (network, carry), value

    program = compiled(())(lambda state, rest: jax.lax.scan(step, state, rest))()
    segments = jnp.asarray(tokens, jnp.int32)
    state = network, task.carry(network)
    program = program.lower(state, segments).compile()

    def run() -> float:
        nonlocal state
        begin = time.perf_counter()
        state, _ = jax.block_until_ready(program(state, segments))
        return (time.perf_counter() - begin) / len(tokens)

    return run


def torch_steps(sizes: Sizes, tokens: np.ndarray, *, loop: bool) -> Callable[[], float]:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(WORDS, sizes.embedding)
            self.lstm = nn.LSTM(sizes.embedding, sizes.hidden)
            features = sizes.embedding if sizes.tied else sizes.hidden
            self.down = nn.Linear(sizes.hidden, features, bias=False) if sizes.tied else None
            self.output = nn.Linear(features, WORDS)
            if sizes.tied:
                self.output.weight = self.embedding.weight

    net, known = Net(), [None]
    for parameter in net.parameters():
        nn.init.uniform_(parameter, -0.05, 0.05)
    segments = torch.as_tensor(tokens, dtype=torch.long)
    trained = list(net.lstm.parameters()) if loop else list(net.parameters())
    optimiser = torch.optim.SGD(trained, lr=RATE)

    def run() -> float:
        state: Any = known[0]
        begin = time.perf_counter()
        for words in segments:
            vectors = net.embedding(words[:-1])
            hidden, state = net.lstm(vectors.detach() if loop else vectors, state)
            state = tuple(one.detach() for one in state)
            if loop:
                loss = hidden.mean()
            else:
                features = hidden if net.down is None else net.down(hidden)
                logits = net.output(features).reshape(-1, WORDS)
                loss = nn.functional.cross_entropy(logits, words[1:].reshape(-1))
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(trained, CLIP)
            optimiser.step()
        known[0] = state
        return (time.perf_counter() - begin) / len(segments)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", default=list(SIZES), help="small, large")
    parser.add_argument("--model", default="", help="in the place of PyTorch")
    parser.add_argument("--loop", action="store_true", help="without word vectors and softmax")
    parser.add_argument("--segments", type=int, default=4, help="per round")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    other, loop = "with it" if arguments.model else "PyTorch", arguments.loop
    print(f"{WORDS} words, segments of {SEGMENT}, float32, one core, medians of rounds")
    print(f"{'sizes':<34}{'ours ms':>9}{other + ' ms':>12}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        corpus = random_corpus(Path(folder))
        for name in arguments.sizes:
            sizes = SIZES[name]
            shape = arguments.segments, SEGMENT + 1, sizes.streams
            tokens = np.random.default_rng(0).integers(0, WORDS, shape)
            ours = our_steps(corpus, sizes, tokens, "", loop=loop)
            if arguments.model:
                reference = our_steps(corpus, sizes, tokens, arguments.model, loop=loop)
            else:
                reference = torch_steps(sizes, tokens, loop=loop)
            for run in (ours, reference, ours, reference):
                run()
            rounds = [[ours(), reference()] for _ in range(arguments.rounds)]
            milliseconds = [1e3 * statistics.median(column) for column in zip(*rounds)]
            ratio = statistics.median(theirs / mine for mine, theirs in rounds)
            label = f"{name}: {sizes.streams} streams, H {sizes.hidden}, E {sizes.embedding}"
            print(
                f"{label:<34}{milliseconds[0]:>9.0f}{milliseconds[1]:>12.0f}{ratio:>8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
