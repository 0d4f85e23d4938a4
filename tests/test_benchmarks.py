"""Every benchmark starts and prints its table, in the smallest size that it has.

Nothing here measures. Benchmarks that compare with PyTorch are skipped where that is missing.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
TORCH = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is missing")
SMALL = "--lengths 6 8"
COUNT = "--model lstm-2 --language count-3"

CASES = {
    "compiling": (f"{COUNT} {SMALL} --bins 6:8", "ratio of times"),
    "loop_gradient": ("jm-3 --length 5 --batch 2 --rounds 1", "FAST ms"),
    "nondeterministic_cost": ("rns-1-1 --lengths 5 --rounds 1", "one core"),
    "nondeterministic_precision": ("--length 3", "| uniform, 1 | 3 |"),
    "gpu": ("--small", "grid: rns-3-3"),
    "stable_step": ("--hidden 2 --stacks 1 --updates 2 --rounds 1", "recipe"),
    "hard_evaluation": ("--model lstm-2+jm-1 --batch 1 --lengths 5 --rounds 1", "soft / hard"),
    "long_evaluation": (
        "--model lstm-2+jm-1 --language count-3 --lengths 6 8 --rounds 1",
        "all at once",
    ),
    "softmax": ("--rows 6 --hidden 3 --classes 5 --rounds 1 --chunks 2", "fused, 2 rows"),
    "power": ("--studies 1 --statistics 1", "| K | memory frozen |"),
    "study": (f"overhead --restarts 1 --batches 2 {SMALL} --models lstm-2", "of the study's time"),
    "evaluation_memory": ("--model lstm-2 --lengths 8 16", "exponent over all"),
    "rounding": (
        "lstm-2 --length 5 --strings 1 --rounds 1 --precisions e5m2 --language marked-reversal",
        "ratio",
    ),
    # It needs version 0.1 beside it.
    "versions": ("--help", "in which version 0.1 is installed"),
    "text_step": (
        "lstm-4+rns-1-1:window=35 --words 5 --streams 1 --segments 1 --rounds 1",
        "rns-1",
    ),
}
WITH_TORCH = {
    "epoch": ("--model jm-3 --language count-3 --epochs 1 --batches 10", "ratio"),
    "nondeterministic_step": ("rns-1-1 --length 5 --rounds 1 --steps 1", "products"),
    "torch_nondeterministic": ("rns-1-1 --batch 1 --length 4 --repeats 1", "rns-1-1"),
    "torch_s10": (
        "--hidden 3 --size 2 --streams 128 --passes 1 --points 2 --seeds 2 --average-from 1",
        "the spread of seeds.",
    ),
    "torch_reference": ("jm-3 --batch 1 --length 4 --repeats 1", "jm-3"),
    "torch_text_step": ("small --loop --segments 1 --rounds 1", "small: 32 streams"),
    "training_step": ("jm-3 --length 5 --rounds 1", "jm-3"),
}
LONG = {"epoch", "gpu", "text_step", "torch_nondeterministic", "torch_reference", "torch_s10"}
ALL = [
    pytest.param(
        name,
        *case,
        id=name,
        marks=[
            *([TORCH] if name in WITH_TORCH else []),
            *([pytest.mark.slow] if name in LONG else []),
        ],
    )
    for name, case in (CASES | WITH_TORCH).items()
]


@pytest.mark.parametrize(("name", "arguments", "shown"), ALL)
def test_a_benchmark_starts(name: str, arguments: str, shown: str) -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), *arguments.split()],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout


def test_every_benchmark_has_a_case() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == CASES.keys() | WITH_TORCH.keys()
