"""How far a study is: what is done, how fast, and how long the rest will take."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from memrnn.runtime.locks import is_held
from memrnn.studies._ledger import Ledger
from memrnn.studies._schema import FINAL, STATUSES


@dataclass(frozen=True)
class Fault:
    """A run that failed, and why."""

    task: str
    model: str
    freeze: str
    restart: int
    reason: str


@dataclass(frozen=True)
class Progress:
    """Runs of one task and model by status."""

    task: str
    model: str
    counts: dict[str, int]


@dataclass(frozen=True)
class StudyStatus:
    """Where a study stands.

    Attributes:
        driver: whether a process is running it now.
        workers: of the last session.
        runs_per_hour: that the workers finish, by the mean time of the runs that are finished; None
            before the first.
        seconds_left: expected; None before the first finished run.
        left_behind: runs in the ledger that are not in the study any more.
    """

    driver: bool
    engine: str | None
    workers: int
    counts: dict[str, int]
    progress: tuple[Progress, ...]
    epochs: int
    core_seconds: float
    runs_per_hour: float | None
    seconds_left: float | None
    faults: tuple[Fault, ...]
    left_behind: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def study_status(folder: str | Path) -> StudyStatus:
    """Reads the status from a study's ledger, also while the study runs.

    The expected time of a run that is not finished is the mean of the finished ones of its model
    and freezing mode, else of its model, else of all, less what it has taken already.

    Raises:
        MemrnnError: if there is no study, or its ledger cannot be read.
    """
    with Ledger(folder) as ledger:
        rows = ledger.rows(
            "SELECT task, model, freeze, restart, status, reason, seconds, epochs "
            "FROM runs WHERE position IS NOT NULL ORDER BY position"
        )
        sessions = ledger.rows("SELECT * FROM sessions ORDER BY number")
        left = ledger.rows("SELECT count(*) AS runs FROM runs WHERE position IS NULL")[0]["runs"]
    running = is_held(folder)
    counts: dict[str, int] = dict.fromkeys(STATUSES, 0)
    cells: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        cell = cells.setdefault((row["task"], row["model"]), dict.fromkeys(STATUSES, 0))
        # A driver that was killed could not say that its runs stopped.
        status = row["status"] if running or row["status"] != "running" else "planned"
        counts[status] += 1
        cell[status] += 1
    workers = sessions[-1]["workers"] if sessions else 0
    return StudyStatus(
        driver=running,
        engine=sessions[-1]["engine"] if sessions else None,
        workers=workers,
        counts=counts,
        progress=tuple(Progress(*cell, found) for cell, found in cells.items()),
        epochs=sum(row["epochs"] for row in rows),
        core_seconds=sum(row["seconds"] for row in rows),
        runs_per_hour=_rate(rows, workers),
        seconds_left=_left(rows, workers),
        faults=tuple(
            Fault(row["task"], row["model"], row["freeze"], row["restart"], row["reason"])
            for row in rows
            if row["status"] == "failed"
        ),
        left_behind=left,
    )


def _rate(rows: list[dict[str, Any]], workers: int) -> float | None:
    finished = [row["seconds"] for row in rows if row["status"] in FINAL]
    total = sum(finished)
    return len(finished) * workers / total * 3600 if total else None


def _left(rows: list[dict[str, Any]], workers: int) -> float | None:
    known: dict[Any, list[float]] = defaultdict(list)
    for row in rows:
        if row["status"] in FINAL:
            for key in ((row["model"], row["freeze"]), row["model"], None):
                known[key].append(row["seconds"])
    if not known or not workers:
        return None
    total = 0.0
    for row in rows:
        if row["status"] in ("planned", "running"):
            key = next(
                key for key in ((row["model"], row["freeze"]), row["model"], None) if known.get(key)
            )
            total += max(0.0, sum(known[key]) / len(known[key]) - row["seconds"])
    return total / workers
