"""Trains the restarts of one experiment, into one folder."""

import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from memrnn.engines import Engine, LocalEngine, run_jobs
from memrnn.errors import MemrnnError
from memrnn.nn.network import Network
from memrnn.runtime.cache import use_compile_cache
from memrnn.runtime.locks import hold
from memrnn.runtime.precision import cast, scope
from memrnn.tasks import Task
from memrnn.training._experiment import Experiment, Start, TrainingConfig
from memrnn.training._folder import (
    Origin,
    check_folder,
    checkpoint_path,
    load_experiment,
    load_origin,
    lock,
    write_experiment,
)
from memrnn.training._loop import train_runs
from memrnn.training._restart import Progress, Restart
from memrnn.training._start import read_start

Listener = Callable[[int, Progress], None]


@dataclass(frozen=True)
class Trained:
    """A restart as `load_run` finds it: its curve, and its network at the best epoch."""

    number: int
    progress: Progress
    network: Network


@dataclass(frozen=True)
class Run:
    """An experiment and its restarts so far."""

    experiment: Experiment
    restarts: tuple[Trained, ...]
    origin: Origin = field(default_factory=Origin)

    @property
    def best(self) -> int:
        """Index of the restart with the smallest excess on its validation items."""
        excess = [restart.progress.excess for restart in self.restarts]
        return excess.index(min(excess))


def train(
    experiment: Experiment,
    out: str | Path,
    restarts: int | Sequence[int] = 10,
    *,
    workers: int = 1,
    stop_after: float | None = None,
    imports: Sequence[str] = (),
    listener: Listener | None = None,
) -> Run:
    """Trains restarts and leaves one checkpoint each in the folder `out`.

    Called again with the same experiment it continues where it was, even after the process was
    killed, and ends in the same bits as if it had never stopped. `max_epochs` and `restarts` may
    have grown in between, not shrunk. A restart that diverges ends alone.

    Args:
        restarts: their number, for 0 ... `restarts` - 1; or which, one by one.
        workers: processes, each of which trains one restart at a time on one core, or many on a
            GPU of its own. With 1 this process does the work, unless there is a `stop_after`.
        stop_after: seconds, after which training ends, at the latest 10 s later.
        imports: files or modules that register what the experiment names; the folder keeps a copy
            of the files, so that it can be read wherever it is moved to.
        listener: called with a restart's number and progress when it is taken up and after
            every epoch.

    Returns:
        The restarts asked for, as far as they have a checkpoint.

    Raises:
        MemrnnError: if `out` holds something else, another process is training in it, or a worker
            cannot go on.
        OSError: if a checkpoint could not be written.
    """
    if workers < 1:
        raise MemrnnError(f"workers is {workers}, but must be at least 1.")
    numbers = range(restarts) if isinstance(restarts, int) else sorted(set(restarts))
    if not numbers or numbers[0] < 0:
        raise MemrnnError(
            f"restarts is {restarts}, but must be at least 1, or numbers of restarts from 0."
        )
    out, workers = Path(out), min(workers, len(numbers))
    check_memory(experiment, workers)
    with lock(out, experiment, imports=imports):
        if workers == 1 and stop_after is None:
            steps = _in_this_process(experiment, numbers, out)
        else:
            steps = _in_workers(numbers, out, LocalEngine(workers), stop_after)
        with closing(steps):
            for number, progress in steps:
                if listener:
                    listener(number, progress)
        return Run(experiment, _trained(experiment, numbers, out), load_origin(out))


Steps = Generator[tuple[int, Progress]]
"""Numbers of restarts and their progress, when they are taken up and after every epoch."""


def _in_this_process(experiment: Experiment, numbers: Sequence[int], out: Path) -> Steps:
    @contextmanager
    def opened(number: int) -> Generator[Restart]:
        yield open_restart(experiment, number, out)

    with closing(train_runs(numbers, opened)) as steps:
        for step in steps:
            if step.error is not None:
                raise step.error
            if step.restart is not None and step.kind in ("started", "epoch"):
                yield step.run, step.restart.progress


