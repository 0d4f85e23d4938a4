"""The statistics of the claims, computed from the paper's own tables."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from memrnn.reports._thresholds import NEAR
from memrnn.reports.study._published import Published, PublishedCell, language_of, published
from memrnn.reports.study._scores import CLIP, View, ceiling, floor

ROUNDING = 0.005
"""What two digits can hide of an accuracy."""

NOTHING: tuple[str, ...] = ()
MEMORY = ("memory",)
CONTROLLER = ("controller",)


@dataclass(frozen=True)
class Bounds:
    """Accuracy of the best baseline and of the Bayes-optimal predictor on a set."""

    floor: float
    ceiling: float


def last_bounds(view: View) -> dict[str, Bounds]:
    """Floor and ceiling of each language on the paper's last set, as far as this study has them."""
    paper = published()
    found: dict[str, Bounds] = {}
    for cell in view.results.cells:
        names = [one.name for one in cell.task.sets]
        if cell.task.trained_groups != paper.lengths or paper.sets[-1] not in names:
            continue
        low, high = floor(cell, paper.sets[-1]), ceiling(cell, paper.sets[-1])
        if low is not None and high is not None:
            found[language_of(cell.task)] = Bounds(low, high)
    return found


def mean_retention(freeze: tuple[str, ...]) -> float | None:
    """Mean over the cells with memory of last over first accuracy."""
    kept = [cell.retention for cell in published().with_memory(freeze)]
    return statistics.fmean(kept) if kept else None


def worst_loss() -> tuple[float, PublishedCell]:
    """The largest loss of a fully trained net with memory, and whose it is."""
    worst = min(published().with_memory(NOTHING), key=lambda cell: cell.retention)
    return 1 - worst.retention, worst


def retention_difference(freeze: tuple[str, ...]) -> float:
    """Mean over cells: retention with a component frozen minus with nothing frozen."""
    return statistics.fmean(a.retention - b.retention for a, b in _pairs(freeze))


def normalised_difference(freeze: tuple[str, ...], bounds: Mapping[str, Bounds]) -> float | None:
    """Likewise of the normalised accuracy on the last set, cut off, where bounds are known."""
    found = [
        _normalised(a, bounds[a.language]) - _normalised(b, bounds[b.language])
        for a, b in _pairs(freeze)
        if a.language in bounds and bounds[a.language].ceiling > bounds[a.language].floor
    ]
    return statistics.fmean(found) if found else None


def gain_above_floor(freeze: tuple[str, ...], bounds: Mapping[str, Bounds]) -> float | None:
    """Likewise of what the accuracy on the last set is above the floor."""
    found = [
        max(0.0, a.accuracies[-1] - bounds[a.language].floor)
        - max(0.0, b.accuracies[-1] - bounds[b.language].floor)
        for a, b in _pairs(freeze)
        if a.language in bounds
    ]
    return statistics.fmean(found) if found else None


def gain_regardless(freeze: tuple[str, ...]) -> float:
    """Likewise of the accuracy on the last set, whatever the floor is."""
    return statistics.fmean(a.accuracies[-1] - b.accuracies[-1] for a, b in _pairs(freeze))


def on_the_floor(freeze: tuple[str, ...], bounds: Mapping[str, Bounds]) -> tuple[int, int]:
    """Published cells that are no better than the floor on the last set, of so many."""
    cells = [cell for cell in published().with_memory(freeze) if cell.language in bounds]
    near = NEAR + ROUNDING
    low = [cell for cell in cells if cell.accuracies[-1] <= bounds[cell.language].floor + near]
    return len(low), len(cells)


@dataclass(frozen=True)
class Treebank:
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


def treebank(paper: Published | None = None) -> Treebank:
    """Best net with memory, whole and with frozen memory, and the LSTM in the same two modes."""
    rows = (paper or published()).treebank
    plain = next(model for model in rows if model.startswith("lstm"))
    stacks = [model for model in rows if model != plain]
    whole = min(stacks, key=lambda model: rows[model][NOTHING])
    frozen = min(stacks, key=lambda model: rows[model][MEMORY])
    return Treebank(
        rows[whole][NOTHING],
        whole,
        rows[frozen][MEMORY],
        frozen,
        (rows[plain][NOTHING], rows[plain][MEMORY]),
        plain,
    )


def twice_retention() -> float:
    """The largest difference in retention between the LSTM's two draws of one experiment.

    Without a memory, freezing it changes nothing, so both are the same experiment.
    """
    paper = published()
    found: list[float] = []
    for language in paper.languages:
        one, two = (paper.find(language, "lstm", freeze) for freeze in (NOTHING, MEMORY))
        if one and two:
            found.append(abs(one.retention - two.retention))
    return max(found)


def _pairs(freeze: tuple[str, ...]) -> list[tuple[PublishedCell, PublishedCell]]:
    paper = published()
    return [
        (cell, whole)
        for cell in paper.with_memory(freeze)
        if (whole := paper.find(cell.language, cell.model, NOTHING))
    ]


def _normalised(cell: PublishedCell, bounds: Bounds) -> float:
    value = (cell.accuracies[-1] - bounds.floor) / (bounds.ceiling - bounds.floor)
    return max(-CLIP, min(CLIP, value))
