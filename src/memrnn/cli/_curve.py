"""The command `memrnn curve`: what a run's curve holds, epoch by epoch."""

import math
from pathlib import Path
from typing import Any

import tyro

from memrnn.runtime.printing import print_json, print_rows
from memrnn.training import Progress, load_run


def curve_command(
    directory: tyro.conf.Positional[Path], restart: int | None = None, json: bool = False
) -> None:
    """Prints what was validated and measured after every epoch; 0 is the start.

    Args:
        directory: folder that `memrnn train --out` filled.
        restart: number of the restart; by default the best one.
        json: print JSON instead of a table; null stands for what is no finite number.
    """
    rows = _rows(load_run(directory).restart(restart).progress)
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


def _rows(progress: Progress) -> list[dict[str, Any]]:
    metric = progress.selection
    rows: list[dict[str, Any]] = [{"epoch": 0, **progress.measured}] if progress.measured else []
    for number, epoch in enumerate(progress.curve, 1):
        parts = {"train": epoch.train, "validation": epoch.validation}
        values = {
            f"{part} {metric.name}": metric.value(totals[metric.name])
            for part, totals in parts.items()
            if metric.name in totals
        }
        rate = {"epoch": number, "learning rate": epoch.learning_rate}
        rows.append(rate | values | dict(epoch.measured))
    return rows


def _finite(value: int | float | None) -> int | float | None:
    return value if value is not None and math.isfinite(value) else None


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
