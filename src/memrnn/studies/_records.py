"""What the driver writes to the ledger: which runs there are, and what becomes of them."""

import dataclasses
import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
from pyarrow import compute

from memrnn.studies._compact import notes_of, with_notes
from memrnn.studies._job import EvaluationFinished, RunFinished, RunStarted
from memrnn.studies._ledger import Ledger, now
from memrnn.studies._schema import FINAL, OF_RUNS
from memrnn.studies._study import PlannedJob, Study
from memrnn.tasks import Task, Totals
from memrnn.training import Epoch, Progress, TrainingConfig

Row = Mapping[str, Any]


def complete(row: Row, config: TrainingConfig) -> bool:
    """Whether a done or diverged run is what training with this configuration ends in.

    Configurations of one run differ in `max_epochs` alone. A run that stopped because it had
    reached a smaller number goes on; one that trained for longer is another.
    """
    epochs, best, before = row["epochs"], row["best_epoch"] or 0, json.loads(row["configuration"])
    stopped = row["status"] == "diverged" or epochs - best >= config.early_stopping_patience
    reached = before["config"]["max_epochs"]
    return epochs == config.max_epochs or (
        epochs < config.max_epochs and (stopped or epochs < reached)
    )


def complete_ids(rows: Iterable[Row], config: TrainingConfig) -> set[str]:
    """The runs of a ledger or an export that need not be run again."""
    return {row["id"] for row in rows if row["status"] in FINAL and complete(row, config)}


