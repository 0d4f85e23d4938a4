"""What the commands print: any text as it is, on any terminal."""

import io
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
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

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, MemrnnWarning):
            print(f"memrnn: {message}", file=sys.stderr)
        else:
            before(message, category, *place, **more)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before
