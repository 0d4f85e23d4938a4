"""Progress of a training in the terminal, or line by line where there is no terminal."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from memrnn import training
from memrnn.runtime import say
from memrnn.training import Experiment

LINE_SECONDS = 10.0
"""Without a terminal, a restart is reported at most this often, and when it ends."""


class TrainingDisplay:
    """Listens to `memrnn.train`: one bar a running restart, and one for all of them."""

    def __init__(self, experiment: Experiment, restarts: int, console: Console):
        self._config, self._restarts, self._console = experiment.config, restarts, console
        self._label = experiment.label
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=14),
            TextColumn("{task.fields[text]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._all = self._bars.add_task("all", total=restarts, text="compiling")
        self._tasks: dict[int, TaskID] = {}
        self._state: dict[int, training.Progress] = {}
        self._began = self._spoke = time.monotonic()
        self._epochs = 0

    def __enter__(self) -> "TrainingDisplay":
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def __call__(self, restart: int, progress: training.Progress) -> None:
        if not self._state:
            say(self._console, self._label)
        known = restart in self._state
        self._state[restart] = progress
        if not progress.curve:
            return
        if known:
            self._epochs += 1
        text = self._text(progress)
        if self._console.is_terminal:
            self._draw(restart, progress, text)
        elif progress.status != "running" or self._due():
            say(self._console, f"restart {restart}: {text}")

    def _due(self) -> bool:
        now = time.monotonic()
        due = now - self._spoke > LINE_SECONDS
        self._spoke = now if due else self._spoke
        return due

    def _text(self, progress: training.Progress) -> str:
        metric = progress.selection
        value = metric.value(progress.curve[-1].validation[metric.name])
        text = (
            f"epoch {progress.epochs}/{self._config.max_epochs}  {metric.name} {value:.4f}  best "
        )
        if progress.reference is None:
            text += f"{progress.schedule.best:.4f}"
        else:
            text += f"{progress.schedule.best - progress.reference:+.4f} from bound"
        state = "" if progress.status == "running" else f", {progress.status}"
        return text + state

    def _draw(self, restart: int, progress: training.Progress, text: str) -> None:
        if restart not in self._tasks:
            self._tasks[restart] = self._bars.add_task(
                f"{restart:>3}", total=self._config.max_epochs, text=""
            )
        task = self._tasks[restart]
        running = progress.status == "running"
        self._bars.update(task, completed=progress.epochs, text=text, visible=running)
        ended = sum(state.status != "running" for state in self._state.values())
        most = self._config.max_epochs
        left = most * (self._restarts - len(self._state)) + sum(
            most - state.epochs for state in self._state.values() if state.status == "running"
        )
        pace = (time.monotonic() - self._began) / max(1, self._epochs)
        minutes, seconds = divmod(int(pace * left), 60)
        self._bars.update(
            self._all,
            completed=ended,
            text=f"{ended} of {self._restarts} restarts done, at most {minutes}:{seconds:02d} left",
        )
