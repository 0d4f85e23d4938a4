"""The paper's own figures, as far as they can be read (Das & Mali, arXiv 2410.03154v1)."""

import functools
import importlib.resources
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from memrnn.evaluation import Bin
from memrnn.experiment import Recipe

MODES: dict[tuple[str, ...], str] = {
    (): "none",
    ("memory",): "m",
    ("controller",): "c",
    ("controller", "memory"): "cm",
}
"""The paper's letters. They name what is frozen: `lstm`, which has no memory, trains as well under
m as under none, and scores the same under c as under cm."""

NO_MEMORY = ("lstm", "lstm-256")
"""The paper's networks without a memory."""


@dataclass(frozen=True)
class PublishedCell:
    """One network of the paper: the best of ten restarts, chosen on validation strings.

    Attributes:
        accuracies: by bin, in the order of `Published.bins`.
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
        """Accuracy in the last bin over that in the first."""
        return self.accuracies[-1] / self.accuracies[0]


@dataclass(frozen=True)
class Published:
    """All that was read from the paper's tables.

    Attributes:
        bins: ranges of test lengths.
        lengths: of training.
        treebank: Penn Treebank test perplexity by model and frozen parts.
        notes: what could not be read.
    """

    source: str
    bins: tuple[Bin, ...]
    lengths: Bin
    restarts: int
    cells: tuple[PublishedCell, ...]
    treebank: dict[str, dict[tuple[str, ...], float]]
    notes: tuple[str, ...]

    def find(self, language: str, model: str, freeze: Sequence[str]) -> PublishedCell | None:
        """The cell, or None if it is not in the paper or cannot be read."""
        return self._by_name.get((language, model, tuple(freeze)))

    def with_memory(self, freeze: Sequence[str]) -> list[PublishedCell]:
        """The cells of the networks that have a memory."""
        return [
            cell
            for cell in self.cells
            if cell.freeze == tuple(freeze) and cell.model not in NO_MEMORY
        ]

    @property
    def languages(self) -> list[str]:
        return list(dict.fromkeys(cell.language for cell in self.cells))

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(cell.model for cell in self.cells))

    @functools.cached_property
    def _by_name(self) -> dict[tuple[str, str, tuple[str, ...]], PublishedCell]:
        return {(cell.language, cell.model, cell.freeze): cell for cell in self.cells}


PAPER_RECIPE = Recipe()
"""memrnn's defaults are the paper's recipe."""


@functools.cache
def published() -> Published:
    """The published tables, read once."""
    path = importlib.resources.files("memrnn.reports") / "data" / "published_tables.json"
    content = json.loads(path.read_text("utf-8"))
    return Published(
        source=content["source"],
        bins=tuple((low, high) for low, high in content["bins"].values()),
        lengths=tuple(content["train_lengths"]),
        restarts=content["restarts"],
        cells=tuple(_cells(content)),
        treebank={
            model: {freeze: row[mode] for freeze, mode in MODES.items() if mode in row}
            for model, row in content["ptb_test_perplexity"].items()
        },
        notes=tuple(content["notes"]),
    )


def _cells(content: dict[str, Any]) -> Iterator[PublishedCell]:
    names = list(content["bins"])
    for freeze, mode in MODES.items():
        for language, models in content["non_cfl"][mode].items():
            for model, row in models.items():
                yield PublishedCell(
                    language,
                    model,
                    freeze,
                    row["val_ppl"],
                    tuple(row[f"{name}_ppl"] for name in names),
                    tuple(row[f"{name}_acc"] for name in names),
                )
