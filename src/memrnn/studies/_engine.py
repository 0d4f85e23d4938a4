"""What the driver asks of an engine, whichever it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from memrnn.studies._job import Event, Job


@dataclass(frozen=True)
class Taken:
    """A worker has a job: its first message. Until then it waited, which costs the run no time."""


@dataclass(frozen=True)
class Ended:
    """A worker has told all of its job and is free."""


@dataclass(frozen=True)
class Lost:
    """A worker is gone in the middle of its job.

    Attributes:
        fault: `memory` if the system took its memory away, `killed` if somebody stopped it,
            `crashed` if it fell over by itself.
    """

    reason: str
    fault: Literal["memory", "killed", "crashed"]


Told = Event | Taken | Ended | Lost
Message = tuple[int, Told]
"""The number of a job, and what happened to it. `Ended` or `Lost` is a job's last message."""


@runtime_checkable
class Engine(Protocol):
    """Runs jobs on workers. It knows nothing of the study and never writes to the ledger."""

    name: str

    @property
    def runs_in_a_job(self) -> int:
        """How many runs of a cell a job should hold, if so many wait.

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

    def cancel(self, job: int) -> None:
        """Ends a job at once, whatever its worker does; no message of it comes any more."""
        ...

    def close(self) -> None:
        """Ends all workers."""
        ...
