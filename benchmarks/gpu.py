"""Every figure of a GPU: packs of restarts, the text step, and how long the paper's grid takes.

    python benchmarks/gpu.py [--small]

On one GPU it takes at most 8 minutes; what no time is left for is named as not run. `--small` is
the same in small, for a CPU.

- Packs: an epoch of training and validation of restarts in the slots of one program, 1,000 batches
  of 10 strings of lengths 40 to 80 (rns-3-3: 50), with a checkpoint of all per epoch. `program` is
  the compiled program, `host` is all the rest, per slot.
- Text: a training step of a word language model, see `text_step.py`.
- Grid: the study file `paper` at these rates, if every run takes 100 epochs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import jax

from memrnn import Experiment, Strings, TrainingConfig, use_compile_cache
from memrnn.runtime.precision import scope
from memrnn.studies import load_study, plan
from memrnn.training import Pack, Restart, Writer

EPOCHS = 100
SECONDS = 480.0
TURNS = 3
TEXT = "lstm-256+rns-4-5:window=35"
CASES = [
    ("jm-10", 1, 1000),
    ("jm-10", 40, 1000),
    ("jm-10", 160, 1000),
    ("lstm", 160, 1000),
    ("rns-3-3", 40, 50),
]
SMALL = [("lstm-4", slots, 3) for slots in (1, 40, 160)]


def pack_epoch(model: str, slots: int, batches: int, lengths: tuple[int, int]) -> dict:
    """Seconds of an epoch, and of its program: the least of some turns."""
    task = Strings(
        "marked-reverse-and-copy",
        train_lengths=lengths,
        batches=batches,
        validation_batches=max(1, batches // 10),
        length_bins=(lengths,),
    )
    config = TrainingConfig(early_stopping_patience=1000)  # so that none leaves
    experiment = Experiment(task, model, (), config)
    with tempfile.TemporaryDirectory() as folder, scope(config.precision):
        begin = time.perf_counter()
        paths = [Path(folder) / f"{number}.safetensors" for number in range(slots)]
        restarts = [Restart(experiment, number, path) for number, path in enumerate(paths)]
        pack, writer = Pack(restarts[0], slots), Writer()
        for restart in restarts:
            pack.insert(restart)
        pack.advance()
        first, turns = time.perf_counter() - begin, []
        for _ in range(TURNS):
            writer.wait()
            before, begin = pack.seconds, time.perf_counter()
            pack.advance()
            writer.write(pack.checkpoints())
            turns.append((time.perf_counter() - begin, pack.seconds - before))
        writer.close()
    epoch, program = min(turns)
    return {"epoch": epoch, "program": program, "first": first}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--case", help="MODEL,SLOTS,BATCHES,SHORTEST,LONGEST: this pack alone")
    arguments = parser.parse_args()
    use_compile_cache()
    if arguments.case:
        model, *numbers = arguments.case.split(",")
        slots, batches, *lengths = map(int, numbers)
        print(json.dumps(pack_epoch(model, slots, batches, (lengths[0], lengths[1]))))
        return
    deadline = time.monotonic() + SECONDS
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}")
    cases, lengths = (SMALL, (5, 12)) if arguments.small else (CASES, (40, 80))
    rates: dict[str, float] = {}
    print(f"{'model':<10}{'slots':>6}{'epoch s':>10}{'program s':>11}{'host ms/slot':>14}"
          f"{'ms/update':>11}{'begin s':>9}")  # fmt: skip
    for model, slots, batches in cases:
        # In processes of their own, so that the time of one that hangs can be limited.
        case = ",".join(map(str, (model, slots, batches, *lengths)))
        found = limited([__file__, "--case", case], deadline)
        if found is None:
            print(f"{model:<10}{slots:>6}  not run: no time was left")
            continue
        seen = json.loads(found.splitlines()[-1])
        epoch, program = seen["epoch"], seen["program"]
        host, update = 1e3 * (epoch - program) / slots, 1e3 * program / batches
        print(
            f"{model:<10}{slots:>6}{epoch:>10.3f}{program:>11.3f}{host:>14.2f}{update:>11.2f}"
            f"{seen['first']:>9.1f}",
            flush=True,
        )
        rates[model] = epoch * 1000 / batches / slots
    if not arguments.small:
        step = Path(__file__).with_name("text_step.py")
        print(limited([str(step), TEXT, "--segments", "8"], deadline) or "text: not run")
    grid(rates)


def limited(arguments: list[str], deadline: float) -> str | None:
    """What a script prints; None if it is not done by the deadline."""
    left = deadline - time.monotonic()
    if left < 1:
        return None
    try:
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, timeout=left, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def grid(rates: dict[str, float]) -> None:
    """Hours of the paper's grid: of the models that were timed, and which were not."""
    runs = Counter(run.experiment.model for pack in plan(load_study("paper")) for run in pack)
    hours = {model: runs[model] * EPOCHS * rate / 3600 for model, rate in rates.items()}
    for model, count in runs.items():
        time_of = f"{hours[model]:.2f} hours" if model in hours else "not timed"
        print(f"grid: {model}, {count} runs of {EPOCHS} epochs: {time_of}")


if __name__ == "__main__":
    main()
