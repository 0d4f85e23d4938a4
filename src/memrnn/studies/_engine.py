"""What the driver asks of an engine, whichever it is."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from memrnn.studies._job import Job
from memrnn.studies._messages import Message


@runtime_checkable
class Engine(Protocol):
    """Runs jobs on workers. It knows nothing of the study and never writes to the ledger."""

    name: str

    @property
    def runs_in_a_job(self) -> int:
        """How many runs of a model a job should hold, if so many wait.

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
        """Asks workers to stop their jobs at the end of the current epoch, where that is possible.

        Their last messages follow as ever.
        """
        ...

    def cancel(self, job: int) -> None:
        """Ends a job at once, whatever its worker does; no further message of it comes."""
        ...

    def close(self) -> None:
        """Ends all workers."""
        ...
