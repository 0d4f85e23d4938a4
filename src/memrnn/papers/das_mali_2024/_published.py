"""The paper's own figures, as far as they can be read (Das & Mali, arXiv 2410.03154v1).

And the statistics of its claims, computed from them.
"""

import functools
import importlib.resources
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from memrnn.reports import NEAR, gain
from memrnn.reports.study.scores import View, baseline, bayes
from memrnn.studies import StudyResults
from memrnn.tasks import Metric, TaskDescription

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


def read(name: str) -> str:
    """A file of the paper's folder as text."""
    folder = importlib.resources.files("memrnn.papers.das_mali_2024")
    return folder.joinpath(name).read_text("utf-8")


TEXTS: dict[str, Any] = tomllib.loads(read("data/texts.toml"))
"""What the page of a study says about the paper."""


RULES = read("claims.md")
"""The rules, as they were written before the runs that they judge."""


class Written(NamedTuple):
    """A claim as `claims.md` has it."""

    claim: str
    source: str
    rule: str


def written() -> dict[str, Written]:
    """The claims of `claims.md` by their keys: rows of a table, the source in parentheses."""
    table = RULES.partition("\n## The claims\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([a-z]) \| (.*?) \| (.*) \|$", table, re.MULTILINE)
    claims: dict[str, Written] = {}
    for key, claim, rule in rows:
        if found := re.fullmatch(r"(.*) \(([^()]*)\)", claim):
            claims[key] = Written(found[1], found[2], rule.replace("`", ""))
        else:
            source, _, claim = claim.partition(": ")
            claims[key] = Written(claim, source, rule)
    return claims


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
        cells: by language, model and frozen components.
        treebank: Penn Treebank test perplexity by model and frozen components.
        notes: what could not be read.
    """

    sets: tuple[str, ...]
    lengths: tuple[float, float]
    restarts: int
    cells: dict[tuple[str, str, tuple[str, ...]], PublishedCell]
    treebank: dict[str, dict[tuple[str, ...], float]]
    notes: tuple[str, ...]

    def find(self, language: str, model: str, freeze: Sequence[str]) -> PublishedCell | None:
        """The cell, or None if it is not in the paper or cannot be read."""
        return self.cells.get((language, model, tuple(freeze)))

    def value(self, cell: PublishedCell | None, metric: str, name: str) -> float | None:
        """A cell's accuracy or perplexity on a set; None if the paper has none."""
        if cell is None or name not in self.sets:
            return None
        values = cell.perplexities if metric == "perplexity" else cell.accuracies
        return values[self.sets.index(name)]

    def with_memory(self, freeze: Sequence[str]) -> list[PublishedCell]:
        """The cells of the networks that have a memory."""
        cells = [cell for cell in self.cells.values() if cell.freeze == tuple(freeze)]
        return [cell for cell in cells if cell.model not in NO_MEMORY]

    @property
    def languages(self) -> list[str]:
        return list(dict.fromkeys(language for language, _, _ in self.cells))

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(model for _, model, _ in self.cells))


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
    content = json.loads(read("data/published_tables.json"))
    low, high = content["train_lengths"]
    bins = content["bins"]
    return Published(
        sets=tuple(f"{low}:{high}" for low, high in bins.values()),
        lengths=(float(low), float(high)),
        restarts=content["restarts"],
        cells={
            (language, model, freeze): PublishedCell(
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
        },
        treebank={
            model: {freeze: row[mode] for freeze, mode in MODES.items() if mode in row}
            for model, row in content["ptb_test_perplexity"].items()
        },
        notes=tuple(content["notes"]),
    )


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


def worst_loss() -> tuple[float, PublishedCell]:
    """The largest loss of a fully trained net with memory, and whose it is."""
    worst = min(published().with_memory(NOTHING), key=lambda cell: cell.retention)
    return 1 - worst.retention, worst


def on_baseline(freeze: tuple[str, ...], bounds: Mapping[str, Bounds]) -> tuple[int, int]:
    """Numbers of published cells: not better than the best baseline on the last set, and all.

    A cell is not better if it has no more than `NEAR` of the way from the baseline to the
    Bayes-optimal predictor behind it; languages where the two nearly meet are left out.
    """
    accuracy = Metric("accuracy", "max")
    gains = [
        gain(cell.accuracies[-1] - ROUNDING, *bounds[cell.language], accuracy)
        for cell in published().with_memory(freeze)
        if cell.language in bounds
    ]
    known = [one for one in gains if one is not None]
    return sum(one <= NEAR for one in known), len(known)


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
