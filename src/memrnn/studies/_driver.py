"""The driver: gives runs to an engine and writes what comes back to the ledger."""

import errno
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from memrnn.engines import Engine, JobFinished, JobStarted, WorkerLost, poll_until
from memrnn.studies._job import (
    EvaluationFinished,
    Event,
    Job,
    JobRun,
    RunFailed,
    RunFinished,
    RunStarted,
)
from memrnn.studies._ledger import Ledger
from memrnn.studies._records import Records
from memrnn.studies._study import PlannedJob, PlannedRun, Study
from memrnn.training import Progress

MOST_KILLED = 50
"""A run whose worker was stopped so often without an epoch in between has failed."""

MOST_CRASHED = 3
"""The same where the worker crashed by itself."""


class Change(NamedTuple):
    """A run has a new status; the detail says why, or what has come out."""

    run: PlannedRun
    status: str
    detail: str = ""


Listener = Callable[[Change], None]
"""Called after a change is in the ledger, from the thread that runs the study."""


@dataclass(eq=False)
class _Group:
    """Runs of one model that wait for a worker or have one.

    Attributes:
        alone: nothing else may run meanwhile, since memory was short.
        halved: no other runs may join, since memory was short or a worker crashed.
        since: when the last message of the worker came; None while there is no worker.
        started: ids of the runs that the worker has started; on a GPU several train at a time.
    """

    runs: list[PlannedRun]
    alone: bool = False
    halved: bool = False
    since: float | None = None
    started: set[str] = field(default_factory=set)

    @property
    def model(self) -> str:
        return self.runs[0].experiment.model

    @property
    def current(self) -> list[PlannedRun]:
        """The runs that the worker is at: those it has started, else the one that is next."""
        return [run for run in self.runs if run.id in self.started] or self.runs[:1]

    def elapsed(self) -> float:
        """Seconds since the last message, for each of the current runs."""
        if self.since is None:
            return 0.0
        return (time.monotonic() - self.since) / max(1, len(self.current))


def outcome_text(progress: Progress) -> str:
    """What has come out of a run, for people."""
    metric, best = progress.selection, progress.schedule.best
    text = f"{progress.epochs} epochs, validation {metric.name} {best:.4f}"
    return f"{text}, {progress.excess_text}" if progress.excess_text else text


