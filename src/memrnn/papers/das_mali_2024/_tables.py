"""The paper's tables, each figure beside ours."""

import math
from collections.abc import Callable
from typing import NamedTuple

from memrnn.papers.das_mali_2024._deviations import comparable, deviations
from memrnn.papers.das_mali_2024._published import (
    MODES,
    PublishedCell,
    language_of,
    published,
)
from memrnn.reports import _format as form
from memrnn.reports._summary import (
    baseline_value,
    bayes_value,
    frozen_label,
    frozen_words,
    in_order,
    known_value,
    set_label,
)
from memrnn.reports.study._scores import View, references
from memrnn.reports.study._table import Column, Entry, Field, Table, number, text_field
from memrnn.studies import Cell, RunRecord

ACCURACY_DIFFERS = 0.02
"""Difference in accuracy above which a figure is marked: the paper gives two digits."""

PERPLEXITY_DIFFERS = 0.02
"""The same for perplexities, as a share of the published one."""

_LAST_BIT = 1e-9
"""So that a difference of exactly the threshold is not marked for its last bit."""

TREEBANK_NOTE = "This study trains on formal languages only, so nothing of this was run here."


class _Row(NamedTuple):
    """A language and a model of the paper or the study, with what is known of it."""

    language: str
    model: str
    paper: PublishedCell | None
    cell: Cell | None

    @property
    def best(self) -> RunRecord | None:
        return self.cell.best if self.cell else None


def published_tables(view: View) -> list[Table]:
    """One table for each freezing mode and kind of score, and Penn Treebank."""
    sets = [of_set.name for task in view.results.tasks for of_set in task.sets]
    sets = in_order(list(dict.fromkeys([*published().sets, *sets])))
    kinds = {
        "validation": ("validation perplexity", _validation_fields(view)),
        "perplexity": ("test perplexity by lengths", _set_fields(view, "perplexity", sets)),
        "accuracy": ("accuracy by lengths", _set_fields(view, "accuracy", sets)),
    }
    names = [
        text_field("language", lambda row: row.language),
        text_field("model", lambda row: row.model),
    ]
    tables = [
        Table.of(
            f"published_{kind}_{frozen_label(freeze).replace('+', '_')}",
            f"Table: {frozen_words(freeze)}, {words}",
            _rows(view, freeze),
            [*names, *fields],
            notes=tuple(deviations(view.results)),
        )
        for freeze in MODES
        for kind, (words, fields) in kinds.items()
    ]
    return [*tables, _treebank_table()]


def _rows(view: View, freeze: tuple[str, ...]) -> list[_Row]:
    """Every language and model of the paper, and every cell of the study."""
    paper, cells = published(), view.results.cells
    ours = {(language_of(c.task), c.model): c for c in cells if c.freeze == freeze}
    rows = [
        _Row(language, model, paper.find(language, model, freeze), ours.get((language, model)))
        for language in dict.fromkeys([*paper.languages, *(language_of(c.task) for c in cells)])
        for model in dict.fromkeys([*paper.models, *(c.model for c in cells)])
    ]
    return [row for row in rows if row.cell or _in_paper(row)]


def _in_paper(row: _Row) -> bool:
    return row.language in published().languages and row.model in published().models


def _validation_fields(view: View) -> list[Field]:
    def restarts(row: _Row) -> Entry:
        if row.cell is None:
            return Entry(form.MISSING)
        finished = len(row.cell.finished)
        return Entry(f"{finished} of {len(row.cell.runs)}", finished)

    return [
        *_compared_fields(
            view,
            "perplexity",
            lambda row: row.paper and row.paper.valid_perplexity,
            lambda row: row.best and row.best.selection,
        ),
        _number_field("bound", lambda row: row.best and row.best.reference, form.perplexity),
        (Column("restarts"), restarts),
    ]


def _set_fields(view: View, metric: str, sets: list[str]) -> list[Field]:
    """A metric on every set: theirs, ours, how they differ, floor and ceiling."""
    return [field for name in sets for field in _fields_of_set(view, metric, name)]


