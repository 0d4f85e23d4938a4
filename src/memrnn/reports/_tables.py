"""Tables for the terminal, within 80 columns."""

from collections.abc import Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from memrnn.errors import MemrnnError
from memrnn.reports import _format as form
from memrnn.reports._summary import BinSummary, Result, Summary, summarize

MOST_BINS = 3
"""Bins in an overview; more do not fit into 80 columns."""


def result_table(result: Result) -> Table:
    """All scores of one experiment, one row a bin."""
    summary = summarize(result)
    restarts = f"{summary.restarts} restart{'s' if summary.restarts != 1 else ''}"
    table = _table(
        title=Text(f"{summary.language}, {summary.model}, {summary.frozen} frozen"),
        caption=Text(
            f"{restarts}, {summary.diverged} diverged; all count in median and range. "
            "best: the restart with the best validation score; skill, determined and perplexity "
            "are its. floor: accuracy of the best trivial predictor; ceiling: of the exact Bayes "
            "predictor, whose perplexity is the last column."
        ),
    )
    for heading in [
        "lengths",
        "best",
        "median",
        "range",
        "floor",
        "ceiling",
        "skill",
        "determ.",
        "perpl.",
        "ceiling",
    ]:
        _number_column(table, heading)
    table.columns[0].justify = "left"
    for scores in summary.bins:
        table.add_row(
            scores.label,
            Text(form.share(scores.best), "bold"),
            form.share(scores.median),
            f"{form.share(scores.lowest)}–{form.share(scores.highest)}",
            form.share(scores.floor),
            form.share(scores.ceiling),
            _skill(scores.skill),
            form.share(scores.determined),
            form.perplexity(scores.perplexity),
            form.perplexity(scores.ceiling_perplexity),
        )
    return table


def overview_table(results: Sequence[Result]) -> Group:
    """Many experiments, one row each: accuracy of the best restart, median, and skill by bin.

    Shows the first bin and the last two, one table a language, each ending with its floor and
    ceiling.

    Raises:
        MemrnnError: if there is no result, or their bins differ.
    """
    summaries = [summarize(result) for result in results]
    if not summaries:
        raise MemrnnError("There is no result to report.")
    if len({tuple(scores.lengths for scores in summary.bins) for summary in summaries}) > 1:
        raise MemrnnError("The results were tested on different bins, so they need tables apart.")
    bins = _shown(len(summaries[0].bins))
    widths = [
        max(len(text) for text in column)
        for column in (
            ["ceiling", *(summary.model for summary in summaries)],
            [scores.floor_name for s in summaries for scores in s.bins]
            + [summary.frozen for summary in summaries],
        )
    ]
    tables = [
        _language_table([s for s in summaries if s.language == language], bins, widths)
        for language in dict.fromkeys(summary.language for summary in summaries)
    ]
    restarts = form.counted([summary.restarts for summary in summaries])
    caption = Text(
        f"\nFor each range of lengths: accuracy of the best of {restarts} restarts (chosen by "
        "validation), median accuracy of all restarts, and skill of the best "
        "(0 is the floor, 1 the ceiling). "
        f"{sum(summary.diverged for summary in summaries)} of "
        f"{sum(summary.restarts for summary in summaries)} restarts diverged.\n",
        style="italic",
    )
    return Group(*tables, caption)


def _language_table(group: Sequence[Summary], bins: Sequence[int], widths: Sequence[int]) -> Table:
    table = _table(title=Text(f"\n{group[0].language}"))
    # Only these two columns may break where 80 characters are too few; all languages' tables
    # have them equally wide.
    for heading, width in zip(("\nmodel", "\nfrozen"), widths, strict=True):
        table.add_column(heading.ljust(width + 1), overflow="fold")
    for number in bins:
        # One more than a number is wide, so that ranges of lengths stand apart.
        label = group[0].bins[number].label.rjust(6)
        for heading in (f"{label}\nbest", "\nmed.", "\nskill"):
            _number_column(table, heading)
    for summary in group:
        cells = [cell for number in bins for cell in _cells(summary.bins[number])]
        table.add_row(Text(summary.model), Text(summary.frozen), *cells)
    table.add_section()
    shown = [group[0].bins[number] for number in bins]
    names = dict.fromkeys(scores.floor_name for scores in shown)
    floor = [cell for scores in shown for cell in (form.share(scores.floor), "", "0.00")]
    ceiling = [cell for scores in shown for cell in (form.share(scores.ceiling), "", "1.00")]
    table.add_row("floor", Text("/".join(names)), *floor)
    table.add_row("ceiling", "bayes", *ceiling)
    return table


def _cells(scores: BinSummary) -> tuple[Text | str, ...]:
    return (
        Text(form.share(scores.best), "bold"),
        form.share(scores.median),
        _skill(scores.skill),
    )


def _table(title: Text, caption: Text | None = None) -> Table:
    return Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=0,
        pad_edge=False,
        header_style="",
    )


def _number_column(table: Table, heading: str) -> None:
    # No wrapping: a number that is cut in two is a wrong number.
    table.add_column(heading, justify="right", no_wrap=True)


def _skill(value: float | None) -> Text:
    style = "" if value is None else "green" if value >= 0.9 else "red" if value < 0.1 else ""
    return Text(form.skill(value), style)


def _shown(bins: int) -> list[int]:
    numbers = list(range(bins))
    return numbers if bins <= MOST_BINS else [0, *numbers[1 - MOST_BINS :]]
