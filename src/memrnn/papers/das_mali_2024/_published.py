"""The paper's own figures, as far as they can be read (Das & Mali, arXiv 2410.03154v1)."""

import functools
import importlib.resources
import json
from collections.abc import Sequence
from dataclasses import dataclass

from memrnn.studies import StudyResults
from memrnn.tasks import TaskDescription

NOTHING: tuple[str, ...] = ()
MEMORY = ("memory",)
CONTROLLER = ("controller",)
BOTH = ("controller", "memory")

MODES = {NOTHING: "none", MEMORY: "m", CONTROLLER: "c", BOTH: "cm"}
"""The paper's letters. They name what is frozen: `lstm`, which has no memory, trains as well under
m as under none, and scores the same under c as under cm."""

NO_MEMORY = ("lstm", "lstm-256")
"""The paper's networks without a memory."""

STRINGS = "strings:"
"""How the paper's tasks, language modelling on strings, begin as `NAME:ARGUMENT`."""


@dataclass(frozen=True)
class PublishedCell:
    """One network of the paper: the best of ten restarts, chosen on validation strings.

    Attributes:
        accuracies: by set, in the order of `Published.sets`.
        perplexities: likewise.
    """

    language: str
    model: str
    freeze: tuple[str, ...]
    valid_perplexity: float
    perplexities: tuple[float, ...]
    accuracies: tuple[float, ...]

    @property
    def retention(self) -> float:
        """Accuracy on the last set over that on the first."""
        return self.accuracies[-1] / self.accuracies[0]


@dataclass(frozen=True)
class Published:
    """All that was read from the paper's tables.

    Attributes:
        sets: names of the ranges of test lengths.
        lengths: of training.
        treebank: Penn Treebank test perplexity by model and frozen components.
        notes: what could not be read.
    """

    sets: tuple[str, ...]
    lengths: tuple[float, float]
    restarts: int
    cells: tuple[PublishedCell, ...]
    treebank: dict[str, dict[tuple[str, ...], float]]
    notes: tuple[str, ...]

    def find(self, language: str, model: str, freeze: Sequence[str]) -> PublishedCell | None:
        """The cell, or None if it is not in the paper or cannot be read."""
        return self._by_name.get((language, model, tuple(freeze)))

    def value(self, cell: PublishedCell | None, metric: str, name: str) -> float | None:
        """A cell's accuracy or perplexity on a set; None if the paper has none."""
        if cell is None or name not in self.sets:
            return None
        values = cell.perplexities if metric == "perplexity" else cell.accuracies
        return values[self.sets.index(name)]

    def with_memory(self, freeze: Sequence[str]) -> list[PublishedCell]:
        """The cells of the networks that have a memory."""
        cells = [cell for cell in self.cells if cell.freeze == tuple(freeze)]
        return [cell for cell in cells if cell.model not in NO_MEMORY]

    @property
    def languages(self) -> list[str]:
        return list(dict.fromkeys(cell.language for cell in self.cells))

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(cell.model for cell in self.cells))

    @functools.cached_property
    def _by_name(self) -> dict[tuple[str, str, tuple[str, ...]], PublishedCell]:
        return {(cell.language, cell.model, cell.freeze): cell for cell in self.cells}


def covers(results: StudyResults) -> bool:
    """Whether a study is about the paper's networks on strings: all of its tasks and models."""
    models = published().models
    return bool(results.cells) and all(
        cell.task.spec.startswith(STRINGS) and cell.model in models for cell in results.cells
    )


def language_of(task: TaskDescription) -> str:
    """The language of one of the paper's tasks."""
    return task.spec.removeprefix(STRINGS)


@functools.cache
def published() -> Published:
    """The published tables, read once."""
    path = importlib.resources.files("memrnn.papers.das_mali_2024") / "data/published_tables.json"
    content = json.loads(path.read_text("utf-8"))
    low, high = content["train_lengths"]
    bins = content["bins"]
    return Published(
        sets=tuple(f"{low}:{high}" for low, high in bins.values()),
        lengths=(float(low), float(high)),
        restarts=content["restarts"],
        cells=tuple(
            PublishedCell(
                language,
                model,
                freeze,
                row["val_ppl"],
                tuple(row[f"{name}_ppl"] for name in bins),
                tuple(row[f"{name}_acc"] for name in bins),
            )
            for freeze, mode in MODES.items()
            for language, models in content["non_cfl"][mode].items()
            for model, row in models.items()
        ),
        treebank={
            model: {freeze: row[mode] for freeze, mode in MODES.items() if mode in row}
            for model, row in content["ptb_test_perplexity"].items()
        },
        notes=tuple(content["notes"]),
    )
