"""Training steps and epochs of this version against version 0.1, installed beside it.

    git worktree add ../memrnn-0.1 49f0d0d && make -C ../memrnn-0.1 install
    python benchmarks/versions.py ../memrnn-0.1/.venv/bin/python [MODEL ...] [--rounds 15]
        [--what step|epoch|evaluation] [--batches 40] [--length 62]

Both versions run in processes of their own on the same core and take turns, because the speed of a
shared machine drifts. A step is the epoch's program divided by its updates, batch 10, float32. An
epoch is that of training, validation and checkpoint included, at lengths 40 to 80. An evaluation is
that of one network on the paper's three bins, five strings per length. The ratio is this version's
time over 0.1's; its interval is the 95 % percentile bootstrap of the median over rounds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

import numpy as np

COMMON = """
import json, os, pathlib, sys, tempfile, time
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
import jax
what, model, batches, length = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
lengths = (length, length) if what == "step" else (40, 80)
path = pathlib.Path(tempfile.mkdtemp()) / "restart.safetensors"
"""
NEW = (
    COMMON
    + """
from memrnn import Experiment, Strings
from memrnn.training import Restart, epoch_program
task = Strings("marked-reverse-and-copy", train_lengths=lengths, batches=batches,
               validation_batches=max(1, batches // 10), length_bins=((41, 41),))
restart = Restart(Experiment(task, model), 0, path)
if what == "evaluation":
    from memrnn.evaluation import evaluate_restart
    scored = Strings("marked-reverse-and-copy", samples_per_length=5)
    network = restart.network
    evaluation = lambda: evaluate_restart(scored, network, "float32")
else:
    arguments = restart.epoch_arguments()
def step():
    jax.block_until_ready(epoch_program()(*arguments))
def advance():
    restart.advance()
    restart.save()
"""
)
OLD = (
    COMMON
    + """
from memrnn import Experiment, Recipe
from memrnn.training import Restart
recipe = Recipe(lengths=lengths, batches=batches, validation_batches=max(1, batches // 10))
restart = Restart(Experiment("marked-reverse-and-copy", model, (), recipe), 0, path)
if what == "evaluation":
    from memrnn.evaluation import make_test_sets, mark
    from memrnn.evaluation._scores import report_bin
    sets = make_test_sets(restart.experiment.law, ((40, 100), (100, 200), (200, 400)), 5)
    network = restart.network
    evaluation = lambda: [report_bin(one, mark(network, one, "float32")) for one in sets]
else:
    programs, plan = restart.compile(), restart.next_epoch()
def step():
    strings = restart.strings["train"]
    jax.block_until_ready(programs.epoch(restart.learner, restart.frozen, strings, *plan))
def advance():
    restart.advance(programs)
"""
)
LOOP = """
if what == "evaluation":
    run = evaluation
else:
    run = step if what == "step" else advance
run()
for _ in sys.stdin:
    begin = time.perf_counter()
    run()
    seconds = time.perf_counter() - begin
    print(json.dumps(seconds / (batches if what == "step" else 1)), flush=True)
"""


class Version:
    """A process that runs one version and says how long each turn took."""

    def __init__(self, python: str, code: str, arguments: list[str]):
        self._process = subprocess.Popen(
            [python, "-c", code + LOOP, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
        )

    def turn(self) -> float:
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def interval(values: list[float]) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the median."""
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(values, (2000, len(values))), axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", help="of the environment in which version 0.1 is installed")
    parser.add_argument("models", nargs="*", default=["jm-10", "jm-hidden", "lstm", "strat-10"])
    parser.add_argument("--what", choices=["step", "epoch", "evaluation"], default="step")
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--length", type=int, default=62, help="of the strings, for steps")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    print(f"{arguments.what}, batch 10, float32, one core, {arguments.rounds} rounds, medians")
    print(f"{'model':<12}{'0.1 ms':>10}{'now ms':>10}{'ratio':>8}  95 % interval")
    for model in arguments.models:
        options = [arguments.what, model, str(arguments.batches), str(arguments.length)]
        versions = Version(arguments.python, OLD, options), Version(sys.executable, NEW, options)
        for version in versions:
            version.turn()
        rounds = [[version.turn() for version in versions] for _ in range(arguments.rounds)]
        for version in versions:
            version.close()
        old, new = (1e3 * statistics.median(column) for column in zip(*rounds))
        ratios = [now / before for before, now in rounds]
        low, high = interval(ratios)
        print(f"{model:<12}{old:>10.2f}{new:>10.2f}{statistics.median(ratios):>8.3f}"
              f"  {low:.3f} to {high:.3f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
