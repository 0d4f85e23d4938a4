"""The driver: gives the runs of a study to an engine and writes what comes back to the ledger."""

import errno
import platform
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from memrnn.runtime import check_main_guard
from memrnn.studies._about import versions
from memrnn.studies._changes import check_changes
from memrnn.studies._engine import Ended, Engine, Lost, Taken, Told
from memrnn.studies._finished import read_finished
from memrnn.studies._folder import claim
from memrnn.studies._job import Advanced, Began, Failed, Finished, Job
from memrnn.studies._ledger import Ledger
from memrnn.studies._study import PlannedRun, Study, plan

MOST_KILLED = 50
"""A run whose worker was stopped so often without an epoch in between has failed."""

MOST_CRASHED = 3
"""The same where the worker fell over by itself."""

POLL_SECONDS = 0.5


class Change(NamedTuple):
    """A run has a new status; the detail says why, or what has come out."""

    run: PlannedRun
    status: str
    detail: str = ""


Listener = Callable[[Change], None]
"""Called after a change is in the ledger, from the thread that runs the study."""


@dataclass
class _Task:
    """Runs of one cell that wait for a worker or have one.

    Attributes:
        alone: nothing else may run meanwhile, since memory was short.
        halved: no other runs may join, since memory was short or a worker fell over.
        since: when the last message of the worker came; None while there is no worker.
        begun: the runs that the worker has taken up, by id; on a GPU several train at a time.
    """

    runs: deque[PlannedRun]
    alone: bool = False
    halved: bool = False
    since: float | None = None
    begun: dict[str, PlannedRun] = field(default_factory=dict)

    @property
    def held(self) -> list[PlannedRun]:
        """The runs that the worker is at: those it has taken up, else the one that is next."""
        return list(self.begun.values()) or list(self.runs)[:1]

    def begin(self, run: str) -> PlannedRun:
        """The run of this id, which the worker has taken up."""
        self.begun[run] = next(one for one in self.runs if one.id == run)
        return self.begun[run]

    def leave(self, run: str) -> PlannedRun:
        """The run of this id, which is over."""
        found = self.begin(run)
        self.runs.remove(found)
        return self.begun.pop(run)


