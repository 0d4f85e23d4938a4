"""Scoring long strings with hard stacks against the same stacks without `hard`.

Superpositions of stacks move every row in every step. Stacks that push, pop or do nothing are
scored with one place per step. Rounds alternate between the two, on the cores that the process has;
a ratio is the median over rounds.

    python benchmarks/hard_evaluation.py [--model elman-20:discrete+jm-3x16] [--batch 40]
        [--lengths 300 1000 3000 10000] [--rounds 3]
"""

import argparse
import statistics
import time

import jax
import numpy as np

import memrnn
from memrnn.nn.network import OneHot
from memrnn.tasks.strings import Batch


def measured(model: str, batch: int, length: int):
    """A function that scores strings of a length and returns the seconds."""
    network = memrnn.get_model(model).build(OneHot(3), 4, seed=0)
    tokens = np.random.default_rng(0).integers(0, 3, (batch, length)).astype(np.int32)
    strings = Batch(tokens, np.full(batch, length, np.int32))
    program = jax.jit(lambda network: memrnn.Strings("marked-copy").score(network, (), strings)[1])

    def run() -> float:
        begin = time.perf_counter()
        jax.block_until_ready(program(network))
        return time.perf_counter() - begin

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="elman-20:discrete+jm-3x16", help="without `:hard`")
    parser.add_argument("--batch", type=int, default=40)
    parser.add_argument("--lengths", type=int, nargs="+", default=[300, 1000, 3000, 10000])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{arguments.model}, {arguments.batch} strings, float32, medians of rounds")
    print(f"{'length':>8}{'soft s':>10}{'hard s':>10}{'soft / hard':>13}")
    for length in arguments.lengths:
        models = arguments.model, arguments.model + ":hard"
        runs = [measured(model, arguments.batch, length) for model in models]
        for run in runs:
            run()
        rounds = [[run() for run in runs] for _ in range(arguments.rounds)]
        soft, hard = (statistics.median(times) for times in zip(*rounds, strict=True))
        ratio = statistics.median(one / two for one, two in rounds)
        print(f"{length:>8}{soft:>10.3f}{hard:>10.3f}{ratio:>13.1f}", flush=True)


if __name__ == "__main__":
    main()
