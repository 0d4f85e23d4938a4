"""What is known of a study, cell by cell, for reports. Reading it imports no code of users."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from memrnn.evaluation import Evaluation, References, RunScores, SetScores
from memrnn.nn.components import parse_freeze
from memrnn.studies._compact import notes_of
from memrnn.studies._schema import FINAL, Status
from memrnn.studies._study import Study
from memrnn.studies._tables import read_tables, study_of
from memrnn.tasks import TaskDescription, Total, Totals
from memrnn.training import Epoch


@dataclass(frozen=True)
class RunRecord:
    """One restart of one cell.

    Attributes:
        id: by which the ledger knows the run, see `PlannedRun.id`.
        restart: its number.
        seed: its own seed.
        status: planned, running, done, diverged or failed.
        reason: why it failed.
        attempts: how often it was started.
        epochs: that it was trained for so far.
        best_epoch: as `RunScores` has it; None before training.
        learning_rate: likewise.
        selection: likewise.
        reference: likewise.
        excess: what ranks restarts, the smaller the better; infinite before the first epoch.
        seconds: that it took, over all attempts.
        device: on which it was computed.
        versions: of all that its numbers depend on.
        folder: of its checkpoint, in the study's folder.
        curve: a line for each epoch.
        scores: by precision and evaluation set; empty unless the run is done or diverged.

    Examples:
        >>> from memrnn.engines import LocalEngine
        >>> from memrnn.studies import Study, load_results, run_study
        >>> study = Study(("strings:count-3",), ("lstm", "jm-3"), restarts=2)
        >>> counts = run_study(study, "study", LocalEngine(1), stop_after=0.0)  # only plans
        >>> record = load_results("study").cells[0].runs[0]
        >>> record.status, record.epochs
        ('planned', 0)
    """

    id: str
    restart: int
    seed: int
    status: Status
    reason: str | None
    attempts: int
    epochs: int
    best_epoch: int | None
    learning_rate: float | None
    selection: float | None
    reference: float | None
    excess: float
    seconds: float
    device: str | None
    versions: Mapping[str, str] = field(repr=False)
    folder: str
    curve: tuple[Epoch, ...] = field(repr=False)
    scores: Mapping[str, Mapping[str, SetScores]] = field(repr=False)

    @property
    def finished(self) -> bool:
        return self.status in FINAL

    def in_precision(self, precision: str) -> RunScores:
        """The run as `evaluate` reports it; for a finished run."""
        return RunScores(
            restart=self.restart,
            seed=self.seed,
            status=self.status,
            epochs=self.epochs,
            best_epoch=self.best_epoch or 0,
            learning_rate=self.curve[0].learning_rate if self.curve else None,
            selection=math.nan if self.selection is None else self.selection,
            reference=self.reference,
            excess=self.excess,
            sets=self.scores.get(precision, {}),
        )


@dataclass(frozen=True)
class Cell:
    """One task, model and freezing mode, with all its planned restarts.

    Attributes:
        task: what reports need of the task.
        model: its name.
        memory: name of the model's memory.
        definition: what the model is made of.
        freeze: the frozen components.
        runs: all planned restarts.
        references: of the task, by evaluation set; empty before the first finished run.

    Examples:
        >>> from memrnn.engines import LocalEngine
        >>> from memrnn.studies import Study, load_results, run_study
        >>> study = Study(("strings:count-3",), ("lstm", "jm-3"), restarts=2)
        >>> counts = run_study(study, "study", LocalEngine(1), stop_after=0.0)  # only plans
        >>> cell = load_results("study").cells[0]
        >>> cell.model, cell.freeze, cell.best
        ('lstm', (), None)
    """

    task: TaskDescription
    model: str
    memory: str
    definition: Mapping[str, Any]
    freeze: tuple[str, ...]
    runs: tuple[RunRecord, ...] = field(repr=False)
    references: Mapping[str, References] = field(repr=False)

    @property
    def finished(self) -> tuple[RunRecord, ...]:
        return tuple(run for run in self.runs if run.finished)

    @property
    def best(self) -> RunRecord | None:
        """The finished restart with the smallest excess; None if none is finished."""
        return min(self.finished, key=lambda run: run.excess, default=None)

    def evaluation(self, precision: str) -> Evaluation | None:
        """The finished restarts in one precision; None if there is none."""
        runs = tuple(run.in_precision(precision) for run in self.finished)
        if not runs:
            return None
        return Evaluation(self.task, self.model, self.freeze, precision, runs, self.references)


@dataclass(frozen=True)
class StudyResults:
    """A study and what is known of it so far.

    Attributes:
        study: as it was last run.
        cells: of the whole grid, in the study's order.
        references: by the key of a task and evaluation set.
        sessions: one row for each time the study was run: `engine`, `workers`, `began`, ...
        notes: sentences about where results come from and what of them is not there.
        partition_scores: as `ArrowResults` has them.
        partition_references: likewise.

    Examples:
        >>> from memrnn.engines import LocalEngine
        >>> from memrnn.studies import Study, load_results, run_study
        >>> study = Study(("strings:count-3",), ("lstm", "jm-3"), restarts=2)
        >>> counts = run_study(study, "study", LocalEngine(1), stop_after=0.0)  # only plans
        >>> results = load_results("study")
        >>> [task.spec for task in results.tasks], len(results.runs)
        (['strings:count-3'], 4)
    """

    study: Study
    cells: tuple[Cell, ...] = field(repr=False)
    references: Mapping[str, Mapping[str, References]] = field(repr=False)
    sessions: tuple[Mapping[str, Any], ...] = field(repr=False)
    notes: tuple[str, ...] = ()
    partition_scores: pa.Table | None = field(default=None, repr=False)
    partition_references: pa.Table | None = field(default=None, repr=False)

    @property
    def runs(self) -> list[RunRecord]:
        return [run for cell in self.cells for run in cell.runs]

    @property
    def tasks(self) -> list[TaskDescription]:
        """The tasks of the grid, in order."""
        return list({cell.task.key: cell.task for cell in self.cells}.values())

    def evaluations(self, precision: str | None = None) -> list[Evaluation]:
        """Every cell with a finished restart, in one precision; by default the study's first.

        Args:
            precision: its name.
        """
        chosen = precision or self.study.precisions[0]
        evaluations = [cell.evaluation(chosen) for cell in self.cells]
        return [evaluation for evaluation in evaluations if evaluation is not None]


def load_results(folder: str | Path) -> StudyResults:
    """Reads a study's folder, also while the study runs, or one that `export` wrote.

    Args:
        folder: of the study, or one that `export` wrote.

    Raises:
        MemrnnError: if there is no study in it, or it cannot be read.

    Examples:
        >>> from memrnn.engines import LocalEngine
        >>> from memrnn.studies import Study, load_results, run_study
        >>> study = Study(("strings:count-3",), ("lstm", "jm-3"), restarts=2)
        >>> counts = run_study(study, "study", LocalEngine(1), stop_after=0.0)  # only plans
        >>> results = load_results("study")
        >>> len(results.cells), results.evaluations()  # no run is finished
        (2, [])
    """
    tables = read_tables(folder)
    study = study_of(tables["facts"], folder)
    tasks = {
        row["key"]: msgspec.json.decode(row["description"], type=TaskDescription)
        for row in tables["tasks"].to_pylist()
    }
    references = {
        key: {name: _set_scores(predictors, predictors) for name, predictors in sets.items()}
        for key, sets in _nested(
            tables["references"], "task_key", "set", "predictor", "group"
        ).items()
    }
    curves = _curves(tables)
    scores = _nested(tables["scores"], "run", "precision", "set", "group")
    # The first restarts of all cells come first, in the order of the grid.
    grid: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in tables["runs"].to_pylist():
        grid[row["task_key"], row["model"], row["freeze"]].append(row)
    cells = tuple(
        Cell(
            task=tasks[key],
            model=model,
            memory=rows[0]["memory"],
            definition=json.loads(rows[0]["definition"]),
            freeze=parse_freeze(freeze),
            runs=tuple(
                _record(row, curves[row["id"]], scores.get(row["id"], {}), tasks[key], study)
                for row in rows
            ),
            references=references.get(key, {}),
        )
        for (key, model, freeze), rows in grid.items()
    )
    sessions = tuple(tables["sessions"].to_pylist())
    return StudyResults(
        study,
        cells,
        references,
        sessions,
        notes_of(tables["facts"]),
        tables["partition_scores"],
        tables["partition_references"],
    )


def _record(
    row: Mapping[str, Any],
    curve: Sequence[Epoch],
    scores: Mapping[str, Mapping[str, Any]],
    task: TaskDescription,
    study: Study,
) -> RunRecord:
    names = [one.name for one in task.sets]
    columns = {name: row[name] for name in RunRecord.__dataclass_fields__ if name in row}
    changed = {
        "excess": math.inf if row["excess"] is None else row["excess"],
        "versions": json.loads(row["versions"] or "{}"),
        "curve": tuple(curve),
        "scores": {
            precision: _set_scores(scores[precision], names)
            for precision in study.precisions
            if precision in scores and row["status"] in FINAL
        },
    }
    return RunRecord(**columns | changed)


def _curves(tables: Mapping[str, pa.Table]) -> Mapping[str, Sequence[Epoch]]:
    """The curve of every run, by its id."""
    totals = _nested(tables["curves"], "run", "epoch", "set")
    curves: dict[str, list[Epoch]] = defaultdict(list)
    for run, number, rate in _tuples(tables["epochs"], "run", "epoch", "learning_rate"):
        sets = totals.get(run, {}).get(number, {})
        curves[run].append(Epoch(rate, sets.get("train", {}), sets.get("validation", {})))
    return curves


def _set_scores(totals: Mapping[str, Any], names: Iterable[str]) -> dict[str, SetScores]:
    return {name: _scores_of(totals[name]) for name in names if name in totals}


def _scores_of(totals: Mapping[str | None, Totals]) -> SetScores:
    groups = {group: each for group, each in totals.items() if group is not None}
    return SetScores(groups, totals.get(None, {}))


def _nested(table: pa.Table, *columns: str) -> dict[Any, Any]:
    """The totals of a long table by metric, in dictionaries by the values of other columns."""
    tree: dict[Any, Any] = {}
    for *keys, metric, numerator, denominator in _tuples(
        table, *columns, "metric", "numerator", "denominator"
    ):
        branch = tree
        for key in keys:
            branch = branch.setdefault(key, {})
        branch[metric] = Total(numerator, denominator)
    return tree


def _tuples(table: pa.Table, *columns: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(table[column].to_pylist() for column in columns), strict=True)
