"""What a study's ledger holds, cell by cell, for reports and exports."""

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memrnn.evaluation import Bin
from memrnn.studies._ledger import Ledger
from memrnn.studies._schema import CEILING, FINAL, Status
from memrnn.studies._study import Study, parse_freeze

Scores = Mapping[str, Any]
"""One bin of one run, as in `memrnn.test(...)["runs"][0]["bins"][0]`."""


@dataclass(frozen=True)
class RunRecord:
    """One restart of one cell.

    Attributes:
        valid_perplexity: smallest validation perplexity; None if there is none that is finite.
        valid_bound: perplexity of the exact lower bound on the same validation strings.
        curve: one row an epoch: `epoch`, `train_perplexity`, `validation_perplexity`, ...
        scores: by precision and bin; empty unless the run is done or diverged.
    """

    id: str
    restart: int
    seed: int
    status: Status
    reason: str | None
    epochs: int
    best_epoch: int | None
    learning_rate: float | None
    valid_perplexity: float | None
    valid_bound: float | None
    seconds: float
    device: str | None
    versions: Mapping[str, str]
    folder: str
    curve: tuple[Mapping[str, Any], ...]
    scores: Mapping[tuple[str, Bin], Scores]

    @property
    def finished(self) -> bool:
        return self.status in FINAL

    @property
    def difference(self) -> float:
        """Best validation cross-entropy above the bound's, nats per symbol: what selects."""
        if self.valid_perplexity is None or self.valid_bound is None:
            return math.inf
        return math.log(self.valid_perplexity) - math.log(self.valid_bound)


@dataclass(frozen=True)
class Cell:
    """One language, model and freezing mode, with all its planned restarts."""

    language: str
    model: str
    freeze: tuple[str, ...]
    runs: tuple[RunRecord, ...]

    @property
    def finished(self) -> tuple[RunRecord, ...]:
        return tuple(run for run in self.runs if run.finished)

    @property
    def best(self) -> RunRecord | None:
        """The finished restart with the best validation score; None if none is finished."""
        return min(self.finished, key=lambda run: run.difference, default=None)

    def result(self, study: Study, precision: str) -> dict[str, Any] | None:
        """The finished restarts as `memrnn.test` reports them; None if there is none."""
        runs = self.finished
        if not runs:
            return None
        return {
            "precision": precision,
            "runs": [
                {
                    "restart": run.restart,
                    "seed": run.seed,
                    "language": self.language,
                    "model": self.model,
                    "freeze": list(self.freeze),
                    "status": run.status,
                    "epochs": run.epochs,
                    "best_epoch": run.best_epoch,
                    "learning_rate": run.learning_rate,
                    "valid_perplexity": run.valid_perplexity,
                    "valid_bound": run.valid_bound,
                    "bins": [run.scores[precision, edges] for edges in study.bins],
                }
                for run in runs
            ],
            "best": min(range(len(runs)), key=lambda number: runs[number].difference),
        }


@dataclass(frozen=True)
class StudyResults:
    """A study and what is known of it so far.

    Attributes:
        cells: of the whole grid, in the study's order.
        sessions: one row for each time the study was run: `engine`, `workers`, `began`, ...
    """

    study: Study
    cells: tuple[Cell, ...]
    sessions: tuple[Mapping[str, Any], ...]

    @property
    def runs(self) -> list[RunRecord]:
        return [run for cell in self.cells for run in cell.runs]

    def results(self, precision: str | None = None) -> list[dict[str, Any]]:
        """Every cell with a finished restart, as `memrnn.test` reports it."""
        chosen = precision or self.study.precisions[0]
        found = [cell.result(self.study, chosen) for cell in self.cells]
        return [result for result in found if result is not None]


def load_results(folder: str | Path) -> StudyResults:
    """Reads the ledger in a study's folder, also while the study runs.

    Raises:
        MemrnnError: if there is none, or it cannot be read.
    """
    with Ledger(folder) as ledger:
        study = ledger.study()
        rows = ledger.rows("SELECT * FROM runs WHERE position IS NOT NULL ORDER BY position")
        curves: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in ledger.rows("SELECT * FROM epochs ORDER BY run, epoch"):
            curves[row.pop("run")].append(row)
        scores = _scores(ledger, study)
        sessions = tuple(ledger.rows("SELECT * FROM sessions ORDER BY number"))
    grid: dict[tuple[str, str, str], list[RunRecord]] = {}
    for cell in study.cells():
        grid[cell.language, cell.model, "+".join(cell.freeze) or "none"] = []
    for row in rows:
        record = RunRecord(
            **{
                name: row[name]
                for name in RunRecord.__dataclass_fields__
                if name not in ("versions", "curve", "scores")
            },
            versions=json.loads(row["versions"] or "{}"),
            curve=tuple(curves[row["id"]]),
            scores=scores[row["id"]],
        )
        grid[row["language"], row["model"], row["freeze"]].append(record)
    return StudyResults(
        study,
        tuple(
            Cell(language, model, parse_freeze(freeze), tuple(sorted(runs, key=_restart)))
            for (language, model, freeze), runs in grid.items()
        ),
        sessions,
    )


def _restart(run: RunRecord) -> int:
    return run.restart


def _scores(ledger: Ledger, study: Study) -> Mapping[str, Mapping[tuple[str, Bin], Scores]]:
    """The scores of every run by precision and bin, with bounds and lengths, of this study."""
    of_bin = "language, low, high"
    chosen = (
        f"WHERE train_low = {study.recipe.lengths[0]} AND train_high = {study.recipe.lengths[1]} "
        f"AND strings_per_length = {study.strings_per_length}"
    )
    bounds: dict[tuple, dict[str, Any]] = defaultdict(lambda: {"floors": {}})
    for table, columns in (("bin_bounds", of_bin), ("length_bounds", f"{of_bin}, length")):
        names = columns.split(", ")
        for row in ledger.rows(f"SELECT * FROM {table} {chosen}"):
            bound = {"accuracy": row["accuracy"], "perplexity": row["perplexity"]}
            place = bounds[tuple(row[name] for name in names)]
            if row["predictor"] == CEILING:
                place["ceiling"] = bound
            else:
                place["floors"][row["predictor"]] = bound
    found: dict[str, dict[tuple[str, Bin], dict[str, Any]]] = defaultdict(dict)
    query = (
        "SELECT runs.language, {0}.* FROM {0} JOIN runs ON runs.id = {0}.run "
        f"WHERE runs.position IS NOT NULL AND strings_per_length = {study.strings_per_length}"
    )
    asked = {(precision, edges) for precision in study.precisions for edges in study.bins}
    for row in ledger.rows(query.format("bin_scores")):
        run, precision, place = _place(row)
        if (precision, place[1:]) in asked:
            found[run][precision, place[1:]] = (
                {"lengths": list(place[1:])} | row | bounds[place] | {"per_length": []}
            )
    for row in ledger.rows(query.format("length_scores") + " ORDER BY length"):
        run, precision, place = _place(row)
        if (precision, place[1:]) in asked:
            entries = found[run][precision, place[1:]]["per_length"]
            entries.append(row | bounds[*place, row["length"]])
    return found


def _place(row: dict[str, Any]) -> tuple[str, str, tuple[str, int, int]]:
    """Takes the key of a row of scores out of it: run, precision, and language with bin."""
    place = row.pop("language"), row.pop("low"), row.pop("high")
    del row["strings_per_length"]
    return row.pop("run"), row.pop("precision"), place