class Driver:
    """Gives what is planned to an engine; every message changes the ledger."""

    def __init__(
        self,
        study: Study,
        imports: tuple[str, ...],
        out: Path,
        engine: Engine,
        ledger: Ledger,
        listener: Listener,
    ):
        self.study, self.imports, self.out = study, imports, out
        self.engine, self.ledger = engine, ledger
        self.records, self.listener = Records(ledger), listener
        # A model can have got another name since the folder was made.
        rows = ledger.rows(
            "SELECT id, status, task_key, folder, seconds FROM runs WHERE position IS NOT NULL"
        )
        self.rows = {row["id"]: row for row in rows}
        self.runs: dict[str, PlannedRun] = {}
        self.referenced = self.records.referenced()
        self.waiting: deque[_Group] = deque()
        self.active: dict[int, _Group] = {}
        self.losses: Counter[str] = Counter()
        self.jobs = 0

    @property
    def running(self) -> list[str]:
        return [run.id for group in self.active.values() for run in group.runs]

    def run(self, jobs: Sequence[PlannedJob], deadline: float) -> bool:
        """Runs everything that is planned.

        Args:
            deadline: as for `poll_until`.

        Returns:
            Whether everything was run.
        """
        self.runs = {run.id: run for job in jobs for run in job}
        for job in jobs:
            if runs := [run for run in job if self.rows[run.id]["status"] == "planned"]:
                self.waiting.append(_Group(runs))
        for messages in poll_until(self.engine, self._start, self.active, deadline):
            changes: list[Change] = []
            if messages:
                # All that has come is written as one transaction: a long queue costs no more.
                with self.ledger.writing():
                    for number, message in messages:
                        # An earlier message of the same lot may have ended the job.
                        if number in self.active:
                            changes += self._handle(number, message)
            changes += self._end_late_runs()
            for change in changes:
                self.listener(change)
        return not self.waiting and not self.active

    def _start(self) -> None:
        while self.waiting and len(self.active) < self.engine.workers:
            if any(group.alone for group in self.active.values()):
                return
            # What runs alone comes last.
            group = next((group for group in self.waiting if not group.alone), self.waiting[0])
            if group.alone and self.active:
                return
            self.waiting.remove(group)
            self._join(group)
            self.jobs += 1
            self.active[self.jobs] = group
            runs = self._runs_of_job(group)
            self.engine.start(Job(self.jobs, runs, self.study.precisions, self.imports))

    def _join(self, group: _Group) -> None:
        """Adds waiting runs, as many as the engine wants in a job.

        They have the same model, so that most of them share a program.
        """
        for other in list(self.waiting):
            if len(group.runs) >= self.engine.runs_in_a_job or group.alone or group.halved:
                return
            if not (other.alone or other.halved) and other.model == group.model:
                self.waiting.remove(other)
                group.runs += other.runs

    def _runs_of_job(self, group: _Group) -> tuple[JobRun, ...]:
        """The runs of a job; the first of each task gives the task's references."""
        asked, runs = set(self.referenced), list[JobRun]()
        for run in group.runs:
            row = self.rows[run.id]
            key, folder = row["task_key"], str(self.out / row["folder"])
            experiment = run.experiment.to_json()
            runs.append(JobRun(run.id, experiment, run.restart, folder, key not in asked))
            asked.add(key)
        return tuple(runs)

    def _handle(
        self, number: int, message: Event | JobStarted | JobFinished | WorkerLost
    ) -> Iterator[Change]:
        """Writes what a message says, and what follows from it."""
        group = self.active[number]
        self._spend(group)
        match message:
            case JobStarted():
                group.since = time.monotonic()
            case JobFinished():
                self._end(number)
            case WorkerLost(reason, fault):
                current = group.current
                self._end(number)
                if current and fault == "memory":
                    yield from self._out_of_memory(group)
                elif current:
                    yield from self._lost(group, current, reason, fault)
            case RunStarted(run):
                self.records.begin(message, self.engine.name)
                group.started.add(run)
                yield Change(self.runs[run], "running")
            case EvaluationFinished(run):
                self.losses[run] = 0
                self.records.advance(message)
            case RunFinished(run, progress):
                self.records.finish(message)
                if message.references:
                    self.referenced.add(self.rows[run]["task_key"])
                group.runs.remove(self.runs[run])
                yield Change(self.runs[run], progress.status, outcome_text(progress))
            case RunFailed(_, reason, "disk"):
                raise OSError(errno.ENOSPC, reason)
            case RunFailed(_, _, "memory"):
                # The worker ends the job after this; its runs are given to workers anew.
                self.engine.cancel(number)
                self._end(number)
                yield from self._out_of_memory(group)
            case RunFailed(run, reason):
                self.records.fail(run, reason)
                group.runs.remove(self.runs[run])
                yield Change(self.runs[run], "failed", reason)

    def _end(self, number: int) -> None:
        """A job is over; what it has not done waits for another worker."""
        group = self.active.pop(number)
        group.since = None
        group.started.clear()
        if group.runs:
            self.records.release(run.id for run in group.runs)
            self.waiting.appendleft(group)

    def _lost(
        self, group: _Group, current: Sequence[PlannedRun], reason: str, fault: str
    ) -> Iterator[Change]:
        if fault == "crashed" and len(current) > 1:
            # One of them may be at fault, but it is not known which.
            self._halve(group)
            return
        most = MOST_KILLED if fault == "killed" else MOST_CRASHED
        self.losses.update(run.id for run in current)
        failed = [run for run in current if self.losses[run.id] >= most]
        reason = f"{reason}, {most} times without an epoch in between"
        yield from self._give_up(group, failed, reason)

    def _out_of_memory(self, group: _Group) -> Iterator[Change]:
        """Tries again with half of the runs, then with one run and nothing beside it."""
        if group.alone:
            reason = "out of memory, even with nothing else running"
            yield from self._give_up(group, list(group.runs), reason)
        elif len(group.runs) > 1:
            self._halve(group)
        else:
            group.alone = True

    def _halve(self, group: _Group) -> None:
        """Makes two of a waiting group."""
        half = len(group.runs) // 2
        self.waiting.remove(group)
        for runs in (group.runs[half:], group.runs[:half]):
            self.waiting.appendleft(_Group(runs, halved=True))

    def _give_up(self, group: _Group, failed: Sequence[PlannedRun], reason: str) -> list[Change]:
        """Runs of a waiting group have failed; the others go on waiting."""
        for run in failed:
            group.runs.remove(run)
            self.records.fail(run.id, reason)
        if not group.runs:
            self.waiting.remove(group)
        return [Change(run, "failed", reason) for run in failed]

    def _spend(self, group: _Group) -> None:
        """Shares the time since the last message among the runs that the worker is at."""
        if group.since is None:
            return
        seconds = group.elapsed()
        for run in group.current:
            self.records.spend(run.id, seconds)
            self.rows[run.id]["seconds"] += seconds
        group.since = time.monotonic()

    def _end_late_runs(self) -> list[Change]:
        """Ends every run that has taken longer than the study allows."""
        limit, changes = self.study.time_limit, list[Change]()
        if limit is None:
            return changes
        for number, group in list(self.active.items()):
            if group.since is None:
                continue
            longest = limit - group.elapsed()
            late = [run for run in group.current if self.rows[run.id]["seconds"] > longest]
            if late:
                self.engine.cancel(number)
                with self.ledger.writing():
                    self._spend(group)
                    self._end(number)
                    reason = f"not done after the time limit of {limit:g} s"
                    changes += self._give_up(group, late, reason)
        return changes