def run_study(
    study: Study,
    out: str | Path,
    engine: Engine,
    *,
    retry: bool = False,
    finished: Sequence[str | Path] = (),
    listener: Listener | None = None,
    notice: Callable[[str], None] | None = None,
) -> dict[str, int]:
    """Runs what is not yet done of a study and keeps its ledger in the folder `out`.

    Called again it continues, whatever ended it before. A study that has grown since is added
    to; one with another recipe or seed is refused.

    Args:
        retry: run also what has failed before.
        finished: folders that `export` wrote; runs that are finished there, and not here, are
            taken from them instead of being run.
        notice: called with sentences about what differs from last time, and what was taken.

    Returns:
        How many runs of the study have each status.

    Raises:
        MemrnnError: if `out` holds something else, another process runs a study in it, the ledger
            is damaged or locked, one of `finished` is no export, or workers cannot import the
            script that calls this.
        OSError: if the disk is full.
    """
    check_main_guard()
    out = Path(out).resolve()  # workers may have another working directory
    packs = plan(study)
    planned = {run.id for pack in packs for run in pack}
    taken = [read_finished(folder, planned) for folder in finished]
    notice = notice or (lambda _: None)
    with claim(out), Ledger(out, create=True) as ledger:
        for sentence in check_changes(ledger, study, packs):
            notice(sentence)
        with ledger.writing():
            for exported in taken:
                new = exported.without(ledger.finished())
                ledger.adopt(new.runs, new.tables)
                notice(new.sentence())
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
            changed: list[Change] = []
            if messages:
                # All that has come is written as one transaction: a long queue costs no more.
                with self.ledger.writing():
                    for number, message in messages:
                        # An earlier message of the same lot may have ended the job.
                        if number in self.active:
                            changed += self._take(number, message)
            changed += self._check_time()
            for change in changed:
                self.listener(change)

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
            self._join(task)
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

    def _join(self, task: _Task) -> None:
        """Adds waiting runs of the same cell, as many as the engine wants in a job."""
        for other in list(self.waiting):
            if len(task.runs) >= self.engine.runs_in_a_job or task.alone or task.halved:
                return
            if not (other.alone or other.halved) and (
                other.runs[0].experiment == task.runs[0].experiment
            ):
                self.waiting.remove(other)
                task.runs += other.runs

    def _take(self, number: int, message: Told) -> list[Change]:
        """Writes what a message says, and what follows from it."""
        task = self.active[number]
        self._spend(task)
        match message:
            case Taken():
                task.since = time.monotonic()
                return []
            case Ended():
                self._end(number)
                return []
            case Lost(reason, fault):
                held = task.held
                self._end(number)
                if not held:
                    return []
                if fault == "memory":
                    return self._out_of_memory(task)
                return self._lost(task, held, reason, fault)
            case Began(run, progress, worker):
                self.ledger.begin(run, progress, self.engine.name, worker)
                return [Change(task.begin(run), "running")]
            case Advanced(run, progress):
                self.deaths[run] = 0
                self.ledger.advance(run, progress)
                return []
            case Finished(run, progress, scores, about):
                self.ledger.finish(run, progress, scores, self.study.strings_per_length, about)
                detail = (
                    f"{progress.epochs} epochs, perplexity {progress.schedule.best:.4f}, "
                    f"bound {progress.bound:.4f}"
                )
                return [Change(task.leave(run), progress.status, detail)]
            case Failed(run, reason, fault):
                if fault == "disk":
                    raise OSError(errno.ENOSPC, reason)
                if fault == "memory":
                    # The worker ends the job after this; its runs are taken up anew.
                    self.engine.cancel(number)
                    self._end(number)
                    return self._out_of_memory(task)
                self.ledger.fail(run, reason)
                return [Change(task.leave(run), "failed", reason)]

    def _end(self, number: int) -> None:
        """A job is over; what it has not done waits for another worker."""
        task = self.active.pop(number)
        task.since = None
        task.begun.clear()
        if task.runs:
            self.ledger.release(run.id for run in task.runs)
            self.waiting.appendleft(task)

    def _lost(self, task: _Task, held: list[PlannedRun], reason: str, fault: str) -> list[Change]:
        if fault == "crashed" and len(held) > 1:
            # One of them may be at fault, but nothing tells which.
            self._halve(task)
            return []
        most = MOST_KILLED if fault == "killed" else MOST_CRASHED
        self.deaths.update(run.id for run in held)
        failed = [run for run in held if self.deaths[run.id] >= most]
        return self._give_up(task, failed, f"{reason}, {most} times without an epoch in between")

    def _out_of_memory(self, task: _Task) -> list[Change]:
        """Tries again with half of the pack, then with one run and nothing beside it."""
        if task.alone:
            reason = "out of memory, even with nothing else running"
            return self._give_up(task, list(task.runs), reason)
        if len(task.runs) == 1:
            task.alone = True
        else:
            self._halve(task)
        return []

    def _halve(self, task: _Task) -> None:
        """Makes two of a waiting task."""
        half, runs = len(task.runs) // 2, list(task.runs)
        self.waiting.remove(task)
        halves = runs[half:], runs[:half]
        self.waiting.extendleft(_Task(deque(some), halved=True) for some in halves)

    def _give_up(self, task: _Task, failed: list[PlannedRun], reason: str) -> list[Change]:
        """Runs of a waiting task have failed; the others go on waiting."""
        for run in failed:
            task.runs.remove(run)
            self.ledger.fail(run.id, reason)
        if not task.runs:
            self.waiting.remove(task)
        return [Change(run, "failed", reason) for run in failed]

    def _spend(self, task: _Task) -> None:
        """Shares the time since the last message among the runs that the worker is at."""
        held = task.held
        if task.since is None or not held:
            return
        moment = time.monotonic()
        for run in held:
            self.ledger.spend(run.id, (moment - task.since) / len(held))
            self.spent[run.id] += (moment - task.since) / len(held)
        task.since = moment

    def _check_time(self) -> list[Change]:
        """Ends every run that has taken longer than the study allows."""
        limit, late = self.study.time_limit, []
        if limit is None:
            return []
        for number, task in list(self.active.items()):
            held = task.held
            if task.since is None or not held:
                continue
            share = (time.monotonic() - task.since) / len(held)
            over = [run for run in held if self.spent[run.id] + share > limit]
            if over:
                self.engine.cancel(number)
                with self.ledger.writing():
                    self._spend(task)
                    self._end(number)
                    late += self._give_up(
                        task, over, f"not done after the time limit of {limit:g} s"
                    )
        return late
