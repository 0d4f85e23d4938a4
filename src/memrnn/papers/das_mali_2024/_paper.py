"""The paper as the page of a study shows it."""

import math
import statistics

from markupsafe import Markup

from memrnn.papers.das_mali_2024._claims import judge
from memrnn.papers.das_mali_2024._deviations import deviations
from memrnn.papers.das_mali_2024._published import (
    CONTROLLER,
    MEMORY,
    PublishedCell,
    covers,
    language_of,
    published,
)
from memrnn.papers.das_mali_2024._rules import written_rules
from memrnn.papers.das_mali_2024._tables import (
    ACCURACY_DIFFERS,
    PERPLEXITY_DIFFERS,
    TREEBANK_NOTE,
    published_tables,
)
from memrnn.reports.study import Paper, Publication, View
from memrnn.reports.study._comparisons import GAIN, NORMALISED, RETENTION
from memrnn.studies import Cell

QUESTIONS = ((MEMORY, RETENTION), (MEMORY, NORMALISED), (CONTROLLER, GAIN))
"""What the paper's claims compare: freezing modes, each with a measure."""

_INTRODUCTION = f"""\
<p>Our copy of the paper says “Tables 1–7” and “Figures 1–3” without telling which is which, so
tables and figures are named by what they hold. Published figures are those of the best of ten
restarts, chosen on validation strings; ours beside them are chosen in the same way. A difference is
<span class="marked">marked</span> if it is more than {ACCURACY_DIFFERS} in accuracy or more than
{100 * PERPLEXITY_DIFFERS:.0f} % of a perplexity. Floor and ceiling (ceil.) are those of
the same set on our strings.</p>"""


def _read(view: View) -> Publication | None:
    if not covers(view.results):
        return None
    return Publication(
        citation="Das & Mali, arXiv 2410.03154",
        claims=judge(view),
        rules=written_rules(view),
        questions=QUESTIONS,
        deviations=deviations(view.results),
        introduction=Markup(_INTRODUCTION),
        tables=published_tables(view),
        notes=(TREEBANK_NOTE, *published().notes),
        notation="The paper’s letters: none = nothing, m = memory, c = controller, "
        "cm = controller and memory frozen.",
        score=lambda cell, name: published().value(_find(cell), "accuracy", name),
        excess=_excess,
    )


def _find(cell: Cell) -> PublishedCell | None:
    return published().find(language_of(cell.task), cell.model, cell.freeze)


def _excess(cell: Cell) -> float | None:
    """The published perplexity above the bound on this study's validation strings, in nats."""
    paper = _find(cell)
    bounds = [run.reference for run in cell.finished if run.reference]
    if paper is None or not bounds or cell.task.trained_groups != published().lengths:
        return None
    return math.log(paper.valid_perplexity / statistics.median(bounds))


PAPER = Paper(
    _read,
    absent="Claims and tables of the paper by Das and Mali are about its own networks on strings, "
    "and this study has other tasks or networks, so neither is on this page.",
)
"""For `write_study_report`."""
