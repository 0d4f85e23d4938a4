"""From the scores of batches to scores of items and totals of groups, in float64 on the host."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from memrnn.errors import MemrnnError
from memrnn.nn.network import Network
from memrnn.nn.rounded import is_rounded
from memrnn.runtime import formats
from memrnn.runtime.devices import compiled
from memrnn.tasks._metrics import Scores, Total, Totals
from memrnn.tasks._task import EvaluationSet, Partition, Task, Traced

ItemScores = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Numerator and denominator of every item of a set, by metric."""


def score_set(task: Task, network: Network, evaluation_set: EvaluationSet) -> ItemScores:
    """A network's scores of every item of a set; one compiled program per shape of a batch.

    Args:
        task: which scores.
        network: of the task.
        evaluation_set: of the task.

    Returns:
        By metric, numerators and denominators [items], in float64 on the host.

    Raises:
        MemrnnError: as `item_scores`, and if a score is none of the task's metrics.

    Examples:
        >>> import memrnn
        >>> from memrnn.stability import golden_network
        >>> from memrnn.tasks import score_set
        >>> task = memrnn.Strings("marked-reversal", length_bins=((3, 9),), samples_per_length=2)
        >>> scores = score_set(task, golden_network(task), task.evaluation_set("3:9"))
        >>> scores["sequence_accuracy"][0]  # two strings of each length 3, 5, 7, 9
        array([1., 1., 1., 1., 1., 1., 1., 1.])
    """
    carry, scores = task.evaluation_carry(network), list[Scores]()
    traced, program = Traced.of(task), _score(is_rounded(network))
    for number, batch in enumerate(evaluation_set.batches):
        next_carry, batch_scores = program(traced, _of_batch(network, number), carry, batch)
        carry = next_carry if evaluation_set.carries else carry
        scores.append(batch_scores)
    _check_metrics(task, scores)
    return item_scores(evaluation_set, jax.device_get(scores))


def _check_metrics(task: Task, batches: Iterable[Scores]) -> None:
    """Raises a MemrnnError if a score is none of the task's metrics: it would be in no table."""
    known = [metric.name for metric in task.metrics]
    for name in dict.fromkeys(itertools.chain(*batches)):
        if name not in known:
            raise MemrnnError(
                f"The task {task.name} scores {name!r}, which is none of its metrics: "
                f"{formats.listed(known)}."
            )


def _of_batch(network: Network, number: int) -> Network:
    """The network with noise of the batch's own, where it has noise."""
    noise = network.gate_noise
    if noise is None:
        return network
    key = jax.random.fold_in(noise.key, np.uint32(number))
    return dataclasses.replace(network, gate_noise=dataclasses.replace(noise, key=key))


@compiled(static_argnums=0)
def _score(traced: Traced, network: Network, carry: Any, batch: Any) -> tuple[Any, Scores]:
    return traced.task.score(network, carry, batch)


def item_scores(evaluation_set: EvaluationSet, batches: Sequence[Scores]) -> ItemScores:
    """The scores of a set's items from those of its batches' rows, which may lie in any order.

    Args:
        evaluation_set: whose batches were scored.
        batches: of each, scores by metric: numerators and denominators of its rows.

    Returns:
        By metric, numerators and denominators [items].

    Raises:
        MemrnnError: if a score is not a numerator and a denominator of each row.

    Examples:
        >>> import numpy as np
        >>> import memrnn
        >>> from memrnn.tasks import item_scores
        >>> rows = memrnn.EvaluationSet([None], [np.array([1, 0, -1])], groups=["a", "a"])
        >>> item_scores(rows, [{"nats": (np.array([3.0, 2.0, 9.0]), np.ones(3))}])["nats"][0]
        array([2., 3.])
    """
    count = len(evaluation_set.groups)
    totals: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for items, scores in zip(evaluation_set.items, batches, strict=True):
        counted = items >= 0
        for name, pair in scores.items():
            numerator, denominator = (list(np.shape(values)) for values in pair)
            if not numerator == denominator == [len(items)]:
                raise MemrnnError(
                    f"The score {name} has a numerator of shape {numerator} and a denominator of "
                    f"shape {denominator}, but the batch has {len(items)} items; each must have "
                    f"shape [{len(items)}]."
                )
            sums = totals.setdefault(name, (np.zeros(count), np.zeros(count)))
            for item_sums, values in zip(sums, pair, strict=True):
                # An item may be scored in several pieces, as a long stream is.
                np.add.at(item_sums, items[counted], np.asarray(values, np.float64)[counted])
    return totals


def total(scores: Scores) -> dict[str, Total]:
    """Sums over all items.

    Args:
        scores: numerators and denominators [items], by metric.

    Examples:
        >>> import numpy as np
        >>> from memrnn.tasks import total
        >>> total({"accuracy": (np.array([1.0, 0.0, 1.0]), np.ones(3))})
        {'accuracy': Total(numerator=2.0, denominator=3.0)}
    """
    return {
        name: Total(*(float(np.sum(np.asarray(values, np.float64))) for values in pair))
        for name, pair in scores.items()
    }


def total_by_group(scores: Scores, groups: Sequence[str]) -> Mapping[str, Totals]:
    """Sums over the items of each group, groups in the order in which they first occur.

    Args:
        scores: numerators and denominators [items], by metric.
        groups: the name of each item's group.

    Examples:
        >>> import numpy as np
        >>> from memrnn.tasks import total_by_group
        >>> scores = {"accuracy": (np.array([1.0, 0.0, 1.0]), np.ones(3))}
        >>> total_by_group(scores, ["5", "5", "7"])["5"]
        {'accuracy': Total(numerator=1.0, denominator=2.0)}
    """
    numbers = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    index = np.array([numbers[group] for group in groups], np.int64)
    return total_by_partition(scores, Partition(tuple(numbers), index))


def total_by_partition(scores: Scores, partition: Partition) -> Mapping[str, Totals]:
    """Sums over the items of each group that is not empty, in the order of their names.

    Args:
        scores: numerators and denominators [items], by metric.
        partition: of the same items.

    Examples:
        >>> import numpy as np
        >>> from memrnn.tasks import Partition, total_by_partition
        >>> scores = {"accuracy": (np.array([1.0, 0.0, 1.0]), np.ones(3))}
        >>> total_by_partition(scores, Partition(("rare", "frequent"), np.array([1, 1, 1])))
        {'frequent': {'accuracy': Total(numerator=2.0, denominator=3.0)}}
    """
    count = len(partition.names)
    sizes = np.bincount(partition.numbers, minlength=count).tolist()
    totals: dict[str, dict[str, Total]] = {
        name: {} for name, size in zip(partition.names, sizes, strict=True) if size
    }
    for metric, pair in scores.items():
        sums = [
            np.bincount(partition.numbers, np.asarray(values, np.float64), count).tolist()
            for values in pair
        ]
        for name, numerator, denominator in zip(partition.names, *sums, strict=True):
            if name in totals:
                totals[name][metric] = Total(numerator, denominator)
    return totals
