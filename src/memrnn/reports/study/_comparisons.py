"""Cell against cell: the same network and task with a component frozen and with nothing frozen."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from memrnn.reports._summary import metric_label
from memrnn.reports.study._published import is_the_papers
from memrnn.reports.study._resampling import Estimate, bootstrap, holm, mean, sign_flip
from memrnn.reports.study._scores import (
    Measure,
    View,
    has_memory,
    headline,
    last_set,
    matrix,
    standing,
)
from memrnn.studies import Cell
from memrnn.tasks import TaskDescription

LEAST_PAIRS = 5
"""Pairs of restarts from which a comparison of two cells is tested at all."""

ALPHA = 0.05
"""Holm-adjusted p up to which a difference is called one."""


@dataclass(frozen=True)
class Comparison:
    """A measure of one cell, a component frozen minus nothing frozen, paired by restart number.

    Attributes:
        measure: what is compared, in words.
        pairs: restart numbers that are finished in both cells and have the measure.
        estimate: mean difference, and its bootstrap interval over pairs.
        p: of the sign-flip test; None with fewer than `LEAST_PAIRS` pairs.
        adjusted: the same after Holm's correction over all that were tested.
        standing: where the cell with a frozen component stands to the floor of the last set.
    """

    task: TaskDescription
    model: str
    freeze: tuple[str, ...]
    measure: str
    pairs: int
    estimate: Estimate | None
    p: float | None
    adjusted: float | None
    standing: str | None

    @property
    def verdict(self) -> str:
        if self.adjusted is None or self.adjusted > ALPHA or self.estimate is None:
            return "undecided"
        return "higher" if self.estimate.value > 0 else "lower"


RETENTION = "retention"
NORMALISED = "normalised"
GAIN = "above floor"


def compare(view: View) -> list[Comparison]:
    """Every network with a memory, for the measures that the paper's claims are about.

    In a study that is not the paper's: every cell with a frozen component, for its retention and
    its headline metric on the last set. Where a task has no such measure there is no comparison.
    """
    if is_the_papers(view.results):
        asked: list[tuple[tuple[str, ...], str, Measure]] = [
            (("memory",), RETENTION, view.retention),
            (("memory",), NORMALISED, view.normalised),
            (("controller",), GAIN, view.above_floor),
        ]
        found = [one for question in asked for one in _compare(view, *question)]
    else:
        found = [one for one in _every(view) if one.pairs]
    tested = [number for number, one in enumerate(found) if one.p is not None]
    adjusted = holm([p for one in found if (p := one.p) is not None])
    for number, value in zip(tested, adjusted, strict=True):
        found[number] = Comparison(**{**vars(found[number]), "adjusted": value})
    return found


def differences(view: View, freeze: tuple[str, ...], measure: Measure) -> np.ndarray:
    """Frozen minus nothing frozen, (cells, restarts) in the order of `paired_cells`."""
    return _differences(view, paired_cells(view, freeze), measure)


def paired_cells(view: View, freeze: tuple[str, ...]) -> list[tuple[Cell, Cell]]:
    """Cells of networks with memory, each with the same network and task with nothing frozen."""
    return [pair for pair in _pairs(view, freeze) if has_memory(pair[0])]


def last_measure(task: TaskDescription) -> str:
    """What `View.last_value` is called."""
    metric = headline(task)
    return metric_label(metric) if metric.scale == "ratio" else f"log {metric_label(metric)}"


def _pairs(view: View, freeze: tuple[str, ...]) -> list[tuple[Cell, Cell]]:
    cells = view.results.cells
    whole = {(cell.task.key, cell.model): cell for cell in cells if not cell.freeze}
    return [
        (cell, whole[cell.task.key, cell.model])
        for cell in cells
        if cell.freeze == freeze and (cell.task.key, cell.model) in whole
    ]


def _differences(view: View, pairs: list[tuple[Cell, Cell]], measure: Measure) -> np.ndarray:
    restarts = view.results.study.restarts
    frozen = matrix([one for one, _ in pairs], restarts, measure)
    return frozen - matrix([other for _, other in pairs], restarts, measure)


def _compare(view: View, freeze: tuple[str, ...], name: str, measure: Measure) -> list[Comparison]:
    pairs = paired_cells(view, freeze)
    values = _differences(view, pairs, measure)
    return [_of_cell(view, cell, name, row) for (cell, _), row in zip(pairs, values, strict=True)]


def _every(view: View) -> Iterator[Comparison]:
    """Retention and the last set's value of every cell with a frozen component."""
    for freeze in dict.fromkeys(cell.freeze for cell in view.results.cells if cell.freeze):
        # Where there is no memory, freezing it is freezing nothing.
        pairs = [
            one for one in _pairs(view, freeze) if has_memory(one[0]) or "memory" not in freeze
        ]
        for measure, known in ((view.retention, RETENTION), (view.last_value, None)):
            values = _differences(view, pairs, measure)
            for (cell, _), row in zip(pairs, values, strict=True):
                yield _of_cell(view, cell, known or last_measure(cell.task), row)


def _of_cell(view: View, cell: Cell, name: str, differences: np.ndarray) -> Comparison:
    known = differences[~np.isnan(differences)]
    return Comparison(
        cell.task,
        cell.model,
        cell.freeze,
        name,
        len(known),
        bootstrap(known, mean) if len(known) else None,
        sign_flip(known) if len(known) >= LEAST_PAIRS else None,
        None,
        standing(view, cell, last_set(cell.task)),
    )


def restarts_needed(comparisons: int) -> int:
    """Pairs from which a test can be significant after Holm's correction over so many.

    The smallest n with 2^(1 - n) * comparisons <= ALPHA.
    """
    pairs = 1
    while 2.0 ** (1 - pairs) * comparisons > ALPHA:
        pairs += 1
    return pairs
