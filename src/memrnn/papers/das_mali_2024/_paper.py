"""The paper as the page of a study shows it."""

import math
import statistics
from collections.abc import Callable

from markupsafe import Markup

from memrnn.nn.components import format_freeze
from memrnn.papers.das_mali_2024._claims import judge
from memrnn.papers.das_mali_2024._deviations import deviations
from memrnn.papers.das_mali_2024._judged import (
    Grid,
    Measure,
    accuracy_long,
    accuracy_within,
    growth,
    kept,
    loss,
    nats_long,
    nats_within,
)
from memrnn.papers.das_mali_2024._measures import Measures, ranges
from memrnn.papers.das_mali_2024._published import (
    CONTROLLER,
    MEMORY,
    RULES,
    TEXTS,
    PublishedCell,
    covers,
    language_of,
    published,
)
from memrnn.papers.das_mali_2024._rules import written_rules
from memrnn.papers.das_mali_2024._tables import DIFFERS, published_tables
from memrnn.papers.das_mali_2024._treebank import TREEBANK_NOTE, covers_treebank, read_treebank
from memrnn.papers.das_mali_2024._verdicts import LEVEL
from memrnn.reports.study import Paper, Publication, Question, Rules, View
from memrnn.reports.study.scores import has_memory
from memrnn.reports.study.table import Field, Table, number_field, text_field
from memrnn.runtime import formats as form
from memrnn.studies import Cell, RunRecord

FIELDS: dict[str, Measure] = {
    "d within": accuracy_within,
    "d long": accuracy_long,
    "e within": nats_within,
    "e long": nats_long,
    "K": kept,
    "L": loss,
    "growth exponent": growth,
    "V": lambda _, run: run.excess,
}
"""The measures of `claims.md`, by the columns of the table of every restart."""

MEANINGS = {
    "d(long)": (
        accuracy_long,
        "is the determined accuracy on the long set, 0 for the best baseline and 1 for all right",
    ),
    "e(long)": (
        nats_long,
        "is the same of nats per symbol, 0 for the best baseline and 1 for the Bayes-optimal "
        "predictor",
    ),
    "growth exponent": (
        growth,
        "is the slope of the logarithm of nats on determined symbols against that of the length",
    ),
}
"""The measures that the claims compare, with what they mean."""


def questions(view: View) -> list[Question]:
    """What the paper's claims compare, cell by cell."""
    return [
        Question(freeze, name, meaning, _of_run(view, measure))
        for freeze in (MEMORY, CONTROLLER)
        for name, (measure, meaning) in MEANINGS.items()
        if (freeze, name) != (MEMORY, "growth exponent")
    ]


def _of_run(view: View, measure: Measure) -> Callable[[Cell, RunRecord], float | None]:
    def read(cell: Cell, run: RunRecord) -> float | None:
        found = ranges(cell.task)
        if found is None:
            return None
        sets = run.scores.get(view.precision, {})
        value = measure(Measures(found, sets, cell.references), run)
        return None if value is None or math.isnan(value) else value

    return read


def _read(view: View) -> Publication | None:
    if covers_treebank(view.results):
        return read_treebank(view)
    if not covers(view.results):
        return None
    introduction = TEXTS["introduction"].strip()
    share = form.per_cent(DIFFERS["perplexity"])
    return Publication(
        citation=TEXTS["citation"],
        question=TEXTS["question"],
        claims=judge(view),
        rules=rules(view),
        questions=questions(view),
        deviations=deviations(view.results),
        introduction=Markup(introduction.format(accuracy=DIFFERS["accuracy"], perplexity=share)),
        tables=published_tables(view),
        notes=(TREEBANK_NOTE, *published().notes),
        notation=TEXTS["notation"],
        score=lambda cell, name: published().value(_find(cell), "accuracy", name),
        excess=_excess,
        measures=measures_table(view),
    )


PAPER = Paper(_read, absent=TEXTS["absent"])
"""For `write_study_report`."""


def rules(view: View) -> Rules:
    """The rules, with their digest, their date and that of the study."""
    results = view.results
    grid = Grid(view)
    titles = [task.title for task in results.tasks]
    informative = {cell.task.title for freeze in ((), MEMORY, CONTROLLER)
                   for cell in grid.cells(freeze)}  # fmt: skip
    left_out = [title for title in titles if title not in informative]
    notes: list[str] = []
    if left_out:
        notes.append(
            f"{form.listed(left_out)} {'counts' if len(left_out) == 1 else 'count'} in no claim: "
            "there the best baseline is nearly perfect or Bayes-optimal, or no set lies within or "
            "far enough beyond the trained lengths."
        )
    models = dict.fromkeys(cell.model for cell in results.cells if not has_memory(cell))
    if models:
        notes.append(without_memory(view, list(models)))
    return written_rules(
        view,
        RULES,
        "rules of das_mali_2024",
        level=LEVEL,
        together=True,
        notes=notes,
    )


def measures_table(view: View) -> Table:
    """The measures of `claims.md`, of every restart that ended in a cell that claims count."""
    grid = Grid(view)
    modes = dict.fromkeys(cell.freeze for cell in view.results.cells)
    records = [
        (cell, run, measures)
        for freeze in modes
        for cell in grid.cells(freeze)
        for run, measures in grid.ended(cell)
    ]

    def column(name: str) -> Field:
        measure = FIELDS[name]
        return number_field(name, lambda record: measure(record[2], record[1]), form.decimal)

    return Table.of(
        "measures",
        "Measures of every restart",
        records,
        [
            text_field("task", lambda record: record[0].task.title),
            text_field("model", lambda record: record[0].model),
            text_field("frozen", lambda record: format_freeze(record[0].freeze)),
            text_field("restart", lambda record: str(record[1].restart)),
            *map(column, FIELDS),
        ],
        heads=4,
    )


def without_memory(view: View, models: list[str]) -> str:
    """That freezing the memory of these models is freezing nothing, and whether that shows."""
    whole = {(cell.task.key, cell.model): cell for cell in view.cells((), memory=False)}
    pairs = [
        (run, other)
        for cell in view.cells(MEMORY, memory=False)
        if (cell.task.key, cell.model) in whole
        for run in cell.finished
        for other in whole[cell.task.key, cell.model].finished
        if run.restart == other.restart
    ]
    have = "has" if len(models) == 1 else "have"
    text = (
        f"{form.listed(models)} {have} no memory: with it frozen the experiment is the same as "
        "with nothing frozen, and with the controller frozen the same as with both. Claims leave "
        "such networks out."
    )
    if pairs:
        equal = sum(_scores(run) == _scores(other) for run, other in pairs)
        text += (
            f" In {equal} of {len(pairs)} pairs of restarts the two modes gave the same scores "
            "here, to the last bit."
        )
    return text


def _scores(run: RunRecord) -> str:
    """As text, since what is not a number is not equal to itself."""
    return repr((run.selection, run.scores))


def _find(cell: Cell) -> PublishedCell | None:
    return published().find(language_of(cell.task), cell.model, cell.freeze)


def _excess(cell: Cell) -> float | None:
    """The published perplexity above the bound on this study's validation strings, in nats."""
    paper = _find(cell)
    bounds = [run.reference for run in cell.finished if run.reference]
    if paper is None or not bounds or cell.task.trained_groups != published().lengths:
        return None
    return math.log(paper.valid_perplexity / statistics.median(bounds))
