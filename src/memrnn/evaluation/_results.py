"""Typed results: scores of restarts and references on evaluation sets."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from memrnn.tasks import BAYES, Metric, TaskDescription, Totals, add


@dataclass(frozen=True)
class SetScores:
    """What a network or a reference scores on one evaluation set.

    Attributes:
        groups: totals by group, in the set's order.
        rest: what the groups' totals lack to those of the set; empty where they lack nothing. An
            export can leave out groups and round the others.

    Examples:
        >>> import memrnn
        >>> from memrnn.evaluation import SetScores
        >>> from memrnn.tasks import Total
        >>> scores = SetScores({"3": {"accuracy": Total(9, 10)}, "5": {"accuracy": Total(3, 10)}})
        >>> accuracy = memrnn.Metric("accuracy", "max")
        >>> scores.value(accuracy), scores.by_group(accuracy)
        (0.6, {'3': 0.9, '5': 0.3})
    """

    groups: Mapping[str, Totals]
    rest: Totals = field(default_factory=dict)

    @cached_property
    def whole(self) -> Totals:
        """Totals over the whole set."""
        return add([*self.groups.values(), self.rest])

    def value(self, metric: Metric) -> float | None:
        """A metric over the whole set; None where it does not exist."""
        total = self.whole.get(metric.name)
        return None if total is None else metric.value(total)

    def by_group(self, metric: Metric) -> dict[str, float]:
        """A metric per group, without groups where it does not exist."""
        values = {
            group: metric.value(totals[metric.name])
            for group, totals in self.groups.items()
            if metric.name in totals
        }
        return {group: value for group, value in values.items() if value is not None}


References = Mapping[str, SetScores]
"""Scores of predictors that need no training, by their name, on one evaluation set."""


PartitionScores = Mapping[str, SetScores]
"""Scores on one evaluation set by the groups of each of its partitions."""

ReferencePartitions = Mapping[str, PartitionScores]
"""The same of predictors that need no training, by their name."""


@dataclass(frozen=True)
class RunScores:
    """One restart on evaluation sets.

    Attributes:
        restart: its number.
        seed: its own seed.
        status: done, diverged or running.
        epochs: that it was trained for.
        best_epoch: at which it was evaluated, from 1; 0 for its start.
        learning_rate: of its first epoch; None if it has none.
        selection: the best validation value of the task's selection metric.
        reference: the same of the exact distribution on the same items; None if unknown.
        excess: what the mean of the selection metric is above the reference's: what ranks
            restarts, the smaller the better.
        sets: scores by evaluation set.

    Examples:
        >>> import memrnn
        >>> from memrnn.stability import golden_network, save_golden
        >>> bins = {"length_bins": ((3, 9), (21, 25)), "samples_per_length": 2}
        >>> task, model = memrnn.Strings("marked-reversal", **bins), "lstm-12+jm-2"
        >>> save_golden(golden_network(task, model), task, model, "golden")
        >>> run = memrnn.load_run("golden")
        >>> (scores,) = memrnn.evaluate(run).runs
        >>> scores.restart, scores.epochs, list(scores.sets)
        (0, 0, ['3:9', '21:25'])
    """

    restart: int
    seed: int
    status: str
    epochs: int
    best_epoch: int
    learning_rate: float | None
    selection: float
    reference: float | None
    excess: float
    sets: Mapping[str, SetScores] = field(repr=False)


@dataclass(frozen=True)
class Evaluation:
    """One cell, a task, a model and a freezing mode, with all its restarts, in one precision.

    Attributes:
        task: what reports need of the task.
        model: its name.
        freeze: the frozen components.
        precision: number format of the evaluation.
        runs: scores of every restart.
        references: by evaluation set.
        gate_noise: standard deviation of the noise on the gates of the networks.
        without_memory: whether readings were 0.

    Examples:
        >>> import memrnn
        >>> from memrnn.stability import golden_network, save_golden
        >>> bins = {"length_bins": ((3, 9), (21, 25)), "samples_per_length": 2}
        >>> task, model = memrnn.Strings("marked-reversal", **bins), "lstm-12+jm-2"
        >>> save_golden(golden_network(task, model), task, model, "golden")
        >>> run = memrnn.load_run("golden")
        >>> evaluation = memrnn.evaluate(run)
        >>> evaluation.model, evaluation.precision, sorted(evaluation.references["3:9"])
        ('lstm-12+jm-2', 'float32', ['bayes', 'bigram', 'repeat-last', 'unigram'])
    """

    task: TaskDescription
    model: str
    freeze: tuple[str, ...]
    precision: str
    runs: tuple[RunScores, ...]
    references: Mapping[str, References] = field(repr=False)
    gate_noise: float = 0.0
    without_memory: bool = False

    @property
    def best(self) -> int:
        """Index of the restart with the smallest excess; never chosen on an evaluation set."""
        excess = [math.inf if math.isnan(run.excess) else run.excess for run in self.runs]
        return excess.index(min(excess))

    def to_json(self) -> dict[str, Any]:
        """What `memrnn evaluate --json` prints; null stands for what is infinite or not there."""
        return {
            "task": self.task.spec,
            "model": self.model,
            "freeze": list(self.freeze),
            "precision": self.precision,
            "gate_noise": self.gate_noise,
            "without_memory": self.without_memory,
            "protocol": dict(self.task.protocol),
            "best": self.best,
            "runs": [
                vars(run)
                | {"selection": _finite(run.selection), "excess": _finite(run.excess)}
                | {"sets": {name: self._values(scores) for name, scores in run.sets.items()}}
                for run in self.runs
            ],
            "references": {
                name: {predictor: self._values(scores) for predictor, scores in references.items()}
                for name, references in self.references.items()
            },
        }

    def _values(self, scores: SetScores) -> dict[str, Any]:
        known = [metric for metric in self.task.metrics if metric.name in scores.whole]
        return {
            **{metric.name: _finite(scores.value(metric)) for metric in known},
            "groups": {
                group: {metric.name: _finite(metric.value(totals[metric.name])) for metric in known}
                for group, totals in scores.groups.items()
            },
        }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def best_baseline(references: References, metric: Metric) -> tuple[str, float] | None:
    """Name and value of the best baseline; the first listed of equals, None without one.

    Args:
        references: scores on an evaluation set by the name of the predictor.
        metric: by which they are compared.

    Examples:
        >>> import memrnn
        >>> from memrnn.evaluation import best_baseline, reference_scores
        >>> task = memrnn.Strings("count-3", length_bins=((21, 30),), samples_per_length=1)
        >>> name, value = best_baseline(reference_scores(task)["21:30"], task.headline)
        >>> name, round(value, 3)
        ('repeat-last', 0.887)
    """
    best: tuple[str, float] | None = None
    for name, scores in references.items():
        value = None if name == BAYES else scores.value(metric)
        if value is None or math.isnan(value):
            continue
        if best is None or metric.improves(value, best[1]):
            best = name, value
    return best


def normalised(value: float, baseline: float, bayes: float) -> float | None:
    """(value - baseline) / (bayes - baseline): 0 is trivial, 1 is all that can be known.

    None where baseline and Bayes-optimal value are equal, so that there is nothing to learn.

    Args:
        value: of a metric.
        baseline: the best baseline's value, the floor.
        bayes: the Bayes-optimal value.

    Examples:
        >>> from memrnn.evaluation import normalised
        >>> normalised(0.9, baseline=0.8, bayes=1.0)
        0.5
    """
    return (value - baseline) / (bayes - baseline) if abs(bayes - baseline) > 1e-12 else None
