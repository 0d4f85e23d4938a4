"""What the local engine gains and what a study costs beside its runs.

    python benchmarks/study.py gain       # 40 equal runs: one process after another, and `local`
    python benchmarks/study.py overhead   # 200 runs of one epoch: the study, and the runs alone

`--restarts`, `--batches`, `--lengths` and `--models` make either smaller than described here.

Both figures are ratios of two things in one run.

`gain`: 40 restarts of jm-10 on count-3, 3 epochs each, trained by `memrnn.train(workers=1)` and
evaluated by `memrnn.evaluate` in one process; then the same as a study with the local engine, one
worker per core. Each starts with a compile cache that holds its programs.

`overhead`: two languages, lstm and jm-10, 50 restarts of one epoch of the paper's configuration, as
a study with one worker and an empty compile cache. What the runs alone take is the time of their
epochs, checkpoints and evaluations in one process where all is compiled, measured on 5 restarts of
each cell.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GAIN = {"languages": ["count-3"], "models": ["jm-10"]}
OVERHEAD = {"languages": ["count-3", "marked-copy"], "models": ["lstm", "jm-10"]}
SAMPLE = 5


def one_after_another(values: dict, out: str) -> None:
    """In a process of its own: all restarts, trained and evaluated."""
    from memrnn import evaluate, train, use_compile_cache
    from memrnn.studies import parse_study

    use_compile_cache()
    study = parse_study(values)
    (experiment,) = study.cells()
    evaluate(train(experiment, out, study.restarts, workers=1))


def as_study(values: dict, out: str, workers: int) -> float:
    from memrnn.engines import LocalEngine
    from memrnn.studies import parse_study, run_study

    began = time.perf_counter()
    counts = run_study(parse_study(values), out, LocalEngine(workers))
    assert counts == {"done": sum(counts.values())}, counts
    return time.perf_counter() - began


def gain(values: dict, folder: Path) -> None:
    workers, runs = len(os.sched_getaffinity(0)), values["restarts"]
    as_study(values | {"restarts": workers}, str(folder / "warm"), workers)

    def alone(name: str) -> float:
        began = time.perf_counter()
        command = [sys.executable, __file__, "alone", json.dumps(values), str(folder / name)]
        subprocess.run(command, check=True)
        return time.perf_counter() - began

    first = alone("first")
    study = as_study(values, str(folder / "study"), workers)
    print(f"{runs} runs one after another in one process  {first:7.1f} s")
    print(f"{runs} runs as a study, {workers} local workers        {study:7.1f} s")
    print(f"ratio {first / study:.2f}")


def overhead(values: dict, folder: Path) -> None:
    os.environ["NPROC"] = "1"
    study = as_study(values, str(folder / "study"), 1)
    pure = 0.0
    from memrnn import evaluate, train
    from memrnn.studies import parse_study

    declared = parse_study(values)
    for number, cell in enumerate(declared.cells()):
        ends = []
        for restart in range(SAMPLE + 1):
            evaluate(train(cell, folder / f"pure-{number}-{restart}", [restart]))
            ends.append(time.perf_counter())
        # The first run compiles, or reads what the study has compiled.
        pure += (ends[-1] - ends[0]) / SAMPLE * declared.restarts
    runs = sum(declared.restarts for _ in declared.cells())
    print(f"{runs} one-epoch runs as a study, one worker  {study:7.1f} s")
    print(f"their epochs, checkpoints, evaluations   {pure:7.1f} s")
    print(
        f"overhead {1 - pure / study:.1%} of the study's time, {study / pure - 1:.1%} over the runs"
    )


def main() -> None:
    if sys.argv[1:2] == ["alone"]:
        one_after_another(json.loads(sys.argv[2]), sys.argv[3])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["gain", "overhead"])
    parser.add_argument("--restarts", type=int, help="of a cell; by default 40 or 50")
    parser.add_argument("--batches", type=int, default=1000)
    parser.add_argument("--lengths", type=int, nargs=2, metavar=("LOW", "HIGH"))
    parser.add_argument("--models", nargs="+", help="by default jm-10, or lstm and jm-10")
    arguments = parser.parse_args()
    if arguments.what == "gain":
        measure, values, restarts, epochs = gain, GAIN, 40, 3
    else:
        measure, values, restarts, epochs = overhead, OVERHEAD, 50, 1
    batches = arguments.batches
    strings = {"batches": batches, "validation_batches": max(1, batches // 10)}
    values = values | {"restarts": arguments.restarts or restarts, "strings": strings}
    values["config"] = {"max_epochs": epochs}
    if arguments.models:
        values["models"] = arguments.models
    if arguments.lengths:  # which are then those of the tests, too
        strings["train_lengths"] = arguments.lengths
        strings["length_bins"] = [arguments.lengths]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEMRNN_CACHE"] = f"{folder}/cache"
        measure(values, Path(folder))


if __name__ == "__main__":
    main()
