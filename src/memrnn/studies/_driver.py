"""The driver: gives the runs of a study to an engine and writes what comes back to the ledger."""

import fcntl
import os
import platform
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from memrnn.studies._changes import check_changes
from memrnn.studies._engine import Ended, Engine, Lost, Taken, Told
from memrnn.studies._job import Advanced, Began, Failed, Finished, Job, versions
from memrnn.studies._ledger import LEDGER_FILE, Ledger
from memrnn.studies._study import PlannedRun, Study, plan

MOST_KILLED = 50
"""A run whose worker was stopped so often without an epoch in between has failed."""

MOST_CRASHED = 3
"""The same where the worker fell over by itself."""

POLL_SECONDS = 0.5

Listener = Callable[[PlannedRun, str], None]
"""Called with a run and its new status, from the thread that runs the study."""


@dataclass
class _Task:
    """Runs of one cell that wait for a worker or have one.

    Attributes:
        alone: nothing else may run meanwhile, since memory was short.
        since: when the last message of the worker came; None while there is no worker.
    """

    runs: deque[PlannedRun]
    alone: bool = False
    since: float | None = None


def run_study(
    study: Study,
    out: str | Path,
    engine: Engine,
    *,
    retry: bool = False,
    listener: Listener | None = None,
    notice: Callable[[str], None] | None = None,
) -> dict[str, int]:
    """Runs what is not yet done of a study and keeps its ledger in the folder `out`.

    Called again it continues, whatever ended it before. A study that has grown since is added
    to; one with another recipe or seed is refused.

    Args:
        retry: run also what has failed before.
        notice: called with sentences about what differs from last time.

    Returns:
        How many runs of the study have each status.

    Raises:
        ValueError: if `out` holds something else, another process runs a study in it, or the
            ledger is damaged or locked.
        OSError: if the disk is full.
    """
    out = Path(out).resolve()  # workers may have another working directory
    packs = plan(study)
    with _claim(out), Ledger(out, create=True) as ledger:
        for sentence in check_changes(ledger, study, packs):
            if notice:
                notice(sentence)
        with ledger.writing():
            ledger.plan(study, packs)
            if retry:
                ledger.retry()
            session = ledger.open_session(engine.name, engine.workers, platform.node(), versions())
        driver = _Driver(study, out, engine, ledger, listener or (lambda *_: None))
        outcome = "stopped"
        try:
            driver.run([deque(pack) for pack in packs])
            outcome = "ended"
        except OSError as error:
            outcome = f"stopped: {error.args[-1]}"
            raise
        finally:
            engine.close()
            with ledger.writing():
                ledger.release(driver.running)
                ledger.close_session(session, outcome)
        return counts(ledger)


def counts(ledger: Ledger) -> dict[str, int]:
    """How many runs of the study have each status."""
    rows = ledger.rows(
        "SELECT status, count(*) AS runs FROM runs WHERE position IS NOT NULL GROUP BY status"
    )
    return {row["status"]: row["runs"] for row in rows}


