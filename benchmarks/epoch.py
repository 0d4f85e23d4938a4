"""Seconds of a whole epoch of the paper's configuration on one core, validation and checkpoint
included.

Beside it stand the 1,000 training steps alone as eager PyTorch would need them, from 20 steps
measured in the same run at the mean training length.

    python benchmarks/epoch.py [--model jm-10] [--language marked-reverse-and-copy] [--epochs 5]
        [--batches 1000]
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before any thread pool starts

import torch_reference
from memrnn import Experiment, Strings
from memrnn.training import Restart, epoch_program


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="jm-10")
    parser.add_argument("--language", default="marked-reverse-and-copy")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batches", type=int, default=1000)
    arguments = parser.parse_args()
    batches = arguments.batches
    task = Strings(arguments.language, batches=batches, validation_batches=batches // 10)
    experiment = Experiment(task, arguments.model)
    with tempfile.TemporaryDirectory() as folder:
        restart = Restart(experiment, 0, Path(folder) / "restart.safetensors")
        begin = time.perf_counter()
        epoch_program().lower(*restart.epoch_arguments()).compile()
        compiling = time.perf_counter() - begin
        restart.advance()
        seconds = []
        for _ in range(arguments.epochs):
            begin = time.perf_counter()
            restart.advance()
            restart.save()
            seconds.append(time.perf_counter() - begin)
    steps = task.batches
    length = round(float(task.data(restart.seed).own.lengths.mean()))
    torch_step = torch_reference.time_step(arguments.model, length=length)
    ours, theirs = statistics.median(seconds), steps * torch_step
    print(f"{arguments.model} on {arguments.language}, {steps} steps, one core")
    print(f"compiling, once                      {compiling:8.2f} s")
    print(f"memrnn, an epoch                     {ours:8.2f} s")
    print(
        f"PyTorch, its steps alone, length {length:<4}{theirs:8.2f} s   ratio {theirs / ours:.1f}"
    )


if __name__ == "__main__":
    main()
