"""Rebuilds what the docs say of the studies in this folder, and the pages that are here.

    python results/rebuild.py            # `make results`
    python results/rebuild.py --check    # only says what is not current

A region of a Markdown file begins with `<!-- begin FOLDER KIND -->` and ends with `<!-- end -->`.
What stands between them is made from the tables in `results/FOLDER`:

    runs            what the study is, how many runs are finished, and what its tables lack
    answer          the five sentences of its first screen; with a number one of them
    above SET       a sentence: how many of its cells are above the floor on a set
    standings       where its cells stand to the floor of each set, as in its report
    beyond SET      its runs that have more than a tenth of the way from floor to Bayes behind them
    table STEM      a table of its report, by the stem of the file
    figure STEM     a figure of its report, written to docs/images
    precision TASK  of a study of the networks in `networks`: where each first is wrong
    networks        of `networks` itself: which run each is of
    evaluated       of the file `FOLDER.json`, by `memrnn evaluate --json`: its perplexities

Those of discrete training are in `discrete_training.py`.

`--check` does not draw: figures of two versions of Matplotlib differ. It also says when the folder
is larger than the repository should carry.
"""

import argparse
import functools
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import discrete_training
from folders import DOCS, HERE, ROOT, markdown, results_of
from memrnn.evaluation import best_baseline
from memrnn.nn.components import format_freeze
from memrnn.papers.das_mali_2024 import PAPER
from memrnn.reports import NEAR, gain
from memrnn.reports.study import StudyReport, statistics
from memrnn.runtime import formats as form
from memrnn.runtime.checkpoints import write_bytes
from memrnn.studies import Cell
from memrnn.tasks import BAYES
from memrnn.training import load_experiment, load_run

