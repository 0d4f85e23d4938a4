"""The paper's tables, each figure beside ours."""

import dataclasses
import math
from collections.abc import Iterator

from memrnn.evaluation import Bin
from memrnn.reports import _format as form
from memrnn.reports._summary import best_floor, frozen_label, lengths_label
from memrnn.reports.study._published import MODES, PAPER_RECIPE, PublishedCell, published
from memrnn.reports.study._scores import View
from memrnn.reports.study._table import Column, Entry, Table, text
from memrnn.studies import Cell, Study

ACCURACY_DIFFERS = 0.02
"""Difference in accuracy above which a figure is marked: the paper gives two digits."""

PERPLEXITY_DIFFERS = 0.02
"""The same for perplexities, as a share of the published one."""

_LAST_BIT = 1e-9
"""So that a difference of exactly the threshold is not marked for its last bit."""

_NAMES = ("paper", "here", "diff.")


def published_tables(view: View) -> list[Table]:
    """One table for each freezing mode and kind of score, and Penn Treebank."""
    tables = [
        make(view, freeze)
        for freeze in MODES
        for make in (_validation_table, _perplexity_table, _accuracy_table)
    ]
    return [*tables, _treebank_table()]


def deviations(study: Study) -> list[str]:
    """In what a study is not the paper's, as sentences; none if in nothing."""
    paper = published()
    found: list[str] = []
    if study.recipe.lengths != paper.lengths:
        found.append(
            f"This study trains on lengths {lengths_label(study.recipe.lengths)}, the paper on "
            f"{lengths_label(paper.lengths)}: no figure is comparable."
        )
    if set(study.bins) != set(paper.bins):
        ours, theirs = (
            form.listed([lengths_label(edges) for edges in bins])
            for bins in (study.bins, paper.bins)
        )
        found.append(
            f"This study tests on {ours}, the paper on {theirs}: only bins that are the same "
            "stand side by side."
        )
    ours, theirs = dataclasses.asdict(study.recipe), dataclasses.asdict(PAPER_RECIPE)
    changed = [
        f"{name.replace('_', ' ')} {_plain(ours[name])} instead of {_plain(theirs[name])}"
        for name in ours
        if ours[name] != theirs[name] and name != "lengths"
    ]
    if changed:
        found.append(f"The recipe is not the paper’s: {form.listed(changed)}.")
    if study.restarts != paper.restarts:
        found.append(
            f"The best is that of {study.restarts} restarts and not of {paper.restarts}: "
            f"of {'fewer' if study.restarts < paper.restarts else 'more'} draws the best is likely "
            f"{'worse' if study.restarts < paper.restarts else 'better'}."
        )
    return found


def _validation_table(view: View, freeze: tuple[str, ...]) -> Table:
    columns = [Column(name) for name in _NAMES] + [Column("bound"), Column("restarts")]
    rows: list[tuple[Entry, ...]] = []
    for language, model, theirs, ours in _rows(view, freeze):
        best = ours.best if ours else None
        value = best.valid_perplexity if best else None
        missing = _missing(ours)
        rows.append(
            (
                text(language),
                text(model),
                _their_number(theirs and theirs.valid_perplexity, model, language),
                Entry(form.perplexity(value), value) if best else missing,
                _ratio(theirs and theirs.valid_perplexity, value if best else None, view),
                Entry(form.perplexity(best.valid_bound), best.valid_bound)
                if best
                else Entry(form.MISSING),
                _restarts(ours),
            )
        )
    return _table(view, freeze, "validation", "validation perplexity", columns, rows)


def _perplexity_table(view: View, freeze: tuple[str, ...]) -> Table:
    names = (*_NAMES, "floor", "ceil.")
    columns = [Column(name, lengths_label(edges)) for edges in _bins(view) for name in names]
    rows: list[tuple[Entry, ...]] = []
    for language, model, theirs, ours in _rows(view, freeze):
        entries: list[Entry] = [text(language), text(model)]
        for edges in _bins(view):
            scores = _scores(view, ours, edges)
            value = _infinite(scores["perplexity"]) if scores else None
            known = _of_bin(theirs.perplexities if theirs else None, edges)
            entries += [
                _their_number(known, model, language, edges),
                Entry(form.perplexity(value), value) if scores else _missing(ours, view, edges),
                _ratio(known, value, view),
            ]
            if scores:
                floor = min(_infinite(one["perplexity"]) for one in scores["floors"].values())
                ceiling = _infinite(scores["ceiling"]["perplexity"])
                entries += [Entry(form.perplexity(one), one) for one in (floor, ceiling)]
            else:
                entries += [Entry(form.MISSING)] * 2
        rows.append(tuple(entries))
    return _table(view, freeze, "perplexity", "test perplexity by lengths", columns, rows)


