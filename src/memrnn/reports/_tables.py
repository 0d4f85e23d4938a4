"""Tables for the terminal, within 80 columns."""

import textwrap
from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from memrnn.errors import MemrnnError
from memrnn.evaluation import Evaluation
from memrnn.nn.components import format_freeze
from memrnn.reports._summary import (
    MetricSummary,
    Summary,
    frozen_words,
    metric_label,
    summarize,
)
from memrnn.runtime.formats import MISSING, counted, listed, normalised, paired, plural
from memrnn.runtime.printing import ruled_table

MOST_SETS = 3
"""Evaluation sets in an overview; more do not fit into 80 columns."""

WIDTH = 80
_NAMES = 20
"""Columns that an overview leaves for model and freezing mode at least."""
_LABEL = 9
"""Width at which the label of a set is broken."""


def result_table(evaluation: Evaluation) -> Group:
    """All scores of one cell: a block per metric, the headline metric first, a row per set."""
    summary = summarize(evaluation)
    precision = "" if summary.precision == "float32" else f", {summary.precision}"
    noise = f", gate noise {evaluation.gate_noise:g}" if evaluation.gate_noise else ""
    cell = f"{summary.task.title}, {summary.model}, {frozen_words(summary.freeze)}"
    silenced = ", readings of the memory 0" if evaluation.without_memory else ""
    title = f"{cell}{precision}{noise}{silenced}"
    names = [metric.name for metric in summary.metrics]
    scores = [s.metrics[name] for s in summary.sets for name in names if name in s.metrics]
    # A reference or a normalised value that no metric has needs no column.
    floor = any(score.baseline is not None for score in scores)
    bayes = any(score.bayes is not None for score in scores)
    headings = ["best", "median", "range"]
    headings += ["floor"] * floor + ["Bayes"] * bayes + ["norm."] * (floor and bayes)
    table = ruled_table(None, "", padding=0)
    table.add_column("", overflow="fold")
    for heading in headings:
        _add_number_column(table, heading)
    for metric in summary.metrics:
        table.add_section()
        table.add_row(Text(metric_label(metric), "bold"))
        for scores_of_set in summary.sets:
            if score := scores_of_set.metrics.get(metric.name):
                cells = _cells(score)
                table.add_row(Text(f" {scores_of_set.label}"), *(cells[name] for name in headings))
    caption = [
        f"{plural(summary.restarts, 'restart')}, {summary.diverged} diverged; all count in "
        "median and range. best: the restart with the best validation score."
    ]
    if floor:
        caption.append("floor: the best baseline.")
    if bayes:
        caption.append("Bayes: the Bayes-optimal predictor.")
    if any(score.normalised is not None for score in scores):
        caption.append("norm.: the best restart between floor (0) and Bayes (1).")
    smaller = [metric_label(metric) for metric in summary.metrics if metric.goal == "min"]
    if smaller:
        caption.append(f"Smaller is better for {listed(smaller)}.")
    caption += _missing(scores)
    if summary.task.protocol:
        caption.append(f"Protocol: {paired(summary.task.protocol)}.")
    return Group(Text(title, "bold"), table, Text(" ".join(caption), "italic"))


def overview_table(evaluations: Sequence[Evaluation]) -> Group:
    """Many cells, one row each: the headline metric of the best restart, its median, normalised.

    One table per task, each ending with its floor and Bayes-optimal value, where it has them. Shows
    the first set and the last ones, as many as fit into 80 columns.

    Raises:
        MemrnnError: if there is no result.
    """
    if not evaluations:
        raise MemrnnError("There is no result to report.")
    summaries = [summarize(evaluation) for evaluation in evaluations]
    scores = [scores.headline for summary in summaries for scores in summary.sets]
    several = len({summary.precision for summary in summaries}) > 1
    rows = [
        (s, f"{s.model} {s.precision}" if several else s.model, format_freeze(s.freeze))
        for s in summaries
    ]
    # All tasks' tables have the columns of names equally wide.
    models = ["floor", *(model for _, model, _ in rows)]
    modes = [
        "optimal",
        *(score.baseline_name for score in scores),
        *(freeze for _, _, freeze in rows),
    ]
    widths = max(map(len, models)), max(map(len, modes))
    tasks = list(dict.fromkeys(summary.task for summary in summaries))
    metrics = list(dict.fromkeys(metric_label(task.headline) for task in tasks))
    tables = [
        _task_table([row for row in rows if row[0].task == task], widths, len(metrics) > 1)
        for task in tasks
    ]
    total = sum(summary.restarts for summary in summaries)
    measure = metrics[0] if len(metrics) == 1 else "the metric"
    explained = (
        ", and the best between floor and Bayes (norm.: 0 is the floor, the best baseline; 1 is "
        "Bayes, the Bayes-optimal predictor)"
    )
    caption = [
        f"\nFor each evaluation set: {measure} of the best of "
        f"{counted([summary.restarts for summary in summaries])} restarts (chosen by "
        "validation), the median over all restarts (med.)"
        f"{explained if _is_normalised(summaries) else ''}.",
        f"{sum(summary.diverged for summary in summaries)} of {plural(total, 'restart')} diverged.",
        *_missing(scores),
    ]
    return Group(*tables, Text(" ".join(caption) + "\n", style="italic"))


