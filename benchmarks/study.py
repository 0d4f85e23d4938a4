"""What the local engine gains and what a study costs beside its runs.

    python benchmarks/study.py gain       # 40 equal runs: one process after another, and `local`
    python benchmarks/study.py overhead   # 200 runs of one epoch: the study, and the runs alone

Both figures are ratios of two things in one run.

`gain`: 40 restarts of jm-10 on count-3, 3 epochs each, trained by `memrnn.train(workers=1)` and
tested by `memrnn.test` in one process; then the same as a study with the local engine, one worker
a core. Each starts with a compile cache that holds its programs.

`overhead`: two languages, lstm and jm-10, 50 restarts of one epoch of the paper's recipe, as a
study with one worker and an empty compile cache. What the runs alone take is the time of their
epochs, checkpoints and tests in one process where all is compiled, measured on 5 restarts of each
cell.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GAIN = {
    "languages": ["count-3"],
    "models": ["jm-10"],
    "restarts": 40,
    "recipe": {"epochs": 3},
}
OVERHEAD = {
    "languages": ["count-3", "marked-copy"],
    "models": ["lstm", "jm-10"],
    "restarts": 50,
    "recipe": {"epochs": 1},
}
SAMPLE = 5


def one_after_another(out: str) -> None:
    """In a process of its own: 40 restarts, trained and tested."""
    from memrnn import test, train, use_compile_cache
    from memrnn.studies import Study

    use_compile_cache()
    study = Study.from_json(GAIN)
    (experiment,) = study.cells()
    test(train(experiment, out, study.restarts, workers=1))


def as_study(values: dict, out: str, workers: int) -> float:
    from memrnn.studies import LocalEngine, Study, run_study

    began = time.perf_counter()
    counts = run_study(Study.from_json(values), out, LocalEngine(workers))
    assert counts == {"done": sum(counts.values())}, counts
    return time.perf_counter() - began


def gain(folder: Path) -> None:
    workers = len(os.sched_getaffinity(0))
    as_study(GAIN | {"restarts": workers}, str(folder / "warm"), workers)

    def alone(name: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, __file__, "alone", str(folder / name)], check=True)
        return time.perf_counter() - began

    first = alone("first")
    study = as_study(GAIN, str(folder / "study"), workers)
    print(f"40 runs one after another in one process  {first:7.1f} s")
    print(f"40 runs as a study, {workers} local workers        {study:7.1f} s")
    print(f"ratio {first / study:.2f}")


def overhead(folder: Path) -> None:
    os.environ["NPROC"] = "1"
    study = as_study(OVERHEAD, str(folder / "study"), 1)
    pure = 0.0
    from memrnn.studies import Study
    from memrnn.studies._job import Job, run_job

    declared = Study.from_json(OVERHEAD)
    for number, cell in enumerate(declared.cells()):
        runs = tuple(
            (f"{number}-{restart}", restart, str(folder / f"pure-{number}-{restart}"))
            for restart in range(SAMPLE + 1)
        )
        job = Job(
            number, cell.to_json(), runs, declared.bins, declared.precisions,
            declared.strings_per_length,
        )  # fmt: skip
        ends = []
        for event in run_job(job):
            if type(event).__name__ == "Finished":
                ends.append(time.perf_counter())
        # The first run compiles, or reads what the study has compiled.
        pure += (ends[-1] - ends[0]) / SAMPLE * declared.restarts
    print(f"200 one-epoch runs as a study, one worker  {study:7.1f} s")
    print(f"their epochs, checkpoints and tests alone  {pure:7.1f} s")
    print(
        f"overhead {1 - pure / study:.1%} of the study's time, {study / pure - 1:.1%} over the runs"
    )


def main() -> None:
    if sys.argv[1:2] == ["alone"]:
        one_after_another(sys.argv[2])
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEMRNN_CACHE"] = f"{folder}/cache"
        {"gain": gain, "overhead": overhead}[sys.argv[1]](Path(folder))


if __name__ == "__main__":
    main()
