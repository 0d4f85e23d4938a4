"""What an engine gives a worker to do, and how the worker does it."""

import contextlib
import errno
import functools
import os
import platform
import time
import traceback
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from memrnn.cache import use_compile_cache
from memrnn.devices import policy
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
from memrnn.training import Pack, Restart, Trainer, Writer

ORPHAN_SECONDS = 120.0
"""How long to wait for a worker whose driver was killed and which still trains the same run."""


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
    """Runs for a worker, in the order in which they are taken up."""

    number: int
    runs: tuple[JobRun, ...]
    precisions: tuple[str, ...]
    imports: tuple[str, ...] = ()


def run_job(job: Job, slots: int | None = None) -> Generator[Event]:
    """Trains and evaluates the runs of a job; every step is reported as it happens.

    A run that fails ends alone, unless memory or disk are full: then the job ends, too.

    Args:
        slots: how many runs train at a time, in one program; by default what suits the device.
    """
    use_compile_cache()
    import_files(job.imports)
    slots = slots or policy().slots
    events = _one_by_one(job) if slots == 1 else _SideBySide(job, slots).run()
    with contextlib.closing(events):
        for event in events:
            yield event
            if isinstance(event, RunFailed) and event.fault != "error":
                return


def _one_by_one(job: Job) -> Generator[Event]:
    for run in job.runs:
        yield from _guarded([run], _train_and_evaluate(job, run))


def _train_and_evaluate(job: Job, run: JobRun) -> Generator[Event]:
    trainer = _trainer_of(run)
    states = trainer.run(run.restart, run.folder, timeout=ORPHAN_SECONDS)
    restart = next(states)
    yield _started(run, restart)
    for restart in states:
        yield EvaluationFinished(run.id, restart.progress)
    yield _evaluate(job, run, restart)


class _Training(NamedTuple):
    """A run that trains beside others, and what keeps its folder locked."""

    run: JobRun
    restart: Restart
    lock: contextlib.ExitStack


class _SideBySide:
    """Runs of a job in the slots of packs, one pack after another.

    When a run ends, the next one that shares the program takes its slot. Where memory does not
    hold a pack after all, the next one has half of the slots.
    """

    def __init__(self, job: Job, slots: int):
        self.job, self.slots = job, slots
        self.waiting = deque(job.runs)
        self.ready: deque[_Training] = deque()  # taken up, and without a slot
        self.training: list[_Training] = []  # with a slot
        self.pack: Pack | None = None
        self.writer = Writer()
        self.written = time.monotonic()

    def run(self) -> Generator[Event]:
        try:
            while self.waiting or self.ready or self.training:
                yield from self._fill()
                if self.training:
                    runs = [one.run for one in self.training]
                    if not (yield from _guarded(runs, self._advance())):
                        for one in tuple(self.training):
                            self._leave(one)
                        self.pack = None
        except GeneratorExit:
            # Whoever takes the events wants no more: the last epoch is kept.
            if self.pack is not None and self.training:
                self.writer.write(self.pack.checkpoints())
            raise
        finally:
            self.writer.close()
            for one in (*self.training, *self.ready):
                one.lock.close()

    def _fill(self) -> Generator[Event]:
        """Gives free slots to runs; those that share no program wait until the pack is empty."""
        aside: list[_Training] = []
        while (self.ready or self.waiting) and len(self.training) < self.slots:
            if not self.ready:
                run = self.waiting.popleft()
                yield from _guarded([run], self._take_up(run))
                continue
            one = self.ready.popleft()
            if one.restart.finished:
                yield from _guarded([one.run], self._end(one))
                one.lock.close()
            elif not (yield from _guarded([one.run], self._seat(one, aside))):
                one.lock.close()
        self.ready.extend(aside)

    def _take_up(self, run: JobRun) -> Generator[Event]:
        trainer, lock = _trainer_of(run), contextlib.ExitStack()
        restart = lock.enter_context(trainer.open(run.restart, run.folder, timeout=ORPHAN_SECONDS))
        self.ready.append(_Training(run, restart, lock))
        yield _started(run, restart)

    def _seat(self, one: _Training, aside: list[_Training]) -> Generator[Event]:
        if self.pack is None or (not self.training and not self.pack.admits(one.restart)):
            most = len(self.waiting) + len(self.ready) + len(aside) + 1
            self.pack = Pack(one.restart, min(self.slots, most))
        if self.pack.admits(one.restart):
            self.pack.put(one.restart)
            self.training.append(one)
        else:
            aside.append(one)
        yield from ()

    def _advance(self) -> Generator[Event]:
        """An epoch of every run in the pack."""
        assert self.pack is not None
        try:
            self.pack.advance()
        except Exception as error:
            if _fault(error) != "memory" or len(self.training) == 1:
                raise
            self._halve()
            return
        for one in self.training:
            yield EvaluationFinished(one.run.id, one.restart.progress)
        self._save()
        for one in [one for one in self.training if one.restart.finished]:
            self.pack.take(one.restart)
            yield from _guarded([one.run], self._end(one))
            self._leave(one)
        if not (self.waiting or self.ready):
            while self.training and 2 * len(self.training) <= len(self.pack.restarts):
                self.pack.halve()

    def _halve(self) -> None:
        """Half of the slots from now on; what has no slot then goes on later."""
        assert self.pack is not None
        self.slots = max(1, len(self.training) // 2)
        for one in self.training:
            self.pack.take(one.restart)
        self.ready.extendleft(reversed(self.training))
        self.training.clear()
        self.pack = None

    def _save(self) -> None:
        """Hands checkpoints of all runs to the writer, now and then."""
        assert self.pack is not None
        if time.monotonic() - self.written >= policy().checkpoint_seconds:
            self.writer.write(self.pack.checkpoints())
            self.written = time.monotonic()

    def _end(self, one: _Training) -> Generator[Event]:
        self.writer.wait()  # an older checkpoint must not follow the last one
        one.restart.save()
        yield _evaluate(self.job, one.run, one.restart)

    def _leave(self, one: _Training) -> None:
        self.training.remove(one)
        one.lock.close()


def _trainer_of(run: JobRun) -> Trainer:
    """What trains a run; what is wrong with its cell is an error of the run."""
    experiment = Experiment.from_json(dict(run.experiment))
    _check_meaning(experiment, run)
    return _trainer(experiment)


def _check_meaning(experiment: Experiment, run: JobRun) -> None:
    """Refuses a run of which a part means something else here than for the driver."""
    if run_id(experiment, run.restart) != run.id:
        raise MemrnnError(
            f"{experiment.label} means something else for this worker than for the process that "
            "runs the study; all machines need the same memrnn and the same imported modules."
        )


def _guarded(runs: Sequence[JobRun], events: Iterator[Event]) -> Generator[Event, None, bool]:
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


def _failures(runs: Sequence[JobRun], error: Exception) -> list[RunFailed]:
    return [RunFailed(run.id, _reason(error), _fault(error)) for run in runs]


def _started(run: JobRun, restart: Restart) -> RunStarted:
    return RunStarted(run.id, restart.progress, f"{platform.node()}:{os.getpid()}")


def _evaluate(job: Job, run: JobRun, restart: Restart) -> RunFinished:
    """Scores of a trained run, and the task's references if they are wanted."""
    experiment = restart.experiment
    scores = {
        precision: evaluate_restart(experiment.task, restart.best, precision)
        for precision in job.precisions
    }
    references: Mapping[str, References] = {}
    if run.references:
        references = reference_scores(experiment.task)
    return RunFinished(run.id, restart.progress, scores, references, about_worker())


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
