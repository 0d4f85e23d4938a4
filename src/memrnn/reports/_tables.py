"""Tables for the terminal, within 80 columns."""

import itertools
import textwrap
from collections.abc import Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from memrnn.errors import MemrnnError
from memrnn.evaluation import Evaluation
from memrnn.reports import _format as form
from memrnn.reports._summary import MetricSummary, Summary, frozen_words, metric_label, summarize

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
    title = f"{summary.title}, {summary.model}, {frozen_words(summary.freeze)}{precision}"
    table = _table()
    table.add_column("", overflow="fold")
    # A reference or a normalised value that no metric has needs no column.
    every = _measured(summary)
    floor = any(one.baseline is not None for one in every)
    ceiling = any(one.bayes is not None for one in every)
    shown = [True, True, True, floor, ceiling, floor and ceiling]
    headings = ("best", "median", "range", "floor", "ceiling", "norm.")
    for heading, wanted in zip(headings, shown, strict=True):
        if wanted:
            _number_column(table, heading)
    for metric in summary.metrics:
        table.add_section()
        table.add_row(Text(metric_label(metric), "bold"))
        for scores in summary.sets:
            if one := scores.metrics.get(metric.name):
                table.add_row(
                    Text(f" {scores.label}"), *itertools.compress(_result_cells(one), shown)
                )
    return Group(Text(title, "bold"), table, Text(_result_caption(summary), "italic"))


def overview_table(evaluations: Sequence[Evaluation]) -> Group:
    """Many cells, one row each: the headline metric of the best restart, its median, normalised.

    One table per task, each ending with its floor and ceiling, where it has them. Shows the first
    set and the last ones, as many as fit into 80 columns.

    Raises:
        MemrnnError: if there is no result.
    """
    summaries = [summarize(evaluation) for evaluation in evaluations]
    if not summaries:
        raise MemrnnError("There is no result to report.")
    several = len({summary.precision for summary in summaries}) > 1
    names = {
        id(summary): (
            f"{summary.model} {summary.precision}" if several else summary.model,
            summary.frozen,
        )
        for summary in summaries
    }
    baselines = [one.headline.baseline_name for summary in summaries for one in summary.sets]
    widths = [
        max(len(text) for text in column)
        for column in (
            ["ceiling", *(model for model, _ in names.values())],
            [*baselines, *(frozen for _, frozen in names.values())],
        )
    ]
    tasks = list(dict.fromkeys(summary.task for summary in summaries))
    headlines = list(dict.fromkeys(metric_label(task.headline) for task in tasks))
    tables = [
        _task_table(
            [(s, *names[id(s)]) for s in summaries if s.task == task], widths, len(headlines) > 1
        )
        for task in tasks
    ]
    restarts = form.counted([summary.restarts for summary in summaries])
    measure = headlines[0] if len(headlines) == 1 else "the metric"
    normalised = any(_is_normalised(summary) for summary in summaries)
    caption = (
        f"\nFor each evaluation set: {measure} of the best of {restarts} restarts (chosen by "
        "validation), the median over all restarts (med.)"
        f"{_NORMALISED if normalised else ''}. "
        f"{sum(summary.diverged for summary in summaries)} of "
        f"{form.plural(sum(summary.restarts for summary in summaries), 'restart')} diverged."
        f"{_missing([one.headline for summary in summaries for one in summary.sets])}\n"
    )
    return Group(*tables, Text(caption, style="italic"))


_NORMALISED = (
    ", and the best between floor and ceiling (norm.: 0 is the floor, the best baseline; 1 is the "
    "ceiling, the Bayes-optimal predictor)"
)


def _result_caption(summary: Summary) -> str:
    every = _measured(summary)
    said = [
        f"{form.plural(summary.restarts, 'restart')}, {summary.diverged} diverged; all count in "
        "median and range. best: the restart with the best validation score."
    ]
    if any(one.baseline is not None for one in every):
        said.append("floor: the best baseline.")
    if any(one.bayes is not None for one in every):
        said.append("ceiling: the Bayes-optimal predictor.")
    if any(one.normalised is not None for one in every):
        said.append("norm.: the best restart between floor (0) and ceiling (1).")
    smaller = [metric_label(metric) for metric in summary.metrics if metric.goal == "min"]
    if smaller:
        said.append(f"Smaller is better for {form.listed(smaller)}.")
    return " ".join(said) + _missing(every)


def _measured(summary: Summary) -> list[MetricSummary]:
    """Every metric on every set that a table has a row for."""
    names = [metric.name for metric in summary.metrics]
    sets = (scores.metrics for scores in summary.sets)
    return [metrics[name] for metrics in sets for name in names if name in metrics]


