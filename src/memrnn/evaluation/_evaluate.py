"""Evaluates trained networks on the evaluation sets of their task, in any precision."""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from memrnn.errors import MemrnnError
from memrnn.evaluation._results import (
    Evaluation,
    PartitionScores,
    ReferencePartitions,
    References,
    RunScores,
    SetScores,
)
from memrnn.nn.gate_noise import GateNoise
from memrnn.nn.memories import Silenced
from memrnn.nn.network import Network
from memrnn.nn.rounded import RoundedController, in_precision
from memrnn.runtime.precision import canonical_precision, computed_in, scope
from memrnn.tasks import (
    EvaluationSet,
    ItemScores,
    Partition,
    Scores,
    Task,
    score_set,
    total_by_group,
    total_by_partition,
)
from memrnn.training import Run


def evaluate(
    run: Run,
    task: Task | None = None,
    *,
    precision: str | None = None,
    gate_noise: float = 0.0,
    without_memory: bool = False,
) -> Evaluation:
    """Evaluates every restart of a run, each at its best epoch.

    Args:
        run: as `train` or `load_run` gives it.
        task: the run's task with other evaluation options; by default as it was trained.
        precision: number format of the evaluation, see `parse_precision`; by default that of the
            training.
        gate_noise: standard deviation of the noise on what the controller's gates get from the
            input, as `TrainingConfig` has it for training: a network that is stable against
            rounding need not be so against noise. It is drawn from the seed of the restart and the
            number of the batch.
        without_memory: whether every reading of the memory is 0, which shows what a network does
            with its state alone.

    Returns:
        Scores of every restart and of the references on every evaluation set.

    Raises:
        MemrnnError: for an unknown precision, another task, a negative noise or one for a
            controller without gates or in an emulated format, a model without a memory to silence,
            or where there is too little memory.

    Examples:
        >>> import memrnn
        >>> from memrnn.stability import golden_network, save_golden
        >>> bins = {"length_bins": ((3, 9), (21, 25)), "samples_per_length": 2}
        >>> task, model = memrnn.Strings("marked-reversal", **bins), "lstm-12+jm-2"
        >>> save_golden(golden_network(task, model), task, model, "golden")
        >>> run = memrnn.load_run("golden")
        >>> evaluation = memrnn.evaluate(run)
        >>> whole = evaluation.runs[0].sets["21:25"].whole
        >>> whole["sequence_accuracy"]
        Total(numerator=6.0, denominator=6.0)
    """
    experiment = run.experiment
    task = task or experiment.task
    if task.identity() != experiment.task.identity():
        raise MemrnnError("The run was trained on another task; change evaluation options only.")
    if not 0 <= gate_noise < math.inf:
        raise MemrnnError(f"gate_noise is {gate_noise}, but must be at least 0.")
    if without_memory and experiment.definition.memory == "none":
        raise MemrnnError(f"{experiment.model} has no memory that it could do without.")
    precision = canonical_precision(precision or experiment.config.precision)
    runs = []
    for restart in run.restarts:
        progress, network = restart.progress, restart.network
        with scope(experiment.config.precision):
            if gate_noise:
                key = jax.random.key(np.uint32(progress.seed % 2**32))
                noise = GateNoise(jnp.asarray(gate_noise, network.dtype), key)
                network = dataclasses.replace(network, gate_noise=noise)
            if without_memory:
                zeros = jnp.zeros(network.memory.reading_size, network.dtype)
                network = dataclasses.replace(network, memory=Silenced(zeros))
        scores = RunScores(
            restart.number,
            progress.seed,
            progress.status,
            progress.epochs,
            progress.best_epoch,
            progress.curve[0].learning_rate if progress.curve else None,
            progress.schedule.best,
            progress.reference,
            progress.excess,
            evaluate_restart(task, network, precision),
        )
        runs.append(scores)
    return Evaluation(
        task.describe(),
        experiment.model,
        experiment.freeze,
        precision,
        tuple(runs),
        reference_scores(task),
        gate_noise,
        without_memory,
    )


def evaluate_restart(
    task: Task, network: Network, precision: str, sets: Sequence[str] | None = None
) -> dict[str, SetScores]:
    """One network on evaluation sets, by default on all of its task.

    Args:
        task: whose evaluation sets they are.
        network: of the task.
        precision: number format of the evaluation, see `parse_precision`.
        sets: names of evaluation sets.

    Returns:
        Scores by evaluation set.

    Raises:
        MemrnnError: if that needs more memory than there is.

    Examples:
        >>> import memrnn
        >>> from memrnn.evaluation import evaluate_restart
        >>> from memrnn.stability import golden_network
        >>> bins = {"length_bins": ((3, 9), (21, 25)), "samples_per_length": 2}
        >>> task = memrnn.Strings("marked-reversal", **bins)
        >>> network = golden_network(task)
        >>> scores = evaluate_restart(task, network, "float32", ["3:9"])
        >>> scores["3:9"].whole["sequence_accuracy"]
        Total(numerator=8.0, denominator=8.0)
    """
    return {
        name: summed(task, name, scores)
        for name, scores in evaluate_items(task, network, precision, sets).items()
    }


