"""What engines and workers report to the driver, one type per thing that can happen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from memrnn.evaluation import References, SetScores
from memrnn.training import Progress

Fault = Literal["error", "memory", "disk"]
"""Whose fault a failure is: the run's (`error`), or the machine's (`memory`, `disk`)."""


@dataclass(frozen=True)
class JobStarted:
    """A worker has a job: its first message. Until then it waited, which costs the run no time."""


@dataclass(frozen=True)
class RunStarted:
    """A run was taken up, at the state of its checkpoint."""

    run: str
    progress: Progress
    worker: str


@dataclass(frozen=True)
class EvaluationFinished:
    """A run has finished an epoch and its validation, and its checkpoint is written."""

    run: str
    progress: Progress


@dataclass(frozen=True)
class RunFinished:
    """A run is trained and evaluated.

    Attributes:
        scores: by precision and evaluation set.
        references: of the task by evaluation set; empty unless the job asks for them.
        about: `device` and `versions`.
    """

    run: str
    progress: Progress
    scores: Mapping[str, Mapping[str, SetScores]]
    references: Mapping[str, References]
    about: Mapping[str, Any]


@dataclass(frozen=True)
class RunFailed:
    """A run cannot go on."""

    run: str
    reason: str
    fault: Fault


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


Event = RunStarted | EvaluationFinished | RunFinished | RunFailed
"""What a worker reports about a run."""

Report = Event | JobStarted | JobFinished | WorkerLost

Message = tuple[int, Report]
"""The number of a job, and a report; `JobFinished` or `WorkerLost` is a job's last one."""
