"""Time and memory of cross-entropy over many classes: fused in chunks of rows, and the usual form.

The usual form computes all logits, `jax.nn.log_softmax`, and gathers the targets'; JAX
differentiates it. Both with the gradient with respect to hidden states, weights and biases. One
core, float32. Rounds alternate between the forms, because the speed of a shared machine drifts; the
ratio is the median over rounds. Memory is what XLA reserves beyond arguments and results.

    python benchmarks/softmax.py [--rows 1120] [--hidden 256] [--classes 10000] [--rounds 15]
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before any thread pool starts

import jax
import jax.numpy as jnp
import numpy as np

from memrnn.nn.cross_entropy import weighted_nats
from memrnn.nn.network import OutputLayer


def usual(output: OutputLayer, hidden: Any, targets: Any, weights: Any, chunk: int) -> Any:
    del chunk
    odds = jax.nn.log_softmax(output(hidden))
    return -jnp.sum(weights * jnp.take_along_axis(odds, targets[:, None], axis=1)[:, 0])


def fused(output: OutputLayer, hidden: Any, targets: Any, weights: Any, chunk: int) -> Any:
    return weighted_nats(output.matrix(), hidden, targets, weights, chunk)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("rows", 1120), ("hidden", 256), ("classes", 10_000), ("rounds", 15)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--chunks", type=int, nargs="*", default=[112, 224, 560])
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    output = OutputLayer(arguments.hidden, arguments.classes, rng=rng)

    def prepared(form: Callable, chunk: int, rows: int) -> tuple[Callable[[], float], float]:
        """A function that returns seconds per gradient, and megabytes."""
        hidden = jnp.asarray(rng.normal(size=(rows, arguments.hidden)), jnp.float32)
        targets = jnp.asarray(rng.integers(0, arguments.classes, rows), jnp.int32)
        inputs = output, hidden, targets, jnp.full(rows, 1 / rows, jnp.float32)
        program = jax.jit(jax.value_and_grad(form, argnums=(0, 1)), static_argnums=4)
        compiled = program.lower(*inputs, chunk).compile()

        def run() -> float:
            begin = time.perf_counter()
            jax.block_until_ready(compiled(*inputs))
            return time.perf_counter() - begin

        analysis = compiled.memory_analysis()
        run()
        return run, analysis.temp_size_in_bytes / 1e6

    cases = [("usual", usual, 1), *((f"fused, {n} rows", fused, n) for n in arguments.chunks)]
    known = [prepared(form, chunk, arguments.rows) for _, form, chunk in cases]
    twice = [prepared(form, chunk, 4 * arguments.rows)[1] for _, form, chunk in cases]
    rounds = [[run() for run, _ in known] for _ in range(arguments.rounds)]
    print(f"{arguments.rows} x {arguments.hidden} x {arguments.classes}, float32, one core")
    print(f"{'form':<18}{'ms':>8}{'ratio':>8}{'MB':>8}{'MB, 4 x rows':>14}")
    for number, (name, _, _) in enumerate(cases):
        median = 1e3 * statistics.median(row[number] for row in rounds)
        ratio = statistics.median(row[number] / row[0] for row in rounds)
        memory = f"{known[number][1]:>8.1f}{twice[number]:>14.1f}"
        print(f"{name:<18}{median:>8.1f}{ratio:>8.2f}{memory}", flush=True)


if __name__ == "__main__":
    main()
