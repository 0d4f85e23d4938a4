"""The laboratory's main job in small: train, test beside floor and ceiling, report."""

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from memrnn import reports
from memrnn.errors import MemrnnError
from memrnn.evaluation import Bin, test
from memrnn.experiment import Experiment, Recipe
from memrnn.reports import Equality, Provenance, Result
from memrnn.runtime import cores, say
from memrnn.training import Progress as Training
from memrnn.training import Run, load_experiment, train

RUNS = "runs"
TITLE = "Learned, or only the floor?"
NO_MEMORY = "They must be: there is no memory to freeze."


@dataclass(frozen=True)
class DemoSettings:
    """What the demo runs; the defaults finish within 3 minutes on 2 cores.

    Attributes:
        bins: test lengths, the training range first.
        strings_per_length: test strings of each valid length.
    """

    languages: tuple[str, ...] = ("count-3", "marked-reverse-and-copy")
    models: tuple[str, ...] = ("lstm", "gru", "jm-10")
    freezes: tuple[tuple[str, ...], ...] = ((), ("memory",), ("controller",))
    restarts: int = 3
    # Short strings, high rates and little patience: a small part of the paper's training, yet
    # enough to learn these lengths and so to see what is left beyond them.
    recipe: Recipe = field(
        default_factory=lambda: Recipe(
            lengths=(5, 24),
            batches=100,
            validation_batches=30,
            epochs=32,
            learning_rate=(5e-3, 1.5e-2),
            stop_patience=6,
        )
    )
    bins: tuple[Bin, ...] = ((5, 24), (25, 48), (49, 96))
    strings_per_length: int = 10

    def experiments(self, seed: int) -> list[Experiment]:
        """The grid, in the order in which it is reported."""
        grid = itertools.product(self.languages, self.models, self.freezes)
        return [Experiment(*cell, self.recipe, seed) for cell in grid]


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
    shortest, longest = settings.recipe.lengths
    say(
        console,
        f"{len(experiments)} experiments of {settings.restarts} restarts, trained on "
        f"lengths {shortest} to {longest}, tested up to {max(last for _, last in settings.bins)}.\n"
        "Language, model, what is frozen, and the best restart's validation perplexity:",
    )
    finished = _run_all(experiments, out, settings, workers or cores(), console)
    results = [result for _, result in finished]
    equalities = _without_memory([run for run, _ in finished])
    say(console, "Drawing and writing the report.")
    provenance = Provenance.of_this_machine(
        f"memrnn demo --seed {seed}", seed, settings.recipe, time.perf_counter() - began
    )
    page = reports.write_report(
        out,
        results,
        provenance,
        title=TITLE,
        training_lengths=settings.recipe.lengths,
        equalities=equalities,
    )
    console.print(reports.overview_table(results))
    for finding in reports.find(results, settings.recipe.lengths, equalities):
        console.print(Text(f"- {finding.headline}"))
    return page


def _folder(out: Path, experiment: Experiment) -> Path:
    frozen = reports.frozen_label(experiment.freeze)
    return out / RUNS / f"{experiment.language}_{experiment.model}_{frozen}".replace(":", "_")


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
) -> list[tuple[Run, Result]]:
    """Trains and tests all experiments, some at a time, in the order in which they were given.

    XLA leaves Python's lock while it compiles and computes, so threads use all cores, and one
    experiment compiles while another one trains.
    """
    stop = threading.Event()
    # The freezing modes of a network share the programs that test it: only the first compiles.
    locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
    total = len(experiments) * settings.restarts * settings.recipe.epochs
    with _progress(console) as progress:
        bar = progress.add_task("Training", total=total)

        def work(experiment: Experiment) -> tuple[Run, Result]:
            done: dict[int, int] = {}

            def listen(restart: int, training: Training) -> None:
                if stop.is_set():
                    raise _StoppedError
                progress.advance(bar, training.epochs - done.get(restart, 0))
                done[restart] = training.epochs

            run = train(
                experiment, _folder(out, experiment), settings.restarts, workers=1, listener=listen
            )
            asked = settings.restarts * settings.recipe.epochs
            progress.advance(bar, max(0, asked - sum(done.values())))
            with locks[experiment.language, experiment.model]:
                if stop.is_set():
                    raise _StoppedError
                result = test(run, settings.bins, strings_per_length=settings.strings_per_length)
            say(console, _line(run))
            return run, result

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
    frozen = reports.frozen_label(experiment.freeze)
    return (
        f"  {experiment.language:23}  {experiment.model:6} {frozen:10} "
        f"{best.schedule.best:6.3f}  bound {best.bound:5.3f}"
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
    by_cell = {(r.experiment.language, r.experiment.model, r.experiment.freeze): r for r in runs}
    return [
        reports.compare_parameters(run, by_cell[language, model, ("memory",)], NO_MEMORY)
        for (language, model, freeze), run in by_cell.items()
        if not freeze
        and (language, model, ("memory",)) in by_cell
        and run.experiment.definition.memory == "none"
    ]
