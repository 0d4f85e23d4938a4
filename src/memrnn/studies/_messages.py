"""What the job of a study reports, one type per thing that can happen to a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from memrnn.evaluation import References, SetScores
from memrnn.training import Epoch, Progress

Fault = Literal["error", "memory", "disk"]
"""Whose fault a failure is: the run's (`error`), or the machine's (`memory`, `disk`)."""


@dataclass(frozen=True)
class RunStarted:
    """A run was taken up, at the state of its checkpoint."""

    run: str
    progress: Progress
    worker: str


@dataclass(frozen=True)
class EvaluationFinished:
    """A run has finished an epoch and its validation; its checkpoint may not be written yet.

    It holds what is new, so that its size does not grow with the number of epochs.

    Attributes:
        number: of the epoch, from 1.
        best_epoch, selection, excess: of the run, after this epoch; as `Progress` has them.
    """

    run: str
    number: int
    epoch: Epoch
    best_epoch: int
    selection: float
    excess: float


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


Event = RunStarted | EvaluationFinished | RunFinished | RunFailed
"""What a worker reports about a run."""
