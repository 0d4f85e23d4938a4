"""Rebuilds what the docs say of the studies in this folder, and the page of each study.

    python results/rebuild.py            # `make results`
    python results/rebuild.py --check    # only says what is not current

A region of a Markdown file begins with `<!-- begin FOLDER KIND -->` and ends with `<!-- end -->`.
What stands between them is made from the tables in `results/FOLDER`:

    runs            what the study is, how many runs are finished, and what its tables lack
    standings       where its cells stand to the floor of each set, by benchmarks/standings.py
    beyond SET      its runs that score more than 0.01 above the floor of a set
    table STEM      a table of its report, by the stem of the file
    figure STEM     a figure of its report, written to docs/images

`--check` does not draw: figures of two versions of Matplotlib differ. It also says when the folder
is larger than the repository should carry.
"""

import argparse
import functools
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from memrnn.nn.components import format_freeze
from memrnn.papers.das_mali_2024 import PAPER
from memrnn.reports.study import StudyReport
from memrnn.runtime.checkpoints import write_bytes
from memrnn.studies import StudyResults, load_results

HERE = Path(__file__).parent
ROOT = HERE.parent
PAGES = (ROOT / "docs" / "results.md", HERE / "README.md")
MOST_BYTES = 5_000_000
REGION = re.compile(r"(?<=<!-- begin )(\S+) (.*?)( -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)

sys.path.insert(0, str(ROOT / "benchmarks"))
import standings as standing  # noqa: E402


@functools.cache
def results_of(name: str) -> StudyResults:
    return load_results(HERE / name)


@functools.cache
def report_of(name: str) -> StudyReport:
    """The report of a study; the page names the folder as seen from the root."""
    return StudyReport(results_of(name), (HERE / name).relative_to(ROOT), PAPER)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    escaped = [[text.replace("|", "\\|") for text in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


def runs(name: str) -> str:
    results = results_of(name)
    finished = sum(run.finished for run in results.runs)
    diverged, failed = (
        sum(run.status == status for run in results.runs) for status in ("diverged", "failed")
    )
    hours = sum(run.seconds for run in results.runs) / 3600
    made_by = sorted(
        {run.versions.get("memrnn", "unknown") for run in results.runs if run.finished}
    )
    notes = "".join(f"- {note}\n" for note in results.notes)
    return (
        f"{finished} of {len(results.runs)} runs are finished, {diverged} of them diverged; "
        f"{failed} failed. They took {hours:.1f} hours of workers' time.\n"
        f"Made by memrnn {', '.join(made_by)}.\n" + (f"\n{notes}" if notes else "")
    )


def standings(name: str) -> str:
    results = results_of(name)
    sets = [one.name for one in results.tasks[0].sets]
    found = {one: standing.standings(results.cells, one) for one in sets}
    where = standing.STANDINGS[:4]
    names = {
        "distinct cells that can stand above": "distinct cells that can stand above",
        "all cells": "all cells",
        **{f"all cells, frozen: {mode}": f"frozen: {mode}" for mode in standing.MODES},
    }
    rows = [
        [label, *(
            f"{' / '.join(str(found[one].counts[selection][each]) for each in where)} "
            f"of {found[one].cells[selection]}"
            for one in sets
        )]
        for selection, label in names.items()
        if any(found[one].cells[selection] for one in sets)
    ]  # fmt: skip
    heads = [f"{' / '.join(where)}: {_label(sets[0])}", *map(_label, sets[1:])]
    lines = [
        f"On {language} at {_label(one)} no network can stand above: floor + {standing.NEAR} is "
        f"{floor + standing.NEAR:.4f}, the ceiling {ceiling:.4f}.\n"
        for one in sets
        for language, (floor, ceiling) in found[one].impossible.items()
    ]
    return markdown(["cells", *heads], rows) + "".join(f"\n{line}" for line in lines)


def beyond(name: str, of_set: str) -> str:
    results, rows = results_of(name), list[tuple[float, list[str]]]()
    for cell in results.cells:
        floor, ceiling = standing.bounds(cell, of_set)
        for run in cell.finished:
            metric = cell.task.metric("accuracy")
            value = run.scores[results.study.precisions[0]][of_set].value(metric) or 0.0
            if value > floor + standing.NEAR:
                share = (value - floor) / (ceiling - floor)
                texts = [cell.task.title, cell.model, format_freeze(cell.freeze), str(run.restart)]
                numbers = [f"{number:.3f}" for number in (value, floor, ceiling)]
                rows.append((share, [*texts, *numbers, f"{share:.0%}"]))
    heads = ["language", "model", "frozen", "restart", "accuracy", "floor", "ceiling", "of the way"]
    ordered = [row for _, row in sorted(rows, key=lambda row: -row[0])]
    return f"{len(ordered)} of {len(results.runs)} runs:\n\n{markdown(heads, ordered)}"


def table(name: str, stem: str) -> str:
    one = report_of(name).tables[stem]
    heads = [column.name for column in one.columns]
    return markdown(heads, [[entry.text for entry in row] for row in one.rows])


def figure(name: str, stem: str) -> str:
    drawing = next(one for one in report_of(name).drawings if one.stem == stem)
    path = ROOT / "docs" / "images" / f"{name}-{stem}.svg"
    write_bytes(path, drawing.svg.encode())
    return f"![{drawing.title}](images/{path.name})\n"


def _label(name: str) -> str:
    return name.replace(":", "–")


KINDS: dict[str, Callable[..., str]] = {
    "runs": runs,
    "standings": standings,
    "beyond": beyond,
    "table": table,
    "figure": figure,
}


def rebuilt(text: str, kinds: Iterable[str] = KINDS) -> str:
    """A page with regions of some kinds made anew.

    Raises:
        ValueError: if a region is of no kind that there is.
    """

    def made(region: re.Match[str]) -> str:
        name, words, end, before = region.groups()
        kind, *arguments = words.split()
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no kind of region; there are {', '.join(KINDS)}.")
        content = KINDS[kind](name, *arguments) if kind in kinds else before
        return f"{name} {words}{end}{content}"

    return REGION.sub(made, text)


def check() -> list[str]:
    """Sentences about what is not current."""
    drawn = [kind for kind in KINDS if kind != "figure"]
    texts = {path: path.read_text(encoding="utf-8") for path in PAGES}
    faults = [
        f"{path.relative_to(ROOT)} is not current; run make results."
        for path, text in texts.items()
        if rebuilt(text, drawn) != text
    ]
    size = sum(path.stat().st_size for path in HERE.glob("*/*") if path.is_file())
    if size > MOST_BYTES:
        faults.append(f"results/ has {size / 1e6:.1f} MB, of at most {MOST_BYTES / 1e6:.0f}.")
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    if parser.parse_args().check:
        sys.exit("\n".join(check()) or 0)
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        write_bytes(path, rebuilt(text).encode())
        print(path.relative_to(ROOT))
    for folder in sorted(path.parent for path in HERE.glob("*/runs.parquet")):
        write_bytes(folder / "report.html", report_of(folder.name).page().encode())
        print((folder / "report.html").relative_to(ROOT))
    sys.exit("\n".join(check()) or 0)


if __name__ == "__main__":
    main()
