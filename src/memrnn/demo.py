"""The laboratory's main job in small: train, test beside floor and ceiling, report."""

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from memrnn import reports
from memrnn.errors import MemrnnError
from memrnn.evaluation import Evaluation, evaluate
from memrnn.experiment import Experiment, TrainingConfig
from memrnn.reports import Equality, Provenance
from memrnn.runtime import cores, say
from memrnn.tasks import Strings
from memrnn.training import Progress as Training
from memrnn.training import Run, load_experiment, train

RUNS = "runs"
TITLE = "Learned, or only the floor?"
NO_MEMORY = "They must be: there is no memory to freeze."


@dataclass(frozen=True)
class DemoSettings:
    """What the demo runs; the defaults finish within 3 minutes on 2 cores.

    Attributes:
        options: of the task, for every language.
    """

    languages: tuple[str, ...] = ("count-3", "marked-reverse-and-copy")
    models: tuple[str, ...] = ("lstm", "gru", "jm-10")
    freezes: tuple[tuple[str, ...], ...] = ((), ("memory",), ("controller",))
    restarts: int = 3
    # Short strings, high rates and little patience: a small part of the paper's training, yet
    # enough to learn these lengths and so to see what is left beyond them.
    options: Mapping[str, Any] = field(
        default_factory=lambda: {
            "train_lengths": (5, 24),
            "batches": 100,
            "validation_batches": 30,
            "length_bins": ((5, 24), (25, 48), (49, 96)),
        }
    )
    config: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            max_epochs=32, learning_rate_range=(5e-3, 1.5e-2), early_stopping_patience=6
        )
    )

    def experiments(self, seed: int) -> list[Experiment]:
        """The grid, in the order in which it is reported."""
        return [
            Experiment(Strings(language, **self.options), model, freeze, self.config, seed)
            for language, model, freeze in itertools.product(
                self.languages, self.models, self.freezes
            )
        ]


class _StoppedError(Exception):
    """Ends the training of an experiment because another one failed or the user interrupts."""


def run_demo(
    out: str | Path,
    *,
    seed: int = 0,
    workers: int | None = None,
    console: Console,
    settings: DemoSettings | None = None,
) -> Path:
    """Trains and tests a small grid of experiments and writes a report into the folder `out`.

    Called again with the same folder and seed it continues where it was, even after it was
    killed; where all is trained, it only tests and reports.

    Args:
        workers: experiments at a time, each on one core; by default one a core.

    Returns:
        The path of the page.

    Raises:
        MemrnnError: if `out` holds something else; nothing is written then.
        OSError: if a file could not be written.
    """
    out, settings = Path(out), settings or DemoSettings()
    began = time.perf_counter()
    experiments = settings.experiments(seed)
    _check_folder(out, experiments)
    task = experiments[0].task.describe()
    say(
        console,
        f"{len(experiments)} experiments of {settings.restarts} restarts, evaluated on "
        f"{', '.join(one.name for one in task.sets)}.\n"
        f"Task, model, what is frozen, and the best restart's validation {task.selection}:",
    )
    finished = _run_all(experiments, out, settings, workers or cores(), console)
    evaluations = [evaluation for _, evaluation in finished]
    equalities = _without_memory([run for run, _ in finished])
    say(console, "Drawing and writing the report.")
    provenance = Provenance.of_this_machine(
        f"memrnn demo --seed {seed}",
        seed,
        settings.config,
        time.perf_counter() - began,
        {one.task.spec: one.task.options() for one in experiments},
    )
    page = reports.write_report(out, evaluations, provenance, title=TITLE, equalities=equalities)
    console.print(reports.overview_table(evaluations))
    for finding in reports.find(evaluations, equalities):
        console.print(Text(f"- {finding.headline}"))
    return page


def _folder(out: Path, experiment: Experiment) -> Path:
    frozen = reports.frozen_label(experiment.freeze)
    return out / RUNS / f"{experiment.task.title}_{experiment.model}_{frozen}".replace(":", "_")


def _check_folder(out: Path, experiments: Sequence[Experiment]) -> None:
    """Refuses a folder that is not the demo's own before anything is written into it."""
    if out.exists() and not out.is_dir():
        raise MemrnnError(f"{out} is a file; give a folder that does not exist or is empty.")
    if out.exists() and any(out.iterdir()) and not (out / RUNS).is_dir():
        raise MemrnnError(f"{out} is not empty and holds no demo; give another folder.")
    for experiment in experiments:
        folder = _folder(out, experiment)
        known = (folder / "experiment.json").exists()
        if known and load_experiment(folder).identity() != experiment.identity():
            raise MemrnnError(
                f"{out} holds a demo with another seed or of another version; give another folder."
            )


def _run_all(
    experiments: Sequence[Experiment],
    out: Path,
    settings: DemoSettings,
    workers: int,
    console: Console,
) -> list[tuple[Run, Evaluation]]:
    """Trains and tests all experiments, some at a time, in the order in which they were given.

    XLA leaves Python's lock while it compiles and computes, so threads use all cores, and one
    experiment compiles while another one trains.
    """
    stop = threading.Event()
    # The freezing modes of a network share the programs that test it: only the first compiles.
    locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
    total = len(experiments) * settings.restarts * settings.config.max_epochs
    with _progress(console) as progress:
        bar = progress.add_task("Training", total=total)

        def work(experiment: Experiment) -> tuple[Run, Evaluation]:
            done: dict[int, int] = {}

            def listen(restart: int, training: Training) -> None:
                if stop.is_set():
                    raise _StoppedError
                progress.advance(bar, training.epochs - done.get(restart, 0))
                done[restart] = training.epochs

            run = train(
                experiment, _folder(out, experiment), settings.restarts, workers=1, listener=listen
            )
            asked = settings.restarts * settings.config.max_epochs
            progress.advance(bar, max(0, asked - sum(done.values())))
            with locks[experiment.task.title, experiment.model]:
                if stop.is_set():
                    raise _StoppedError
                evaluation = evaluate(run)
            say(console, _line(run))
            return run, evaluation

        with ThreadPoolExecutor(workers) as pool:
            futures = {
                number: pool.submit(work, experiments[number])
                for number in sorted(range(len(experiments)), key=lambda n: _ease(experiments[n]))
            }
            try:
                ended = wait(futures.values(), return_when=FIRST_EXCEPTION).done
                for future in ended:
                    future.result()
            finally:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
        return [futures[number].result() for number in range(len(experiments))]


def _ease(experiment: Experiment) -> tuple[bool, bool]:
    """Sorts the most expensive experiments to the front, so that none of them ends alone."""
    return experiment.definition.memory == "none", "controller" in experiment.freeze


def _line(run: Run) -> str:
    experiment, best = run.experiment, run.restarts[run.best].progress
    frozen, bound = reports.frozen_label(experiment.freeze), best.reference
    return (
        f"  {experiment.task.title:23}  {experiment.model:6} {frozen:10} "
        f"{best.schedule.best:6.3f}" + (f"  bound {bound:5.3f}" if bound is not None else "")
    )


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _without_memory(runs: Sequence[Run]) -> list[Equality]:
    """Compares memory frozen with nothing frozen wherever there is no memory."""
    by_cell = {(r.experiment.task.title, r.experiment.model, r.experiment.freeze): r for r in runs}
    return [
        reports.compare_parameters(run, by_cell[title, model, ("memory",)], NO_MEMORY)
        for (title, model, freeze), run in by_cell.items()
        if not freeze
        and (title, model, ("memory",)) in by_cell
        and run.experiment.definition.memory == "none"
    ]
