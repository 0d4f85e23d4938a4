"""How far a study is: what is done, how fast, and how long the rest will take."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from memrnn.runtime.locks import is_held
from memrnn.studies._compact import notes_of
from memrnn.studies._ledger import Ledger
from memrnn.studies._schema import FINAL, STATUSES
from memrnn.studies._tables import is_export, read_tables


@dataclass(frozen=True)
class FailedRun:
    """A run that failed, and why."""

    task: str
    model: str
    freeze: str
    restart: int
    reason: str


@dataclass(frozen=True)
class StatusCounts:
    """Runs of one task and model by status.

    Attributes:
        task: its title.
        model: its name.
        counts: how many runs have each status.

    Examples:
        >>> from memrnn.studies import StatusCounts
        >>> StatusCounts("count-3", "lstm", {"planned": 2}).counts
        {'planned': 2}
    """

    task: str
    model: str
    counts: dict[str, int]


@dataclass(frozen=True)
class StudyStatus:
    """Where a study stands.

    Attributes:
        driver: whether a process is running it now.
        engine: of the last session; None before the first.
        workers: of the last session.
        counts: how many runs have each status.
        progress: the same by task and model.
        epochs: that were trained, of all runs.
        core_seconds: that training and evaluation took, of all runs.
        runs_per_hour: that the workers finish, by the mean time of the runs that are finished; None
            before the first.
        seconds_left: expected; None before the first finished run.
        faults: runs that failed, with the reasons.
        left_behind: runs in the ledger that are not in the study any more.
        exported: whether these are exported tables rather than the study's folder.
        notes: as `StudyResults` has them.

    Examples:
        >>> from memrnn.engines import LocalEngine
        >>> from memrnn.studies import Study, run_study, study_status
        >>> study = Study(("strings:count-3",), ("lstm", "jm-3"), restarts=2)
        >>> counts = run_study(study, "study", LocalEngine(1), stop_after=0.0)  # only plans
        >>> status = study_status("study")
        >>> status.driver, status.seconds_left, status.faults
        (False, None, ())
    """

    driver: bool
    engine: str | None
    workers: int
    counts: dict[str, int]
    progress: tuple[StatusCounts, ...]
    epochs: int
    core_seconds: float
    runs_per_hour: float | None
    seconds_left: float | None
    faults: tuple[FailedRun, ...]
    left_behind: int
    exported: bool
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def study_status(folder: str | Path) -> StudyStatus:
    """Reads the status from a study's ledger, also while it runs, or from exported tables.

    The expected time of a run that is not finished is the mean of the finished ones of its model
    and freezing mode, else of its model, else of all, less what it has taken already.

    Args:
        folder: of the study, or one that `export` wrote.

    Raises:
        MemrnnError: if there is no study, or its ledger cannot be read.

    Examples:
        >>> from memrnn.engines import LocalEngine
        >>> from memrnn.studies import Study, run_study, study_status
        >>> study = Study(("strings:count-3",), ("lstm", "jm-3"), restarts=2)
        >>> counts = run_study(study, "study", LocalEngine(1), stop_after=0.0)  # only plans
        >>> study_status("study").counts["planned"]
        4
    """
    tables = read_tables(folder, ("runs", "sessions", "facts"))
    rows, sessions = tables["runs"].to_pylist(), tables["sessions"].to_pylist()
    exported = is_export(folder)
    running = not exported and is_held(folder)
    counts: dict[str, int] = dict.fromkeys(STATUSES, 0)
    cells: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        cell = cells.setdefault((row["task"], row["model"]), dict.fromkeys(STATUSES, 0))
        # A driver that was killed could not say that its runs stopped.
        status = row["status"] if running or row["status"] != "running" else "planned"
        counts[status] += 1
        cell[status] += 1
    workers = sessions[-1]["workers"] if sessions else 0
    finished = [row["seconds"] for row in rows if row["status"] in FINAL]
    total = sum(finished)
    failed = [row for row in rows if row["status"] == "failed"]
    return StudyStatus(
        driver=running,
        engine=sessions[-1]["engine"] if sessions else None,
        workers=workers,
        counts=counts,
        progress=tuple(StatusCounts(*cell, of_cell) for cell, of_cell in cells.items()),
        epochs=sum(row["epochs"] for row in rows),
        core_seconds=sum(row["seconds"] for row in rows),
        runs_per_hour=len(finished) * workers / total * 3600 if total and workers else None,
        seconds_left=sum(_expected(rows)) / workers if finished and workers else None,
        faults=tuple(
            FailedRun(row["task"], row["model"], row["freeze"], row["restart"], row["reason"])
            for row in failed
        ),
        left_behind=0 if exported else _left_behind(folder),
        exported=exported,
        notes=notes_of(tables["facts"]),
    )


def _left_behind(folder: str | Path) -> int:
    with Ledger(folder) as ledger:
        return ledger.rows("SELECT count(*) AS runs FROM runs WHERE position IS NULL")[0]["runs"]


def _expected(rows: Sequence[Mapping[str, Any]]) -> Iterator[float]:
    """The seconds that each run still takes that is not finished."""
    known: dict[Any, list[float]] = defaultdict(list)
    for row in rows:
        if row["status"] in FINAL:
            for key in ((row["model"], row["freeze"]), row["model"], None):
                known[key].append(row["seconds"])
    for row in rows:
        if row["status"] in ("planned", "running"):
            keys = ((row["model"], row["freeze"]), row["model"], None)
            seconds = next(known[key] for key in keys if key in known)
            yield max(0.0, sum(seconds) / len(seconds) - row["seconds"])