def _fields_of_set(view: View, metric: str, name: str) -> list[Field]:
    def ours(row: _Row) -> float | None:
        scores = row.best.scores.get(view.precision, {}).get(name) if row.best else None
        return known_value(scores, row.cell.task.metric(metric)) if row.cell and scores else None

    def floor(row: _Row) -> float | None:
        if row.cell is None or not row.cell.finished:
            return None
        best = baseline_value(references(row.cell, name), row.cell.task.metric(metric))
        return best and best[1]

    def ceiling(row: _Row) -> float | None:
        if row.cell is None or not row.cell.finished:
            return None
        return bayes_value(references(row.cell, name), row.cell.task.metric(metric))

    return [
        *_compared_fields(
            view, metric, lambda row: published().value(row.paper, metric, name), ours, name
        ),
        _number_field("floor", floor, _WRITE[metric], set_label(name)),
        _number_field("ceil.", ceiling, _WRITE[metric], set_label(name)),
    ]


_Value = Callable[[_Row], float | None]
_WRITE: dict[str, Callable[[float | None], str]] = {
    "perplexity": form.perplexity,
    "accuracy": form.share,
}


def _number_field(
    label: str, value: _Value, write: Callable[[float | None], str], group: str = ""
) -> Field:
    return Column(label, group), lambda row: number(write(value(row)), value(row))


def _compared_fields(
    view: View, metric: str, theirs: _Value, ours: _Value, name: str = ""
) -> list[Field]:
    """A published number, ours, and how they differ; on a set, or with no name in validation."""
    comparison = _ratio if metric == "perplexity" else _difference
    known = comparable(view.results)

    def paper(row: _Row) -> Entry:
        value = theirs(row)
        return _absent(row, name) if value is None else Entry(f"{value:.2f}", value)

    def here(row: _Row) -> Entry:
        value = ours(row)
        return _missing(row, name) if value is None else number(_WRITE[metric](value), value)

    def difference(row: _Row) -> Entry:
        paper, here = theirs(row), ours(row)
        if paper is None or here is None or math.isnan(here) or not known:
            return Entry(form.MISSING)
        return comparison(paper, here)

    group = set_label(name)
    return [
        (Column("paper", group), paper),
        (Column("here", group), here),
        (Column("diff.", group), difference),
    ]


def _absent(row: _Row, name: str) -> Entry:
    """Why there is no published number."""
    if name and name not in published().sets:
        return Entry("other set", None, "missing")
    return Entry("not legible" if _in_paper(row) else "not in paper", None, "missing")


def _missing(row: _Row, name: str) -> Entry:
    """Why there is no number of ours."""
    if row.cell is None:
        reason = "not in study"
    elif name and name not in [of_set.name for of_set in row.cell.task.sets]:
        reason = "not tested"
    elif row.cell.finished:
        reason = "no number"
    else:
        statuses = {run.status for run in row.cell.runs}
        reason = "running" if "running" in statuses else "not run"
        reason = "failed" if statuses == {"failed"} else reason
    return Entry(reason, None, "missing")


def _ratio(theirs: float, ours: float) -> Entry:
    """How much larger ours is, in per cent of theirs."""
    share = ours / theirs - 1
    digits = 1 if abs(share) < 0.0995 else 0
    text = f"{100 * share:+.{digits}f} %" if abs(share) < 10 else f"{1 + share:.3g}-fold"
    text = "inf" if math.isinf(share) else text.replace("-", "−") if share < 0 else text
    return Entry(text, share, _mark(share, PERPLEXITY_DIFFERS))


def _difference(theirs: float, ours: float) -> Entry:
    return Entry(form.signed(ours - theirs), ours - theirs, _mark(ours - theirs, ACCURACY_DIFFERS))


def _mark(difference: float, threshold: float) -> str:
    return "differs" if abs(difference) > threshold + _LAST_BIT else ""


def _treebank_table() -> Table:
    treebank = published().treebank

    def fields(freeze: tuple[str, ...]) -> list[Field]:
        group = frozen_words(freeze)
        return [
            (Column("paper", group), lambda row: Entry(f"{row[1][freeze]:.1f}", row[1][freeze])),
            (Column("here", group), lambda row: Entry("not run", None, "missing")),
        ]

    modes = dict.fromkeys(freeze for row in treebank.values() for freeze in row)
    return Table.of(
        "published_treebank",
        "Table: Penn Treebank, test perplexity of the best of 10 restarts",
        treebank.items(),
        [
            text_field("model", lambda row: row[0]),
            *(field for freeze in modes for field in fields(freeze)),
        ],
        heads=1,
        notes=(TREEBANK_NOTE,),
    )
