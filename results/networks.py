"""Makes the networks of `results/networks` that are not there.

    python results/networks.py --work FOLDER

trains restarts of the studies that are named here, each as its study does, some minutes on a core;
keeps the best network of each without what training needs; and constructs golden networks. Whoever
wants one made anew removes its folder first. It refuses a network whose scores differ from those of
the same run in the tables of its study in `results`, where it is finished there.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from memrnn.engines import LocalEngine
from memrnn.papers.stable_training import SHORT
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

GOLDEN = "lstm-12+jm-2.1"
"""The smallest model that holds the machines of both languages."""


class Kept(NamedTuple):
    """A restart whose network is kept in the folder `LANGUAGE-END`."""

    end: str
    study: str
    language: str
    model: str
    restart: int

    @property
    def folder(self) -> Path:
        return NETWORKS / f"{self.language}-{self.end}"


ABLATION = [
    Kept(end, "stable" if noise else "stable-quiet", language, model, 0)
    for language in LANGUAGES
    for end, (model, noise) in ((end, SHORT.cells[one]) for end, one in TREATMENTS.items())
]
# Those of three stacks whose number is the lowest of the restarts that hold.
LATE = [
    Kept("late", "stable-late", language, "elman:discrete+jm-3.3.3:hard", restart)
    for language, restart in (("marked-reverse-and-copy", 0), ("count-and-copy", 2))
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the runs; the same one continues"
    )
    work = parser.parse_args().work
    for one in (*ABLATION, *LATE):
        if not one.folder.exists():
            keep(one, work / one.folder.name)
    for language in LANGUAGES:
        out = NETWORKS / f"{language}-golden"
        if not out.exists():
            (task,) = replace(load_study("stable"), tasks=(f"strings:{language}",)).make_tasks()
            assert isinstance(task, Strings)
            save_golden(golden_network(task, GOLDEN), task, GOLDEN, out)
    for folder in sorted(NETWORKS.iterdir()):
        print(folder.relative_to(HERE.parent))


def keep(one: Kept, work: Path) -> None:
    """Trains the restart, and those before it, and keeps its best network."""
    study = replace(
        load_study(one.study),
        tasks=(f"strings:{one.language}",),
        models=(one.model,),
        restarts=one.restart + 1,
        first=(),
    )
    run_study(study, work, LocalEngine())
    made = load_results(work)
    check(made, load_results(HERE / one.study))
    (cell,) = made.cells
    run = next(run for run in cell.runs if run.restart == one.restart)
    source = f"study {one.study}, run {run.id}"
    keep_network(work / run.folder, one.folder, one.restart, source=source)


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
