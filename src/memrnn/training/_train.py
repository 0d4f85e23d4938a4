"""Trains the restarts of one experiment, into one folder."""

import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import jax

from memrnn.engines import LocalEngine, run_jobs
from memrnn.errors import MemrnnError
from memrnn.nn.components import partition
from memrnn.nn.groups import tree_bytes
from memrnn.nn.network import Network
from memrnn.runtime.cache import use_compile_cache
from memrnn.runtime.precision import cast, scope
from memrnn.training._experiment import Experiment
from memrnn.training._folder import Run, load_experiment, load_restarts, lock, open_restart
from memrnn.training._loop import train_runs
from memrnn.training._programs import initial_moments
from memrnn.training._progress import Progress
from memrnn.training._restart import Restart


def train(
    experiment: Experiment,
    out: str | Path,
    restarts: int | Sequence[int] = 10,
    *,
    workers: int = 1,
    stop_after: float | None = None,
    imports: Sequence[str] = (),
    listener: Callable[[int, Progress], None] | None = None,
) -> Run:
    """Trains restarts and leaves one checkpoint each in the folder `out`.

    Called again with the same experiment it continues where it was, even after the process was
    killed, and ends in the same bits as if it had never stopped. `max_epochs` and `restarts` may
    have grown in between, not shrunk. A restart that diverges ends alone.

    Args:
        experiment: task, model, frozen components, configuration and seed.
        out: the folder; it is made where it does not exist.
        restarts: their number, for 0 ... `restarts` - 1; or which, one by one.
        workers: processes, each of which trains one restart at a time on one core, or many on a
            GPU of its own. With 1 this process does the work, unless there is a `stop_after`.
        stop_after: seconds, after which training ends, at the latest 10 s later.
        imports: files or modules that register what the experiment names; the folder keeps a copy
            of the files, so that it can be read wherever it is moved to.
        listener: called with a restart's number and progress when it begins or continues, and
            after every epoch.

    Returns:
        The restarts asked for, as far as they have a checkpoint.

    Raises:
        MemrnnError: if `out` holds something else, another process is training in it, or a worker
            cannot go on.
        OSError: if a checkpoint could not be written.

    Examples:
        >>> import memrnn
        >>> task = memrnn.Strings("count-3", train_lengths=(3, 9), batches=2, validation_batches=1)
        >>> config = memrnn.TrainingConfig(max_epochs=1)
        >>> run = memrnn.train(memrnn.Experiment(task, "jm-2", config=config), "run", restarts=1)
        >>> run.restarts[0].progress.status
        'done'
    """
    if workers < 1:
        raise MemrnnError(f"workers is {workers}, but must be at least 1.")
    numbers = range(restarts) if isinstance(restarts, int) else sorted(set(restarts))
    if not numbers or numbers[0] < 0:
        raise MemrnnError(
            f"restarts is {restarts}, but must be at least 1, or numbers of restarts from 0."
        )
    out, workers = Path(out), min(workers, len(numbers))
    # It checks the components, which has to come before the folder is made: afterwards only the
    # same components could be trained in it.
    experiment.identity()
    check_memory(experiment, workers)
    with lock(out, experiment, imports=imports):
        if workers == 1 and stop_after is None:
            updates = _train_here(experiment, numbers, out)
        else:
            updates = _train_in_workers(numbers, out, workers, stop_after)
        with closing(updates):
            for number, progress in updates:
                if listener:
                    listener(number, progress)
        return load_restarts(out, experiment, numbers)


def checkpoint_bytes(experiment: Experiment, network: Network) -> int:
    """Bytes of the arrays of a checkpoint."""
    trained, _ = partition(network, experiment.freeze)
    moments = initial_moments(trained, experiment.config)
    carry = jax.eval_shape(experiment.task.carry, network)
    average = trained if experiment.config.averages else None
    return tree_bytes((network, network, moments, carry, average))


def check_memory(experiment: Experiment, workers: int = 1) -> None:
    """Raises a MemrnnError if `workers` restarts at a time need more memory than there is.

    And if the network cannot be what `experiment.start` gives.
    """
    task, precision = experiment.task, experiment.config.precision
    with scope(precision):
        network = cast(task.build(experiment.definition, 0), precision)
        if experiment.start is not None:
            experiment.start.load_into(network)
        task.check_memory(network, training=True, workers=workers)


ProgressUpdates = Generator[tuple[int, Progress]]
"""Numbers of restarts and their progress, when they begin or continue and after every epoch."""


def _train_here(experiment: Experiment, numbers: Sequence[int], out: Path) -> ProgressUpdates:
    @contextmanager
    def opened(number: int) -> Generator[Restart]:
        yield open_restart(experiment, number, out)

    with closing(train_runs(numbers, opened)) as events:
        for event in events:
            if event.error is not None:
                raise event.error
            if event.restart is not None and event.kind != "trained":
                yield event.run, event.restart.progress


@dataclass(frozen=True)
class TrainingJob:
    """Restarts of the experiment in a folder, for a worker. The folder is locked already."""

    number: int
    restarts: Sequence[int]
    out: Path

    def run(self) -> Generator[tuple[int, Progress] | Exception]:
        """What `_train_here` yields; an error, which ends the job, is the last event."""
        use_compile_cache()
        try:
            yield from _train_here(load_experiment(self.out), self.restarts, self.out)
        except Exception as error:
            error.add_note("".join(traceback.format_exception(error)))  # of the worker
            yield error


def _train_in_workers(
    numbers: Sequence[int], out: Path, workers: int, stop_after: float | None
) -> ProgressUpdates:
    engine, out = LocalEngine(workers), out.resolve()
    size = engine.runs_in_a_job
    jobs = [
        TrainingJob(first // size, numbers[first : first + size], out)
        for first in range(0, len(numbers), size)
    ]
    for event in run_jobs(engine, jobs, stop_after):
        if isinstance(event, Exception):
            raise event
        yield event
