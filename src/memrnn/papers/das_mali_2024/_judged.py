"""The statistics of every claim of `claims.md`, from the results of a study."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from memrnn.papers.das_mali_2024._measures import Measures, informative, ranges
from memrnn.papers.das_mali_2024._published import BOTH, CONTROLLER, MEMORY, NOTHING
from memrnn.papers.das_mali_2024._verdicts import (
    BETTER_THAN_BASELINE,
    LEAST_RESTARTS,
    LEVEL,
    Judged,
    too_many_failed,
)
from memrnn.reports.study import Statistic, View
from memrnn.reports.study.resampling import clustered, known_mean
from memrnn.reports.study.scores import has_memory
from memrnn.runtime import formats as form
from memrnn.studies import Cell, RunRecord

CONVERGED = 0.02
"""Nats per symbol above the bound of validation within which a restart has converged."""

LEARNED = 0.9
"""Normalised determined accuracy within the trained lengths of a network that has learned them."""

Freeze = tuple[str, ...]
Measure = Callable[[Measures, RunRecord], float | None]
"""A number of a restart that ended: None if the statistic is not about it, NaN if it has none."""


def _obstacle(cells: Sequence[Cell]) -> str:
    """Why nothing can be said yet of a claim about these cells; empty if something can."""
    if not cells:
        return (
            "The study has no such networks on tasks whose long strings tell a grammar from "
            "a baseline."
        )
    few = sum(_ended(cell) < LEAST_RESTARTS for cell in cells)
    if few:
        return (
            f"{few} of {form.plural(len(cells), 'cell')} {'has' if few == 1 else 'have'} fewer "
            f"than {LEAST_RESTARTS} restarts that have ended."
        )
    ended, failed = sum(map(_ended, cells)), sum(map(_failed, cells))
    return too_many_failed(failed, ended)


def _failed(cell: Cell) -> int:
    return sum(run.status == "failed" for run in cell.runs)


def _ended(cell: Cell) -> int:
    return len(cell.finished) + _failed(cell)


class Grid:
    """Networks with a memory, on tasks whose sets tell a grammar from a baseline."""

    def __init__(self, view: View):
        self._view = view
        self._cells = [
            cell
            for cell in view.results.cells
            if has_memory(cell)
            and (found := ranges(cell.task))
            and informative(found, cell.references)
        ]
        names = dict.fromkeys(_network(cell) for cell in self._cells)
        self._clusters = {name: number for number, name in enumerate(names)}

    def cells(self, freeze: Freeze) -> tuple[Cell, ...]:
        return tuple(cell for cell in self._cells if cell.freeze == freeze)

    def pairs(self, freeze: Freeze) -> list[tuple[Cell, Cell]]:
        """Each cell of a freezing mode with the one of the same network that freezes nothing."""
        whole = {_network(cell): cell for cell in self.cells(NOTHING)}
        return [
            (cell, whole[_network(cell)]) for cell in self.cells(freeze) if _network(cell) in whole
        ]

    def ended(self, cell: Cell) -> Iterator[tuple[RunRecord, Measures]]:
        """The restarts that ended, and what they score; a failed one nothing."""
        found = ranges(cell.task)
        assert found is not None  # of cells of the grid
        for run in cell.runs:
            if run.finished or run.status == "failed":
                sets = run.scores.get(self._view.precision, {})
                yield run, Measures(found, sets, cell.references)

    def values(self, cells: Sequence[Cell], measure: Measure) -> np.ndarray:
        """A measure, (cells, restarts); NaN where a run is still to come, or has no such number.

        A failed run has no scores, hence the worst value of every measure that has one.
        """
        values = np.full((len(cells), self._view.results.study.restarts), np.nan)
        for row, cell in enumerate(cells):
            for run, measures in self.ended(cell):
                value = measure(measures, run)
                values[row, run.restart] = np.nan if value is None else value
        return values

    def statistic(
        self, name: str, cells: Sequence[Cell], values: np.ndarray, measure: Measure, **needed: Any
    ) -> Statistic:
        """The mean over cells of values, (cells, restarts), with its interval.

        Args:
            measure: of which they are values, or differences.
            needed: `threshold` and `at_least`, as `Statistic` has them.
        """
        clusters = [self._clusters[_network(cell)] for cell in cells]
        means = dict(zip(map(_name, cells), known_mean(values).tolist(), strict=True))
        return Statistic(
            name,
            clustered(values, clusters, LEVEL) if cells else None,
            cells=tuple((cell, mean) for cell, mean in means.items() if not math.isnan(mean)),
            restarts=int((~np.isnan(values)).sum()),
            missing=sum(self._missing(cell, measure) for cell in cells),
            **needed,
        )

    def of(
        self, name: str, freeze: Freeze, measure: Measure, threshold: float, at_least: bool = True
    ) -> Statistic:
        """Of the networks of a freezing mode."""
        cells, needed = self.cells(freeze), {"threshold": threshold, "at_least": at_least}
        return self.statistic(name, cells, self.values(cells, measure), measure, **needed)

    def difference(
        self, name: str, freeze: Freeze, measure: Measure, threshold: float, at_least: bool = True
    ) -> Statistic:
        """Of pairs with one seed: frozen minus nothing frozen."""
        pairs, needed = self.pairs(freeze), {"threshold": threshold, "at_least": at_least}
        frozen, whole = ([pair[side] for pair in pairs] for side in (0, 1))
        values = self.values(frozen, measure) - self.values(whole, measure)
        return self.statistic(name, frozen, values, measure, **needed)

    def knowledge(self, freeze: Freeze) -> tuple[Statistic, ...]:
        """Whether the networks of a freezing mode are better than the best baseline."""
        least = BETTER_THAN_BASELINE
        return (
            self.of("d(long), better than a baseline", freeze, accuracy_long, least),
            self.of("e(long), better than a baseline", freeze, nats_long, least),
        )

    def _missing(self, cell: Cell, measure: Measure) -> int:
        """Restarts that a measure is about and that lack it, or a number that it rests on."""
        values = [(measure(measures, run), measures) for run, measures in self.ended(cell)]
        return sum(
            value is not None
            and (
                math.isnan(value)
                or measures.lacks(measures.ranges.within)
                or measures.lacks(measures.ranges.long)
            )
            for value, measures in values
        )


def _network(cell: Cell) -> tuple[str, str]:
    return cell.task.key, cell.model


def _name(cell: Cell) -> str:
    return f"{cell.model} on {cell.task.title}"


def accuracy_within(measures: Measures, _: RunRecord) -> float:
    return measures.normalised_accuracy(measures.ranges.within)


def accuracy_long(measures: Measures, _: RunRecord) -> float:
    return measures.normalised_accuracy(measures.ranges.long)


def nats_within(measures: Measures, _: RunRecord) -> float:
    return measures.normalised_nats(measures.ranges.within)


def nats_long(measures: Measures, _: RunRecord) -> float:
    return measures.normalised_nats(measures.ranges.long)


def kept(measures: Measures, _: RunRecord) -> float:
    return measures.kept()


def loss(measures: Measures, _: RunRecord) -> float:
    return measures.loss()


def growth(measures: Measures, _: RunRecord) -> float:
    found = measures.growth()
    return math.nan if found is None else found


def _converged(_: Measures, run: RunRecord) -> float:
    return float(run.excess <= CONVERGED)


def _learned(measure: Measure) -> Measure:
    """Of the restarts that have learned the trained lengths."""

    def of_learned(measures: Measures, run: RunRecord) -> float | None:
        return measure(measures, run) if accuracy_within(measures, run) >= LEARNED else None

    return of_learned


def _accuracy_just_beyond(measures: Measures, _: RunRecord) -> float | None:
    name = measures.ranges.just_beyond
    return None if name is None else measures.normalised_accuracy(name)


def _accuracy_longest(measures: Measures, _: RunRecord) -> float:
    return measures.normalised_accuracy(measures.ranges.longest)


def _keeps(freeze: Freeze) -> Callable[[Grid], Judged]:
    def judged(grid: Grid) -> Judged:
        statistics = (
            grid.of("K, share of determined accuracy kept", freeze, kept, 0.8),
            grid.of("L, loss of normalised nats", freeze, loss, 0.25, at_least=False),
        )
        return Judged(statistics, grid.knowledge(freeze), _obstacle(grid.cells(freeze)))

    return judged


def _loses(grid: Grid) -> Judged:
    """The cell with the largest loss on the even restart numbers, tested on the odd ones."""
    cells = grid.cells(NOTHING)
    losses = 1 - grid.values(cells, kept)
    even = known_mean(losses[:, ::2]) if cells else np.zeros(0)
    worst = slice(0, 0)
    if not np.isnan(even).all():
        index = int(np.nanargmax(even))
        worst = slice(index, index + 1)
    name = "1 − K in the cell with the largest loss"

    def kept_by_odd(measures: Measures, run: RunRecord) -> float | None:
        return measures.kept() if run.restart % 2 else None

    statistic = grid.statistic(name, cells[worst], losses[worst, 1::2], kept_by_odd, threshold=0.5)
    return Judged((statistic,), (), _obstacle(cells))


def _stabilises(grid: Grid) -> Judged:
    statistics = (
        grid.difference("difference in d(long)", MEMORY, accuracy_long, 0.05),
        grid.difference("difference in e(long)", MEMORY, nats_long, 0.05),
    )
    return Judged(statistics, grid.knowledge(MEMORY), _obstacle(_both(grid.pairs(MEMORY))))


def _grows_linearly(grid: Grid) -> Judged:
    name = "difference in growth exponent β"
    statistics = (
        grid.of("growth exponent β", CONTROLLER, growth, 1.25, at_least=False),
        grid.difference(name, CONTROLLER, growth, -0.1, at_least=False),
        grid.difference("difference in d(long)", CONTROLLER, accuracy_long, 0.05),
    )
    return Judged(statistics, grid.knowledge(CONTROLLER), _obstacle(_both(grid.pairs(CONTROLLER))))


def _converges(grid: Grid) -> Judged:
    statistic = grid.difference("difference in share converged", MEMORY, _converged, 0.1)
    return Judged((statistic,), (), _obstacle(_both(grid.pairs(MEMORY))))


def _unstable(grid: Grid) -> Judged:
    """Of the restarts with nothing frozen that have learned the trained lengths."""
    statistics = (
        grid.of("d just beyond", NOTHING, _learned(_accuracy_just_beyond), 0.8),
        grid.of("growth exponent β", NOTHING, _learned(growth), 1.25),
    )
    return Judged(statistics, (), _obstacle(grid.cells(NOTHING)))


def _holds_its_loss(grid: Grid) -> Judged:
    statistic = grid.of("L, loss of normalised nats", MEMORY, loss, 0.15, at_least=False)
    return Judged((statistic,), grid.knowledge(MEMORY), _obstacle(grid.cells(MEMORY)))


def _guesses(grid: Grid) -> Judged:
    """Of the restarts with nothing frozen that have learned the trained lengths."""
    measure = _learned(_accuracy_longest)
    statistic = grid.of("d(longest)", NOTHING, measure, BETTER_THAN_BASELINE, at_least=False)
    return Judged((statistic,), (), _obstacle(grid.cells(NOTHING)))


def _both(pairs: Sequence[tuple[Cell, Cell]]) -> tuple[Cell, ...]:
    return tuple(cell for pair in pairs for cell in pair)


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
    "k": _guesses,
}
"""By the claims' keys; a is not a study's of formal languages."""
