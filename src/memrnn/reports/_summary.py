"""What the restarts of one experiment come to, bin by bin."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memrnn.errors import MemrnnError

Result = Mapping[str, Any]
"""What `memrnn.evaluation.test` returns: one experiment with all its restarts."""


@dataclass(frozen=True)
class BinSummary:
    """One experiment on one bin of lengths.

    Attributes:
        lengths: shortest and longest string, inclusive.
        best: accuracy of the best restart, chosen on validation strings and never on these.
        median: median accuracy over all restarts, those that diverged among them.
        lowest, highest: range of the accuracy over all restarts.
        floor: accuracy of the best trivial predictor, and `floor_name` is its name.
        ceiling: accuracy of the exact Bayes predictor.
        skill: of the best restart; None where floor and ceiling are the same.
        determined: determined accuracy of the best restart; None where a language has none.
        determined_median: its median over all restarts.
        perplexity: of the best restart, infinite where it is not finite.
        ceiling_perplexity: of the exact Bayes predictor.
    """

    lengths: tuple[int, int]
    best: float
    median: float
    lowest: float
    highest: float
    floor: float
    floor_name: str
    ceiling: float
    skill: float | None
    determined: float | None
    determined_median: float | None
    perplexity: float
    ceiling_perplexity: float

    @property
    def label(self) -> str:
        return lengths_label(self.lengths)


@dataclass(frozen=True)
class Summary:
    """One experiment: what it is, how many restarts it had, and its scores by bin."""

    language: str
    model: str
    freeze: tuple[str, ...]
    restarts: int
    diverged: int
    bins: tuple[BinSummary, ...]

    @property
    def frozen(self) -> str:
        """The frozen parts in words."""
        return frozen_label(self.freeze)


def frozen_label(freeze: Sequence[str]) -> str:
    """The frozen parts in words: `nothing`, `memory`, `controller+memory`."""
    return "+".join(freeze) or "nothing"


def lengths_label(lengths: Sequence[int]) -> str:
    """A range of lengths as people write it: 40–100, or 40 if it is but one."""
    low, high = lengths
    return f"{low}" if low == high else f"{low}–{high}"


def best_floor(floors: Mapping[str, Mapping[str, float | None]]) -> tuple[str, float]:
    """Name and accuracy of the most accurate trivial predictor; the first listed if some tie."""
    name = max(floors, key=lambda name: _number(floors[name]["accuracy"]))
    return name, _number(floors[name]["accuracy"])


def summarize(result: Result) -> Summary:
    """Sums up an experiment; every restart counts, whatever became of it.

    Raises:
        MemrnnError: if there is no restart in it.
    """
    runs = result["runs"]
    if not runs:
        raise MemrnnError("A result holds no restart, so there is nothing to report.")
    first = runs[0]
    return Summary(
        language=first["language"],
        model=first["model"],
        freeze=tuple(first["freeze"]),
        restarts=len(runs),
        diverged=sum(run["status"] == "diverged" for run in runs),
        bins=tuple(
            _summarize_bin(result["best"], [run["bins"][number] for run in runs])
            for number in range(len(first["bins"]))
        ),
    )


def _summarize_bin(best: int, bins: Sequence[Mapping[str, Any]]) -> BinSummary:
    chosen = bins[best]
    accuracies = [scores["accuracy"] for scores in bins]
    determined = [scores["determined_accuracy"] for scores in bins]
    floor_name, floor = best_floor(chosen["floors"])
    low, high = chosen["lengths"]
    return BinSummary(
        lengths=(low, high),
        best=chosen["accuracy"],
        median=statistics.median(accuracies),
        lowest=min(accuracies),
        highest=max(accuracies),
        floor=floor,
        floor_name=floor_name,
        ceiling=_number(chosen["ceiling"]["accuracy"]),
        skill=chosen["skill"],
        determined=chosen["determined_accuracy"],
        determined_median=None if None in determined else statistics.median(determined),
        perplexity=_number(chosen["perplexity"]),
        ceiling_perplexity=_number(chosen["ceiling"]["perplexity"]),
    )


def _number(value: float | None) -> float:
    """JSON has no infinity, so results write null for it; only perplexities can be infinite."""
    return math.inf if value is None else value
