"""What an engine gives a worker to do, and what the worker tells of it."""

import contextlib
import errno
import functools
import os
import platform
import traceback
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax

from memrnn.cache import use_compile_cache
from memrnn.errors import MemrnnError
from memrnn.evaluation import Bin, TestSet, make_test_sets, test_restart
from memrnn.experiment import Experiment
from memrnn.languages import Law, get_language
from memrnn.studies._about import about_worker
from memrnn.studies._study import import_all
from memrnn.training import (
    Outcome,
    Pack,
    Progress,
    Restart,
    Trained,
    Trainer,
    measure_places,
)

ORPHAN_SECONDS = 120.0
"""How long to wait for a worker whose driver was killed and which still trains the same run."""


@dataclass(frozen=True)
class Job:
    """Runs of one cell that a worker trains and tests.

    Attributes:
        runs: id, number and folder of each restart.
        experiment: as `Experiment.to_json` writes it.
    """

    number: int
    experiment: dict[str, Any]
    runs: tuple[tuple[str, int, str], ...]
    bins: tuple[Bin, ...]
    precisions: tuple[str, ...]
    strings_per_length: int
    imports: tuple[str, ...] = ()


Fault = Literal["error", "memory", "disk"]


@dataclass(frozen=True)
class Began:
    """A run was taken up, at the state of its checkpoint."""

    run: str
    progress: Progress
    worker: str


@dataclass(frozen=True)
class Advanced:
    """A run has finished an epoch, and its checkpoint is written."""

    run: str
    progress: Progress


@dataclass(frozen=True)
class Finished:
    """A run is trained and tested."""

    run: str
    progress: Progress
    scores: dict[str, list[dict[str, Any]]]
    about: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """A run cannot go on: a fault of the run (`error`), or of the machine (`memory`, `disk`)."""

    run: str
    reason: str
    fault: Fault


Event = Began | Advanced | Finished | Failed


def run_job(job: Job, together: int | None = None) -> Iterator[Event]:
    """Trains and tests the runs of a job; every step of it is told as it happens.

    A run that fails ends alone, unless memory or disk are full: then the job ends, too.

    Args:
        together: how many runs train at a time, in one program. By default one after another on
            a CPU, and on a GPU as many as its memory holds.
    """
    use_compile_cache()
    import_all(job.imports)
    if together is None and jax.default_backend() != "gpu":
        events = _one_by_one(job)
    else:
        events = _side_by_side(job, together)
    with contextlib.closing(events):
        for event in events:
            yield event
            if isinstance(event, Failed) and event.fault != "error":
                return


def _one_by_one(job: Job) -> Generator[Event]:
    for run, number, folder in job.runs:
        yield from _guarded([run], _train_and_test(job, run, number, folder))


def _train_and_test(job: Job, run: str, number: int, folder: str) -> Generator[Event]:
    # Made here, so that what is wrong with the cell is told of each of its runs.
    trainer = _trainer(Experiment.from_json(job.experiment))
    lives = trainer.lives(number, folder, patience=ORPHAN_SECONDS)
    life = next(lives)
    yield _began(run, life)
    for life in lives:
        yield Advanced(run, life.progress)
    yield _test(job, run, life)


class _Training(NamedTuple):
    """A run that trains beside others, and what holds its folder."""

    run: str
    life: Restart
    claim: contextlib.ExitStack


def _side_by_side(job: Job, together: int | None) -> Generator[Event]:
    """Trains so many runs at a time; when one ends, the next takes its place.

    Where memory does not hold them after all, they train by halves.
    """
    waiting, training = deque(job.runs), list[_Training]()

    def begin(run: str, number: int, folder: str) -> Generator[Event]:
        claim = contextlib.ExitStack()
        life = claim.enter_context(trainer.claim(number, folder, patience=ORPHAN_SECONDS))
        training.append(_Training(run, life, claim))
        yield _began(run, life)

    def advance() -> Generator[Event]:
        nonlocal together
        ahead = list(training)
        while ahead:
            some = ahead[:together]
            try:
                outcomes = pack.compute([one.life for one in some])
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
        one.life.record(outcome)
        yield Advanced(one.run, one.life.progress)

    def end(one: _Training) -> Generator[Event]:
        yield _test(job, one.run, one.life)

    def leave(one: _Training) -> None:
        training.remove(one)
        one.claim.close()

    try:
        experiment = Experiment.from_json(job.experiment)
        trainer, pack = _trainer(experiment), Pack(experiment)
        together = together or measure_places(experiment) or len(waiting)
    except Exception as error:
        yield from _failures([run for run, _, _ in waiting], error)
        return
    try:
        while waiting or training:
            done = next((one for one in training if one.life.finished), None)
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
            one.claim.close()


def _guarded(runs: Sequence[str], events: Iterator[Event]) -> Generator[Event, None, bool]:
    """Tells events, and of each of the runs if they end in an error; whether they did not."""
    try:
        yield from events
    except Exception as error:
        yield from _failures(runs, error)
        return False
    return True


def _failures(runs: Sequence[str], error: Exception) -> list[Failed]:
    return [Failed(run, _reason(error), _fault(error)) for run in runs]


def _began(run: str, life: Restart) -> Began:
    return Began(run, life.progress, f"{platform.node()}:{os.getpid()}")


def _test(job: Job, run: str, life: Restart) -> Finished:
    trained, experiment = Trained(life.number, life.progress, life.best), life.experiment
    test_sets = _test_sets(
        experiment.language, experiment.recipe.lengths, job.bins, job.strings_per_length
    )
    scores = {
        precision: test_restart(experiment, trained, test_sets, precision)["bins"]
        for precision in job.precisions
    }
    return Finished(run, life.progress, scores, about_worker())


@functools.lru_cache(maxsize=4)
def _trainer(experiment: Experiment) -> Trainer:
    """The programs of the last cells, for the packs of a small grid come back to them."""
    return Trainer(experiment)


@functools.lru_cache(maxsize=8)
def _test_sets(
    language: str, training: Bin, bins: tuple[Bin, ...], strings_per_length: int
) -> list[TestSet]:
    """The test sets of a language, whose floors and ceiling take seconds to compute."""
    return make_test_sets(Law(get_language(language), *training), bins, strings_per_length)


def _fault(error: Exception) -> Fault:
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return "memory"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "disk"
    return "error"


def _reason(error: Exception) -> str:
    """One line: our own sentences as they are, anything else with its kind and place."""
    text = " ".join(str(error.args[-1] if isinstance(error, OSError) else error).split())
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, MemrnnError | OSError) and text.endswith("."):
        return text
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text[:500]}{place}"
