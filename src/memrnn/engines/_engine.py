"""What an engine is asked for, whichever it is, and what it reports."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable


@runtime_checkable
class Job(Protocol):
    """Work for a worker process. It is pickled, and no larger than it has to be."""

    @property
    def number(self) -> int:
        """Its own among all jobs of an engine."""
        ...

    def run(self) -> Generator[Any]:
        """Does the work and yields events, each of which is pickled and sent.

        Where it yields, it can be stopped, by its `close`.
        """
        ...


@dataclass(frozen=True)
class JobStarted:
    """A worker has a job: its first message. Until then it waited, which costs the job no time."""


@dataclass(frozen=True)
class JobFinished:
    """A worker has reported all of its job and is free."""


@dataclass(frozen=True)
class WorkerLost:
    """A worker is gone in the middle of its job.

    Attributes:
        fault: `memory` if the system took its memory away, `killed` if somebody stopped it,
            `crashed` if it ended by itself.
    """

    reason: str
    fault: Literal["memory", "killed", "crashed"]


Message = tuple[int, Any]
"""The number of a job, and what is reported of it: `JobStarted`, then the events that it yields;
`JobFinished` or `WorkerLost` is a job's last one."""


@runtime_checkable
class Engine(Protocol):
    """Runs jobs on workers."""

    name: str

    @property
    def runs_in_a_job(self) -> int:
        """Number of runs of a model that a job should hold, where as many are waiting.

        1 where a worker trains them one after another; on a GPU, which trains many at a time, at
        least as many as its memory holds.
        """
        ...

    @property
    def workers(self) -> int:
        """Jobs that can run at a time, now."""
        ...

    def start(self, job: Job) -> None:
        """Gives a job to a worker; called only while fewer than `workers` jobs run."""
        ...

    def poll(self, seconds: float) -> Sequence[Message]:
        """What has happened; waits so long for the first message."""
        ...

    def stop(self) -> None:
        """Asks workers to stop their jobs where these next yield, if that is possible.

        Their last messages follow as ever.
        """
        ...

    def cancel(self, job: int) -> None:
        """Ends a job at once, whatever its worker does; no further message of it comes."""
        ...

    def close(self) -> None:
        """Ends all workers."""
        ...
