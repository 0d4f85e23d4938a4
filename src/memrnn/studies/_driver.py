"""The driver: gives runs to an engine and writes what comes back to the ledger."""

import errno
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from memrnn.engines import STOP_SECONDS, Engine, JobFinished, JobStarted, WorkerLost
from memrnn.studies._job import Job, JobRun
from memrnn.studies._ledger import Ledger
from memrnn.studies._messages import (
    EvaluationFinished,
    Event,
    RunFailed,
    RunFinished,
    RunStarted,
)
from memrnn.studies._records import Records, Tasks
from memrnn.studies._study import PlannedJob, PlannedRun, Study
from memrnn.training import Progress

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


Report = Event | JobStarted | JobFinished | WorkerLost

Listener = Callable[[Change], None]
"""Called after a change is in the ledger, from the thread that runs the study."""


@dataclass
class _Group:
    """Runs of one model that wait for a worker or have one.

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


def outcome_text(progress: Progress) -> str:
    """What has come out of a run, for people."""
    metric, best = progress.selection, progress.schedule.best
    text = f"{progress.epochs} epochs, validation {metric.name} {best:.4f}"
    if progress.reference is None:
        return text
    return f"{text}, {progress.excess:.4f} above its reference"


class Driver:
    """Gives what is planned to an engine; every message changes the ledger."""

    def __init__(
        self,
        study: Study,
        imports: tuple[str, ...],
        out: Path,
        engine: Engine,
        ledger: Ledger,
        tasks: Tasks,
        listener: Listener,
    ):
        self.study, self.imports, self.out = study, imports, out
        self.engine, self.ledger = engine, ledger
        self.records, self.listener = Records(ledger), listener
        self.keys = {spec: one.key for spec, one in tasks.descriptions.items()}
        self.waiting: deque[_Group] = deque()
        self.active: dict[int, _Group] = {}
        self.deaths: Counter[str] = Counter()
        self.spent: dict[str, float] = {}
        self.folders: dict[str, str] = {}
        self.referenced: set[str] = set()
        self.started = 0

    @property
    def running(self) -> list[str]:
        return [run.id for group in self.active.values() for run in group.runs]

    def run(self, planned_jobs: Sequence[PlannedJob], deadline: float = math.inf) -> bool:
        """Runs everything that is planned.

        Args:
            deadline: time of `time.monotonic` from which no run is started, and those that run
                have `STOP_SECONDS` to finish the current epoch.

        Returns:
            Whether everything was run.
        """
        rows = self.ledger.rows(
            "SELECT id, status, seconds, folder FROM runs WHERE position IS NOT NULL"
        )
        open_runs = {row["id"] for row in rows if row["status"] == "planned"}
        self.spent = {row["id"]: row["seconds"] for row in rows}
        # A model can have got another name since the folder was made.
        self.folders = {row["id"]: row["folder"] for row in rows}
        self.referenced = self.records.referenced()
        for planned_job in planned_jobs:
            if runs := deque(run for run in planned_job if run.id in open_runs):
                self.waiting.append(_Group(runs))
        stopped = math.inf
        while self.waiting or self.active:
            now = time.monotonic()
            if now < deadline:
                self._start()
            elif stopped == math.inf:
                self.engine.stop()
                stopped = now
            if not self.active or now > stopped + STOP_SECONDS:
                return False
            messages = self.engine.poll(min(POLL_SECONDS, max(0.0, deadline - now)) or POLL_SECONDS)
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
        return True

    def _start(self) -> None:
        while self.waiting and len(self.active) < self.engine.workers:
            if any(group.alone for group in self.active.values()):
                return
            if self.waiting[0].alone:
                if any(not group.alone for group in self.waiting):
                    self.waiting.rotate(-1)
                    continue
                if self.active:
                    return
            group = self.waiting.popleft()
            self._join(group)
            self.started += 1
            self.active[self.started] = group
            self.engine.start(
                Job(self.started, self._runs_of_job(group), self.study.precisions, self.imports)
            )

    def _runs_of_job(self, group: _Group) -> tuple[JobRun, ...]:
        """The runs of a job; the first of each task gives the task's references."""
        asked, runs = set(self.referenced), list[JobRun]()
        for run in group.runs:
            key = self.keys[run.experiment.task.spec]
            runs.append(
                JobRun(
                    run.id,
                    run.experiment.to_json(),
                    run.restart,
                    str(self.out / self.folders[run.id]),
                    references=key not in asked,
                )
            )
            asked.add(key)
        return tuple(runs)

    def _join(self, group: _Group) -> None:
        """Adds waiting runs, as many as the engine wants in a job.

        They have the same model, so that most of them share a program.
        """
        for other in list(self.waiting):
            if len(group.runs) >= self.engine.runs_in_a_job or group.alone or group.halved:
                return
            if not (other.alone or other.halved) and (
                other.runs[0].experiment.model == group.runs[0].experiment.model
            ):
                self.waiting.remove(other)
                group.runs += other.runs

    def _take(
        self, number: int, message: Event | JobStarted | JobFinished | WorkerLost
    ) -> list[Change]:
        """Writes what a message says, and what follows from it."""
        group = self.active[number]
        self._spend(group)
        match message:
            case JobStarted():
                group.since = time.monotonic()
                return []
            case JobFinished():
                self._end(number)
                return []
            case WorkerLost(reason, fault):
                held = group.held
                self._end(number)
                if not held:
                    return []
                if fault == "memory":
                    return self._out_of_memory(group)
                return self._lost(group, held, reason, fault)
            case RunStarted(run, progress, worker):
                self.records.begin(run, progress, self.engine.name, worker)
                return [Change(group.begin(run), "running")]
            case EvaluationFinished():
                self.deaths[message.run] = 0
                self.records.advance(message)
                return []
            case RunFinished(run, progress, scores, references, about):
                self.records.finish(run, progress, scores, references, about)
                done = group.leave(run)
                if references:
                    self.referenced.add(self.keys[done.experiment.task.spec])
                return [Change(done, progress.status, outcome_text(progress))]
            case RunFailed(run, reason, fault):
                if fault == "disk":
                    raise OSError(errno.ENOSPC, reason)
                if fault == "memory":
                    # The worker ends the job after this; its runs are taken up anew.
                    self.engine.cancel(number)
                    self._end(number)
                    return self._out_of_memory(group)
                self.records.fail(run, reason)
                return [Change(group.leave(run), "failed", reason)]

    def _end(self, number: int) -> None:
        """A job is over; what it has not done waits for another worker."""
        group = self.active.pop(number)
        group.since = None
        group.begun.clear()
        if group.runs:
            self.records.release(run.id for run in group.runs)
            self.waiting.appendleft(group)

    def _lost(self, group: _Group, held: list[PlannedRun], reason: str, fault: str) -> list[Change]:
        if fault == "crashed" and len(held) > 1:
            # One of them may be at fault, but it is not known which.
            self._halve(group)
            return []
        most = MOST_KILLED if fault == "killed" else MOST_CRASHED
        self.deaths.update(run.id for run in held)
        failed = [run for run in held if self.deaths[run.id] >= most]
        return self._give_up(group, failed, f"{reason}, {most} times without an epoch in between")

    def _out_of_memory(self, group: _Group) -> list[Change]:
        """Tries again with half of the runs, then with one run and nothing beside it."""
        if group.alone:
            reason = "out of memory, even with nothing else running"
            return self._give_up(group, list(group.runs), reason)
        if len(group.runs) == 1:
            group.alone = True
        else:
            self._halve(group)
        return []

    def _halve(self, group: _Group) -> None:
        """Makes two of a waiting group."""
        half, runs = len(group.runs) // 2, list(group.runs)
        self.waiting.remove(group)
        halves = runs[half:], runs[:half]
        self.waiting.extendleft(_Group(deque(some), halved=True) for some in halves)

    def _give_up(self, group: _Group, failed: list[PlannedRun], reason: str) -> list[Change]:
        """Runs of a waiting group have failed; the others go on waiting."""
        for run in failed:
            group.runs.remove(run)
            self.records.fail(run.id, reason)
        if not group.runs:
            self.waiting.remove(group)
        return [Change(run, "failed", reason) for run in failed]

    def _spend(self, group: _Group) -> None:
        """Shares the time since the last message among the runs that the worker is at."""
        held = group.held
        if group.since is None or not held:
            return
        moment = time.monotonic()
        for run in held:
            self.records.spend(run.id, (moment - group.since) / len(held))
            self.spent[run.id] += (moment - group.since) / len(held)
        group.since = moment

    def _check_time(self) -> list[Change]:
        """Ends every run that has taken longer than the study allows."""
        limit, late = self.study.time_limit, []
        if limit is None:
            return []
        for number, group in list(self.active.items()):
            held = group.held
            if group.since is None or not held:
                continue
            share = (time.monotonic() - group.since) / len(held)
            over = [run for run in held if self.spent[run.id] + share > limit]
            if over:
                self.engine.cancel(number)
                with self.ledger.writing():
                    self._spend(group)
                    self._end(number)
                    late += self._give_up(
                        group, over, f"not done after the time limit of {limit:g} s"
                    )
        return late
