"""Evaluates trained networks on the evaluation sets of their task, in any precision."""

import functools
from collections.abc import Mapping, Sequence

from memrnn.errors import MemrnnError
from memrnn.evaluation._results import Evaluation, References, RunScores, SetScores
from memrnn.nn.network import Network
from memrnn.runtime.precision import cast, check_precision, scope
from memrnn.tasks import EvaluationSet, Task, score_set, total_by_group
from memrnn.training import Progress, Run


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
    return Evaluation(
        task.describe(),
        experiment.model,
        experiment.freeze,
        precision,
        tuple(
            run_scores(
                restart.number, restart.progress, evaluate_restart(task, restart.network, precision)
            )
            for restart in run.restarts
        ),
        reference_scores(task),
    )


def evaluate_restart(
    task: Task, network: Network, precision: str, sets: Sequence[str] | None = None
) -> dict[str, SetScores]:
    """One network on evaluation sets, by default on all of its task.

    Raises:
        MemrnnError: if that needs more memory than there is.
    """
    names = [one.name for one in task.sets] if sets is None else list(sets)
    with scope(precision):
        network = cast(network, precision)
        task.check_memory(network, training=False)
        found: dict[str, SetScores] = {}
        for name in names:
            evaluation_set = _evaluation_set(task, name)
            scores = score_set(task, network, evaluation_set)
            found[name] = SetScores(total_by_group(scores, evaluation_set.groups))
    return found


def reference_scores(task: Task) -> dict[str, References]:
    """Scores of predictors that need no training on every evaluation set."""
    return {one.name: _references(task, one.name) for one in task.sets}


def run_scores(restart: int, progress: Progress, sets: Mapping[str, SetScores]) -> RunScores:
    """The scores of a restart with where it stands."""
    return RunScores(
        restart,
        progress.seed,
        progress.status,
        progress.epochs,
        progress.best_epoch,
        progress.curve[0].learning_rate if progress.curve else None,
        progress.schedule.best,
        progress.reference,
        progress.excess,
        sets,
    )


@functools.lru_cache(maxsize=64)
def _evaluation_set(task: Task, name: str) -> EvaluationSet:
    return task.evaluation_set(name)


@functools.lru_cache(maxsize=64)
def _references(task: Task, name: str) -> References:
    """Cached, since exact predictors take seconds on long strings."""
    found = task.references(name)
    groups = _evaluation_set(task, name).groups
    return {
        predictor: SetScores(total_by_group(scores, groups)) for predictor, scores in found.items()
    }