def _accuracy_table(view: View, freeze: tuple[str, ...]) -> Table:
    names = (*_NAMES, "floor", "ceil.")
    columns = [Column(name, lengths_label(edges)) for edges in _bins(view) for name in names]
    rows: list[tuple[Entry, ...]] = []
    for language, model, theirs, ours in _rows(view, freeze):
        entries: list[Entry] = [text(language), text(model)]
        for edges in _bins(view):
            scores = _scores(view, ours, edges)
            value = scores["accuracy"] if scores else None
            known = _of_bin(theirs.accuracies if theirs else None, edges)
            entries += [
                _their_number(known, model, language, edges),
                Entry(form.share(value), value) if scores else _missing(ours, view, edges),
                _difference(known, value, view),
            ]
            if scores:
                floor, ceiling = best_floor(scores["floors"])[1], scores["ceiling"]["accuracy"]
                entries += [Entry(form.share(one), one) for one in (floor, ceiling)]
            else:
                entries += [Entry(form.MISSING)] * 2
        rows.append(tuple(entries))
    return _table(view, freeze, "accuracy", "accuracy by lengths", columns, rows)


def _treebank_table() -> Table:
    paper = published()
    modes = list(dict.fromkeys(freeze for row in paper.treebank.values() for freeze in row))
    columns = [Column("model", numeric=False)]
    for freeze in modes:
        columns += [Column(name, f"{frozen_label(freeze)} frozen") for name in _NAMES[:2]]
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
        notes=("A study trains on formal languages only, so nothing of this was run here.",),
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
        f"Table: {frozen_label(freeze)} frozen, {words}",
        (*names, *columns),
        tuple(rows),
        notes=tuple(deviations(view.results.study)),
    )


def _rows(
    view: View, freeze: tuple[str, ...]
) -> Iterator[tuple[str, str, PublishedCell | None, Cell | None]]:
    """Every language and model of the paper or the study, with what is known of it."""
    paper, study = published(), view.results.study
    ours = {(c.language, c.model): c for c in view.results.cells if c.freeze == freeze}
    for language in dict.fromkeys([*paper.languages, *study.languages]):
        for model in dict.fromkeys([*paper.models, *study.models]):
            theirs, cell = paper.find(language, model, freeze), ours.get((language, model))
            in_paper = language in paper.languages and model in paper.models
            if in_paper or cell:
                yield language, model, theirs, cell


def _bins(view: View) -> list[Bin]:
    return sorted({*published().bins, *view.results.study.bins}, key=lambda b: (b[0], b[1]))


def _scores(view: View, cell: Cell | None, edges: Bin):
    best = cell.best if cell else None
    return best.scores.get((view.precision, edges)) if best else None


def _of_bin(values: tuple[float, ...] | None, edges: Bin) -> float | None:
    bins = published().bins
    return values[bins.index(edges)] if values and edges in bins else None


def _their_number(
    value: float | None, model: str, language: str, edges: Bin | None = None
) -> Entry:
    """A published figure, or why there is none."""
    paper = published()
    if value is not None:
        return Entry(f"{value:.2f}", value)
    if edges is not None and edges not in paper.bins:
        return Entry("other bin", None, "missing")
    known = model in paper.models and language in paper.languages
    return Entry("not legible" if known else "not in paper", None, "missing")


def _missing(cell: Cell | None, view: View | None = None, edges: Bin | None = None) -> Entry:
    """Why there is no figure of ours."""
    if cell is None:
        return Entry("not in study", None, "missing")
    if view is not None and edges not in view.results.study.bins:
        return Entry("not tested", None, "missing")
    found = {run.status for run in cell.runs}
    if found == {"failed"}:
        return Entry("failed", None, "missing")
    return Entry("running" if "running" in found else "not run", None, "missing")


def _comparable(view: View) -> bool:
    """Whether a difference to the paper means anything: only after training on its lengths."""
    return view.results.study.recipe.lengths == published().lengths


def _ratio(theirs: float | None, ours: float | None, view: View) -> Entry:
    """How much larger ours is, in per cent of theirs."""
    if theirs is None or ours is None or not _comparable(view):
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
    if theirs is None or ours is None or not _comparable(view):
        return Entry(form.MISSING)
    change = ours - theirs
    mark = "differs" if abs(change) > ACCURACY_DIFFERS + _LAST_BIT else ""
    return Entry(form.signed(change), change, mark)


def _restarts(cell: Cell | None) -> Entry:
    if cell is None:
        return Entry(form.MISSING)
    return Entry(f"{len(cell.finished)} of {len(cell.runs)}", len(cell.finished))


def _infinite(value: float | None) -> float:
    """Scores write null for a perplexity that is not finite."""
    return math.inf if value is None else value


def _plain(value: object) -> str:
    return lengths_label(value) if isinstance(value, tuple) else str(value)
