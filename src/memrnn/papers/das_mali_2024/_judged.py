"""The statistics of every claim of `claims.md`, from the results of a study."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from memrnn.papers.das_mali_2024._measures import Measures, informative, ranges
from memrnn.papers.das_mali_2024._published import BOTH, CONTROLLER, MEMORY, NOTHING
from memrnn.papers.das_mali_2024._verdicts import LEVEL, Statistic
from memrnn.reports.study import Estimate, View
from memrnn.reports.study.resampling import clustered, known_mean
from memrnn.studies import Cell, RunRecord

CONVERGED = 0.02
"""Nats per symbol above the bound of validation within which a restart has converged."""

LEARNED = 0.9
"""Normalised determined accuracy within the trained lengths of a network that has learned them."""

Freeze = tuple[str, ...]
Measure = Callable[[Measures, RunRecord], float | None]


class Judged(NamedTuple):
    """What a claim is judged by.

    Attributes:
        statistics: numbers with their thresholds.
        knowledge: d(long) and e(long) of the networks that the claim is about, where a baseline
            could hold it.
        cells: how many cells they are means over.
    """

    statistics: tuple[Statistic, ...]
    knowledge: tuple[Estimate | None, ...]
    cells: int


class Grid:
    """Networks with a memory, on tasks whose sets tell a grammar from a baseline."""

    def __init__(self, view: View):
        self._view = view
        self._cells = [
            cell
            for cell in view.results.cells
            if cell.memory != "none"
            and (found := ranges(cell.task))
            and informative(found, cell.references)
        ]
        names = dict.fromkeys(_network(cell) for cell in self._cells)
        self._clusters = {name: number for number, name in enumerate(names)}

    def cells(self, freeze: Freeze) -> list[Cell]:
        return [cell for cell in self._cells if cell.freeze == freeze]

    def pairs(self, freeze: Freeze) -> list[tuple[Cell, Cell]]:
        """Each cell of a freezing mode with the one of the same network that freezes nothing."""
        whole = {_network(cell): cell for cell in self.cells(NOTHING)}
        return [
            (cell, whole[_network(cell)]) for cell in self.cells(freeze) if _network(cell) in whole
        ]

    def values(self, cells: Sequence[Cell], measure: Measure) -> np.ndarray:
        """A measure, (cells, restarts); NaN where a run is still to come, or has no such number.

        A failed run has no scores, hence the worst value of every measure that has one.
        """
        values = np.full((len(cells), self._view.results.study.restarts), np.nan)
        for row, cell in enumerate(cells):
            found = ranges(cell.task)
            assert found is not None  # of cells of the grid
            for run in cell.runs:
                if run.finished or run.status == "failed":
                    sets = run.scores.get(self._view.precision, {})
                    value = measure(Measures(found, sets, cell.references), run)
                    values[row, run.restart] = np.nan if value is None else value
        return values

    def mean(self, cells: Sequence[Cell], values: np.ndarray) -> Estimate | None:
        clusters = [self._clusters[_network(cell)] for cell in cells]
        return clustered(values, clusters, LEVEL) if cells else None

    def of(self, freeze: Freeze, measure: Measure) -> Estimate | None:
        cells = self.cells(freeze)
        return self.mean(cells, self.values(cells, measure))

    def difference(self, freeze: Freeze, measure: Measure) -> Estimate | None:
        """Of pairs with one seed: frozen minus nothing frozen."""
        pairs = self.pairs(freeze)
        frozen, whole = ([pair[side] for pair in pairs] for side in (0, 1))
        return self.mean(frozen, self.values(frozen, measure) - self.values(whole, measure))

    def keeping(self, freeze: Freeze, *statistics: Statistic) -> Judged:
        """A claim that something is kept, as baselines keep it, too."""
        knowledge = self.of(freeze, _accuracy_long), self.of(freeze, _nats_long)
        return Judged(statistics, knowledge, len(self.cells(freeze)))


def _network(cell: Cell) -> tuple[str, str]:
    return cell.task.key, cell.model


def _accuracy_long(measures: Measures, _: RunRecord) -> float:
    return measures.normalised_accuracy(measures.ranges.long)


def _nats_long(measures: Measures, _: RunRecord) -> float:
    return measures.normalised_nats(measures.ranges.long)


def _kept(measures: Measures, _: RunRecord) -> float:
    return measures.kept()


def _loss(measures: Measures, _: RunRecord) -> float:
    return measures.loss()


def _growth(measures: Measures, _: RunRecord) -> float | None:
    return measures.growth()


def _converged(_: Measures, run: RunRecord) -> float:
    return float(run.excess <= CONVERGED)


def _keeps(freeze: Freeze) -> Callable[[Grid], Judged]:
    def judged(grid: Grid) -> Judged:
        return grid.keeping(
            freeze,
            Statistic("share of determined accuracy kept", grid.of(freeze, _kept), 0.85),
            Statistic("loss of normalised nats", grid.of(freeze, _loss), 0.15, at_least=False),
        )

    return judged


def _loses(grid: Grid) -> Judged:
    """The cell with the largest loss on the even restart numbers, tested on the odd ones."""
    cells = grid.cells(NOTHING)
    loss = 1 - grid.values(cells, _kept)
    even = known_mean(loss[:, ::2]) if cells else np.zeros(0)
    estimate = None
    if not np.isnan(even).all():
        worst = int(np.nanargmax(even))
        estimate = grid.mean(cells[worst : worst + 1], loss[worst : worst + 1, 1::2])
    statistic = Statistic("loss of determined accuracy in the worst cell", estimate, 0.55)
    return Judged((statistic,), (), len(cells))


def _stabilises(grid: Grid) -> Judged:
    return grid.keeping(
        MEMORY,
        Statistic("difference in d(long)", grid.difference(MEMORY, _accuracy_long), 0.05),
        Statistic("difference in e(long)", grid.difference(MEMORY, _nats_long), 0.05),
    )


def _grows_linearly(grid: Grid) -> Judged:
    by_pair = grid.difference(CONTROLLER, _growth)
    return grid.keeping(
        CONTROLLER,
        Statistic("growth exponent", grid.of(CONTROLLER, _growth), 1.1, at_least=False),
        Statistic("difference in growth exponent", by_pair, -0.1, at_least=False),
        Statistic("difference in d(long)", grid.difference(CONTROLLER, _accuracy_long), 0.02),
    )


def _converges(grid: Grid) -> Judged:
    share = grid.difference(MEMORY, _converged)
    statistic = Statistic("difference in share converged", share, 0.1)
    return Judged((statistic,), (), len(grid.pairs(MEMORY)))


def _unstable(grid: Grid) -> Judged:
    """Of the restarts with nothing frozen that have learned the trained lengths."""

    def learned(measure: Measure) -> Estimate | None:
        def of_learned(measures: Measures, run: RunRecord) -> float | None:
            within = measures.normalised_accuracy(measures.ranges.within)
            return measure(measures, run) if within >= LEARNED else None

        return grid.of(NOTHING, of_learned)

    statistics = (
        Statistic("d just beyond", learned(_accuracy_beyond), 0.8),
        Statistic("growth exponent", learned(_growth), 1.1),
    )
    return Judged(statistics, (), len(grid.cells(NOTHING)))


def _accuracy_beyond(measures: Measures, _: RunRecord) -> float | None:
    """On the first set that begins just beyond the trained lengths."""
    first = measures.ranges.beyond[0]
    name = next((name for name in measures.references if name.startswith(f"{first}:")), None)
    return None if name is None else measures.normalised_accuracy(name)


def _holds_its_loss(grid: Grid) -> Judged:
    loss = grid.of(MEMORY, _loss)
    return grid.keeping(MEMORY, Statistic("loss of normalised nats", loss, 0.05, at_least=False))


JUDGED: Mapping[str, Callable[[Grid], Judged]] = {
    "b": _keeps(MEMORY),
    "c": _loses,
    "d": _stabilises,
    "e": _grows_linearly,
    "f": _converges,
    "g": _keeps(CONTROLLER),
    "h": _keeps(BOTH),
    "i": _unstable,
    "j": _holds_its_loss,
}
"""By the claims' keys; a is not a study's of formal languages."""
