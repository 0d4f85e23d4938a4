"""How rows, JSON, numbers, times and sizes are printed, the same everywhere."""

import json
import math
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

MISSING = "–"
"""Stands for a score that does not exist, or is not a number."""


def print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Rows with equal keys, as a table or as JSON."""
    if as_json:
        print_json(rows)
        return
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, justify="right" if isinstance(rows[0][name], int) else "left")
    for row in rows:
        cells = (" ".join(v) if isinstance(v, list) else v for v in row.values())
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in cells))
    Console().print(table)


def print_json(value: Any) -> None:
    """A value as JSON, without the infinities that JSON lacks."""
    print(json.dumps(value, indent=1, allow_nan=False))


def decimal(number: float | None) -> str:
    """A number in at most 8 characters: 1.043, 512.3, 1.2e+07, inf."""
    if number is None or math.isnan(number):
        return MISSING
    size = abs(number)
    return f"{number:.3f}" if size < 100 else f"{number:.1f}" if size < 1e5 else f"{number:.1e}"


def share(number: float | None) -> str:
    """A share: 0.974.

    Rounded towards the middle at both ends, so that 1.000 and 0.000 are only ever exact.
    """
    if number is not None and 0 < number < 1:
        number = min(max(number, 0.001), 0.999)
    return decimal(number)


def duration(seconds: float) -> str:
    """A time: 12 s, 45 min, 3 h 05 min."""
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest:02d} min" if hours else f"{rest} min" if rest else f"{seconds:.0f} s"


def size(count: int) -> str:
    """A number of bytes: 16 kB, 3.2 MB, 25 GB."""
    number = float(count)
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.2g} {unit}" if number < 10 else f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.3g} GB"
