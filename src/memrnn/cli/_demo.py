"""`memrnn demo`: a study that ships, its report, and what the report says, in the terminal."""

import dataclasses
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.text import Text

from memrnn.cli._study import run_and_show
from memrnn.cli._text import say_comparison
from memrnn.engines import LocalEngine
from memrnn.evaluation import compare_tokens, text_of, token_nats
from memrnn.runtime.printing import say
from memrnn.studies import Study, StudyResults, load_results, load_study
from memrnn.text import fit_baselines
from memrnn.training import load_run


def demo_command(
    out: Path | None = None, text: bool = False, seed: int = 0, workers: int | None = None
) -> None:
    """The main job in small: train with components frozen, evaluate far beyond, report.

    Args:
        out: folder of the study and of the page, by default demo or demo-text; a second call
            continues in it.
        text: a word language model with and without a memory instead, compared word by word.
        seed: from which every restart's own seed follows.
        workers: runs that train at a time; by default one per core.
    """
    name, console = "demo-text" if text else "demo", Console()
    out = Path(name) if out is None else out
    study = dataclasses.replace(load_study(name), seed=seed)
    page = run_demo(study, out, workers, console)
    if text:
        compare_memories(load_results(out), out, console)
    print(page)


def compare_memories(results: StudyResults, out: Path, console: Console) -> None:
    """On the test words of a text: the best network with a memory, that without, the baselines."""
    best = {
        cell.memory == "none": cell.best for cell in results.cells if not cell.freeze and cell.best
    }
    runs = [load_run(out / best[without].folder) for without in (False, True)]
    corpus = text_of(runs[0]).text
    nats = [token_nats(run) for run in runs]
    say(console, f"On the {len(nats[0]):,} words of test:")
    for name, baseline in fit_baselines(corpus).items():
        say(console, f"perplexity {np.exp(baseline(corpus.test).mean()):.2f}: {name}")
    names = runs[0].experiment.label, runs[1].experiment.label
    say_comparison(console, names, compare_tokens(corpus, "test", *nats))


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
