"""The statistics of the claims, computed from the paper's own tables."""

import statistics
from collections.abc import Callable, Mapping
from typing import NamedTuple

from memrnn.papers.das_mali_2024._published import (
    MEMORY,
    NOTHING,
    PublishedCell,
    language_of,
    published,
)
from memrnn.reports._thresholds import NEAR
from memrnn.reports.study._scores import CLIP, View, baseline, bayes

ROUNDING = 0.005
"""What two digits can hide of an accuracy."""


class Bounds(NamedTuple):
    """Accuracy of the best baseline and of the Bayes-optimal predictor on a set."""

    baseline: float
    bayes: float


def last_bounds(view: View) -> dict[str, Bounds]:
    """Bounds of each language on the paper's last set, as far as this study has them."""
    paper = published()
    last = paper.sets[-1]
    bounds: dict[str, Bounds] = {}
    for cell in view.results.cells:
        if cell.task.trained_groups != paper.lengths:
            continue
        low, high = baseline(cell, last), bayes(cell, last)
        if low is not None and high is not None:
            bounds[language_of(cell.task)] = Bounds(low, high)
    return bounds


def mean_retention(freeze: tuple[str, ...]) -> float:
    """Mean over the cells with memory of last over first accuracy."""
    return statistics.fmean(cell.retention for cell in published().with_memory(freeze))


def worst_loss() -> tuple[float, PublishedCell]:
    """The largest loss of a fully trained net with memory, and whose it is."""
    worst = min(published().with_memory(NOTHING), key=lambda cell: cell.retention)
    return 1 - worst.retention, worst


def mean_difference(
    freeze: tuple[str, ...], statistic: Callable[[PublishedCell], float | None]
) -> float | None:
    """Mean over cells with memory: a component frozen minus nothing frozen, where both exist."""
    paper = published()
    differences = [
        of_frozen - of_whole
        for cell in paper.with_memory(freeze)
        if (whole := paper.find(cell.language, cell.model, NOTHING))
        and (of_frozen := statistic(cell)) is not None
        and (of_whole := statistic(whole)) is not None
    ]
    return statistics.fmean(differences) if differences else None


def normalised(cell: PublishedCell, bounds: Mapping[str, Bounds]) -> float | None:
    """The normalised accuracy on the last set, cut off, where bounds are known."""
    if cell.language not in bounds:
        return None
    low, high = bounds[cell.language]
    return max(-CLIP, min(CLIP, (cell.accuracies[-1] - low) / (high - low))) if high > low else None


def above_baseline(cell: PublishedCell, bounds: Mapping[str, Bounds]) -> float | None:
    """What the accuracy on the last set is above the best baseline, where that is known."""
    if cell.language not in bounds:
        return None
    return max(0.0, cell.accuracies[-1] - bounds[cell.language].baseline)


def on_baseline(freeze: tuple[str, ...], bounds: Mapping[str, Bounds]) -> tuple[int, int]:
    """Published cells that are no better than the best baseline on the last set, of so many."""
    cells = [cell for cell in published().with_memory(freeze) if cell.language in bounds]
    near = NEAR + ROUNDING
    low = sum(cell.accuracies[-1] <= bounds[cell.language].baseline + near for cell in cells)
    return low, len(cells)


class Treebank(NamedTuple):
    """The Penn Treebank claim: the best test perplexities, and the same experiment drawn twice."""

    whole: float
    whole_model: str
    frozen: float
    frozen_model: str
    twice: tuple[float, float]
    twice_model: str

    @property
    def gain(self) -> float:
        return self.whole - self.frozen

    @property
    def spread(self) -> float:
        return abs(self.twice[0] - self.twice[1])


def treebank() -> Treebank:
    """Best net with memory, whole and with frozen memory, and the LSTM in the same two modes."""
    rows = published().treebank
    plain = next(model for model in rows if model.startswith("lstm"))
    stacks = [model for model in rows if model != plain]
    whole = min(stacks, key=lambda model: rows[model][NOTHING])
    frozen = min(stacks, key=lambda model: rows[model][MEMORY])
    twice = rows[plain][NOTHING], rows[plain][MEMORY]
    return Treebank(rows[whole][NOTHING], whole, rows[frozen][MEMORY], frozen, twice, plain)


def twice_retention() -> float:
    """The largest difference in retention between the LSTM's two draws of one experiment.

    Without a memory, freezing it changes nothing, so both are the same experiment.
    """
    paper = published()
    pairs = (
        (paper.find(language, "lstm", NOTHING), paper.find(language, "lstm", MEMORY))
        for language in paper.languages
    )
    return max(abs(one.retention - two.retention) for one, two in pairs if one and two)
