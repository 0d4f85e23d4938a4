"""Progress of runs: bars in a terminal, a line now and then elsewhere."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from memrnn.runtime.printing import say

LINE_SECONDS = 10.0
"""Without a terminal, running runs are reported at most this often."""


class RunDisplay:
    """One bar for all runs and one per running run; a line for each run that has ended."""

    def __init__(self, console: Console, runs: int, *, title: str = "", brief: bool = False):
        """A display for this number of runs.

        Args:
            title: printed before anything else, once a run begins.
            brief: report how many runs have ended, now and then, instead of a line for each.
        """
        self._console, self._runs, self._title, self._brief = console, runs, title, brief
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=14),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._all = self._bars.add_task("all", total=runs, text="compiling")
        self._bar: dict[str, TaskID] = {}
        self._done: dict[str, float] = {}
        self._ended = 0
        self._last_line = time.monotonic()

    def __enter__(self) -> "RunDisplay":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def running(self, run: str, text: str, done: float) -> None:
        """A run goes on.

        Args:
            done: share of the run, from 0 to 1.
        """
        if run not in self._bar:
            self._bar[run] = self._bars.add_task(run, total=1.0, text="")
        self._bars.update(self._bar[run], completed=done, text=text)
        self._update_all(run, done)
        self._say_now_and_then(f"{run}: {text}")

    def ended(self, run: str, text: str) -> None:
        """A run is over; the text is printed as it is."""
        if run in self._bar:
            self._bars.remove_task(self._bar.pop(run))
        self._ended += 1
        self._update_all(run, 1.0)
        if self._brief:
            self._say_now_and_then(f"{self._ended} of {self._runs} runs finished.")
        else:
            say(self._console, text)

    def _update_all(self, run: str, done: float) -> None:
        if self._title:
            say(self._console, self._title)
            self._title = ""
        self._done[run] = done
        text = f"{self._ended} of {self._runs} runs"
        self._bars.update(self._all, completed=sum(self._done.values()), text=text)

    def _say_now_and_then(self, line: str) -> None:
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last_line > LINE_SECONDS:
            say(self._console, line)
            self._last_line = now
