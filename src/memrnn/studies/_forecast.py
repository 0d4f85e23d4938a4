"""What a study takes, before it is run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax

from memrnn.nn.components import parameter_count
from memrnn.runtime.formats import duration, plural, size
from memrnn.runtime.precision import cast, scope
from memrnn.studies._ledger import LEDGER_FILE, Ledger
from memrnn.studies._records import complete_ids
from memrnn.studies._status import study_status
from memrnn.studies._study import Study, plan
from memrnn.studies._tables import read_export
from memrnn.tasks import Traced
from memrnn.training import checkpoint_bytes


@dataclass(frozen=True)
class Forecast:
    """What there is to run, and what it takes.

    Attributes:
        runs: of the study.
        finished: those that the ledger or an imported folder has finished.
        programs: epochs to compile, one per task program, model and freezing mode.
        workers: how many runs go on at a time.
        seconds: until all is run, by the finished runs of the ledger; None without any.
        memory: bytes that training takes at a time, of all workers: parameters, gradients, the
            optimiser's state, checkpoints that are written, and what the task says; not Python,
            JAX and compiled programs. Of the cell that takes most.
        disk: bytes of all checkpoints.

    Examples:
        >>> from memrnn.studies import Study, forecast
        >>> study = Study(("strings:count-3",), ("lstm", "jm-3"), restarts=2)
        >>> next(forecast(study, "study", workers=2).lines())
        'runs: 4, of which 0 are finished'
    """

    runs: int
    finished: int
    programs: int
    workers: int
    seconds: float | None
    memory: int
    disk: int

    def lines(self) -> Iterator[str]:
        """For the terminal."""
        yield f"runs: {self.runs}, of which {self.finished} are finished"
        yield f"programs: {self.programs}"
        if self.seconds is None:
            yield "time: not known before a run of this study is finished"
        else:
            yield f"time: {duration(self.seconds)} with {self.workers} workers"
        yield (
            f"memory: {size(self.memory)} with {plural(self.workers, 'worker')}, besides Python "
            "and compiled programs"
        )
        yield f"disk: {size(self.disk)} of checkpoints"


def forecast(
    study: Study, out: str | Path, workers: int, *, import_results: Sequence[str | Path] = ()
) -> Forecast:
    """What is left of a study in the folder `out`, which need not exist.

    Args:
        study: to be run.
        out: its folder.
        workers: how many runs go on at a time.
        import_results: exported folders, whose finished runs are not run again.

    Raises:
        MemrnnError: if one of its networks does not fit into the memory.

    Examples:
        >>> from memrnn.studies import Study, forecast
        >>> study = Study(("strings:count-3",), ("lstm", "jm-3"), restarts=2)
        >>> expected = forecast(study, "study", workers=2)
        >>> expected.runs, expected.finished, expected.seconds
        (4, 0, None)
    """
    runs = [run for job in plan(study) for run in job]
    cells = list(dict.fromkeys(run.experiment for run in runs))
    programs, memory, disk = set[str](), 0, 0
    for cell in cells:
        with scope(study.config.precision):
            network = cast(cell.task.build(cell.definition, 0), study.config.precision)
            # Arrays of other shapes, as those of a language with more symbols, need their own.
            shapes = [leaf.shape for leaf in jax.tree.leaves(network)]
            traced = Traced.of(cell.task)
            programs.add(repr((traced.kind, traced.program, cell.model, cell.freeze, shapes)))
            needed = cell.task.check_memory(network, training=True, workers=workers)
            checkpoint = checkpoint_bytes(cell, network)
        parameters = parameter_count(network) * network.dtype.itemsize
        # What a checkpoint holds is there before, in and after an epoch's program, and while it is
        # written; the gradient besides. See tests/tasks/test_text_memory.py.
        memory = max(memory, needed + workers * (4 * checkpoint + parameters))
        disk += checkpoint * study.restarts
    exported = [row for one in import_results for row in read_export(one)["runs"].to_pylist()]
    ids, seconds = {run.id for run in runs}, None
    finished = complete_ids(exported, study.config) & ids
    if (Path(out) / LEDGER_FILE).is_file():
        with Ledger(out) as ledger:
            known = complete_ids(ledger.rows("SELECT * FROM runs"), study.config) & ids
        finished |= known
        status = study_status(out)
        if status.seconds_left is not None:
            # The ledger does not know yet of the runs that will be imported.
            share = len(ids - finished) / max(1, len(ids - known))
            seconds = share * status.seconds_left * status.workers / workers
    return Forecast(len(runs), len(finished), len(programs), workers, seconds, memory, disk)
