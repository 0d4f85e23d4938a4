"""The main job in small: a study that ships, its report, and what it says in the terminal."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from memrnn import reports
from memrnn.cli._study import run_and_show
from memrnn.engines import LocalEngine
from memrnn.papers.das_mali_2024 import PAPER
from memrnn.reports.study import write_study_report
from memrnn.runtime import say
from memrnn.studies import Study, load_results


def run_demo(study: Study, out: Path, workers: int | None, console: Console) -> Path:
    """Runs a study, or what is left of it, and reports on it in its own folder.

    Args:
        workers: processes; by default one per core.

    Returns:
        The path of the page.

    Raises:
        MemrnnError, OSError: as `run_study` does.
    """
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
