"""Scoring long strings with soft stacks: what groups of strings and several loops over time save.

`all at once` moves every row of the stacks of every string in each step. `groups` takes as many
strings at a time as fit into the cache. `loops` is `groups` with several loops over time, each of
which moves the rows that are filled and that can still be read: what `memrnn` does. Seconds of one
evaluation set after its programs are compiled, and those of its first evaluation.

    python benchmarks/long_evaluation.py [--model elman-48+jm-3x16] [--language marked-reversal]
        [--lengths 7921 8000] [--rounds 1]
"""

import argparse
import os
import statistics
import time

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before any thread pool starts

import jax

import memrnn
from memrnn.evaluation import evaluate_restart
from memrnn.runtime.devices import POLICIES

CPU = POLICIES["cpu"]
VARIANTS = {
    "all at once": CPU._replace(group_bytes=None, many_cells=None),
    "groups": CPU._replace(many_cells=None),
    "loops": CPU,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="elman-48+jm-3x16")
    parser.add_argument("--language", default="marked-reversal")
    parser.add_argument("--lengths", type=int, nargs=2, default=[7921, 8000])
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    bins = {"length_bins": (tuple(arguments.lengths),), "samples_per_length": 1}
    task = memrnn.Strings(arguments.language, **bins)
    network = task.build(memrnn.get_model(arguments.model), seed=0)

    def seconds() -> float:
        begin = time.perf_counter()
        evaluate_restart(task, network, "float32")
        return time.perf_counter() - begin

    print(f"{arguments.model}, {arguments.language}, {task.sets[0].name}, float32, one core")
    print(f"{'':<14}{'first s':>10}{'later s':>10}{'ratio':>8}")
    slowest = None
    for name, policy in VARIANTS.items():
        POLICIES["cpu"] = policy
        jax.clear_caches()
        first = seconds()
        later = statistics.median(seconds() for _ in range(arguments.rounds))
        slowest = slowest or later
        print(f"{name:<14}{first:>10.2f}{later:>10.2f}{slowest / later:>8.1f}", flush=True)


if __name__ == "__main__":
    main()
