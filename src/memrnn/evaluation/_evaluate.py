"""Evaluates trained networks on the evaluation sets of their task, in any precision."""

import functools
from collections.abc import Sequence

from memrnn.errors import MemrnnError
from memrnn.evaluation._results import Evaluation, References, RunScores, SetScores
from memrnn.nn.network import Network
from memrnn.runtime.precision import cast, check_precision, scope
from memrnn.tasks import EvaluationSet, Task, score_set, total_by_group
from memrnn.training import Run


def evaluate(run: Run, task: Task | None = None, *, precision: str | None = None) -> Evaluation:
    """Evaluates every restart of a run, each at its best epoch.

    Args:
        task: the run's task with other evaluation options; by default as it was trained.
        precision: number format of the evaluation; by default that of the training.

    Raises:
        MemrnnError: for an unknown precision, another task, or where memory is too small.
    """
    experiment = run.experiment
    task = task or experiment.task
    if task.identity() != experiment.task.identity():
        raise MemrnnError("The run was trained on another task; change evaluation options only.")
    precision = check_precision(precision or experiment.config.precision)
    runs = []
    for restart in run.restarts:
        progress = restart.progress
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
            evaluate_restart(task, restart.network, precision),
        )
        runs.append(scores)
    return Evaluation(
        task.describe(),
        experiment.model,
        experiment.freeze,
        precision,
        tuple(runs),
        reference_scores(task),
    )


def evaluate_restart(
    task: Task, network: Network, precision: str, sets: Sequence[str] | None = None
) -> dict[str, SetScores]:
    """One network on evaluation sets, by default on all of its task.

    Raises:
        MemrnnError: if that needs more memory than there is.
    """
    names = [one.name for one in task.sets] if sets is None else sets
    with scope(precision):
        network = cast(network, precision)
        task.check_memory(network, training=False)
        chosen = {name: _evaluation_set(task, name) for name in names}
        return {
            name: SetScores(total_by_group(score_set(task, network, one), one.groups))
            for name, one in chosen.items()
        }


def reference_scores(task: Task) -> dict[str, References]:
    """Scores of predictors that need no training on every evaluation set."""
    return {one.name: _references(task, one.name) for one in task.sets}


@functools.lru_cache(maxsize=64)
def _evaluation_set(task: Task, name: str) -> EvaluationSet:
    return task.evaluation_set(name)


@functools.lru_cache(maxsize=64)
def _references(task: Task, name: str) -> References:
    """Cached, since exact predictors take seconds on long strings."""
    groups = _evaluation_set(task, name).groups
    return {
        predictor: SetScores(total_by_group(scores, groups))
        for predictor, scores in task.references(name).items()
    }
