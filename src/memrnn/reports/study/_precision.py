"""At which length, and with how many bits, the best network of each cell gives out."""

from collections.abc import Mapping
from typing import NamedTuple

from memrnn.nn.components import format_freeze
from memrnn.reports._summary import in_order
from memrnn.reports.study.scores import first_set, last_set
from memrnn.reports.study.table import Column, Entry, Table, number_field, text_field
from memrnn.runtime import formats as form
from memrnn.studies import Cell, StudyResults
from memrnn.tasks import Metric

LOST = 0.01
"""Share of determined symbols that a network must lose to another precision to give out there."""

_METRIC = "determined_accuracy"


class _Row(NamedTuple):
    cell: Cell
    precision: str
    first: float | None
    last: float | None
    first_wrong: Entry
    gives_out: Entry


def precision_table(results: StudyResults) -> Table:
    """A row per precision of each cell with determined symbols; none in a study with one."""
    rows, several = list[_Row](), len(results.study.precisions) > 1
    for cell in results.cells:
        known = _METRIC in {metric.name for metric in cell.task.metrics}
        if not several or cell.best is None or cell.task.group_axis is None or not known:
            continue
        metric, by_length = cell.task.metric(_METRIC), dict[str, Mapping[str, float]]()
        for precision in results.study.precisions:
            sets = cell.best.scores.get(precision, {})
            by_length[precision] = _by_length(cell, precision, metric)
            first, last = (
                sets[name].value(metric) if name in sets else None
                for name in (first_set(cell.task), last_set(cell.task))
            )
            found, usual = by_length[precision], by_length[results.study.precisions[0]]
            wrong = [length for length, value in found.items() if value < 1]
            lost = [n for n, value in found.items() if value < usual.get(n, value) - LOST]
            shown = _shown(wrong, found), _shown(lost, found)
            rows.append(_Row(cell, precision, first, last, *shown))
    return Table.of(
        "precision",
        "Determined accuracy of the best restart by precision",
        rows,
        [
            text_field("task", lambda row: row.cell.task.title),
            text_field("model", lambda row: row.cell.model),
            text_field("frozen", lambda row: format_freeze(row.cell.freeze)),
            text_field("precision", lambda row: row.precision),
            number_field("first set", lambda row: row.first, form.share),
            number_field("last set", lambda row: row.last, form.share),
            (Column("first wrong"), lambda row: row.first_wrong),
            (Column("gives out"), lambda row: row.gives_out),
        ],
        heads=4,
        sortable=True,
    )


def _by_length(cell: Cell, precision: str, metric: Metric) -> dict[str, float]:
    """The metric by length, sets in order; a length of two sets has the value of the first."""
    assert cell.best is not None
    sets, values = cell.best.scores.get(precision, {}), dict[str, float]()
    for name in in_order(list(sets)):
        values = sets[name].by_group(metric) | values
    return dict(sorted(values.items(), key=lambda item: float(item[0])))


def _shown(lengths: list[str], known: Mapping[str, float]) -> Entry:
    """The first of some lengths; `none` if there is none, a dash if no length is known."""
    if lengths:
        return Entry(lengths[0], float(lengths[0]))
    return Entry("none") if known else Entry(form.MISSING)
