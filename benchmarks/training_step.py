"""One training step of memrnn against eager PyTorch, side by side on one core.

Both do the same: forward, loss, backward, clipping, Adam, batch 10, float32, the same model.
memrnn's step is the epoch program that training runs (update number, batch choice and switch
between padded lengths included), divided by its number of steps. Rounds alternate between the
two, because the speed of a shared machine drifts; the ratio is the median over rounds.

    python benchmarks/training_step.py [MODEL ...] [--length 62] [--rounds 15]
"""

import argparse
import os
import statistics
import time

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before any thread pool starts

import jax

from memrnn import Experiment, Strings
from memrnn.training import Restart, epoch_program

STEPS = 40
BATCH = 10


def ours(model: str, length: int, steps: int = STEPS):
    """A function that trains for some steps and returns seconds per step."""
    task = Strings(
        "marked-reverse-and-copy",
        train_lengths=(length, length),
        batch_size=BATCH,
        batches=steps,
        validation_batches=1,
        length_bins=((length, length),),
    )
    restart = Restart(Experiment(task, model), 0)
    arguments = restart.epoch_arguments()

    def run() -> float:
        begin = time.perf_counter()
        jax.block_until_ready(epoch_program()(*arguments))
        return (time.perf_counter() - begin) / steps

    return run


def theirs(network, length: int, steps: int = 10):
    """The same with a network in PyTorch; fewer steps, for they are long."""
    import torch

    import torch_reference

    torch.set_num_threads(1)
    adam = torch_reference.build_optimizer(network)
    tokens = torch.randint(0, 3, (BATCH, length))

    def run() -> float:
        begin = time.perf_counter()
        for _ in range(steps):
            torch_reference.training_step(network, adam, tokens)
        return (time.perf_counter() - begin) / steps

    return run


def main() -> None:
    import torch_reference  # not above: `ours` is used without PyTorch, too

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["jm-10", "jm-3.3.3", "jm-hidden", "lstm"])
    parser.add_argument("--length", type=int, default=62)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    print(f"batch {BATCH}, length {arguments.length}, float32, one core, medians of rounds")
    print(f"{'model':<12}{'PyTorch ms':>12}{'memrnn ms':>12}{'ratio':>8}")
    for model in arguments.models:
        network = torch_reference.build_model(model)
        runs = theirs(network, arguments.length), ours(model, arguments.length)
        for run in runs:
            run()
        rounds = [[run() for run in runs] for _ in range(arguments.rounds)]
        torch_ms, memrnn_ms = (1e3 * statistics.median(column) for column in zip(*rounds))
        ratio = statistics.median(a / b for a, b in rounds)
        print(f"{model:<12}{torch_ms:>12.2f}{memrnn_ms:>12.2f}{ratio:>8.1f}", flush=True)


if __name__ == "__main__":
    main()