class _Driver:
    def __init__(self, study: Study, out: Path, engine: Engine, ledger: Ledger, listener: Listener):
        self.study, self.out, self.engine, self.ledger = study, out, engine, ledger
        self.listener = listener
        self.waiting: deque[_Task] = deque()
        self.active: dict[int, _Task] = {}
        self.deaths: Counter[str] = Counter()
        self.spent: dict[str, float] = {}
        self.started = 0

    @property
    def running(self) -> list[str]:
        return [run.id for task in self.active.values() for run in task.runs]

    def run(self, packs: Sequence[deque[PlannedRun]]) -> None:
        """Runs everything that is planned."""
        rows = self.ledger.rows("SELECT id, status, seconds FROM runs WHERE position IS NOT NULL")
        open_runs = {row["id"] for row in rows if row["status"] == "planned"}
        self.spent = {row["id"]: row["seconds"] for row in rows}
        for pack in packs:
            if runs := deque(run for run in pack if run.id in open_runs):
                self.waiting.append(_Task(runs))
        while self.waiting or self.active:
            self._start()
            messages = self.engine.poll(POLL_SECONDS)
            changed: list[tuple[PlannedRun, str]] = []
            if messages:
                # All that has come is written as one transaction: a long queue costs no more.
                with self.ledger.writing():
                    for number, message in messages:
                        # An earlier message of the same lot may have ended the job.
                        if number in self.active:
                            changed += self._take(number, message)
            changed += self._check_time()
            for run, status in changed:
                self.listener(run, status)

    def _start(self) -> None:
        while self.waiting and len(self.active) < self.engine.workers:
            if any(task.alone for task in self.active.values()):
                return
            if self.waiting[0].alone:
                if any(not task.alone for task in self.waiting):
                    self.waiting.rotate(-1)
                    continue
                if self.active:
                    return
            task = self.waiting.popleft()
            self.started += 1
            self.active[self.started] = task
            self.engine.start(
                Job(
                    self.started,
                    task.runs[0].experiment.to_json(),
                    tuple((run.id, run.restart, str(self.out / run.folder)) for run in task.runs),
                    self.study.bins,
                    self.study.precisions,
                    self.study.strings_per_length,
                    self.study.imports,
                )
            )

    def _take(self, number: int, message: Told) -> list[tuple[PlannedRun, str]]:
        """Writes what a message says, and what follows from it."""
        task = self.active[number]
        run = task.runs[0] if task.runs else None
        if run is not None:
            self._spend(task, run)
        match message:
            case Taken():
                task.since = time.monotonic()
                return []
            case Ended():
                self._end(number)
                return []
            case Lost(reason, fault):
                self._end(number)
                if run is None:
                    return []
                return (
                    self._out_of_memory(task)
                    if fault == "memory"
                    else self._lost(
                        task, reason, MOST_KILLED if fault == "killed" else MOST_CRASHED
                    )
                )
            case Began(_, progress, worker):
                assert run is not None
                self.ledger.begin(run.id, progress, self.engine.name, worker)
                return [(run, "running")]
            case Advanced(_, progress):
                assert run is not None
                self.deaths[run.id] = 0
                self.ledger.advance(run.id, progress)
                return []
            case Finished(_, progress, scores, about):
                assert run is not None
                task.runs.popleft()
                self.ledger.finish(run.id, progress, scores, self.study.strings_per_length, about)
                return [(run, progress.status)]
            case Failed(_, reason, fault):
                assert run is not None
                if fault == "disk":
                    raise OSError(28, reason)
                if fault == "memory":
                    # The worker ends the job after this; its runs are taken up anew.
                    self.engine.cancel(number)
                    self._end(number)
                    return self._out_of_memory(task)
                task.runs.popleft()
                self.ledger.fail(run.id, reason)
                return [(run, "failed")]

    def _end(self, number: int) -> None:
        """A job is over; what it has not done waits for another worker."""
        task = self.active.pop(number)
        task.since = None
        if task.runs:
            self.ledger.release(run.id for run in task.runs)
            self.waiting.appendleft(task)

    def _lost(self, task: _Task, reason: str, most: int) -> list[tuple[PlannedRun, str]]:
        run = task.runs[0]
        self.deaths[run.id] += 1
        if self.deaths[run.id] < most:
            return []
        return self._give_up(task, f"{reason}, {most} times without an epoch in between")

    def _out_of_memory(self, task: _Task) -> list[tuple[PlannedRun, str]]:
        """Tries again with half of the pack, then with one run and nothing beside it."""
        if task.alone:
            return self._give_up(task, "out of memory, even with nothing else running")
        if len(task.runs) == 1:
            task.alone = True
            return []
        half = len(task.runs) // 2
        self.waiting.remove(task)
        runs = list(task.runs)
        self.waiting.extendleft([_Task(deque(runs[half:])), _Task(deque(runs[:half]))])
        return []

    def _give_up(self, task: _Task, reason: str) -> list[tuple[PlannedRun, str]]:
        """The first run of a waiting task has failed; the others go on waiting."""
        run = task.runs.popleft()
        self.ledger.fail(run.id, reason)
        if not task.runs:
            self.waiting.remove(task)
        return [(run, "failed")]

    def _spend(self, task: _Task, run: PlannedRun) -> None:
        if task.since is None:
            return
        moment = time.monotonic()
        self.ledger.spend(run.id, moment - task.since)
        self.spent[run.id] += moment - task.since
        task.since = moment

    def _check_time(self) -> list[tuple[PlannedRun, str]]:
        """Ends every run that has taken longer than the study allows."""
        limit, late = self.study.time_limit, []
        if limit is None:
            return []
        for number, task in list(self.active.items()):
            if not task.runs or task.since is None:
                continue
            run = task.runs[0]
            if self.spent[run.id] + time.monotonic() - task.since > limit:
                self.engine.cancel(number)
                with self.ledger.writing():
                    self._spend(task, run)
                    self._end(number)
                    late += self._give_up(task, f"not done after the time limit of {limit:g} s")
        return late


@contextmanager
def _claim(out: Path) -> Generator[None]:
    """Makes the folder this study's and this process' own while it runs."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; give a folder that does not exist or is empty.")
    ours = (out / LEDGER_FILE).exists() or (out / "runs").is_dir()
    if out.exists() and any(out.iterdir()) and not ours:
        raise ValueError(f"{out} is not empty and holds no study; give another folder.")
    out.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(out, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ValueError(f"Another process is running the study in {out}.") from error
        yield
    finally:
        os.close(descriptor)


def is_running(out: str | Path) -> bool:
    """Whether a process runs the study in this folder now."""
    descriptor = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
