"""Trains the restarts of one experiment side by side, into one folder."""

import json
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from memrnn import checkpoints
from memrnn.errors import MemrnnError
from memrnn.experiment import Experiment
from memrnn.locks import hold
from memrnn.network import Network
from memrnn.precision import cast, scope
from memrnn.runtime import cores
from memrnn.training._programs import Programs
from memrnn.training._restart import Progress, Restart

EXPERIMENT_FILE = "experiment.json"

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

    @property
    def best(self) -> int:
        """Index of the restart with the smallest excess on its validation items."""
        excess = [restart.progress.excess for restart in self.restarts]
        return excess.index(min(excess))


def checkpoint_path(out: Path, restart: int) -> Path:
    return out / f"restart-{restart:03d}.safetensors"


def train(
    experiment: Experiment,
    out: str | Path,
    restarts: int | Sequence[int] = 10,
    *,
    workers: int | None = None,
    listener: Listener | None = None,
) -> Run:
    """Trains restarts and leaves one checkpoint each in the folder `out`.

    Called again with the same experiment it continues where it was, even after the process was
    killed, and ends in the same bits as if it had never stopped. `max_epochs` and `restarts` may
    have grown in between, not shrunk. A restart that diverges ends alone.

    Args:
        restarts: their number, for 0 ... `restarts` - 1; or which, one by one.
        workers: restarts that train at a time, each on one core; by default one a core.
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
    with _lock(out, experiment), scope(experiment.config.precision):
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
        with _lock(out, self.experiment, timeout):
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


def load_experiment(out: str | Path) -> Experiment:
    """The experiment that was trained into this folder.

    Raises:
        MemrnnError: if none was.
    """
    path = Path(out) / EXPERIMENT_FILE
    if not path.is_file():
        raise MemrnnError(f"{out} holds no experiment: there is no {EXPERIMENT_FILE} in it.")
    try:
        return Experiment.from_json(json.loads(path.read_text()))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise MemrnnError(f"{path} is damaged or of another version: {error}.") from error


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
    return Run(experiment, tuple(restarts))


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


@contextmanager
def _lock(out: Path, experiment: Experiment, timeout: float = 0.0) -> Generator[None]:
    """Makes the folder this experiment's, and this process' own while it trains."""
    if out.exists() and not out.is_dir():
        raise MemrnnError(f"{out} is a file; give a folder that does not exist or is empty.")
    if (out / EXPERIMENT_FILE).exists():
        _check_same(out, load_experiment(out), experiment)
    elif out.exists() and any(not checkpoints.is_partial(path) for path in out.iterdir()):
        raise MemrnnError(f"{out} is not empty; give a folder that does not exist or is empty.")
    out.mkdir(parents=True, exist_ok=True)
    with hold(out, "training", timeout):
        checkpoints.remove_partial(out)
        text = json.dumps(experiment.to_json(), indent=1) + "\n"
        checkpoints.write_bytes(out / EXPERIMENT_FILE, text.encode())
        yield


def _check_same(out: Path, before: Experiment, now: Experiment) -> None:
    """Raises a MemrnnError where a folder holds something else than what is asked for."""
    if before.identity() != now.identity():
        raise MemrnnError(
            f"{out} holds another experiment; choose another folder, or repeat the command "
            "that began it."
        )
    most = before.config.max_epochs
    if now.config.max_epochs < most:
        raise MemrnnError(
            f"{out} was trained with max_epochs {most}, which may grow but not shrink to "
            f"{now.config.max_epochs}: restarts would differ in what they were given."
        )
