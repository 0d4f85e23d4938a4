"""What commands print: any text as it is, on any terminal; rows, tables, JSON."""

import io
import json
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from memrnn.errors import MemrnnWarning


def say(console: Console, text: str) -> None:
    """Prints a text as it is.

    Paths and names of symbols are not ours: `[bold]` or `:x:` in them is no markup. Lines are not
    broken, so that a path can be copied.
    """
    console.print(Text(text), soft_wrap=True)


@contextmanager
def plain_output() -> Generator[None]:
    """While a command runs, no character and no warning ends in a traceback or looks like one.

    What the terminal's encoding lacks is written as `?`. Warnings of memrnn are one line.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *args: Any, **kwargs: Any) -> None:
        if issubclass(category, MemrnnWarning):
            print(f"memrnn: {message}", file=sys.stderr)
        else:
            before(message, category, *args, **kwargs)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


def print_rows(rows: list[dict[str, Any]], as_json: bool = False) -> None:
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


def print_text(text: str, console: Console | None = None) -> None:
    """A text without paths, broken into lines as wide as the terminal, 80 where there is none."""
    (console or Console()).print(Text(text))


def ruled_table(title: str | Text | None, title_style: str, **options: Any) -> Table:
    """An empty table with a rule below its headings, for which `rich.table.Table` has options."""
    return Table(
        title=title,
        title_justify="left",
        title_style=title_style,
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        header_style="",
        **options,
    )


def print_json(value: Any) -> None:
    """A value as JSON, without the infinities that JSON lacks."""
    print(json.dumps(value, indent=1, allow_nan=False))
