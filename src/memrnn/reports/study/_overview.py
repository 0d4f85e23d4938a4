"""What the first screen of a report is about: one metric per task, and networks counted once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from memrnn.evaluation import best_baseline
from memrnn.reports._summary import bayes_value, known_value, normalise
from memrnn.reports._thresholds import LEAST_WAY
from memrnn.reports.study.scores import View, has_memory, headline, references
from memrnn.studies import Cell, RunRecord
from memrnn.tasks import Metric, TaskDescription

LIMIT = 1.0
"""Normalised values are cut off at plus and minus this, so that one network does not outweigh all
others in a mean."""


@dataclass(frozen=True)
class Overview:
    """One task of a study by the metric that its overview is about.

    Attributes:
        cells: of the task, each experiment once; see `distinct`.
    """

    view: View
    task: TaskDescription
    cells: tuple[Cell, ...]

    @cached_property
    def metric(self) -> Metric:
        """The overview metric if finished restarts have it, else the headline metric.

        One without a baseline and a Bayes-optimal value gives way to a headline metric with both.
        """
        head = headline(self.task)
        chosen = self.task.metric(self.task.overview) if self.task.overview else head
        if chosen == head or not self._measured(chosen):
            return head
        return head if self._referenced(head) and not self._referenced(chosen) else chosen

    def _measured(self, metric: Metric) -> bool:
        return any(
            scores.value(metric) is not None
            for cell in self.cells
            for run in cell.finished
            for scores in run.scores.get(self.view.precision, {}).values()
        )

    def _referenced(self, metric: Metric) -> bool:
        bounds = [
            (self.baseline(s.name, metric), self.bayes(s.name, metric)) for s in self.task.sets
        ]
        return any(None not in pair for pair in bounds)

    def value(self, run: RunRecord, name: str, metric: Metric | None = None) -> float | None:
        """A restart's value on a set; None if it is missing or not a number."""
        scores = run.scores.get(self.view.precision, {}).get(name)
        return None if scores is None else known_value(scores, metric or self.metric)

    def baseline(self, name: str, metric: Metric | None = None) -> float | None:
        best = best_baseline(references(self.cells[0], name), metric or self.metric)
        return best[1] if best else None

    def bayes(self, name: str, metric: Metric | None = None) -> float | None:
        return bayes_value(references(self.cells[0], name), metric or self.metric)

    def gap(self, name: str) -> float | None:
        """How far the Bayes-optimal predictor is from the best baseline; None without either."""
        baseline, bayes = self._mean(self.baseline(name)), self._mean(self.bayes(name))
        return None if baseline is None or bayes is None else abs(bayes - baseline)

    def informative(self, name: str) -> bool:
        """Whether a score on a set tells the Bayes-optimal predictor from the best baseline."""
        gap = self.gap(name)
        return gap is not None and gap >= LEAST_WAY[self.metric.scale]

    def normalised(self, run: RunRecord, name: str) -> float | None:
        """Between the best baseline (0) and the Bayes-optimal predictor (1), at most 1 from 0.

        An `exp` metric is normalised by its mean. A number that is missing or infinite, and that
        of a run that failed, is the worst. None for a run that has not ended, or without
        references.
        """
        baseline, bayes = self._mean(self.baseline(name)), self._mean(self.bayes(name))
        ended = run.finished or run.status == "failed"
        if not ended or normalise(baseline, baseline, bayes) is None:
            return None
        score = normalise(self._mean(self.value(run, name)), baseline, bayes)
        return -LIMIT if score is None else max(-LIMIT, min(LIMIT, score))

    def _mean(self, value: float | None) -> float | None:
        return None if value is None else self.metric.mean_of(value)


def overviews(view: View) -> list[Overview]:
    """One for each task, in the study's order."""
    cells = distinct(view.results.cells)
    return [
        Overview(view, task, tuple(cell for cell in cells if cell.task.key == task.key))
        for task in view.results.tasks
    ]


def distinct(cells: Sequence[Cell]) -> list[Cell]:
    """The cells without those that repeat another.

    Without a memory freezing it is freezing nothing, so of such a network a cell whose memory is
    frozen repeats the cell whose memory is not.
    """
    names = {(cell.task.key, cell.model, cell.freeze) for cell in cells}
    return [
        cell
        for cell in cells
        if has_memory(cell)
        or "memory" not in cell.freeze
        or (cell.task.key, cell.model, effective(cell)) not in names
    ]


def effective(cell: Cell) -> tuple[str, ...]:
    """What is frozen, less the memory of a network that has none."""
    if has_memory(cell):
        return cell.freeze
    return tuple(component for component in cell.freeze if component != "memory")