def _task_table(
    rows: Sequence[tuple[Summary, str, str]], widths: tuple[int, int], with_metric: bool
) -> Table:
    """The rows of one task: summary, model, freezing mode."""
    summaries = [summary for summary, _, _ in rows]
    task, sets = summaries[0].task, summaries[0].sets
    names = ["best", "med.", "norm."] if _is_normalised(summaries) else ["best", "med."]
    numbers = _sets_that_fit(summaries, names)
    metric = f": {metric_label(task.headline)}" if with_metric else ""
    table = ruled_table(Text(f"\n{task.title}{metric}"), "bold", padding=0)
    # Only these two columns may break where 80 characters are too few.
    for heading, width in zip(("model", "frozen"), widths, strict=True):
        table.add_column(heading.ljust(width + 1), overflow="fold")
    for number in numbers:
        # One more than a number is wide, so that labels of sets stand apart.
        label = [line.rjust(6) for line in textwrap.wrap(sets[number].label, _LABEL)]
        _add_number_column(table, "\n".join([*label, names[0]]))
        for name in names[1:]:
            _add_number_column(table, name)
    for summary, model, frozen in rows:
        cells = [_cells(summary.sets[n].headline) for n in numbers]
        table.add_row(Text(model), Text(frozen), *(cell[name] for cell in cells for name in names))
    table.add_section()
    shown = [sets[n].headline for n in numbers]
    baselines = dict.fromkeys(score.baseline_name for score in shown if score.baseline_name)
    for bound, predictor, position, values in (
        ("floor", "/".join(baselines), "0.00", [score.baseline for score in shown]),
        ("Bayes", "optimal", "1.00", [score.bayes for score in shown]),
    ):
        if all(value is None for value in values):
            continue
        row: list[Text] = []
        for score, value in zip(shown, values, strict=True):
            both = score.baseline is not None and score.bayes is not None
            texts = [score.text(value), "", position if both else MISSING]
            row += map(Text, texts[: len(names)])
        table.add_row(bound, Text(predictor), *row)
    return table


def _sets_that_fit(summaries: Sequence[Summary], names: Sequence[str]) -> list[int]:
    """Numbers of the sets that an overview shows: the first one and the last ones."""
    count = len(summaries[0].sets)

    def width(number: int) -> int:
        cells = [_cells(summary.sets[number].headline) for summary in summaries]
        widths = [max(len(name), *(len(cell[name]) for cell in cells)) for name in names]
        label = min(_LABEL, len(summaries[0].sets[number].label))
        return max(widths[0], label, 6) + sum(widths[1:]) + len(names)

    for most in range(min(MOST_SETS, count), 0, -1):
        numbers = [0, *range(count - most + 1, count)]
        if sum(map(width, numbers)) <= WIDTH - _NAMES or most == 1:
            return numbers
    return []


def _cells(score: MetricSummary) -> dict[str, Text]:
    """What a table can show of a score, by the heading of the column."""
    style = "green" if (score.normalised or 0) >= 0.9 else ""
    if score.normalised is not None and score.normalised < 0.1:
        style = "red"
    return {
        "best": Text(score.text(score.best), "bold"),
        "median": Text(score.text(score.median)),
        "med.": Text(score.text(score.median)),
        "range": Text(score.range_text("–")),
        "floor": Text(score.text(score.baseline)),
        "Bayes": Text(score.text(score.bayes)),
        "norm.": Text(normalised(score.normalised), style),
    }


def _is_normalised(summaries: Sequence[Summary]) -> bool:
    return any(s.headline.normalised is not None for summary in summaries for s in summary.sets)


def _missing(scores: Sequence[MetricSummary]) -> list[str]:
    """The sentence about scores that are missing, if any are."""
    count = sum(score.missing for score in scores)
    if not count:
        return []
    verbs = ("is", "counts") if count == 1 else ("are", "count")
    return [
        f"{plural(count, 'score')} {verbs[0]} missing or not a number and {verbs[1]} as the "
        "worst in median and range."
    ]


def _add_number_column(table: Table, heading: str) -> None:
    # No wrapping: a number that is cut in two is a wrong number.
    table.add_column(Text(heading), justify="right", no_wrap=True)
