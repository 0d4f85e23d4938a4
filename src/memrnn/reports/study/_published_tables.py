"""The paper's tables, each figure beside ours."""

import math
from collections.abc import Callable, Iterator

from memrnn.evaluation import best_baseline
from memrnn.reports._summary import (
    bayes_value,
    frozen_label,
    frozen_words,
    in_order,
    known_value,
    set_label,
)
from memrnn.reports.study._deviations import comparable, deviations
from memrnn.reports.study._published import MODES, PublishedCell, language_of, published
from memrnn.reports.study._scores import View, references
from memrnn.reports.study._table import Column, Entry, Table, number, text
from memrnn.runtime import formats as form
from memrnn.studies import Cell

ACCURACY_DIFFERS = 0.02
"""Difference in accuracy above which a figure is marked: the paper gives two digits."""

PERPLEXITY_DIFFERS = 0.02
"""The same for perplexities, as a share of the published one."""

_LAST_BIT = 1e-9
"""So that a difference of exactly the threshold is not marked for its last bit."""

_NAMES = ("paper", "here", "diff.")


def published_tables(view: View) -> list[Table]:
    """One table for each freezing mode and kind of score, and Penn Treebank."""
    tables: list[Table] = []
    for freeze in MODES:
        tables.append(_validation_table(view, freeze))
        tables.append(_set_table(view, freeze, "perplexity", "test perplexity by lengths", _ratio))
        tables.append(_set_table(view, freeze, "accuracy", "accuracy by lengths", _difference))
    return [*tables, _treebank_table()]


def _validation_table(view: View, freeze: tuple[str, ...]) -> Table:
    columns = [Column(name) for name in _NAMES] + [Column("bound"), Column("restarts")]
    rows: list[tuple[Entry, ...]] = []
    for language, model, theirs, ours in _rows(view, freeze):
        best = ours.best if ours else None
        known = theirs and theirs.valid_perplexity
        rows.append(
            (
                text(language),
                text(model),
                _their_number(known, model, language),
                _entry(best.selection, form.decimal) if best else _missing(ours),
                _ratio(known, best.selection, view) if best else Entry(form.MISSING),
                _entry(best.reference if best else None, form.decimal),
                _restarts(ours),
            )
        )
    return _table(view, freeze, "validation", "validation perplexity", columns, rows)


def _set_table(
    view: View,
    freeze: tuple[str, ...],
    name: str,
    words: str,
    compare: Callable[[float | None, float | None, View], Entry],
) -> Table:
    """A metric on every set: theirs, ours, how they differ, floor and ceiling."""
    names = (*_NAMES, "floor", "ceil.")
    sets = _sets(view)
    columns = [Column(one, set_label(of_set)) for of_set in sets for one in names]
    write = form.decimal if name == "perplexity" else form.share
    rows: list[tuple[Entry, ...]] = []
    for language, model, theirs, ours in _rows(view, freeze):
        entries: list[Entry] = [text(language), text(model)]
        for of_set in sets:
            known = _of_set(theirs, name, of_set)
            value = _value(view, ours, name, of_set)
            entries += [
                _their_number(known, model, language, of_set),
                _missing(ours, of_set) if value is None else _entry(value, write),
                compare(known, value, view),
                *(_entry(bound, write) for bound in _bounds(ours, name, of_set)),
            ]
        rows.append(tuple(entries))
    return _table(view, freeze, name, words, columns, rows)


def _treebank_table() -> Table:
    paper = published()
    modes = list(dict.fromkeys(freeze for row in paper.treebank.values() for freeze in row))
    columns = [Column("model", numeric=False)]
    for freeze in modes:
        columns += [Column(name, frozen_words(freeze)) for name in _NAMES[:2]]
    rows = [
        (
            text(model),
            *(
                entry
                for freeze in modes
                for entry in (Entry(f"{row[freeze]:.1f}", row[freeze]), _NOT_RUN)
            ),
        )
        for model, row in paper.treebank.items()
    ]
    return Table(
        "published_treebank",
        "Table: Penn Treebank, test perplexity of the best of 10 restarts",
        tuple(columns),
        tuple(rows),
        heads=1,
        notes=("This study trains on formal languages only, so nothing of this was run here.",),
    )


_NOT_RUN = Entry("not run", None, "missing")


