"""What an engine gives a worker to do, how the worker does it, and what it reports."""

import contextlib
import errno
import os
import platform
import traceback
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from memrnn.errors import MemrnnError, os_error_text
from memrnn.evaluation import (
    PartitionScores,
    ReferencePartitions,
    References,
    SetScores,
    evaluate_items,
    items_path,
    reference_partitions,
    reference_scores,
    save_items,
    summed,
    summed_by_partition,
)
from memrnn.runtime.cache import use_compile_cache
from memrnn.runtime.imports import import_files
from memrnn.studies._about import about_worker
from memrnn.studies._study import PlannedRun
from memrnn.training import (
    Epoch,
    Experiment,
    Progress,
    Restart,
    TrainingEvent,
    check_memory,
    lock,
    open_restart,
    out_of_memory,
    train_runs,
)

ORPHAN_SECONDS = 120.0
"""How long to wait for a worker whose driver was killed and which still trains the same run."""


Fault = Literal["error", "memory", "disk"]
"""Whose fault a failure is: the run's (`error`), or the machine's (`memory`, `disk`)."""


@dataclass(frozen=True)
class RunStarted:
    """A run was started, from its checkpoint if there is one."""

    run: str
    progress: Progress
    worker: str


@dataclass(frozen=True)
class EvaluationFinished:
    """A run has finished an epoch and its validation; its checkpoint may not be written yet.

    It holds what is new, so that its size does not grow with the number of epochs.

    Attributes:
        number: of the epoch, from 1.
        best_epoch, selection, excess: of the run, after this epoch; as `Progress` has them.
    """

    run: str
    number: int
    epoch: Epoch
    best_epoch: int
    selection: float
    excess: float


@dataclass(frozen=True)
class RunFinished:
    """A run is trained and evaluated.

    Attributes:
        scores: by precision and evaluation set.
        references: of the task by evaluation set; empty unless the job asks for them.
        about: `device` and `versions`.
        partitions: scores by precision and evaluation set of each of its partitions; empty for a
            task without.
        reference_partitions: the same of the references, by evaluation set.
    """

    run: str
    progress: Progress
    scores: Mapping[str, Mapping[str, SetScores]]
    references: Mapping[str, References]
    about: Mapping[str, Any]
    partitions: Mapping[str, Mapping[str, PartitionScores]] = field(default_factory=dict)
    reference_partitions: Mapping[str, ReferencePartitions] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFailed:
    """A run cannot go on."""

    run: str
    reason: str
    fault: Fault


Event = RunStarted | EvaluationFinished | RunFinished | RunFailed
"""What a worker reports about a run."""


@dataclass(frozen=True)
class JobRun:
    """A run that a worker trains and evaluates.

    Attributes:
        experiment: as `Experiment.to_json` writes it.
        restart, folder: its number, and where its checkpoint is.
        references: whether the task's references are wanted, too.
    """

    id: str
    experiment: Mapping[str, Any]
    restart: int
    folder: str
    references: bool = False


@dataclass(frozen=True)
class Job:
    """Runs for a worker, in the order in which they are started."""

    number: int
    runs: tuple[JobRun, ...]
    precisions: tuple[str, ...]
    imports: tuple[str, ...] = ()

    def run(self) -> Generator[Event]:
        """Trains and evaluates the runs; every step is reported as it happens."""
        return run_job(self)


def run_job(job: Job, slots: int | None = None) -> Generator[Event]:
    """Trains and evaluates the runs of a job; every step is reported as it happens.

    A run that fails ends alone, unless memory or disk are full: then the job ends, too.

    Args:
        slots: how many runs train at a time, in one program; by default what suits the device.
    """
    use_compile_cache()
    import_files(job.imports)
    with contextlib.closing(train_runs(job.runs, _opened, slots)) as steps:
        for step in steps:
            event = _event(job, step)
            yield event
            if isinstance(event, RunFailed) and event.fault != "error":
                with contextlib.suppress(OSError):  # a full disk has been reported
                    steps.close()
                return


@contextlib.contextmanager
def _opened(run: JobRun) -> Generator[Restart]:
    """A run, whose folder is locked meanwhile; what is wrong with its cell is its own error."""
    experiment = Experiment.from_json(dict(run.experiment))
    if PlannedRun(experiment, run.restart).id != run.id:
        raise MemrnnError(
            f"{experiment.label} means something else for this worker than for the process that "
            "runs the study; all machines need the same memrnn and the same imported modules."
        )
    check_memory(experiment)
    out = Path(run.folder)
    with lock(out, experiment, ORPHAN_SECONDS):
        yield open_restart(experiment, run.restart, out)


def _event(job: Job, step: TrainingEvent) -> Event:
    run: JobRun = step.run
    try:
        if step.restart is None:
            assert step.error is not None
            raise step.error
        progress = step.restart.progress
        if step.kind == "started":
            return RunStarted(run.id, progress, f"{platform.node()}:{os.getpid()}")
        if step.kind == "epoch":
            return EvaluationFinished(
                run.id,
                progress.epochs,
                progress.curve[-1],
                progress.best_epoch,
                progress.schedule.best,
                progress.excess,
            )
        return _finished(job, run, step.restart)
    except Exception as error:
        return RunFailed(run.id, _reason(error), _fault(error))


def _finished(job: Job, run: JobRun, restart: Restart) -> RunFinished:
    """Evaluates a run; the scores of every item are written beside its checkpoint."""
    task, progress = restart.experiment.task, restart.progress
    items = {name: evaluate_items(task, restart.best, name) for name in job.precisions}
    partitions = {
        precision: {
            name: sums
            for name, scores in sets.items()
            if (sums := summed_by_partition(task, name, scores))
        }
        for precision, sets in items.items()
    }
    if any(partitions.values()):
        record = {
            "run": run.id,
            "task": task.describe().key,
            "best_epoch": progress.best_epoch,
            "protocol": dict(task.protocol),
        }
        save_items(items_path(Path(run.folder), run.restart), items, record)
    return RunFinished(
        run.id,
        progress,
        {
            precision: {name: summed(task, name, scores) for name, scores in sets.items()}
            for precision, sets in items.items()
        },
        reference_scores(task) if run.references else {},
        about_worker(),
        partitions,
        reference_partitions(task) if run.references else {},
    )


def _fault(error: Exception) -> Fault:
    if out_of_memory(error):
        return "memory"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "disk"
    return "error"


def _reason(error: Exception) -> str:
    """One line: what users cause and file systems refuse as it is, else with type and position."""
    if isinstance(error, OSError):
        text = os_error_text(error)
    elif isinstance(error, MemrnnError):
        text = str(error)
    else:
        last = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{' '.join(str(error).split())[:500]} ({Path(last.filename).name}:{last.lineno})"
        text = f"{type(error).__name__}: {text}"
    return " ".join(text.split())
