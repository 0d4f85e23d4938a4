"""The paper's tables, each figure beside ours."""

import functools
import math
from typing import NamedTuple

from memrnn.papers.das_mali_2024._deviations import comparable, deviations
from memrnn.papers.das_mali_2024._published import MODES, PublishedCell, language_of, published
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
from memrnn.studies import Cell

ACCURACY_DIFFERS = 0.02
"""Difference in accuracy above which a figure is marked: the paper gives two digits."""

PERPLEXITY_DIFFERS = 0.02
"""The same for perplexities, as a share of the published one."""

_LAST_BIT = 1e-9
"""So that a difference of exactly the threshold is not marked for its last bit."""

TREEBANK_NOTE = "This study trains on formal languages only, so nothing of this was run here."

_VALIDATION = ""
"""In place of a set's name: validation strings."""


class _Row(NamedTuple):
    """A language and a model, with what the paper and the study have of them."""

    view: View
    language: str
    model: str
    paper: PublishedCell | None
    cell: Cell | None

    @property
    def in_paper(self) -> bool:
        return self.language in published().languages and self.model in published().models

    def theirs(self, metric: str, name: str) -> float | None:
        if self.paper and name == _VALIDATION:
            return self.paper.valid_perplexity
        return published().value(self.paper, metric, name)

    def ours(self, metric: str, name: str) -> float | None:
        """A metric of the best restart."""
        if self.cell is None or self.cell.best is None:
            return None
        if name == _VALIDATION:
            return self.cell.best.selection
        scores = self.cell.best.scores.get(self.view.precision, {}).get(name)
        return known_value(scores, self.cell.task.metric(metric)) if scores else None

    def bounds(self, metric: str, name: str) -> tuple[float | None, float | None]:
        """Floor and ceiling on a set."""
        if self.cell is None or self.cell.best is None:
            return None, None
        known, of_metric = references(self.cell, name), self.cell.task.metric(metric)
        floor = baseline_value(known, of_metric)
        return floor and floor[1], bayes_value(known, of_metric)


def published_tables(view: View) -> list[Table]:
    """One table for each freezing mode and kind of score, and Penn Treebank."""
    names = [of_set.name for task in view.results.tasks for of_set in task.sets]
    sets = in_order(list(dict.fromkeys([*published().sets, *names])))
    kinds = {
        "validation": ("validation perplexity", _validation_fields()),
        "perplexity": ("test perplexity by lengths", _set_fields("perplexity", sets)),
        "accuracy": ("accuracy by lengths", _set_fields("accuracy", sets)),
    }
    heads = [
        text_field(name, lambda row, name=name: getattr(row, name))
        for name in ("language", "model")
    ]
    return [
        Table.of(
            f"published_{kind}_{frozen_label(freeze).replace('+', '_')}",
            f"Table: {frozen_words(freeze)}, {words}",
            _rows(view, freeze),
            [*heads, *fields],
            notes=tuple(deviations(view.results)),
        )
        for freeze in MODES
        for kind, (words, fields) in kinds.items()
    ] + [_treebank_table()]


def _rows(view: View, freeze: tuple[str, ...]) -> list[_Row]:
    """Every language and model of the paper, and every cell of the study."""
    paper, cells = published(), view.results.cells
    ours = {(language_of(c.task), c.model): c for c in cells if c.freeze == freeze}
    rows = [
        _Row(
            view,
            language,
            model,
            paper.find(language, model, freeze),
            ours.get((language, model)),
        )
        for language in dict.fromkeys([*paper.languages, *(language_of(c.task) for c in cells)])
        for model in dict.fromkeys([*paper.models, *(c.model for c in cells)])
    ]
    return [row for row in rows if row.cell or row.in_paper]


def _validation_fields() -> list[Field]:
    def bound(row: _Row) -> Entry:
        value = row.cell.best.reference if row.cell and row.cell.best else None
        return number(form.perplexity(value), value)

    def restarts(row: _Row) -> Entry:
        if row.cell is None:
            return Entry(form.MISSING)
        finished = len(row.cell.finished)
        return Entry(f"{finished} of {len(row.cell.runs)}", finished)

    compared = _compared_fields("perplexity", _VALIDATION)
    return [*compared, (Column("bound"), bound), (Column("restarts"), restarts)]


def _set_fields(metric: str, sets: list[str]) -> list[Field]:
    """A metric on every set: theirs, ours, how they differ, floor and ceiling."""

    def bound(row: _Row, index: int, name: str) -> Entry:
        value = row.bounds(metric, name)[index]
        return number(_write(value, metric), value)

    fields: list[Field] = []
    for name in sets:
        fields += _compared_fields(metric, name)
        for index, label in enumerate(("floor", "ceil.")):
            column = Column(label, set_label(name))
            fields.append((column, functools.partial(bound, index=index, name=name)))
    return fields


def _compared_fields(metric: str, name: str) -> list[Field]:
    """The published number, ours, and how they differ."""

    def theirs(row: _Row) -> Entry:
        value = row.theirs(metric, name)
        if value is not None:
            return Entry(f"{value:.2f}", value)
        if name not in (_VALIDATION, *published().sets):
            return Entry("other set", None, "missing")
        return Entry("not legible" if row.in_paper else "not in paper", None, "missing")

    def ours(row: _Row) -> Entry:
        value = row.ours(metric, name)
        return _missing(row.cell, name) if value is None else number(_write(value, metric), value)

    def difference(row: _Row) -> Entry:
        theirs, ours = row.theirs(metric, name), row.ours(metric, name)
        if theirs is None or ours is None or math.isnan(ours) or not comparable(row.view.results):
            return Entry(form.MISSING)
        change = ours - theirs if metric == "accuracy" else ours / theirs - 1
        most = ACCURACY_DIFFERS if metric == "accuracy" else PERPLEXITY_DIFFERS
        text = form.signed(change) if metric == "accuracy" else _percent(change)
        return Entry(text, change, "differs" if abs(change) > most + _LAST_BIT else "")

    entries = {"paper": theirs, "here": ours, "diff.": difference}
    return [(Column(label, set_label(name)), entry) for label, entry in entries.items()]


def _write(value: float | None, metric: str) -> str:
    return form.perplexity(value) if metric == "perplexity" else form.share(value)


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


def _percent(share: float) -> str:
    """How much larger ours is, in per cent of theirs."""
    if math.isinf(share):
        return "inf"
    digits = 1 if abs(share) < 0.0995 else 0
    text = f"{100 * share:+.{digits}f} %" if abs(share) < 10 else f"{1 + share:.3g}-fold"
    return text.replace("-", "−") if share < 0 else text


def _treebank_table() -> Table:
    """Penn Treebank, a record per model: its name, and perplexities by freezing mode."""
    treebank = published().treebank
    fields = [text_field("model", lambda record: record[0])]
    for freeze in dict.fromkeys(freeze for row in treebank.values() for freeze in row):
        group = frozen_words(freeze)

        def paper(record: tuple[str, dict], freeze: tuple[str, ...] = freeze) -> Entry:
            return Entry(f"{record[1][freeze]:.1f}", record[1][freeze])

        fields.append((Column("paper", group), paper))
        fields.append((Column("here", group), lambda _: Entry("not run", None, "missing")))
    return Table.of(
        "published_treebank",
        "Table: Penn Treebank, test perplexity of the best of 10 restarts",
        treebank.items(),
        fields,
        heads=1,
        notes=(TREEBANK_NOTE,),
    )