def _table(
    view: View,
    freeze: tuple[str, ...],
    kind: str,
    words: str,
    columns: list[Column],
    rows: list[tuple[Entry, ...]],
) -> Table:
    names = [Column("language", numeric=False), Column("model", numeric=False)]
    return Table(
        f"published_{kind}_{frozen_label(freeze).replace('+', '_')}",
        f"Table: {frozen_words(freeze)}, {words}",
        (*names, *columns),
        tuple(rows),
        notes=tuple(deviations(view.results)),
    )


def _rows(
    view: View, freeze: tuple[str, ...]
) -> Iterator[tuple[str, str, PublishedCell | None, Cell | None]]:
    """Every language and model of the paper or the study, with what is known of it."""
    paper, cells = published(), view.results.cells
    ours = {(language_of(c.task), c.model): c for c in cells if c.freeze == freeze}
    for language in dict.fromkeys([*paper.languages, *(language_of(c.task) for c in cells)]):
        for model in dict.fromkeys([*paper.models, *(c.model for c in cells)]):
            theirs, cell = paper.find(language, model, freeze), ours.get((language, model))
            in_paper = language in paper.languages and model in paper.models
            if in_paper or cell:
                yield language, model, theirs, cell


def _sets(view: View) -> list[str]:
    ours = (one.name for task in view.results.tasks for one in task.sets)
    return in_order(list(dict.fromkeys([*published().sets, *ours])))


def _value(view: View, cell: Cell | None, metric: str, name: str) -> float | None:
    """A metric of the best restart on a set."""
    best = cell.best if cell else None
    scores = best.scores.get(view.precision, {}).get(name) if best else None
    if cell is None or scores is None:
        return None
    return known_value(scores, cell.task.metric(metric))


def _bounds(cell: Cell | None, metric: str, name: str) -> tuple[float | None, float | None]:
    """Floor and ceiling of a metric on a set, beside a figure of ours."""
    if cell is None or not cell.finished:
        return None, None
    known = references(cell, name)
    floor = best_baseline(known, cell.task.metric(metric))
    return floor[1] if floor else None, bayes_value(known, cell.task.metric(metric))


def _of_set(cell: PublishedCell | None, metric: str, name: str) -> float | None:
    sets = published().sets
    if cell is None or name not in sets:
        return None
    values = cell.perplexities if metric == "perplexity" else cell.accuracies
    return values[sets.index(name)]


def _their_number(value: float | None, model: str, language: str, name: str | None = None) -> Entry:
    """A published figure, or why there is none."""
    paper = published()
    if value is not None:
        return Entry(f"{value:.2f}", value)
    if name is not None and name not in paper.sets:
        return Entry("other set", None, "missing")
    known = model in paper.models and language in paper.languages
    return Entry("not legible" if known else "not in paper", None, "missing")


def _missing(cell: Cell | None, name: str | None = None) -> Entry:
    """Why there is no figure of ours."""
    if cell is None:
        return Entry("not in study", None, "missing")
    if name is not None and name not in [one.name for one in cell.task.sets]:
        return Entry("not tested", None, "missing")
    if cell.finished:
        return Entry("no number", None, "missing")
    found = {run.status for run in cell.runs}
    if found == {"failed"}:
        return Entry("failed", None, "missing")
    return Entry("running" if "running" in found else "not run", None, "missing")


def _ratio(theirs: float | None, ours: float | None, view: View) -> Entry:
    """How much larger ours is, in per cent of theirs."""
    if theirs is None or ours is None or math.isnan(ours) or not comparable(view.results):
        return Entry(form.MISSING)
    share = ours / theirs - 1
    mark = "differs" if abs(share) > PERPLEXITY_DIFFERS + _LAST_BIT else ""
    written = "inf" if math.isinf(share) else _percent(share)
    return Entry(written, share, mark)


def _percent(share: float) -> str:
    digits = 1 if abs(share) < 0.0995 else 0
    written = f"{100 * share:+.{digits}f} %" if abs(share) < 10 else f"{1 + share:.3g}-fold"
    return written.replace("-", "−") if share < 0 else written


def _difference(theirs: float | None, ours: float | None, view: View) -> Entry:
    if theirs is None or ours is None or not comparable(view.results):
        return Entry(form.MISSING)
    change = ours - theirs
    mark = "differs" if abs(change) > ACCURACY_DIFFERS + _LAST_BIT else ""
    return Entry(form.signed(change), change, mark)


def _restarts(cell: Cell | None) -> Entry:
    if cell is None:
        return Entry(form.MISSING)
    return Entry(f"{len(cell.finished)} of {len(cell.runs)}", len(cell.finished))


def _entry(value: float | None, write: Callable[[float | None], str]) -> Entry:
    return number(write(value), value)
