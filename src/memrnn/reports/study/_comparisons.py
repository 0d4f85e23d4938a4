"""Cell against cell: the same network and language with a part frozen and with nothing frozen."""

from dataclasses import dataclass

import numpy as np

from memrnn.reports.study._resampling import Estimate, bootstrap, holm, mean, sign_flip
from memrnn.reports.study._scores import Measure, View, matrix, standing
from memrnn.studies import Cell

LEAST_PAIRS = 5
"""Pairs of restarts from which a comparison of two cells is tested at all."""

ALPHA = 0.05
"""Holm-adjusted p up to which a difference is called one."""


@dataclass(frozen=True)
class Comparison:
    """A measure of one cell, a part frozen minus nothing frozen, paired by restart number.

    Attributes:
        measure: what is compared, in words.
        pairs: restart numbers that are finished in both cells.
        estimate: mean difference, and its bootstrap interval over pairs.
        p: of the sign-flip test; None with fewer than `LEAST_PAIRS` pairs.
        adjusted: the same after Holm's correction over all that were tested.
        standing: where the cell with a frozen part stands to the floor in the last bin.
    """

    language: str
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
SKILL = "skill"
GAIN = "above floor"


def compare(view: View) -> list[Comparison]:
    """Every cell of a network with memory, for the measures that the paper's claims are about."""
    asked: list[tuple[tuple[str, ...], str, Measure]] = [
        (("memory",), RETENTION, view.retention),
        (("memory",), SKILL, view.skill),
        (("controller",), GAIN, view.above_floor),
    ]
    found = [one for question in asked for one in _compare(view, *question)]
    tested = [number for number, one in enumerate(found) if one.p is not None]
    adjusted = holm([p for one in found if (p := one.p) is not None])
    for number, value in zip(tested, adjusted, strict=True):
        found[number] = Comparison(**{**vars(found[number]), "adjusted": value})
    return found


def differences(view: View, freeze: tuple[str, ...], measure: Measure) -> np.ndarray:
    """Frozen minus nothing frozen, (cells, restarts) in the order of `paired_cells`."""
    pairs = paired_cells(view, freeze)
    restarts = view.results.study.restarts
    frozen = matrix([one for one, _ in pairs], restarts, measure)
    return frozen - matrix([other for _, other in pairs], restarts, measure)


def paired_cells(view: View, freeze: tuple[str, ...]) -> list[tuple[Cell, Cell]]:
    """Cells with a part frozen, each with the same network and language with nothing frozen."""
    whole = {(cell.language, cell.model): cell for cell in view.cells(())}
    return [
        (cell, whole[cell.language, cell.model])
        for cell in view.cells(freeze)
        if (cell.language, cell.model) in whole
    ]


def _compare(view: View, freeze: tuple[str, ...], name: str, measure: Measure) -> list[Comparison]:
    found: list[Comparison] = []
    values = differences(view, freeze, measure)
    for (cell, _), row in zip(paired_cells(view, freeze), values, strict=True):
        row = row[~np.isnan(row)]
        found.append(
            Comparison(
                cell.language,
                cell.model,
                freeze,
                name,
                len(row),
                bootstrap(row, mean) if len(row) else None,
                sign_flip(row) if len(row) >= LEAST_PAIRS else None,
                None,
                standing(view, cell, view.last),
            )
        )
    return found


def restarts_needed(comparisons: int) -> int:
    """Pairs from which a test can be significant after Holm's correction over so many.

    The smallest n with 2^(1 - n) * comparisons <= ALPHA.
    """
    pairs = 1
    while 2.0 ** (1 - pairs) * comparisons > ALPHA:
        pairs += 1
    return pairs
