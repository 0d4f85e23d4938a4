"""Cell against cell: the same network and task with a component frozen and with nothing frozen."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from memrnn.nn.components import format_freeze
from memrnn.reports._summary import metric_label
from memrnn.reports.study.resampling import Estimate, bootstrap, holm, mean, sign_flip
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
    number_field,
    text_field,
)
from memrnn.runtime import formats as form
from memrnn.studies import Cell, RunRecord
from memrnn.tasks import TaskDescription

LEAST_PAIRS = 5
"""Pairs of restarts from which a comparison of two cells is tested at all."""

ALPHA = 0.05
"""Holm-adjusted p up to which a difference is called one."""

RETENTION, NORMALISED, GAIN = "retention", "normalised", "above floor"

_MEASURES: dict[str, Callable[[View, Cell, RunRecord], float | None]] = {
    RETENTION: View.retention,
    NORMALISED: View.normalised,
    GAIN: View.above_baseline,
}
"""Every other measure is the last set's value."""

Pair = tuple[Cell, Cell]
"""A cell with a component frozen, and the same with nothing frozen."""


@dataclass(frozen=True)
class Comparison:
    """A measure, a component frozen minus nothing frozen, paired by restart number.

    Attributes:
        cell: with the frozen component.
        pairs: restart numbers that are finished in both cells and have the measure.
        estimate: mean difference, and its bootstrap interval over pairs.
        p: of the sign-flip test; None with fewer than `LEAST_PAIRS` pairs.
        standing: where the cell stands to the baseline of the last set.
        adjusted: p after Holm's correction over all that were tested.
    """

    cell: Cell
    measure: str
    pairs: int
    estimate: Estimate | None
    p: float | None
    standing: Standing | None
    adjusted: float | None = None

    @property
    def verdict(self) -> str:
        if self.adjusted is None or self.adjusted > ALPHA or self.estimate is None:
            return "undecided"
        return "higher" if self.estimate.value > 0 else "lower"


def compare(
    view: View, questions: Sequence[tuple[tuple[str, ...], str]] | None = None
) -> list[Comparison]:
    """Compares cells with a frozen component with those with nothing frozen.

    Args:
        questions: freezing modes, each with the measure to compare, for networks with a memory; by
            default every cell with a frozen component, by retention and by the last set's value,
            where its task has such a measure.
    """
    modes = dict.fromkeys(cell.freeze for cell in view.results.cells if cell.freeze)
    every = [(freeze, measure) for freeze in modes for measure in (RETENTION, "")]
    comparisons: list[Comparison] = []
    for freeze, measure in every if questions is None else questions:
        read = _MEASURES.get(measure, View.last_value)
        pairs = paired_cells(view, freeze, every=questions is None)
        values = differences(view, pairs, partial(read, view))
        for (cell, _), row in zip(pairs, values, strict=True):
            comparison = _comparison(view, cell, measure or last_measure(cell.task), row)
            if comparison.pairs or questions is not None:
                comparisons.append(comparison)
    adjusted = iter(holm([one.p for one in comparisons if one.p is not None]))
    return [
        one if one.p is None else dataclasses.replace(one, adjusted=next(adjusted))
        for one in comparisons
    ]


def _comparison(view: View, cell: Cell, measure: str, differences: np.ndarray) -> Comparison:
    known = differences[~np.isnan(differences)]
    return Comparison(
        cell,
        measure,
        len(known),
        bootstrap(known, mean) if len(known) else None,
        sign_flip(known) if len(known) >= LEAST_PAIRS else None,
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


def last_measure(task: TaskDescription) -> str:
    """What `View.last_value` is called."""
    metric = headline(task)
    return metric_label(metric) if metric.scale == "ratio" else f"log {metric_label(metric)}"


def restarts_needed(comparisons: int) -> int:
    """Pairs from which a test can be significant after Holm's correction over all comparisons.

    The smallest n with 2^(1 - n) * comparisons <= ALPHA.
    """
    return 1 + math.ceil(math.log2(comparisons / ALPHA))


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
            text_field("measure", lambda row: row.measure),
            (Column("pairs"), lambda row: count(row.pairs)),
            *estimate_fields("difference", lambda row: row.estimate, form.signed),
            number_field("p", lambda row: row.p, _probability),
            number_field("p after Holm", lambda row: row.adjusted, _probability),
            (Column("verdict", numeric=False), lambda row: _verdict(row.verdict)),
            text_field("stands", lambda row: row.standing or form.MISSING),
        ],
        heads=4,
        sortable=True,
    )


def _verdict(verdict: str) -> Entry:
    return Entry(verdict, verdict, "" if verdict == "undecided" else "differs")


def _probability(value: float | None) -> str:
    return form.MISSING if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"
