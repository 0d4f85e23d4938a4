"""The paper's tables, each figure beside ours."""

import itertools
import math
from typing import NamedTuple

from memrnn.evaluation import best_baseline
from memrnn.nn.components import format_freeze
from memrnn.papers.das_mali_2024._deviations import comparable, deviations
from memrnn.papers.das_mali_2024._published import MODES, PublishedCell, language_of, published
from memrnn.papers.das_mali_2024._treebank import treebank_table
from memrnn.reports import (
    bayes_value,
    frozen_words,
    in_order,
    known_value,
    set_label,
)
from memrnn.reports.study.scores import View, references
from memrnn.reports.study.table import Column, Entry, Table, number, text
from memrnn.runtime import formats as form
from memrnn.studies import Cell

DIFFERS = {"accuracy": 0.02, "perplexity": 0.02}
"""Differences above which a figure is marked: of accuracies, which the paper gives with two digits,
and of perplexities as a share of the published one."""

_LAST_BIT = 1e-9
"""So that a difference of exactly the threshold is not marked for its last bit."""

_VALIDATION = ""
"""In place of a set's name: validation strings."""


class _Row(NamedTuple):
    """A language and a model, with what the paper and the study have of them."""

    language: str
    model: str
    paper: PublishedCell | None
    cell: Cell | None

    @property
    def in_paper(self) -> bool:
        return self.language in published().languages and self.model in published().models


def published_tables(view: View) -> list[Table]:
    """One table for each freezing mode and kind of score, and Penn Treebank."""
    names = [of_set.name for task in view.results.tasks for of_set in task.sets]
    sets = in_order(list(dict.fromkeys([*published().sets, *names])))
    kinds = [
        ("validation", "perplexity", "validation perplexity", [_VALIDATION]),
        ("perplexity", "perplexity", "test perplexity by lengths", sets),
        ("accuracy", "accuracy", "accuracy by lengths", sets),
    ]
    tables = [
        Table(
            f"published_{kind}_{format_freeze(freeze).replace('+', '_')}",
            f"Table: {frozen_words(freeze)}, {words}",
            (
                *(Column(name, numeric=False) for name in ("language", "model")),
                *(Column(label, set_label(name)) for name in shown for label in _labels(name)),
            ),
            tuple(
                (
                    text(row.language),
                    text(row.model),
                    *(entry for name in shown for entry in _entries(view, row, metric, name)),
                )
                for row in _rows(view, freeze)
            ),
            notes=tuple(deviations(view.results)),
        )
        for freeze in MODES
        for kind, metric, words, shown in kinds
    ]
    return [*tables, treebank_table()]


def _rows(view: View, freeze: tuple[str, ...]) -> list[_Row]:
    """Every language and model of the paper, and every cell of the study."""
    paper, cells = published(), view.results.cells
    ours = {(language_of(c.task), c.model): c for c in cells if c.freeze == freeze}
    languages = dict.fromkeys([*paper.languages, *(language_of(cell.task) for cell in cells)])
    models = dict.fromkeys([*paper.models, *(cell.model for cell in cells)])
    rows = [
        _Row(*name, paper.find(*name, freeze), ours.get(name))
        for name in itertools.product(languages, models)
    ]
    return [row for row in rows if row.cell or row.in_paper]


def _labels(name: str) -> tuple[str, ...]:
    bounds = ("bound", "restarts") if name == _VALIDATION else ("floor", "ceil.")
    return ("paper", "here", "diff.", *bounds)


def _entries(view: View, row: _Row, metric: str, name: str) -> list[Entry]:
    """The published number of a metric on a set, ours, how they differ, and two bounds."""
    write = form.decimal if metric == "perplexity" else form.share
    cell, best = row.cell, row.cell.best if row.cell else None
    if name == _VALIDATION:
        theirs = row.paper and row.paper.valid_perplexity
        ours, low = (best.selection, best.reference) if best else (None, None)
        finished = len(cell.finished) if cell else 0
        last = Entry(f"{finished} of {len(cell.runs)}", finished) if cell else Entry(form.MISSING)
    else:
        theirs = published().value(row.paper, metric, name)
        ours = low = high = None
        if cell and best:
            of_metric, known = cell.task.metric(metric), references(cell, name)
            scores = best.scores.get(view.precision, {}).get(name)
            ours = known_value(scores, of_metric) if scores else None
            _, low = best_baseline(known, of_metric) or ("", None)
            high = bayes_value(known, of_metric)
        last = number(write(high), high)
    return [
        _absent(row, name) if theirs is None else Entry(f"{theirs:.2f}", theirs),
        _missing(cell, name) if ours is None else number(write(ours), ours),
        _difference(metric, theirs, ours) if comparable(view.results) else Entry(form.MISSING),
        number(write(low), low),
        last,
    ]


def _absent(row: _Row, name: str) -> Entry:
    """Why there is no published number."""
    if name not in (_VALIDATION, *published().sets):
        return Entry("other set", None, "missing")
    return Entry("not legible" if row.in_paper else "not in paper", None, "missing")


def _missing(cell: Cell | None, name: str) -> Entry:
    """Why there is no number of ours."""
    if cell is None:
        reason = "not in study"
    elif name not in (_VALIDATION, *(of_set.name for of_set in cell.task.sets)):
        reason = "not tested"
    elif cell.finished:
        reason = "no number"
    elif all(run.status == "failed" for run in cell.runs):
        reason = "failed"
    else:
        reason = "running" if any(run.status == "running" for run in cell.runs) else "not run"
    return Entry(reason, None, "missing")


def _difference(metric: str, theirs: float | None, ours: float | None) -> Entry:
    if theirs is None or ours is None or math.isnan(ours):
        return Entry(form.MISSING)
    change = ours - theirs if metric == "accuracy" else ours / theirs - 1
    written = form.signed(change) if metric == "accuracy" else _percent(change)
    differs = abs(change) > DIFFERS[metric] + _LAST_BIT
    return Entry(written, change, "differs" if differs else "")


def _percent(share: float) -> str:
    """How much larger ours is, in per cent of theirs."""
    if math.isinf(share):
        return "inf"
    digits = 1 if abs(share) < 0.0995 else 0
    written = f"{100 * share:+.{digits}f} %" if abs(share) < 10 else f"{1 + share:.3g}-fold"
    return written.replace("-", "−") if share < 0 else written
