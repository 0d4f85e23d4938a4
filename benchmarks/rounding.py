"""What rounding after every operation costs: one batch of strings, beside the default evaluation.

One core, compile excluded. Rounds alternate between the formats, because the speed of a shared
machine drifts; a ratio is the median over rounds of seconds divided by those of `float32`.

    python benchmarks/rounding.py [MODEL ...] [--length 201] [--strings 100] [--rounds 15]
"""

import argparse
import os
import statistics
import time

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before any thread pool starts

import memrnn
from memrnn.nn.rounded import in_precision
from memrnn.runtime.precision import scope
from memrnn.tasks import score_set

PRECISIONS = ("e8m23", "e5m2", "memory=e5m2", "controller=e5m2")


def main() -> None:
    parser = argparse.ArgumentParser(description="What rounding after every operation costs.")
    parser.add_argument("models", nargs="*", default=["lstm", "jm-10", "jm-3.3.3"])
    parser.add_argument("--language", default="marked-reversal")
    parser.add_argument("--length", type=int, default=201)
    parser.add_argument("--strings", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS)
    arguments = parser.parse_args()
    bins = ((arguments.length, arguments.length),)
    task = memrnn.Strings(
        arguments.language, length_bins=bins, samples_per_length=arguments.strings
    )
    strings = task.evaluation_set(task.sets[0].name)
    print(f"{arguments.strings} strings of length {arguments.length}, one core, medians of rounds")
    print(f"{'model':<12}{'precision':<18}{'ms':>8}{'ratio':>8}")
    for model in arguments.models:
        with scope("float32"):
            network = task.build(memrnn.get_model(model), 0)
            networks = [in_precision(network, name) for name in ("float32", *arguments.precisions)]
            for one in networks:
                score_set(task, one, strings)
            rounds = []
            for _ in range(arguments.rounds):
                seconds = []
                for one in networks:
                    begin = time.perf_counter()
                    score_set(task, one, strings)
                    seconds.append(time.perf_counter() - begin)
                rounds.append(seconds)
        for place, name in enumerate(("float32", *arguments.precisions)):
            taken = 1e3 * statistics.median(row[place] for row in rounds)
            ratio = statistics.median(row[place] / row[0] for row in rounds)
            print(f"{model:<12}{name:<18}{taken:>8.1f}{ratio:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