PAGES = (
    *(DOCS / f"{name}.md" for name in ("findings", "precision", "results", "stable", "text")),
    HERE / "README.md",
    ROOT / "README.md",
)
MOST_BYTES = 9_000_000
REGION = re.compile(r"(?<=<!-- begin )(\S+) (.*?)( -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)


@functools.cache
def report_of(name: str) -> StudyReport:
    """The report of a study; the page names the folder as seen from the root."""
    return StudyReport(results_of(name), (HERE / name).relative_to(ROOT), PAPER)


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


def answer(name: str, number: str | None = None) -> str:
    _, found = report_of(name).answer
    items = [f"**{one.finding}** {one.numbers}\n" for one in found.sentences]
    if number is not None:
        return items[int(number) - 1]
    return "".join(f"{place}. {item}" for place, item in enumerate(items, 1))


PLACES = ("above", "equal", "below", "open", "uninformative")


Counts = dict[tuple[tuple[str, ...], str], Counter[str]]
"""By freezing mode and set, in how many cells what stands to the floor how."""


@functools.cache
def counted(name: str) -> Counts:
    """Of distinct cells: without a memory, freezing it is the same experiment once more."""
    results = results_of(name)
    sets = [one.name for one in results.tasks[0].sets]
    modes = dict.fromkeys(cell.freeze for cell in results.cells)
    counts = {(freeze, one): Counter[str]() for freeze in modes for one in sets}
    for row in statistics(results):
        again = row.cell.memory == "none" and "memory" in row.cell.freeze
        if row.precision == results.study.precisions[0] and row.standing and not again:
            counts[row.cell.freeze, row.set][row.standing.place] += 1
    return counts


def standings(name: str) -> str:
    counts = counted(name)
    modes, sets = (tuple(dict.fromkeys(names)) for names in zip(*counts, strict=True))

    def written(one: Counter[str]) -> str:
        return f"{' / '.join(str(one[place]) for place in PLACES)} of {one.total()}"

    rows = [
        [format_freeze(freeze), *(written(counts[freeze, one]) for one in sets)] for freeze in modes
    ]
    totals = [sum((counts[freeze, one] for freeze in modes), Counter[str]()) for one in sets]
    rows.append(["all", *map(written, totals)])
    return f"{' / '.join(PLACES)}:\n\n" + markdown(["frozen", *map(_label, sets)], rows)


def above(name: str, of_set: str) -> str:
    total = sum((count for (_, one), count in counted(name).items() if one == of_set), Counter())
    informative = total.total() - total["uninformative"]
    low, high = results_of(name).tasks[0].trained_groups or (math.nan, math.nan)
    better = f"{total['above'] or 'none'} {'is' if total['above'] < 2 else 'are'} better"
    return (
        f"Of {informative} cells of networks trained as in the paper, on lengths {low:.0f} to "
        f"{high:.0f}, {better} on lengths {_label(of_set)} than the best predictor that needs no "
        "training of a network.\n"
    )


def beyond(name: str, of_set: str) -> str:
    results, rows = results_of(name), list[tuple[float, list[str]]]()
    for cell in results.cells:
        metric = cell.task.metric(cell.task.headline)
        values = {one: scores.value(metric) for one, scores in cell.references[of_set].items()}
        best = values.pop(BAYES)
        _, floor = best_baseline(cell.references[of_set], metric) or ("", math.nan)
        for run in cell.finished:
            value = run.scores[results.study.precisions[0]][of_set].value(metric)
            share = None if value is None else gain(value, floor, best, metric)
            if share is not None and share > NEAR:
                texts = [cell.task.title, cell.model, format_freeze(cell.freeze), str(run.restart)]
                numbers = [f"{number:.3f}" for number in (value, floor, best)]
                rows.append((share, [*texts, *numbers, f"{share:.0%}"]))
    heads = ["language", "model", "frozen", "restart", "accuracy", "floor", "Bayes", "of the way"]
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


def networks(name: str) -> str:
    runs = {path.name: load_run(path) for path in sorted((HERE / name).iterdir())}
    rows = [
        [f"`{folder}`", run.experiment.model, f"{run.origin.by}: {run.origin.source}"]
        for folder, run in runs.items()
    ]
    return markdown(["folder", "model", "made by"], rows)


def evaluated(name: str) -> str:
    record = json.loads((HERE / f"{name}.json").read_text())
    (run,) = record["runs"]
    rows = [[one, form.decimal(scores["perplexity"])] for one, scores in run["sets"].items()]
    return markdown(
        [f"`{record['model']}`, streams: {record['protocol']['streams']}", "perplexity"], rows
    )


def precision(name: str, language: str) -> str:
    """The first length with a wrong determined symbol, and the share that is right at the last."""
    results, names = results_of(name), dict[tuple[str, str], str]()
    for folder in (Path(start).name for start in results.study.start):
        experiment = load_experiment(HERE / "networks" / folder)
        names[experiment.task.spec, experiment.model] = folder
    cells = [cell for cell in results.cells if cell.task.title == language]
    heads = [names[f"strings:{language}", cell.model] for cell in cells]

    def written(cell: Cell, precision: str) -> str:
        metric, sets = cell.task.metric("determined_accuracy"), cell.runs[0].scores[precision]
        found = {
            int(length): value
            for scores in sets.values()
            for length, value in scores.by_group(metric).items()
        }
        wrong = [length for length, value in found.items() if value < 1]
        return f"{min(wrong)}, {form.share(found[max(found)])}" if wrong else "right"

    rows = [[one, *(written(cell, one) for cell in cells)] for one in results.study.precisions]
    return markdown(["precision", *(f"`{head}`" for head in heads)], rows)


def _label(name: str) -> str:
    return name.replace(":", "–")


KINDS: dict[str, Callable[..., str]] = {
    "runs": runs,
    "answer": answer,
    "above": above,
    "standings": standings,
    "beyond": beyond,
    "table": table,
    "figure": figure,
    "precision": precision,
    "networks": networks,
    "evaluated": evaluated,
    **discrete_training.KINDS,
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
    drawn = [kind for kind in KINDS if kind not in ("figure", "ablation")]
    texts = {path: path.read_text(encoding="utf-8") for path in PAGES}
    faults = [
        f"{path.relative_to(ROOT)} is not current; run make results."
        for path, text in texts.items()
        if rebuilt(text, drawn) != text
    ]
    paths = [*HERE.glob("*/*"), *HERE.glob("networks/*/*")]
    size = sum(path.stat().st_size for path in paths if path.is_file())
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
    for page in sorted(HERE.glob("*/report.html")):
        write_bytes(page, report_of(page.parent.name).page().encode())
        print(page.relative_to(ROOT))
    sys.exit("\n".join(check()) or 0)


if __name__ == "__main__":
    main()
