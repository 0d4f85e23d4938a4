"""Scores: what is made of the marks of symbols."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memrnn.evaluation._test_set import Marks, TestSet


@dataclass(frozen=True)
class Score:
    """How well strings are predicted.

    Attributes:
        perplexity: exp of the mean nats per symbol, end-of-string included.
        accuracy: share of symbols at which the arg max is right.
        determined_accuracy: the same over the symbols that the prefix leaves no choice about;
            None in a language that has none.
        exact_strings: share of strings in which every determined symbol is right; None likewise.
            (No predictor gets the free symbols of a string all right, so they do not count.)
    """

    strings: int
    perplexity: float
    accuracy: float
    determined_accuracy: float | None
    exact_strings: float | None


def score(marks: Sequence[Marks], determined: Sequence[np.ndarray] | None) -> Score:
    """The score over all strings of some groups, every symbol with the same weight."""
    strings = sum(len(mark.nats) for mark in marks)
    symbols = sum(mark.nats.size for mark in marks)
    nats = sum(float(np.sum(mark.nats)) for mark in marks)
    right = sum(float(np.sum(mark.right)) for mark in marks)
    accuracy_determined = exact = None
    if determined is not None:
        count = sum(int(mask.sum()) for mask in determined)
        wrong = [mask * (1.0 - mark.right) for mark, mask in zip(marks, determined, strict=True)]
        if count:
            accuracy_determined = 1 - sum(float(w.sum()) for w in wrong) / count
        exact = sum(int(np.sum(w.sum(axis=1) == 0)) for w in wrong) / strings
    return Score(strings, perplexity(nats / symbols), right / symbols, accuracy_determined, exact)


def perplexity(nats: float) -> float:
    """exp(nats), infinite where that overflows."""
    return math.exp(nats) if not nats > 709 else math.inf


def skill(accuracy: float, floor: float, ceiling: float) -> float | None:
    """(accuracy - floor) / (ceiling - floor): 0 is trivial, 1 is all that can be known.

    None where the floor is the ceiling, so that there is nothing to learn.
    """
    return (accuracy - floor) / (ceiling - floor) if ceiling - floor > 1e-12 else None


def report_bin(test_set: TestSet, marks: Sequence[Marks]) -> dict[str, Any]:
    """All scores of a network on one test set, as `memrnn test --json` prints them."""
    whole = _with_bounds(test_set, marks, range(len(marks)))
    per_length = [
        {"length": group.shape[1]} | _with_bounds(test_set, marks, [number])
        for number, group in enumerate(test_set.groups)
    ]
    lengths = [test_set.law.shortest, test_set.law.longest]
    return {"lengths": lengths} | whole | {"per_length": per_length}


def _with_bounds(
    test_set: TestSet, marks: Sequence[Marks], chosen: Sequence[int]
) -> dict[str, Any]:
    def of(marks: Sequence[Marks]) -> Score:
        masks = test_set.determined
        return score(
            [marks[number] for number in chosen],
            None if masks is None else [masks[number] for number in chosen],
        )

    def brief(score: Score) -> dict[str, float | None]:
        return {"accuracy": score.accuracy, "perplexity": finite(score.perplexity)}

    network, ceiling = of(marks), of(test_set.ceiling)
    floors = {name: of(floor) for name, floor in test_set.floors.items()}
    best_floor = max(floor.accuracy for floor in floors.values())
    return {
        "strings": network.strings,
        "perplexity": finite(network.perplexity),
        "accuracy": network.accuracy,
        "determined_accuracy": network.determined_accuracy,
        "exact_strings": network.exact_strings,
        "doubtful_strings": sum(marks[number].doubtful for number in chosen),
        "floors": {name: brief(floor) for name, floor in floors.items()},
        "ceiling": brief(ceiling),
        "skill": skill(network.accuracy, best_floor, ceiling.accuracy),
    }


def finite(value: float) -> float | None:
    """JSON has no infinity: null stands for a perplexity that is not finite."""
    return value if math.isfinite(value) else None
