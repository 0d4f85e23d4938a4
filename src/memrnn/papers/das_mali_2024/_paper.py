"""The paper as the page of a study shows it."""

import math
import statistics

from markupsafe import Markup

from memrnn.papers.das_mali_2024._claims import judge
from memrnn.papers.das_mali_2024._deviations import deviations
from memrnn.papers.das_mali_2024._published import (
    CONTROLLER,
    MEMORY,
    TEXTS,
    PublishedCell,
    covers,
    language_of,
    published,
)
from memrnn.papers.das_mali_2024._rules import WRITTEN
from memrnn.papers.das_mali_2024._tables import (
    DIFFERS,
    TREEBANK_NOTE,
    published_tables,
)
from memrnn.reports.study import Paper, Publication, View
from memrnn.reports.study.comparisons import GAIN, NORMALISED, RETENTION
from memrnn.reports.study.scores import has_memory
from memrnn.runtime import formats as form
from memrnn.studies import Cell, RunRecord

QUESTIONS = ((MEMORY, RETENTION), (MEMORY, NORMALISED), (CONTROLLER, GAIN))
"""What the paper's claims compare: freezing modes, each with a measure."""


def _read(view: View) -> Publication | None:
    if not covers(view.results):
        return None
    introduction = TEXTS["introduction"].strip()
    share = form.per_cent(DIFFERS["perplexity"])
    rules = [rule.format(**WRITTEN) for rule in TEXTS["rules"]]
    models = dict.fromkeys(cell.model for cell in view.results.cells if not has_memory(cell))
    return Publication(
        citation=TEXTS["citation"],
        claims=judge(view),
        rules=[*rules, *([without_memory(view, list(models))] if models else [])],
        questions=QUESTIONS,
        deviations=deviations(view.results),
        introduction=Markup(introduction.format(accuracy=DIFFERS["accuracy"], perplexity=share)),
        tables=published_tables(view),
        notes=(TREEBANK_NOTE, *published().notes),
        notation=TEXTS["notation"],
        score=lambda cell, name: published().value(_find(cell), "accuracy", name),
        excess=_excess,
    )


PAPER = Paper(_read, absent=TEXTS["absent"])
"""For `write_study_report`."""


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
