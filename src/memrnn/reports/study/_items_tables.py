"""Tables of a study whose runs are compared item by item."""

from collections.abc import Iterator
from typing import NamedTuple

from memrnn.evaluation import best_baseline
from memrnn.nn.components import format_freeze
from memrnn.reports._summary import mean_label, metric_label, set_label
from memrnn.reports.study._items import Draws, GroupSums, ItemSums, Paired, by_items, draws
from memrnn.reports.study._overview import distinct, effective
from memrnn.reports.study._statistics import stems
from memrnn.reports.study.scores import View, headline, last_set
from memrnn.reports.study.table import (
    Column,
    Entry,
    Field,
    Table,
    count,
    estimate_fields,
    number,
    number_field,
    text,
    text_field,
)
from memrnn.runtime import formats as form
from memrnn.studies import Cell, RunRecord
from memrnn.tasks import TaskDescription


class _Pair(NamedTuple):
    """A run beside another, or beside a baseline."""

    cell: Cell
    restart: str
    other: str
    paired: Paired


def items_tables(view: View, sums: ItemSums) -> list[Table]:
    """Pairs and draws of the study, and per task and partition a table of its groups."""
    if not by_items(view):
        return []
    tables = [_pairs_table(view, sums), _draws_table(view)]
    for task, stem in zip(view.results.tasks, stems(view.results.tasks), strict=True):
        for partition in sums.partitions(task, last_set(task)):
            tables.append(_groups_table(view, sums, task, partition, f"by_{partition}_{stem}"))
    return [table for table in tables if table.rows]


def _pairs(view: View, sums: ItemSums) -> Iterator[_Pair]:
    """Chosen restarts beside the best baseline, then frozen minus nothing frozen.

    The chosen restarts first, then all pairs of one number, which share a seed.
    """
    cells = distinct(view.results.cells)
    whole = {(cell.task.key, cell.model): cell for cell in cells if not effective(cell)}
    for cell in cells:
        name = last_set(cell.task)
        floor = best_baseline(cell.references.get(name, {}), headline(cell.task))
        if cell.best and floor:
            found = sums.difference(cell, name, cell.best, floor[0])
            if found:
                yield _Pair(cell, f"{cell.best.restart}, chosen", floor[0], found)
    for cell in cells:
        other = whole.get((cell.task.key, cell.model))
        if other is None or other is cell:
            continue
        runs = {run.restart: run for run in other.finished}
        if cell.best and other.best:
            label = f"nothing frozen, restart {other.best.restart}, chosen"
            yield from _pair(sums, cell, cell.best, other.best, "chosen", label)
        for run in cell.finished:
            if run.restart in runs:
                label = "nothing frozen, same restart"
                yield from _pair(sums, cell, run, runs[run.restart], "", label)


def _pair(
    sums: ItemSums, cell: Cell, run: RunRecord, other: RunRecord, word: str, label: str
) -> Iterator[_Pair]:
    found = sums.difference(cell, last_set(cell.task), run, other)
    if found:
        yield _Pair(cell, f"{run.restart}{', ' if word else ''}{word}", label, found)


def _pairs_table(view: View, sums: ItemSums) -> Table:
    task = view.results.tasks[0]
    return Table.of(
        "items_pairs",
        f"Two predictors on the same items of {set_label(last_set(task))}: difference in "
        f"{mean_label(headline(task))}, below 0 where the first is better",
        _pairs(view, sums),
        [
            text_field("task", lambda row: row.cell.task.title),
            text_field("model", lambda row: row.cell.model),
            text_field("frozen", lambda row: format_freeze(effective(row.cell))),
            text_field("restart", lambda row: row.restart),
            text_field("minus", lambda row: row.other),
            *estimate_fields("difference", lambda row: row.paired.estimate, form.signed),
        ],
        heads=5,
        sortable=True,
        notes=_protocol_notes(task),
    )


def _draws_table(view: View) -> Table:
    task = view.results.tasks[0]
    label = metric_label(headline(task))

    fields: list[Field] = [
        text_field("task", lambda row: row.cell.task.title),
        text_field("model", lambda row: row.cell.model),
        text_field("frozen", lambda row: format_freeze(effective(row.cell))),
        (Column("best of"), lambda row: count(row.size)),
        (Column("splits"), lambda row: count(row.splits)),
        number_field("median", lambda row: row.median, form.decimal),
        number_field("95 % below", lambda row: row.most, form.decimal),
    ]
    return Table.of(
        "items_draws",
        f"Noise between two draws of one experiment: difference in {label} between the best of "
        "two disjoint halves of a cell’s restarts",
        list[Draws](draws(view)),
        fields,
        heads=3,
        notes=_protocol_notes(task),
    )


def _groups_table(
    view: View, sums: ItemSums, task: TaskDescription, partition: str, stem: str
) -> Table:
    """Per group the mean of the headline metric of every cell's chosen restart."""
    name, metric = last_set(task), headline(task)
    known: list[tuple[Column, GroupSums]] = []
    for predictor in next(c for c in view.results.cells if c.task == task).references.get(name, {}):
        if found := sums.reference(task, predictor, name, partition):
            known.append((Column(predictor, "baselines"), found))
    for cell in distinct(view.results.cells):
        if cell.task == task and cell.best:
            found = sums.run(cell, cell.best, name, partition)
            if found:
                label = f"{format_freeze(effective(cell))}, restart {cell.best.restart}"
                known.append((Column(label, cell.model), found))
    names = known[0][1].names if known else ()
    rows: list[tuple[Entry, ...]] = []
    for index, group in enumerate(names):
        values = [one.numerators[index] / one.denominators[index] for _, one in known]
        items = int(known[0][1].denominators[index])
        rows.append((text(group), count(items), *(number(f"{x:.3f}", float(x)) for x in values)))
    return Table(
        stem,
        f"{task.title}, {set_label(name)}: {mean_label(metric)} by {partition}, chosen restarts",
        (Column(partition, numeric=False), Column("items"), *(column for column, _ in known)),
        tuple(rows),
        heads=1,
        notes=_protocol_notes(task),
    )


def _protocol_notes(task: TaskDescription) -> tuple[str, ...]:
    return (f"Protocol: {form.paired(task.protocol)}.",) if task.protocol else ()
