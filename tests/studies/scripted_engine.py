"""An engine in this very process that does what a script says: to test the driver alone."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence

from memrnn.engines import JobFinished, JobStarted, Message, WorkerLost
from memrnn.studies import Event, Job, run_job

Script = Callable[[Job], Iterator[Event | WorkerLost]]


class ScriptedEngine:
    """Runs `script` for each job, by default the real thing; one message of each job a poll."""

    name = "scripted"

    def __init__(self, script: Script = run_job, workers: int = 2, runs_in_a_job: int = 1):
        self.workers = workers
        self.runs_in_a_job = runs_in_a_job
        self.script = script
        self.running: dict[int, Iterator[Event | WorkerLost]] = {}
        self.taken: list[int] = []
        self.jobs: list[tuple[Job, int]] = []
        self.cancelled: list[int] = []
        self.closed = False

    def start(self, job: Job) -> None:
        self.jobs.append((job, len(self.running)))
        self.taken.append(job.number)
        assert len(self.running) < self.workers
        self.running[job.number] = iter(self.script(job))

    def poll(self, seconds: float) -> Sequence[Message]:
        messages: deque[Message] = deque((number, JobStarted()) for number in self.taken)
        self.taken.clear()
        for number, events in list(self.running.items()):
            event = next(events, JobFinished())
            messages.append((number, event))
            if isinstance(event, JobFinished | WorkerLost):
                self._drop(number)
        return list(messages)

    def stop(self) -> None:
        for job in list(self.running):
            self._drop(job)
            self.running[job] = iter(())

    def cancel(self, job: int) -> None:
        self.cancelled.append(job)
        self._drop(job)

    def close(self) -> None:
        for job in list(self.running):
            self._drop(job)
        self.closed = True

    def _drop(self, job: int) -> None:
        """As a process that ends: what it holds is let go."""
        events = self.running.pop(job, None)
        if isinstance(events, Generator):
            events.close()
