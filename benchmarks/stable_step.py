"""What discrete states, hard stacks and gate noise add to a training step, on one core.

The time is that of the epoch program which training runs, on strings of `--config stable`, divided
by its number of steps. Rounds alternate between the variants, because the speed of a shared machine
drifts; a ratio is the median over rounds. A second is one of the processor, not of the clock.

`noise` and `all` have noise in every step. `recipe` is `all` with noise from 30 % of the steps on,
as `--config stable` has it.

    python benchmarks/stable_step.py [--hidden 20] [--stacks 3.3.3] [--updates 100] [--rounds 15]
"""

import argparse
import os
import statistics
import time

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before any thread pool starts

import jax

from memrnn import Experiment, Strings, TrainingConfig
from memrnn.training import Restart, epoch_program

LANGUAGE = "marked-reverse-and-copy"


def measured(model: str, noise: float, begin: float, updates: int):
    """A function that trains for an epoch and returns processor seconds per step.

    The noise has its full strength after the share `begin` of the only epoch.
    """
    preset = Strings.presets["stable"]
    options = {**preset.options, "batches": updates, "validation_batches": 1}
    ramp = {"gate_noise": noise, "gate_noise_ramp": (begin, begin), "max_epochs": 1}
    config = {**preset.config, **ramp}
    experiment = Experiment(Strings(LANGUAGE, **options), model, (), TrainingConfig(**config))
    arguments = Restart(experiment, 0).epoch_arguments()

    def run() -> float:
        begin = time.process_time()
        jax.block_until_ready(epoch_program()(*arguments))
        return (time.process_time() - begin) / updates

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden", type=int, default=20)
    parser.add_argument("--stacks", default="3.3.3")
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    cell, stacks = f"lstm-{arguments.hidden}", f"jm-{arguments.stacks}"
    variants = {
        "untreated": (f"{cell}+{stacks}", 0.0, 0.0),
        "discrete": (f"{cell}:discrete+{stacks}", 0.0, 0.0),
        "hard": (f"{cell}+{stacks}:hard", 0.0, 0.0),
        "noise": (f"{cell}+{stacks}", 0.5, 0.0),
        "all": (f"{cell}:discrete+{stacks}:hard", 0.5, 0.0),
        "recipe": (f"{cell}:discrete+{stacks}:hard", 0.5, 0.3),
    }
    runs = {name: measured(*variant, arguments.updates) for name, variant in variants.items()}
    for run in runs.values():
        run()
    rounds = [{name: run() for name, run in runs.items()} for _ in range(arguments.rounds)]
    print(f"{LANGUAGE}, batch 16, lengths 3 to 30, float32, one core, medians of rounds")
    print(f"{'variant':<12}{'ms per step':>12}{'ratio':>8}")
    for name in variants:
        seconds = statistics.median(one[name] for one in rounds)
        ratio = statistics.median(one[name] / one["untreated"] for one in rounds)
        print(f"{name:<12}{1e3 * seconds:>12.3f}{ratio:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
