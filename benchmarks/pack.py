"""Time of an epoch of packs of restarts in one program, on whatever device there is.

An epoch is that of training: shuffling, training, validation, schedules and checkpoints. Packs
take turns, and times are medians over the turns, because the speed of a shared machine drifts.
The number of restarts that fit is by XLA's own account, where the device says how much memory it
has. The figures that matter are a GPU's, and those were not
run: no GPU was at hand when this was written. On a CPU it shows only that it works.

    python benchmarks/pack.py [--model jm-10] [--sizes 1 10 40 160] [--batches 1000] [--turns 3]
        [--lengths 40 80]
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import jax

from memrnn import Experiment, Strings, TrainingConfig
from memrnn.precision import scope
from memrnn.training import Pack, Restart, measure_slots


def advance(pack: Pack, restarts: list[Restart]) -> float:
    """Seconds of one epoch of all."""
    begin = time.perf_counter()
    for restart, outcome in zip(restarts, pack.compute(restarts)):
        restart.record(outcome)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="jm-10")
    parser.add_argument("--language", default="marked-reverse-and-copy")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 40, 160])
    parser.add_argument("--batches", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--lengths", type=int, nargs=2, default=[40, 80])
    arguments = parser.parse_args()
    low, high = arguments.lengths
    task = Strings(
        arguments.language,
        train_lengths=(low, high),
        batches=arguments.batches,
        validation_batches=max(1, arguments.batches // 10),
        length_bins=((low, high),),
    )
    config = TrainingConfig(early_stopping_patience=1000)  # so that none leaves
    experiment = Experiment(task, arguments.model, (), config)
    sizes: list[int] = sorted(set(arguments.sizes))
    print(f"{experiment.label}, {task.batches} batches, {jax.devices()[0].device_kind}")
    with tempfile.TemporaryDirectory() as folder, scope(config.precision):
        restarts = [
            Restart(experiment, n, Path(folder) / f"{n}.safetensors") for n in range(sizes[-1])
        ]
        packs = {size: Pack(experiment) for size in sizes}
        # The first epoch of each compiles.
        first = {size: advance(packs[size], restarts[:size]) for size in sizes}
        turns = [
            {size: advance(packs[size], restarts[:size]) for size in sizes}
            for _ in range(arguments.turns)
        ]
    print(f"{'restarts':>8}{'first s':>10}{'epoch s':>10}{'per hour':>10}{'ratio':>8}")
    for size in sizes:
        seconds = statistics.median(turn[size] for turn in turns)
        # As many epochs per restart as are allowed: most stop earlier.
        hourly = size * 3600 / (seconds * config.max_epochs)
        ratio = statistics.median(turn[size] / turn[sizes[0]] for turn in turns)
        print(f"{size:>8}{first[size]:>10.1f}{seconds:>10.3f}{hourly:>10.1f}{ratio:>8.2f}")
    print(f"per hour: restarts of {config.max_epochs} epochs; ratio: to an epoch of {sizes[0]}")
    fit = measure_slots(experiment)
    print("the device does not say its memory" if fit is None else f"{fit} restarts fit")


if __name__ == "__main__":
    main()