def evaluate_items(
    task: Task, network: Network, precision: str, sets: Sequence[str] | None = None
) -> dict[str, ItemScores]:
    """The scores of every item of evaluation sets, by default of all of the task.

    Args:
        task: whose evaluation sets they are.
        network: of the task.
        precision: number format of the evaluation, see `parse_precision`.
        sets: names of evaluation sets.

    Returns:
        By evaluation set and metric, numerators and denominators [items].

    Raises:
        MemrnnError: if that needs more memory than there is.

    Examples:
        >>> import memrnn
        >>> from memrnn.evaluation import evaluate_items
        >>> from memrnn.stability import golden_network
        >>> bins = {"length_bins": ((3, 9), (21, 25)), "samples_per_length": 2}
        >>> task = memrnn.Strings("marked-reversal", **bins)
        >>> network = golden_network(task)
        >>> scores = evaluate_items(task, network, "float32", ["21:25"])
        >>> scores["21:25"]["sequence_accuracy"][0]
        array([1., 1., 1., 1., 1., 1.])
    """
    names = [one.name for one in task.sets] if sets is None else sets
    with scope(computed_in(precision)):
        noisy = network.gate_noise is not None
        network = in_precision(network, precision)
        if noisy and isinstance(network.controller, RoundedController):
            raise MemrnnError(
                f"Gate noise is for a controller in a native format, not in {precision}; "
                "memory=FORMAT goes with it."
            )
        task.check_memory(network, training=False)
        return {name: score_set(task, network, _evaluation_set(task, name)) for name in names}


def summed(task: Task, name: str, scores: Scores) -> SetScores:
    """Scores of the items of an evaluation set, summed by group.

    Args:
        task: whose evaluation set it is.
        name: of the set.
        scores: of every item, by metric.

    Examples:
        >>> import memrnn
        >>> from memrnn.evaluation import evaluate_items, summed
        >>> from memrnn.stability import golden_network
        >>> bins = {"length_bins": ((3, 9), (21, 25)), "samples_per_length": 2}
        >>> task = memrnn.Strings("marked-reversal", **bins)
        >>> network = golden_network(task)
        >>> scores = evaluate_items(task, network, "float32", ["21:25"])
        >>> list(summed(task, "21:25", scores["21:25"]).groups)
        ['21', '23', '25']
    """
    return SetScores(total_by_group(scores, _evaluation_set(task, name).groups))


def summed_by_partition(task: Task, name: str, scores: Scores) -> PartitionScores:
    """The same, summed by the groups of every partition of the set.

    Args:
        task: whose evaluation set it is.
        name: of the set.
        scores: of every item, by metric.

    Returns:
        Scores by partition; empty for a task without partitions.

    Examples:
        >>> import memrnn
        >>> from memrnn.evaluation import evaluate_items, summed_by_partition
        >>> from memrnn.stability import golden_network
        >>> bins = {"length_bins": ((3, 9), (21, 25)), "samples_per_length": 2}
        >>> task = memrnn.Strings("marked-reversal", **bins)
        >>> network = golden_network(task)
        >>> scores = evaluate_items(task, network, "float32", ["21:25"])
        >>> summed_by_partition(task, "21:25", scores["21:25"])  # strings have no partitions
        {}
    """
    return {
        kind: SetScores(total_by_partition(scores, partition))
        for kind, partition in _partitions(task, name).items()
    }


def reference_scores(task: Task) -> dict[str, References]:
    """Scores of predictors that need no training on every evaluation set.

    Args:
        task: whose evaluation sets they are.

    Returns:
        By evaluation set, scores by the name of the predictor: baselines, and `bayes` where the
        exact distribution is known.

    Examples:
        >>> import memrnn
        >>> from memrnn.evaluation import reference_scores
        >>> bins = {"length_bins": ((3, 9),), "samples_per_length": 2}
        >>> task = memrnn.Strings("count-3", **bins)
        >>> sorted(reference_scores(task)["3:9"])
        ['bayes', 'bigram', 'repeat-last', 'unigram']
    """
    return {one.name: _references(task, one.name)[0] for one in task.sets}


def reference_partitions(task: Task) -> dict[str, ReferencePartitions]:
    """The same by the groups of every partition; empty for a task without partitions.

    Args:
        task: whose evaluation sets they are.

    Examples:
        >>> import memrnn
        >>> from memrnn.evaluation import reference_partitions
        >>> task = memrnn.Strings("count-3", length_bins=((3, 9),), samples_per_length=2)
        >>> reference_partitions(task)  # strings have no partitions
        {}
    """
    return {one.name: known for one in task.sets if (known := _references(task, one.name)[1])}


@functools.lru_cache(maxsize=64)
def _evaluation_set(task: Task, name: str) -> EvaluationSet:
    return task.evaluation_set(name)


@functools.lru_cache(maxsize=64)
def _partitions(task: Task, name: str) -> Mapping[str, Partition]:
    return task.partitions(name)


@functools.lru_cache(maxsize=64)
def _references(task: Task, name: str) -> tuple[References, ReferencePartitions]:
    """Cached, since exact predictors take seconds on long strings."""
    scores = task.references(name)
    return (
        {predictor: summed(task, name, one) for predictor, one in scores.items()},
        {
            predictor: sums
            for predictor, one in scores.items()
            if (sums := summed_by_partition(task, name, one))
        },
    )
