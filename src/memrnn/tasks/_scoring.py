"""From the scores of batches to scores of items and totals of groups, in float64 on the host."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from memrnn.nn.network import Network
from memrnn.runtime.devices import compiled
from memrnn.tasks._metrics import Scores, Total, Totals
from memrnn.tasks._task import EvaluationSet, Task, Traced

ItemScores = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Numerator and denominator of every item of a set, by metric."""


def score_set(task: Task, network: Network, evaluation_set: EvaluationSet) -> ItemScores:
    """A network's scores of every item of a set; one compiled program per shape of a batch."""
    carry, found = task.carry(network), list[Scores]()
    traced = Traced.of(task)
    for batch in evaluation_set.batches:
        following, scores = _score()(traced, network, carry, batch)
        if evaluation_set.carries:
            carry = following
        found.append(scores)
    return item_scores(evaluation_set, jax.device_get(found))


@compiled(static_argnums=0)
def _score(traced: Traced, network: Network, carry: Any, batch: Any) -> tuple[Any, Scores]:
    return traced.task.score(network, carry, batch)


def item_scores(evaluation_set: EvaluationSet, batches: Sequence[Scores]) -> ItemScores:
    """The scores of a set's items from those of its batches' rows, which may lie in any order."""
    count = len(evaluation_set.groups)
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for numbers, scores in zip(evaluation_set.items, batches, strict=True):
        kept = numbers >= 0
        for name, parts in scores.items():
            totals = found.setdefault(name, (np.zeros(count), np.zeros(count)))
            for total, part in zip(totals, parts, strict=True):
                # An item may be scored in several pieces, as a long stream is.
                np.add.at(total, numbers[kept], np.asarray(part, np.float64)[kept])
    return found


def total(scores: Scores) -> dict[str, Total]:
    """Sums over all items."""
    return {
        name: Total(*(float(np.sum(np.asarray(part, np.float64))) for part in parts))
        for name, parts in scores.items()
    }


def total_by_group(scores: Scores, groups: Sequence[str]) -> Mapping[str, Totals]:
    """Sums over the items of each group, groups in the order in which they first occur."""
    names = list(dict.fromkeys(groups))
    numbers = {name: number for number, name in enumerate(names)}
    place = np.array([numbers[group] for group in groups], np.int64)
    found: dict[str, dict[str, Total]] = {name: {} for name in names}
    for metric, parts in scores.items():
        sums = [np.zeros(len(names)) for _ in parts]
        for one, part in zip(sums, parts, strict=True):
            np.add.at(one, place, np.asarray(part, np.float64))
        for name, numerator, denominator in zip(names, *sums, strict=True):
            found[name][metric] = Total(float(numerator), float(denominator))
    return found
