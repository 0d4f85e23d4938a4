"""Cell against cell: the same network and task with a component frozen and with nothing frozen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memrnn.nn.components import format_freeze
from memrnn.reports._summary import mean_label
from memrnn.reports.study._items import by_items
from memrnn.reports.study._papers import Question
from memrnn.reports.study.resampling import Estimate, student
from memrnn.reports.study.scores import (
    Measure,
    Standing,
    View,
    has_memory,
    headline,
    last_set,
    standing,
)
from memrnn.reports.study.table import (
    Column,
    Entry,
    Table,
    count,
    estimate_fields,
    text_field,
)
from memrnn.runtime import formats as form
from memrnn.studies import Cell

Pair = tuple[Cell, Cell]
"""A cell with a component frozen, and the same with nothing frozen."""


@dataclass(frozen=True)
class Comparison:
    """A measure, a component frozen minus nothing frozen, paired by restart number.

    Attributes:
        cell: with the frozen component.
        question: what is compared.
        name: of the measure, in this task.
        pairs: restart numbers that are finished in both cells and have the measure.
        estimate: mean difference, and its interval by Student's t over pairs.
        standing: where the cell stands to the baseline of the last set.
    """

    cell: Cell
    question: Question
    name: str
    pairs: int
    estimate: Estimate | None
    standing: Standing | None

    @property
    def difference(self) -> str:
        """`higher` or `lower` if the whole interval is, else `open`."""
        if self.estimate is None or self.estimate.interval is None:
            return "open"
        low, high = self.estimate.interval
        return "higher" if low > 0 else "lower" if high < 0 else "open"


def compare(view: View, questions: Sequence[Question] | None = None) -> list[Comparison]:
    """Compares cells with a frozen component with those with nothing frozen.

    Args:
        questions: for networks with a memory; by default every cell with a frozen component, by
            retention and by the last set's value, where its task has such a measure.
    """
    comparisons: list[Comparison] = []
    for question in usual_questions(view) if questions is None else questions:
        pairs = paired_cells(view, question.freeze, every=questions is None)
        values = differences(view, pairs, question.measure)
        for (cell, _), row in zip(pairs, values, strict=True):
            comparison = _comparison(view, cell, question, row)
            if comparison.pairs or questions is not None:
                comparisons.append(comparison)
    return comparisons


def usual_questions(view: View) -> list[Question]:
    """Of every freezing mode: retention, where items are not compared, and the last set's value."""
    modes = dict.fromkeys(cell.freeze for cell in view.results.cells if cell.freeze)
    return [
        question
        for freeze in modes
        for question in (
            Question(
                freeze,
                "retention",
                "is the score on the last set over the score on the first, or the first over the "
                "last where smaller is better",
                view.retention,
            ),
            Question(freeze, "", "is on the last set", view.last_value),
        )
        if question.name != "retention" or not by_items(view)
    ]


def _comparison(view: View, cell: Cell, question: Question, differences: np.ndarray) -> Comparison:
    known = differences[~np.isnan(differences)]
    return Comparison(
        cell,
        question,
        question.name or mean_label(headline(cell.task)),
        len(known),
        student(known) if len(known) else None,
        standing(view, cell, last_set(cell.task)),
    )


def paired_cells(view: View, freeze: tuple[str, ...], *, every: bool = False) -> list[Pair]:
    """The cells of a freezing mode, each with the same network and task with nothing frozen.

    Args:
        every: whether networks without a memory count, too. In no case does one count whose memory
            is frozen: where there is none, freezing it is freezing nothing.
    """
    cells = view.results.cells
    whole = {(cell.task.key, cell.model): cell for cell in cells if not cell.freeze}
    return [
        (cell, whole[cell.task.key, cell.model])
        for cell in cells
        if cell.freeze == freeze
        and (cell.task.key, cell.model) in whole
        and (has_memory(cell) or (every and "memory" not in freeze))
    ]


def differences(view: View, pairs: Sequence[Pair], measure: Measure) -> np.ndarray:
    """Frozen minus nothing frozen, (pairs, restarts)."""
    frozen, whole = ([pair[side] for pair in pairs] for side in (0, 1))
    return view.matrix(frozen, measure) - view.matrix(whole, measure)


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """Every comparison of a cell with a component frozen and the same with nothing frozen."""
    return Table.of(
        "comparisons",
        "A component frozen minus nothing frozen, paired by restart number",
        comparisons,
        [
            text_field("task", lambda row: row.cell.task.title),
            text_field("model", lambda row: row.cell.model),
            text_field("frozen", lambda row: format_freeze(row.cell.freeze)),
            text_field("measure", lambda row: row.name),
            (Column("pairs"), lambda row: count(row.pairs)),
            *estimate_fields("difference", lambda row: row.estimate, form.signed),
            (Column("change", numeric=False), lambda row: _change(row.difference)),
            text_field("stands", lambda row: row.standing.text if row.standing else form.MISSING),
        ],
        heads=4,
        sortable=True,
    )


def _change(difference: str) -> Entry:
    return Entry(difference, difference, "" if difference == "open" else "differs")
