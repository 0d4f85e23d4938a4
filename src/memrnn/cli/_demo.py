"""`memrnn demo`: a study that ships, its report, and what the report says, in the terminal."""

import dataclasses
from pathlib import Path

from rich.console import Console
from rich.text import Text

from memrnn.cli._study import run_and_show
from memrnn.engines import LocalEngine
from memrnn.runtime.printing import say
from memrnn.studies import Study, load_results, load_study


def demo_command(out: Path = Path("demo"), seed: int = 0, workers: int | None = None) -> None:
    """The main job in small: train with components frozen, evaluate far beyond, report.

    Args:
        out: folder of the study and of the page; a second call continues in it.
        seed: from which every restart's own seed follows.
        workers: runs that train at a time; by default one per core.
    """
    study = dataclasses.replace(load_study("demo"), seed=seed)
    print(run_demo(study, out, workers, Console()))


def run_demo(study: Study, out: Path, workers: int | None, console: Console) -> Path:
    """Runs a study, or what is left of it, and reports on it in its own folder.

    Args:
        workers: processes; by default one per core.

    Returns:
        The path of the page.

    Raises:
        MemrnnError, OSError: as `run_study` does.
    """
    # Only here: Matplotlib and SciPy would add a second to the start of every command.
    from memrnn import reports
    from memrnn.papers.das_mali_2024 import PAPER
    from memrnn.reports.study import write_study_report

    cells = list(study.cells())
    say(
        console,
        f"{len(cells)} experiments of {study.restarts} restarts, evaluated on "
        f"{', '.join(one.name for one in cells[0].task.sets)}.",
    )
    run_and_show(study, out, LocalEngine(workers), console, brief=True)
    say(console, "Drawing and writing the report.")
    page = write_study_report(out, out, PAPER)
    evaluations = load_results(out).evaluations()
    console.print(reports.overview_table(evaluations))
    for finding in reports.find(evaluations):
        console.print(Text(f"- {finding.headline}"))
    return page
