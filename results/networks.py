"""Makes the networks of `results/networks` anew.

    python results/networks.py --work FOLDER

trains, with the experiments of the studies `stable` and `stable-quiet`, restart 0 of each cell that
is named here, some minutes on a core; keeps the best network of each without what training needs;
and constructs a golden network for each language. It refuses a network whose scores differ from
those of the same run in `results/stable` or `results/stable-quiet`, where it is finished there.
"""

import argparse
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from memrnn.engines import LocalEngine
from memrnn.papers.stable_training import CELLS
from memrnn.stability import golden_network, save_golden
from memrnn.studies import RunRecord, StudyResults, load_results, load_study, run_study
from memrnn.tasks import Strings, Total
from memrnn.training import keep_network

HERE = Path(__file__).parent
NETWORKS = HERE / "networks"
LANGUAGES = ("count-3", "marked-reversal")
TREATMENTS = {
    "recipe": "recipe",
    "quiet": "recipe without noise",
    "state": "discrete state, noise",
    "stack": "hard stack, noise",
    "untouched": "untouched",
}
"""By the end of a folder's name, the cell of the ablation that its network is of."""

STUDIES = {True: "stable", False: "stable-quiet"}
"""The study with noise on the gates, and the one without."""

GOLDEN = "lstm-12+jm-2.1"
"""The smallest model that holds the machines of both languages."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the runs; the same one continues"
    )
    work = parser.parse_args().work
    shutil.rmtree(NETWORKS, ignore_errors=True)
    for noise, name in STUDIES.items():
        models = {
            CELLS[cell][0]: end for end, cell in TREATMENTS.items() if CELLS[cell][1] == noise
        }
        study = load_study(name)
        tasks = tuple(f"strings:{language}" for language in LANGUAGES)
        study = replace(study, tasks=tasks, models=tuple(models), restarts=1, first=())
        run_study(study, work / name, LocalEngine())
        made, known = load_results(work / name), load_results(HERE / name)
        check(made, known)
        for cell in made.cells:
            (run,) = cell.runs
            out = NETWORKS / f"{cell.task.title}-{models[cell.model]}"
            keep_network(work / name / run.folder, out, 0, source=f"study {name}, run {run.id}")
        for task in study.make_tasks() if noise else ():
            assert isinstance(task, Strings)
            out = NETWORKS / f"{task.language}-golden"
            save_golden(golden_network(task, GOLDEN), task, GOLDEN, out)
    for folder in sorted(NETWORKS.iterdir()):
        print(folder.relative_to(HERE.parent))


def check(made: StudyResults, known: StudyResults) -> None:
    """Ends with a sentence if a run has other scores than the tables have."""
    ours, theirs = ({run.id: run for run in one.runs if run.finished} for one in (made, known))
    for key in ours.keys() & theirs.keys():
        before, now = totals(theirs[key]), totals(ours[key])
        if any(now.get(name) != total for name, total in before.items()):
            sys.exit(f"Run {key} has other scores here than in the tables.")


def totals(run: RunRecord) -> Mapping[tuple[str, str], Total]:
    sets = run.scores["float32"]
    return {(name, metric): total for name in sets for metric, total in sets[name].whole.items()}


if __name__ == "__main__":
    main()
