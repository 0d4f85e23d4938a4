"""What a study's ledger holds, cell by cell, for reports. Reading it imports no code of users."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from memrnn.evaluation import Evaluation, References, RunScores, SetScores
from memrnn.nn.components import parse_freeze
from memrnn.studies._ledger import Ledger
from memrnn.studies._schema import FINAL, Status
from memrnn.studies._study import Study
from memrnn.tasks import TaskDescription, Total, Totals


class CurvePoint(NamedTuple):
    """One epoch of a run: totals of the task's metrics on its training and validation items."""

    epoch: int
    learning_rate: float
    train: Totals
    validation: Totals


@dataclass(frozen=True)
class RunRecord:
    """One restart of one cell.

    Attributes:
        reason: why it failed.
        best_epoch: at which it was evaluated, from 1; 0 for its start, None before training.
        learning_rate: of the first epoch; None before the run was begun.
        selection: the best validation value of the task's selection metric, None before the
            first epoch.
        reference: the same of the exact distribution on the same items; None if unknown.
        excess: what ranks restarts, the smaller the better; infinite before the first epoch.
        scores: by precision and evaluation set; empty unless the run is done or diverged.
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
    versions: Mapping[str, str]
    folder: str
    curve: tuple[CurvePoint, ...]
    scores: Mapping[str, Mapping[str, SetScores]]

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
        memory: name of the model's memory.
        definition: what the model is made of.
        references: of the task, by evaluation set; empty before the first finished run.
    """

    task: TaskDescription
    model: str
    memory: str
    definition: Mapping[str, Any]
    freeze: tuple[str, ...]
    runs: tuple[RunRecord, ...]
    references: Mapping[str, References]

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
        cells: of the whole grid, in the study's order.
        references: by the key of a task and evaluation set.
        sessions: one row for each time the study was run: `engine`, `workers`, `began`, ...
    """

    study: Study
    cells: tuple[Cell, ...]
    references: Mapping[str, Mapping[str, References]]
    sessions: tuple[Mapping[str, Any], ...]

    @property
    def runs(self) -> list[RunRecord]:
        return [run for cell in self.cells for run in cell.runs]

    @property
    def tasks(self) -> list[TaskDescription]:
        """The tasks of the grid, in order."""
        return list({cell.task.key: cell.task for cell in self.cells}.values())

    def evaluations(self, precision: str | None = None) -> list[Evaluation]:
        """Every cell with a finished restart, in one precision; by default the study's first."""
        chosen = precision or self.study.precisions[0]
        evaluations = [cell.evaluation(chosen) for cell in self.cells]
        return [evaluation for evaluation in evaluations if evaluation is not None]


def load_results(folder: str | Path) -> StudyResults:
    """Reads the ledger in a study's folder, also while the study runs.

    Raises:
        MemrnnError: if there is none, or it cannot be read.
    """
    with Ledger(folder) as ledger:
        study = ledger.study()
        rows = ledger.rows("SELECT * FROM runs WHERE position IS NOT NULL ORDER BY position")
        tasks = {
            row["key"]: msgspec.json.decode(row["description"], type=TaskDescription)
            for row in ledger.rows("SELECT key, description FROM tasks")
        }
        curves = _curves(ledger)
        # As the study evaluates now.
        scores = _totals(
            ledger,
            'SELECT run, precision, "set", "group", metric, numerator, denominator FROM scores '
            "JOIN runs ON run = id AND scores.task_key = runs.task_key "
            f'WHERE status IN {FINAL} ORDER BY run, precision, "set", place',
        )
        totals = _totals(
            ledger,
            'SELECT task_key, "set", predictor, "group", metric, numerator, denominator '
            'FROM "references" WHERE task_key IN '
            "(SELECT task_key FROM runs WHERE position IS NOT NULL) ORDER BY rowid",
        )
        sessions = tuple(ledger.rows("SELECT * FROM sessions ORDER BY number"))
    references = {
        key: {name: _set_scores(predictors, predictors) for name, predictors in sets.items()}
        for key, sets in totals.items()
    }
    records: dict[str, RunRecord] = {}
    # The first restarts of all cells come first, in the order of the grid.
    grid: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        key, known = row["task_key"], scores.get(row["id"], {})
        sets = [one.name for one in tasks[key].sets]
        records[row["id"]] = _record(
            row,
            tuple(curves[row["id"]]),
            {name: _set_scores(known[name], sets) for name in study.precisions if name in known},
        )
        grid[key, row["model"], row["freeze"]].append(row)
    cells = tuple(
        Cell(
            task=tasks[key],
            model=model,
            memory=of_cell[0]["memory"],
            definition=json.loads(of_cell[0]["definition"]),
            freeze=parse_freeze(freeze),
            runs=tuple(records[row["id"]] for row in of_cell),
            references=references.get(key, {}),
        )
        for (key, model, freeze), of_cell in grid.items()
    )
    return StudyResults(study, cells, references, sessions)


def _record(
    row: dict[str, Any],
    curve: tuple[CurvePoint, ...],
    scores: Mapping[str, Mapping[str, SetScores]],
) -> RunRecord:
    columns = {name: row[name] for name in RunRecord.__dataclass_fields__ if name in row}
    columns["excess"] = math.inf if row["excess"] is None else row["excess"]
    columns["versions"] = json.loads(row["versions"] or "{}")
    return RunRecord(**columns, curve=curve, scores=scores)


def _curves(ledger: Ledger) -> Mapping[str, list[CurvePoint]]:
    """The curve of every run, by its id."""
    totals = _totals(ledger, 'SELECT run, epoch, "set", metric, numerator, denominator FROM curves')
    curves: dict[str, list[CurvePoint]] = defaultdict(list)
    for run, epoch, rate in ledger.tuples("SELECT * FROM epochs ORDER BY run, epoch"):
        sets = totals.get(run, {}).get(epoch, {})
        curves[run].append(
            CurvePoint(epoch, rate, sets.get("train", {}), sets.get("validation", {}))
        )
    return curves


def _set_scores(totals: Mapping[str, Any], names: Iterable[str]) -> dict[str, SetScores]:
    return {name: SetScores(totals[name]) for name in names if name in totals}


def _totals(ledger: Ledger, query: str) -> dict[str, Any]:
    """Totals as dictionaries in dictionaries, one level for each column before the last two."""
    tree: dict[str, Any] = {}
    for *keys, metric, numerator, denominator in ledger.tuples(query):
        branch = tree
        for key in keys:
            branch = branch.setdefault(key, {})
        # The ledger has NULL where a total was not a number.
        branch[metric] = Total(
            math.nan if numerator is None else numerator,
            math.nan if denominator is None else denominator,
        )
    return tree
