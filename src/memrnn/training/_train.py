"""Trains the restarts of one experiment side by side, into one folder."""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from memrnn.errors import MemrnnError
from memrnn.experiment import Experiment, Start, TrainingConfig
from memrnn.locks import hold
from memrnn.network import Network
from memrnn.precision import cast, scope
from memrnn.runtime import cores
from memrnn.tasks import Task
from memrnn.training._folder import (
    Origin,
    check_folder,
    checkpoint_path,
    load_experiment,
    load_origin,
    lock,
    write_experiment,
)
from memrnn.training._programs import Programs
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
    workers: int | None = None,
    imports: Sequence[str] = (),
    listener: Listener | None = None,
) -> Run:
    """Trains restarts and leaves one checkpoint each in the folder `out`.

    Called again with the same experiment it continues where it was, even after the process was
    killed, and ends in the same bits as if it had never stopped. `max_epochs` and `restarts` may
    have grown in between, not shrunk. A restart that diverges ends alone.

    Args:
        restarts: their number, for 0 ... `restarts` - 1; or which, one by one.
        workers: restarts that train at a time, each on one core; by default one a core.
        imports: files or modules that register what the experiment names; the folder keeps a copy
            of the files, so that it can be read wherever it is moved to.
        listener: called with a restart's number and progress when it is taken up and after
            every epoch, from the thread that trains it.

    Raises:
        MemrnnError: if `out` holds something else, or another process is training in it.
        OSError: if a checkpoint could not be written.
    """
    if workers is not None and workers < 1:
        raise MemrnnError(f"workers is {workers}, but must be at least 1.")
    numbers = range(restarts) if isinstance(restarts, int) else sorted(set(restarts))
    if not numbers or numbers[0] < 0:
        raise MemrnnError(
            f"restarts is {restarts}, but must be at least 1, or numbers of restarts from 0."
        )
    out = Path(out)
    workers = min(workers or cores(), len(numbers))
    _check_memory(experiment, workers)
    stop = threading.Event()
    with lock(out, experiment, imports=imports), scope(experiment.config.precision):
        found = [_open(experiment, number, out) for number in numbers]
        for restart in found:
            if listener:
                listener(restart.number, restart.progress)
        waiting = [restart for restart in found if not restart.finished]
        if waiting:
            programs = waiting[0].compile()

            def run(restart: Restart) -> None:
                with scope(experiment.config.precision):
                    while not restart.finished and not stop.is_set():
                        restart.advance(programs)
                        if listener:
                            listener(restart.number, restart.progress)

            # XLA leaves Python's lock while it computes, so threads use all cores, and all
            # restarts share one compiled program.
            with ThreadPoolExecutor(workers) as pool:
                futures = [pool.submit(run, restart) for restart in waiting]
                try:
                    for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                        future.result()
                finally:
                    stop.set()
        return Run(experiment, tuple(Trained(one.number, one.progress, one.best) for one in found))


class Trainer:
    """Trains restarts of one experiment one after another, with programs compiled once."""

    def __init__(self, experiment: Experiment):
        """Raises MemrnnError where one restart does not fit into this machine's memory."""
        self.experiment = experiment
        self._programs: Programs | None = None
        _check_memory(experiment, workers=1)

    @contextmanager
    def open(self, number: int, out: str | Path, *, timeout: float = 0.0) -> Generator[Restart]:
        """A restart as its checkpoint in the folder `out` has it; the folder is locked meanwhile.

        Args:
            timeout: seconds to wait for another process that trains in `out`.

        Raises:
            MemrnnError, OSError: as `train` does.
        """
        out = Path(out)
        with lock(out, self.experiment, timeout):
            # The scope holds for this thread, so it must not stay open over a yield.
            with scope(self.experiment.config.precision):
                restart = _open(self.experiment, number, out)
            yield restart

    def run(self, number: int, out: str | Path, *, timeout: float = 0.0) -> Iterator[Restart]:
        """A restart as `open` gives it, then again after every epoch."""
        with self.open(number, out, timeout=timeout) as restart:
            yield restart
            while not restart.finished:
                with scope(self.experiment.config.precision):
                    if self._programs is None:
                        self._programs = restart.compile()
                    restart.advance(self._programs)
                yield restart


def load_run(out: str | Path) -> Run:
    """The experiment in this folder and its restarts so far, each at its best epoch.

    Raises:
        MemrnnError: if there is none, or a checkpoint is damaged or belongs elsewhere.
    """
    out, experiment = Path(out), load_experiment(out)
    with scope(experiment.config.precision):
        restarts: list[Trained] = []
        for path in sorted(out.glob("restart-*.safetensors")):
            restart = Restart(experiment, int(path.stem.removeprefix("restart-")), path)
            restarts.append(Trained(restart.number, restart.progress, restart.best))
    if not restarts:
        raise MemrnnError(f"{out} holds no checkpoint yet; train for at least one epoch first.")
    return Run(experiment, tuple(restarts), load_origin(out))


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


def _open(experiment: Experiment, number: int, out: Path) -> Restart:
    restart = Restart(experiment, number, checkpoint_path(out, number))
    if restart.finished and restart.progress.epochs == 0:
        restart.save()
    return restart


def _check_memory(experiment: Experiment, workers: int) -> None:
    task, precision = experiment.task, experiment.config.precision
    with scope(precision):
        network = cast(task.build(experiment.definition, 0), precision)
        task.check_memory(network, training=True, workers=workers)
