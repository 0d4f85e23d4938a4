"""What the driver writes to the ledger: which runs there are, and what becomes of them."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from memrnn.evaluation import References, SetScores
from memrnn.nn.components import format_freeze
from memrnn.studies._ledger import Ledger, now
from memrnn.studies._messages import EvaluationFinished
from memrnn.studies._schema import FINAL, OF_RUNS
from memrnn.studies._study import PlannedJob, Study
from memrnn.tasks import Task, TaskDescription, Totals
from memrnn.training import Epoch, Progress, TrainingConfig


class Tasks(NamedTuple):
    """The tasks of a study by their spec, with what the ledger keeps of them."""

    descriptions: Mapping[str, TaskDescription]
    options: Mapping[str, Mapping[str, Any]]

    @staticmethod
    def of(planned_jobs: Iterable[PlannedJob]) -> "Tasks":
        tasks: dict[str, Task] = {}
        for planned_job in planned_jobs:
            tasks.setdefault(planned_job[0].experiment.task.spec, planned_job[0].experiment.task)
        return Tasks(
            {spec: task.describe() for spec, task in tasks.items()},
            {spec: task.options() for spec, task in tasks.items()},
        )


def complete(row: Mapping[str, Any], config: TrainingConfig) -> bool:
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


class Records:
    """Writes to a ledger; every call belongs inside `ledger.writing()`."""

    def __init__(self, ledger: Ledger):
        self._ledger = ledger

    def plan(self, study: Study, planned_jobs: Sequence[PlannedJob], tasks: Tasks) -> None:
        """Writes the study and its runs; what is known about a run stays.

        A run that is not in the study any more keeps its rows, without a position.
        """
        ledger = self._ledger
        ledger.put("facts", {"key": "study", "value": json.dumps(study.to_json())})
        for spec, description in tasks.descriptions.items():
            ledger.put(
                "tasks",
                {
                    "key": description.key,
                    "task": spec,
                    "description": msgspec.json.encode(description).decode(),
                    "options": json.dumps(tasks.options[spec]),
                },
            )
        # Whatever ran when the last driver ended runs no longer.
        ledger.execute("UPDATE runs SET status = 'planned' WHERE status = 'running'")
        known = {
            row["id"]: row
            for row in ledger.rows("SELECT id, status, epochs, best_epoch, configuration FROM runs")
        }
        ledger.execute("UPDATE runs SET position = NULL, planned_job = NULL")
        position = 0
        for number, planned_job in enumerate(planned_jobs):
            cell = planned_job[0].experiment
            about = {
                "task": cell.task.spec,
                "task_key": tasks.descriptions[cell.task.spec].key,
                "model": cell.model,
                "memory": cell.definition.memory,
                "definition": json.dumps(dataclasses.asdict(cell.definition)),
                "freeze": format_freeze(cell.freeze),
                "configuration": json.dumps(cell.to_json()),
            }
            for run in planned_job:
                if run.id not in known:
                    seed = cell.restart_seed(run.restart)
                    fresh = {"id": run.id, "restart": run.restart, "seed": seed}
                    ledger.put("runs", fresh | about | {"folder": run.folder, "status": "planned"})
                elif known[run.id]["status"] in FINAL and not complete(known[run.id], study.config):
                    about_status = {"status": "planned"}
                    self._update(run.id, about_status)
                self._update(run.id, about | {"position": position, "planned_job": number})
                position += 1
        for run in self.unevaluated(study, tasks):
            self._update(run, {"status": "planned"})

    def unevaluated(self, study: Study, tasks: Tasks) -> list[str]:
        """Finished runs of which scores are missing that the study asks for."""
        known = (
            "SELECT 1 FROM scores WHERE run = runs.id AND task_key = runs.task_key AND precision"
        )
        missing = " OR ".join(f"NOT EXISTS ({known} = ?)" for _ in study.precisions)
        scored = [one.key for one in tasks.descriptions.values() if one.sets]
        keys = ", ".join("?" for _ in scored)
        rows = self._ledger.rows(
            f"SELECT id FROM runs WHERE position IS NOT NULL AND status IN {FINAL} "
            f"AND task_key IN ({keys}) AND ({missing})",
            [*scored, *study.precisions],
        )
        return [row["id"] for row in rows]

    def referenced(self) -> set[str]:
        """Keys of the tasks whose references are known."""
        rows = self._ledger.rows('SELECT DISTINCT task_key FROM "references"')
        return {row["task_key"] for row in rows}

    def finished(self) -> list[dict[str, Any]]:
        """All finished runs, also those that have left the study."""
        return self._ledger.rows(f"SELECT * FROM runs WHERE status IN {FINAL}")

    def adopt(
        self, runs: Iterable[Mapping[str, Any]], tables: Mapping[str, Iterable[Mapping[str, Any]]]
    ) -> None:
        """Writes finished runs of another ledger, and their rows of the other tables.

        What is known of a task stays.
        """
        for row in runs:
            for table in OF_RUNS:
                self._ledger.execute(f"DELETE FROM {table} WHERE run = ?", [row["id"]])
            self._ledger.put("runs", row)
        for table in OF_RUNS:
            self._ledger.put(table, *tables[table])
        known = {row["key"] for row in self._ledger.rows("SELECT key FROM tasks")}
        self._ledger.put("tasks", *(row for row in tables["tasks"] if row["key"] not in known))
        referenced = self.referenced()
        self._ledger.put(
            "references",
            *(row for row in tables["references"] if row["task_key"] not in referenced),
        )

    def begin(self, run: str, progress: Progress, engine: str, worker: str) -> None:
        """A worker has taken a run up, from its checkpoint if there is one."""
        self._ledger.execute(
            "UPDATE runs SET status = 'running', reason = NULL, attempts = attempts + 1, "
            "engine = ?, worker = ?, began = coalesce(began, ?), ended = NULL WHERE id = ?",
            [engine, worker, now(), run],
        )
        for table in ("epochs", "curves"):
            # A checkpoint can be older than what was reported.
            self._ledger.execute(
                f"DELETE FROM {table} WHERE run = ? AND epoch > ?", [run, progress.epochs]
            )
        self._progress(run, progress)

    def advance(self, message: EvaluationFinished) -> None:
        """A run has finished an epoch."""
        self._epochs(message.run, [(message.number, message.epoch)])
        standing = {
            "epochs": message.number,
            "best_epoch": message.best_epoch,
            "selection": message.selection,
            "excess": message.excess,
        }
        self._update(message.run, standing)

    def finish(
        self,
        run: str,
        progress: Progress,
        scores: Mapping[str, Mapping[str, SetScores]],
        references: Mapping[str, References],
        about: Mapping[str, Any],
    ) -> None:
        """A run is trained and evaluated.

        Args:
            scores: by precision and evaluation set.
            references: by evaluation set; written only if none of the task are known.
            about: `device` and `versions`, of the worker.
        """
        self._progress(run, progress)
        self._update(
            run,
            {
                "status": progress.status,
                "reason": None,
                "device": about["device"],
                "versions": json.dumps(about["versions"]),
                "ended": now(),
            },
        )
        key = self._ledger.rows("SELECT task_key FROM runs WHERE id = ?", [run])[0]["task_key"]
        for precision, sets in scores.items():
            place = {"run": run, "task_key": key, "precision": precision}
            self._ledger.execute(
                "DELETE FROM scores WHERE run = ? AND task_key = ? AND precision = ?",
                list(place.values()),
            )
            for name, of_set in sets.items():
                self._ledger.put("scores", *_rows(place | {"set": name}, of_set))
        if key not in self.referenced():
            for name, predictors in references.items():
                for predictor, of_set in predictors.items():
                    place = {"task_key": key, "set": name, "predictor": predictor}
                    self._ledger.put("references", *_rows(place, of_set))

    def fail(self, run: str, reason: str) -> None:
        self._update(run, {"status": "failed", "reason": reason, "ended": now()})

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

    def _epochs(self, run: str, epochs: Iterable[tuple[int, Epoch]]) -> None:
        for number, epoch in epochs:
            place = {"run": run, "epoch": number}
            self._ledger.put("epochs", place | {"learning_rate": epoch.learning_rate})
            for name, totals in (("train", epoch.train), ("validation", epoch.validation)):
                self._ledger.put("curves", *_totals(place | {"set": name}, totals))

    def _progress(self, run: str, progress: Progress) -> None:
        self._epochs(run, enumerate(progress.curve, 1))
        first = progress.curve[0].learning_rate if progress.curve else progress.schedule.rate
        self._update(
            run,
            {
                "learning_rate": first,
                "selection": progress.schedule.best,
                "reference": progress.reference,
                "excess": progress.excess,
                "epochs": progress.epochs,
                "best_epoch": progress.best_epoch,
            },
        )

    def _update(self, run: str, values: Mapping[str, Any]) -> None:
        changes = ", ".join(f"{name} = ?" for name in values)
        self._ledger.execute(f"UPDATE runs SET {changes} WHERE id = ?", [*values.values(), run])


def _rows(place: Mapping[str, Any], scores: SetScores) -> Iterator[dict[str, Any]]:
    """The rows of one evaluation set in a long table."""
    for number, (group, totals) in enumerate(scores.groups.items()):
        yield from _totals({**place, "place": number, "group": group}, totals)


def _totals(place: Mapping[str, Any], totals: Totals) -> Iterator[dict[str, Any]]:
    for metric, (numerator, denominator) in totals.items():
        yield {**place, "metric": metric, "numerator": numerator, "denominator": denominator}
