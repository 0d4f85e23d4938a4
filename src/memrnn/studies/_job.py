"""What an engine gives a worker to do, and how the worker does it."""

import contextlib
import errno
import functools
import os
import platform
import traceback
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax

from memrnn.cache import use_compile_cache
from memrnn.errors import MemrnnError
from memrnn.evaluation import References, evaluate_restart, reference_scores
from memrnn.experiment import Experiment
from memrnn.imports import import_files
from memrnn.studies._about import about_worker
from memrnn.studies._messages import (
    EvaluationFinished,
    Event,
    Fault,
    RunFailed,
    RunFinished,
    RunStarted,
)
from memrnn.studies._study import run_id
from memrnn.training import Outcome, Pack, Restart, Trainer, measure_slots

ORPHAN_SECONDS = 120.0
"""How long to wait for a worker whose driver was killed and which still trains the same run."""


@dataclass(frozen=True)
class Job:
    """Runs of one cell that a worker trains and evaluates.

    Attributes:
        experiment: as `Experiment.to_json` writes it.
        runs: id, number and folder of each restart.
        references: whether the task's references are wanted, too.
    """

    number: int
    experiment: dict[str, Any]
    runs: tuple[tuple[str, int, str], ...]
    precisions: tuple[str, ...]
    imports: tuple[str, ...] = ()
    references: bool = False


def run_job(job: Job, together: int | None = None) -> Iterator[Event]:
    """Trains and evaluates the runs of a job; every step is reported as it happens.

    A run that fails ends alone, unless memory or disk are full: then the job ends, too.

    Args:
        together: how many runs train at a time, in one program. By default one after another on
            a CPU, and on a GPU as many as its memory holds.
    """
    use_compile_cache()
    import_files(job.imports)
    if together is None and jax.default_backend() != "gpu":
        events = _one_by_one(job)
    else:
        events = _side_by_side(job, together)
    with contextlib.closing(events):
        for event in events:
            yield event
            if isinstance(event, RunFailed) and event.fault != "error":
                return


def _one_by_one(job: Job) -> Generator[Event]:
    for run, number, folder in job.runs:
        yield from _guarded([run], _train_and_evaluate(job, run, number, folder))


def _train_and_evaluate(job: Job, run: str, number: int, folder: str) -> Generator[Event]:
    # Made here, so that what is wrong with the cell is reported for each of its runs.
    trainer = _trainer(Experiment.from_json(job.experiment))
    _check_meaning(trainer.experiment, run, number)
    states = trainer.run(number, folder, timeout=ORPHAN_SECONDS)
    restart = next(states)
    yield _started(run, restart)
    for restart in states:
        yield EvaluationFinished(run, restart.progress)
    yield _evaluate(job, run, restart)


class _Training(NamedTuple):
    """A run that trains beside others, and what keeps its folder locked."""

    run: str
    restart: Restart
    lock: contextlib.ExitStack


def _side_by_side(job: Job, together: int | None) -> Generator[Event]:
    """Trains so many runs at a time; when one ends, the next takes its place.

    Where memory does not hold them after all, they train by halves.
    """
    waiting, training = deque(job.runs), list[_Training]()

    def begin(run: str, number: int, folder: str) -> Generator[Event]:
        _check_meaning(experiment, run, number)
        lock = contextlib.ExitStack()
        restart = lock.enter_context(trainer.open(number, folder, timeout=ORPHAN_SECONDS))
        training.append(_Training(run, restart, lock))
        yield _started(run, restart)

    def advance() -> Generator[Event]:
        nonlocal together
        ahead = list(training)
        while ahead:
            some = ahead[:together]
            try:
                outcomes = pack.compute([one.restart for one in some])
            except Exception as error:
                if len(some) == 1 or _fault(error) != "memory":
                    raise
                together = len(some) // 2
                continue
            del ahead[: len(some)]
            for one, outcome in zip(some, outcomes, strict=True):
                if not (yield from _guarded([one.run], record(one, outcome))):
                    leave(one)

    def record(one: _Training, outcome: Outcome) -> Generator[Event]:
        one.restart.record(outcome)
        yield EvaluationFinished(one.run, one.restart.progress)

    def end(one: _Training) -> Generator[Event]:
        yield _evaluate(job, one.run, one.restart)

    def leave(one: _Training) -> None:
        training.remove(one)
        one.lock.close()

    try:
        experiment = Experiment.from_json(job.experiment)
        trainer, pack = _trainer(experiment), Pack(experiment)
        together = together or measure_slots(experiment) or len(waiting)
    except Exception as error:
        yield from _failures([run for run, _, _ in waiting], error)
        return
    try:
        while waiting or training:
            done = next((one for one in training if one.restart.finished), None)
            if done:
                yield from _guarded([done.run], end(done))
                leave(done)
            elif waiting and len(training) < together:
                run, number, folder = waiting.popleft()
                yield from _guarded([run], begin(run, number, folder))
            elif not (yield from _guarded([one.run for one in training], advance())):
                for one in tuple(training):
                    leave(one)
    finally:
        for one in training:
            one.lock.close()


def _check_meaning(experiment: Experiment, run: str, number: int) -> None:
    """Refuses a run of which a part means something else here than for the driver."""
    if run_id(experiment, number) != run:
        raise MemrnnError(
            f"{experiment.label} means something else for this worker than for the process that "
            "runs the study; all machines need the same memrnn and the same imported modules."
        )


def _guarded(runs: Sequence[str], events: Iterator[Event]) -> Generator[Event, None, bool]:
    """Passes events on, and reports each of the runs as failed if they end in an error.

    Returns:
        Whether they did not.
    """
    try:
        yield from events
    except Exception as error:
        yield from _failures(runs, error)
        return False
    return True


def _failures(runs: Sequence[str], error: Exception) -> list[RunFailed]:
    return [RunFailed(run, _reason(error), _fault(error)) for run in runs]


def _started(run: str, restart: Restart) -> RunStarted:
    return RunStarted(run, restart.progress, f"{platform.node()}:{os.getpid()}")


def _evaluate(job: Job, run: str, restart: Restart) -> RunFinished:
    """Scores of a trained run, and the task's references if the job asks for them."""
    experiment = restart.experiment
    scores = {
        precision: evaluate_restart(experiment.task, restart.best, precision)
        for precision in job.precisions
    }
    references: Mapping[str, References] = {}
    if job.references:
        references = reference_scores(experiment.task)
    return RunFinished(run, restart.progress, scores, references, about_worker())


@functools.lru_cache(maxsize=4)
def _trainer(experiment: Experiment) -> Trainer:
    """The programs of the last cells, for the packs of a small grid come back to them."""
    return Trainer(experiment)


def _fault(error: Exception) -> Fault:
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return "memory"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "disk"
    return "error"


def _reason(error: Exception) -> str:
    """One line: what users cause and file systems refuse as it is, else with kind and place."""
    if isinstance(error, MemrnnError):
        return " ".join(str(error).split())
    if isinstance(error, OSError):
        text = str(error.args[-1] if error.args else error)
        return " ".join((text if error.filename is None else f"{error.filename}: {text}.").split())
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:500]}{place}"