def _missing(every: Sequence[MetricSummary]) -> str:
    count = sum(one.missing for one in every)
    if not count:
        return ""
    verb = "is" if count == 1 else "are"
    return (
        f" {form.plural(count, 'score')} {verb} missing or not a number and "
        f"{'counts' if count == 1 else 'count'} as the worst in median and range."
    )


def _result_cells(one: MetricSummary) -> tuple[Text, ...]:
    return (
        Text(form.value(one.best, one.metric), "bold"),
        Text(form.value(one.median, one.metric)),
        Text(value_range(one)),
        Text(form.value(one.baseline, one.metric)),
        Text(form.value(one.bayes, one.metric)),
        _normalised(one.normalised),
    )


def value_range(one: MetricSummary) -> str:
    """The range over restarts; a dash if no restart has a value."""
    if one.low is None:
        return form.MISSING
    return f"{form.value(one.low, one.metric)}–{form.value(one.high, one.metric)}"


def _task_table(
    group: Sequence[tuple[Summary, str, str]], widths: Sequence[int], named: bool
) -> Table:
    first = group[0][0]
    normalised = any(_is_normalised(summary) for summary, _, _ in group)
    numbers = _shown([summary for summary, _, _ in group], normalised)
    metric = f": {metric_label(first.task.headline)}" if named else ""
    table = _table(Text(f"\n{first.title}{metric}"))
    labels = {n: textwrap.wrap(first.sets[n].label, _LABEL) or [""] for n in numbers}
    height = max((len(lines) for lines in labels.values()), default=1)
    # Only these two columns may break where 80 characters are too few; the tables of all tasks
    # have them equally wide.
    for heading, width in zip(("model", "frozen"), widths, strict=True):
        table.add_column("\n" * height + heading.ljust(width + 1), overflow="fold")
    for number in numbers:
        lines = [line.rjust(6) for line in labels[number]]
        # One more than a number is wide, so that labels of sets stand apart.
        above = "\n" * (height - len(lines)) + "\n".join(lines)
        _number_column(table, f"{above}\nbest")
        _number_column(table, "\n" * height + "med.")
        if normalised:
            _number_column(table, "\n" * height + "norm.")
    for summary, model, frozen in group:
        cells = [
            cell
            for number in numbers
            for cell in _cells(summary.sets[number].headline)[: 3 if normalised else 2]
        ]
        table.add_row(Text(model), Text(frozen), *cells)
    shown = [first.sets[number].headline for number in numbers]
    table.add_section()
    if any(one.baseline is not None for one in shown):
        names = dict.fromkeys(one.baseline_name for one in shown if one.baseline_name)
        row = [_bound(one.baseline, "0.00", one, normalised) for one in shown]
        table.add_row("floor", Text("/".join(names)), *[cell for cells in row for cell in cells])
    if any(one.bayes is not None for one in shown):
        row = [_bound(one.bayes, "1.00", one, normalised) for one in shown]
        table.add_row("ceiling", "bayes", *[cell for cells in row for cell in cells])
    return table


def _is_normalised(summary: Summary) -> bool:
    return any(one.headline.normalised is not None for one in summary.sets)


def _cells(one: MetricSummary) -> tuple[Text, ...]:
    return (
        Text(form.value(one.best, one.metric), "bold"),
        Text(form.value(one.median, one.metric)),
        _normalised(one.normalised),
    )


def _bound(value: float | None, position: str, one: MetricSummary, normalised: bool) -> list[Text]:
    both = one.baseline is not None and one.bayes is not None
    texts = [form.value(value, one.metric), "", position if both else form.MISSING]
    return [Text(text) for text in texts[: 3 if normalised else 2]]


def _table(title: Text | None = None) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=0,
        pad_edge=False,
        header_style="",
    )


def _number_column(table: Table, heading: str) -> None:
    # No wrapping: a number that is cut in two is a wrong number.
    table.add_column(Text(heading), justify="right", no_wrap=True)


def _normalised(value: float | None) -> Text:
    style = "" if value is None else "green" if value >= 0.9 else "red" if value < 0.1 else ""
    return Text(form.normalised(value), style)


def _shown(group: Sequence[Summary], normalised: bool) -> list[int]:
    """Numbers of the sets that an overview shows: the first one and the last ones."""
    numbers = list(range(len(group[0].sets)))

    def width(number: int) -> int:
        label = min(_LABEL, len(group[0].sets[number].label))
        best, median, norm = (
            max(len(cell) for cell in column)
            for column in zip(*(_cells(s.sets[number].headline) for s in group), strict=True)
        )
        return max(best, label, 6) + max(median, 4) + (max(norm, 5) + 1) * normalised + 2

    for most in range(min(MOST_SETS, len(numbers)), 0, -1):
        chosen = numbers if most == len(numbers) else [0, *numbers[len(numbers) - most + 1 :]]
        if sum(map(width, chosen)) <= WIDTH - _NAMES or most == 1:
            return chosen
    return []