class Records:
    """Writes to a ledger; every call belongs inside `ledger.writing()`."""

    def __init__(self, ledger: Ledger):
        self._ledger = ledger

    def plan(self, study: Study, jobs: Sequence[PlannedJob], tasks: Mapping[str, Task]) -> None:
        """Writes the study and its runs; what is known about a run stays.

        A run that is not in the study any more keeps its rows, without a position.

        Args:
            tasks: of the study, by their spec.
        """
        ledger = self._ledger
        ledger.insert("facts", {"key": "study", "value": json.dumps(study.to_json())})
        descriptions = {spec: task.describe() for spec, task in tasks.items()}
        for spec, description in descriptions.items():
            text = msgspec.json.encode(description).decode()
            options = json.dumps(tasks[spec].options())
            row = {"key": description.key, "task": spec, "description": text, "options": options}
            ledger.insert("tasks", row)
        # Whatever ran when the last driver ended runs no longer.
        ledger.execute("UPDATE runs SET status = 'planned' WHERE status = 'running'")
        known = {row["id"]: row for row in ledger.rows("SELECT * FROM runs")}
        ledger.execute("UPDATE runs SET position = NULL, job = NULL")
        numbered = [(number, run) for number, job in enumerate(jobs) for run in job]
        for position, (number, run) in enumerate(numbered):
            experiment = run.experiment
            row = run.cell | {
                "position": position,
                "job": number,
                "task_key": descriptions[experiment.task.spec].key,
                "memory": experiment.definition.memory,
                "definition": json.dumps(dataclasses.asdict(experiment.definition)),
                "configuration": json.dumps(experiment.to_json()),
            }
            if run.id in known:
                before = known[run.id]
                if before["status"] in FINAL and not complete(before, study.config):
                    row["status"] = "planned"
                self._update(run.id, **row)
            else:
                seed = experiment.restart_seed(run.restart)
                row |= {"id": run.id, "restart": run.restart, "seed": seed, "folder": run.folder}
                ledger.insert("runs", row | {"status": "planned"})
        # What is finished, but not evaluated on all that is asked for.
        scored = [description.key for description in descriptions.values() if description.sets]
        for key, precision in itertools.product(scored, study.precisions):
            ledger.execute(
                "UPDATE runs SET status = 'planned' WHERE position IS NOT NULL "
                f"AND status IN {FINAL} AND task_key = ? AND NOT EXISTS (SELECT 1 FROM scores "
                "WHERE run = runs.id AND task_key = runs.task_key AND precision = ?)",
                [key, precision],
            )

    def referenced(self) -> set[str]:
        """Keys of the tasks whose references are known."""
        rows = self._ledger.rows('SELECT DISTINCT task_key FROM "references"')
        return {row["task_key"] for row in rows}

    def import_runs(
        self, tables: Mapping[str, pa.Table], planned: Collection[str], config: TrainingConfig
    ) -> tuple[int, int]:
        """Writes those of the planned runs that an export holds finished, and this ledger does not.

        What is known of a task stays. What the export says of its tables is kept.

        Args:
            tables: as `read_export` gives them.
            planned: ids of the study's runs. An id is a digest of everything that a run's outcome
                depends on but for `max_epochs`, so an equal id is an equal run as long as that is.

        Returns:
            How many were written, and how many finished ones are not of this study.
        """
        ledger = self._ledger
        exported = [row for row in tables["runs"].to_pylist() if row["status"] in FINAL]
        ours = [row for row in exported if row["id"] in planned and complete(row, config)]
        known = complete_ids(ledger.rows("SELECT * FROM runs"), config)
        new = [row | {"position": None, "job": None} for row in ours if row["id"] not in known]
        ids, keys = {row["id"] for row in new}, {row["task_key"] for row in new}
        ledger.insert("runs", *new)
        for table in OF_RUNS:
            for run in ids:
                ledger.execute(f"DELETE FROM {table} WHERE run = ?", [run])
            ledger.insert(table, *_rows_with(tables[table], "run", ids))
        tasks = {row["key"] for row in ledger.rows("SELECT key FROM tasks")}
        ledger.insert("tasks", *_rows_with(tables["tasks"], "key", keys - tasks))
        unknown = keys - self.referenced()
        for table in ("references", "partition_references"):
            ledger.insert(table, *_rows_with(tables[table], "task_key", unknown))
        if new and (notes := notes_of(tables["facts"])):
            facts = pa.Table.from_pylist(ledger.rows("SELECT * FROM facts"), tables["facts"].schema)
            ledger.insert("facts", *with_notes(facts, notes).to_pylist())
        return len(new), len(exported) - len(ours)

    def begin(self, message: RunStarted, engine: str) -> None:
        """A worker has begun a run, from its checkpoint if there is one."""
        self._ledger.execute(
            "UPDATE runs SET status = 'running', reason = NULL, attempts = attempts + 1, "
            "engine = ?, worker = ?, began = coalesce(began, ?), ended = NULL WHERE id = ?",
            [engine, message.worker, now(), message.run],
        )
        for table in ("epochs", "curves"):
            # A checkpoint can be older than what was reported.
            self._ledger.execute(
                f"DELETE FROM {table} WHERE run = ? AND epoch > ?",
                [message.run, message.progress.epochs],
            )
        self._progress(message.run, message.progress)

    def advance(self, message: EvaluationFinished) -> None:
        """A run has finished an epoch."""
        self._epoch(message.run, message.number, message.epoch)
        self._update(
            message.run,
            epochs=message.number,
            best_epoch=message.best_epoch,
            selection=message.selection,
            excess=message.excess,
        )

    def finish(self, message: RunFinished) -> None:
        """A run is trained and evaluated; known references of its task stay."""
        run = message.run
        self._progress(run, message.progress)
        self._update(
            run,
            status=message.progress.status,
            reason=None,
            device=message.about["device"],
            versions=json.dumps(message.about["versions"]),
            ended=now(),
        )
        key = self._ledger.rows("SELECT task_key FROM runs WHERE id = ?", [run])[0]["task_key"]
        for precision, sets in message.scores.items():
            for table in ("scores", "partition_scores"):
                self._ledger.execute(
                    f"DELETE FROM {table} WHERE run = ? AND task_key = ? AND precision = ?",
                    [run, key, precision],
                )
            for name, scores in sets.items():
                row = {"run": run, "task_key": key, "precision": precision, "set": name}
                self._groups("scores", row, scores.groups)
                partitions = message.partitions.get(precision, {}).get(name, {})
                for kind, sums in partitions.items():
                    self._groups("partition_scores", row | {"partition": kind}, sums.groups)
        if key not in self.referenced():
            for name, predictors in message.references.items():
                for predictor, scores in predictors.items():
                    row = {"task_key": key, "set": name, "predictor": predictor}
                    self._groups("references", row, scores.groups)
                    partitions = message.reference_partitions.get(name, {}).get(predictor, {})
                    for kind, sums in partitions.items():
                        self._groups("partition_references", row | {"partition": kind}, sums.groups)

    def fail(self, run: str, reason: str) -> None:
        self._update(run, status="failed", reason=reason, ended=now())

    def release(self, runs: Iterable[str]) -> None:
        """Runs whose worker is gone; they wait for another one."""
        for run in runs:
            self._ledger.execute(
                "UPDATE runs SET status = 'planned' WHERE id = ? AND status = 'running'", [run]
            )

    def retry(self) -> None:
        """Failed runs of the study are planned again."""
        self._ledger.execute(
            "UPDATE runs SET status = 'planned', reason = NULL, seconds = 0 "
            "WHERE status = 'failed' AND position IS NOT NULL"
        )

    def spend(self, run: str, seconds: float) -> None:
        """Adds to the time that a run has taken, over all attempts."""
        self._ledger.execute("UPDATE runs SET seconds = seconds + ? WHERE id = ?", [seconds, run])

    def open_session(self, engine: str, workers: int, host: str, versions: Any) -> int:
        cursor = self._ledger.execute(
            "INSERT INTO sessions (engine, workers, host, versions, began) VALUES (?, ?, ?, ?, ?)",
            [engine, workers, host, json.dumps(versions), now()],
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def close_session(self, number: int, outcome: str) -> None:
        self._ledger.execute(
            "UPDATE sessions SET ended = ?, outcome = ? WHERE number = ?", [now(), outcome, number]
        )

    def _progress(self, run: str, progress: Progress) -> None:
        for number, epoch in enumerate(progress.curve, 1):
            self._epoch(run, number, epoch)
        first = progress.curve[0].learning_rate if progress.curve else progress.schedule.rate
        self._update(
            run,
            learning_rate=first,
            selection=progress.schedule.best,
            reference=progress.reference,
            excess=progress.excess,
            epochs=progress.epochs,
            best_epoch=progress.best_epoch,
        )

    def _epoch(self, run: str, number: int, epoch: Epoch) -> None:
        row = {"run": run, "epoch": number}
        self._ledger.insert("epochs", row | {"learning_rate": epoch.learning_rate})
        for name, totals in (("train", epoch.train), ("validation", epoch.validation)):
            self._ledger.insert("curves", *_long(row | {"set": name}, totals))

    def _groups(self, table: str, row: Row, groups: Mapping[str, Totals]) -> None:
        rows = [
            one
            for place, (group, totals) in enumerate(groups.items())
            for one in _long({**row, "place": place, "group": group}, totals)
        ]
        self._ledger.insert(table, *rows)

    def _update(self, run: str, **values: Any) -> None:
        changes = ", ".join(f"{name} = ?" for name in values)
        self._ledger.execute(f"UPDATE runs SET {changes} WHERE id = ?", [*values.values(), run])


def _long(row: Row, totals: Totals) -> Iterator[dict[str, Any]]:
    """The rows of a long table, one per metric."""
    for metric, (numerator, denominator) in totals.items():
        yield {**row, "metric": metric, "numerator": numerator, "denominator": denominator}


def _rows_with(table: pa.Table, column: str, values: Collection[str]) -> list[dict[str, Any]]:
    chosen = compute.field(column).isin(pa.array(list(values), pa.string()))
    return table.filter(chosen).to_pylist()