@dataclass(frozen=True)
class TrainingJob:
    """Restarts of the experiment in a folder, for a worker. The folder is locked already."""

    number: int
    restarts: Sequence[int]
    out: Path

    def run(self) -> Generator[tuple[int, Progress] | Exception]:
        """What `_in_this_process` yields; an error, which ends the job, is the last event."""
        use_compile_cache()
        try:
            yield from _in_this_process(load_experiment(self.out), self.restarts, self.out)
        except Exception as error:
            error.add_note("".join(traceback.format_exception(error)))  # of the worker
            yield error


def _in_workers(
    numbers: Sequence[int], out: Path, engine: Engine, stop_after: float | None
) -> Steps:
    size, out = engine.runs_in_a_job, out.resolve()
    lots = [numbers[first : first + size] for first in range(0, len(numbers), size)]
    jobs = [TrainingJob(number, lot, out) for number, lot in enumerate(lots)]
    for event in run_jobs(engine, jobs, stop_after):
        if isinstance(event, Exception):
            raise event
        yield event


def _trained(experiment: Experiment, numbers: Sequence[int], out: Path) -> tuple[Trained, ...]:
    """The restarts of these numbers that have a checkpoint, each at its best epoch."""
    with scope(experiment.config.precision):
        found = [
            Restart(experiment, number, path)
            for number in numbers
            if (path := checkpoint_path(out, number)).exists()
        ]
    return tuple(Trained(one.number, one.progress, one.best) for one in found)


def open_restart(experiment: Experiment, number: int, out: Path) -> Restart:
    """A restart as its checkpoint in the folder `out` has it, for the training loop."""
    with scope(experiment.config.precision):
        restart = Restart(experiment, number, checkpoint_path(out, number))
        if restart.finished and restart.progress.epochs == 0:
            restart.save()
        return restart


def check_memory(experiment: Experiment, workers: int = 1) -> None:
    """Raises a MemrnnError if `workers` restarts at a time need more memory than there is."""
    task, precision = experiment.task, experiment.config.precision
    with scope(precision):
        network = cast(task.build(experiment.definition, 0), precision)
        task.check_memory(network, training=True, workers=workers)


def load_run(out: str | Path) -> Run:
    """The experiment in this folder and its restarts so far, each at its best epoch.

    Raises:
        MemrnnError: if there is none, or a checkpoint is damaged or belongs elsewhere.
    """
    out, experiment = Path(out), load_experiment(out)
    numbers: list[int] = []
    for path in sorted(out.glob("restart-*.safetensors")):
        text = path.stem.removeprefix("restart-")
        if not text.isdecimal() or path != checkpoint_path(out, int(text)):
            raise MemrnnError(f"{path} is no checkpoint that memrnn has written here; remove it.")
        numbers.append(int(text))
    restarts = _trained(experiment, numbers, out)
    if not restarts:
        raise MemrnnError(f"{out} holds no checkpoint yet; train for at least one epoch first.")
    return Run(experiment, restarts, load_origin(out))


def start_from(out: str | Path, restart: int | None = None) -> Start:
    """The best network of a run as a start for others.

    Args:
        restart: which; by default the best one.

    Raises:
        MemrnnError: if there is no such run or restart.
    """
    run = load_run(out)
    numbers = [one.number for one in run.restarts]
    number = numbers[run.best] if restart is None else restart
    if number not in numbers:
        raise MemrnnError(
            f"There is no restart {number}; there are {', '.join(map(str, numbers))}."
        )
    return read_start(checkpoint_path(Path(out), number))


def save_constructed(
    network: Network, task: Task, model: str, out: str | Path, *, by: str, source: str
) -> None:
    """Writes a network that was made without training, as a run that can be evaluated.

    It has no configuration and an empty curve. `start_from` takes it as a start.

    Args:
        network: as `task.build` would make it for this model, with other parameters.
        by, source: what made it, and from what.

    Raises:
        MemrnnError: if `out` is not empty, or the network is not of this model.
    """
    out = Path(out)
    precision = network.dtype.name
    config = TrainingConfig(max_epochs=0, precision=precision)
    experiment = Experiment(task, model, (), config)
    check_folder(out, experiment)
    out.mkdir(parents=True, exist_ok=True)
    with scope(precision), hold(out, "writing a network", 0.0):
        restart = Restart(experiment, 0, checkpoint_path(out, 0))
        restart.replace_network(network)
        write_experiment(out, experiment, (), Origin("constructed", by, source))
        restart.save()
