"""The command `memrnn curve`: what a run's curve holds, epoch by epoch."""

import math
from pathlib import Path

import tyro

from memrnn.runtime.printing import print_json, print_rows
from memrnn.training import load_run


def curve_command(
    directory: tyro.conf.Positional[Path], restart: int | None = None, json: bool = False
) -> None:
    """Prints what was validated and measured after every epoch; 0 is the start.

    Args:
        directory: folder that `memrnn train --out` filled.
        restart: number of the restart; by default the best one.
        json: print JSON instead of a table; null stands for what is no finite number.
    """
    run = load_run(directory)
    progress, metrics = run.restart(restart).progress, run.experiment.task.metrics
    epochs = range(0 if progress.measured else 1, progress.epochs + 1)
    rows = [progress.numbers(metrics, epoch) for epoch in epochs]
    if json:
        print_json([{name: _finite(value) for name, value in row.items()} for row in rows])
        return
    # A row per number, since there can be many.
    names = list(dict.fromkeys(name for row in rows for name in row))
    print_rows(
        [
            {"": name} | {str(row["epoch"]): _text(row.get(name)) for row in rows}
            for name in names
            if name != "epoch"
        ]
        or [{"": "no epoch yet"}]
    )


def _finite(value: int | float | None) -> int | float | None:
    return value if value is not None and math.isfinite(value) else None


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
