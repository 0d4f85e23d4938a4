"""What the rule FAST gains over the rule REFERENCE: the gradient of a whole network's loss.

One core, float32. Both rules compute the same numbers; REFERENCE is a `jax.lax.scan` that
JAX differentiates, FAST has a gradient written by hand. Rounds alternate between them, because the
speed of a shared machine drifts; the ratio is the median over rounds.

    python benchmarks/loop_gradient.py [MODEL ...] [--length 62] [--batch 10] [--rounds 15]
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before any thread pool starts

import jax
import jax.numpy as jnp
import numpy as np

import memrnn
from memrnn.nn.network import OneHot

STEPS = 20


def gradients(model: str, length: int, batch: int, rule: object) -> Callable[[], float]:
    """A function that computes some gradients and returns seconds per gradient."""
    network = memrnn.get_model(model).build(OneHot(3), 4, seed=0)
    rng = np.random.default_rng(0)
    tokens = jnp.asarray(rng.integers(0, 3, (length, batch)), jnp.int32)
    targets = jax.nn.one_hot(rng.integers(0, 4, (length, batch)), 4)

    def loss(network: memrnn.Network) -> jax.Array:
        hidden, _ = network.hidden(tokens, rule=rule)
        return -jnp.sum(jax.nn.log_softmax(network.output(hidden)) * targets) / batch

    def step(network: memrnn.Network, _: None) -> tuple[memrnn.Network, None]:
        return jax.tree.map(lambda p, g: p - 1e-6 * g, network, jax.grad(loss)(network)), None

    steps = jax.jit(lambda network: jax.lax.scan(step, network, None, length=STEPS)[0])

    def run() -> float:
        begin = time.perf_counter()
        jax.block_until_ready(jax.tree.leaves(steps(network)))
        return (time.perf_counter() - begin) / STEPS

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["jm-10", "jm-hidden", "strat-10", "lstm"])
    parser.add_argument("--length", type=int, default=62)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    print(
        f"batch {arguments.batch}, length {arguments.length}, float32, one core, medians of rounds"
    )
    print(f"{'model':<12}{'REFERENCE ms':>14}{'FAST ms':>10}{'ratio':>8}")
    for model in arguments.models:
        runs = [
            gradients(model, arguments.length, arguments.batch, rule)
            for rule in (memrnn.REFERENCE, memrnn.FAST)
        ]
        for run in runs:
            run()
        rounds = [[run() for run in runs] for _ in range(arguments.rounds)]
        reference, fast = (1e3 * statistics.median(column) for column in zip(*rounds))
        ratio = statistics.median(a / b for a, b in rounds)
        print(f"{model:<12}{reference:>14.2f}{fast:>10.2f}{ratio:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
