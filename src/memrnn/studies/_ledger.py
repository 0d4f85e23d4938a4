"""The ledger: every run of a study, with its curve and its scores, in one SQLite file.

One process writes, the driver; anyone may read meanwhile (WAL).
"""

import errno
import json
import sqlite3
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memrnn.errors import MemrnnError
from memrnn.runtime import connect
from memrnn.studies._schema import CEILING, FINAL, FORMAT, OF_RUNS, SCHEMA, SCORES
from memrnn.studies._study import Pack, Study, freeze_text
from memrnn.training import Epoch, Progress

LEDGER_FILE = "ledger.db"
PATIENCE = 30.0
"""Seconds to wait for a lock that another process holds on the ledger."""


class LedgerError(MemrnnError):
    """The ledger cannot be used; the message says why and what to do."""


class Ledger:
    """An open ledger. `with ledger.writing():` makes several changes one."""

    def __init__(self, folder: str | Path, *, create: bool = False):
        """Opens the ledger of a study's folder.

        Raises:
            LedgerError: if there is none, or it is damaged, locked, or of another version.
        """
        self.path = Path(folder) / LEDGER_FILE
        if not create and not self.path.is_file():
            raise LedgerError(f"{folder} holds no study: there is no {LEDGER_FILE} in it.")
        with self._explained():
            if create:
                self._database = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
            else:
                self._database = connect(self.path, PATIENCE)
            self._database.row_factory = sqlite3.Row
            self._prepare(create)

    def _prepare(self, create: bool) -> None:
        found = self._database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        names = {row[0] for row in self._database.execute("SELECT name FROM sqlite_master")}
        if create and not names:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.executescript(
                f"BEGIN IMMEDIATE;{SCHEMA}INSERT INTO facts VALUES ('format', '{FORMAT}');COMMIT;"
            )
        # A crash of the machine may lose the last transactions, but never damages the file.
        self._database.execute("PRAGMA synchronous = NORMAL")
        if create and not names:
            return
        if "facts" not in names or self.fact("format") != FORMAT:
            raise LedgerError(f"{self.path} is not a ledger of this version of memrnn.")

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def writing(self) -> Generator[None]:
        """Changes inside are written together or not at all."""
        with self._explained():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """What a query finds."""
        with self._explained():
            return [dict(row) for row in self._database.execute(query, values)]

    def fact(self, key: str) -> str | None:
        found = self.rows("SELECT value FROM facts WHERE key = ?", [key])
        return found[0]["value"] if found else None

    def study(self) -> Study:
        """The study as it was last run.

        Raises:
            LedgerError: if none was planned.
        """
        text = self.fact("study")
        if text is None:
            raise LedgerError(f"{self.path} holds no study yet.")
        return Study.from_json(json.loads(text))

    def plan(self, study: Study, packs: Sequence[Pack]) -> None:
        """Writes the study and its runs; what is known about a run stays.

        A run that is not in the study any more keeps its rows, without a position.
        """
        self._put("facts", {"key": "study", "value": json.dumps(study.to_json())})
        self._database.execute("UPDATE runs SET position = NULL, pack = NULL")
        position = 0
        for number, pack in enumerate(packs):
            for run in pack:
                cell = run.experiment
                self._database.execute(
                    "INSERT INTO runs (id, language, model, freeze, restart, seed, configuration, "
                    "folder, status) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'planned') "
                    "ON CONFLICT (id) DO NOTHING",
                    [
                        run.id, cell.language, cell.model, freeze_text(cell.freeze), run.restart,
                        cell.restart_seed(run.restart), json.dumps(cell.to_json()), run.folder,
                    ],
                )  # fmt: skip
                self._database.execute(
                    "UPDATE runs SET position = ?, pack = ? WHERE id = ?",
                    [position, number, run.id],
                )
                position += 1
        # Whatever ran when the last driver ended runs no longer; and new bins want new tests.
        self._database.execute("UPDATE runs SET status = 'planned' WHERE status = 'running'")
        for run in self.untested(study):
            self._database.execute("UPDATE runs SET status = 'planned' WHERE id = ?", [run])

    def finished(self) -> set[str]:
        """Ids of all finished runs, also of those that have left the study."""
        return {row["id"] for row in self.rows(f"SELECT id FROM runs WHERE status IN {FINAL}")}

    def adopt(
        self, runs: Iterable[Mapping[str, Any]], tables: Mapping[str, Iterable[Mapping[str, Any]]]
    ) -> None:
        """Writes finished runs of another ledger, and their rows of the other tables."""
        for row in runs:
            for table in OF_RUNS:
                self._database.execute(f"DELETE FROM {table} WHERE run = ?", [row["id"]])
            self._put("runs", row)
        for table, rows in tables.items():
            for row in rows:
                self._put(table, row)

    def untested(self, study: Study) -> list[str]:
        """Finished runs of which a score is missing that the study asks for."""
        wanted = len(study.bins) * len(study.precisions)
        asked = " OR ".join("(low = ? AND high = ?)" for _ in study.bins)
        precisions = ", ".join("?" for _ in study.precisions)
        counted = (
            f"SELECT count(*) FROM bin_scores WHERE run = runs.id AND ({asked}) "
            f"AND precision IN ({precisions}) AND strings_per_length = ?"
        )
        return [
            row["id"]
            for row in self.rows(
                f"SELECT id FROM runs WHERE position IS NOT NULL AND status IN {FINAL} "
                f"AND ({counted}) < ?",
                [*(edge for edges in study.bins for edge in edges), *study.precisions,
                 study.strings_per_length, wanted],
            )
        ]  # fmt: skip

    def begin(self, run: str, progress: Progress, engine: str, worker: str) -> None:
        """A worker has taken a run up, from its checkpoint if there is one."""
        self._database.execute(
            "UPDATE runs SET status = 'running', reason = NULL, attempts = attempts + 1, "
            "engine = ?, worker = ?, began = coalesce(began, ?), ended = NULL WHERE id = ?",
            [engine, worker, now(), run],
        )
        self._progress(run, progress, enumerate(progress.curve, 1))

    def advance(self, run: str, progress: Progress) -> None:
        """A run has finished an epoch."""
        last = progress.epochs
        self._progress(run, progress, [(last, progress.curve[-1])] if last else [])

    def finish(
        self,
        run: str,
        progress: Progress,
        scores: Mapping[str, Sequence[Mapping[str, Any]]],
        strings_per_length: int,
        about: Mapping[str, Any],
    ) -> None:
        """A run is trained and tested.

        Args:
            scores: for each precision, its bins as `memrnn.test` reports them.
            about: `device` and `versions`, of the worker.
        """
        self._progress(run, progress, enumerate(progress.curve, 1))
        self._database.execute(
            "UPDATE runs SET status = ?, reason = NULL, device = ?, versions = ?, ended = ? "
            "WHERE id = ?",
            [progress.status, about["device"], json.dumps(about["versions"]), now(), run],
        )
        for precision, bins in scores.items():
            for one in bins:
                self._score(run, precision, one, strings_per_length)

    def fail(self, run: str, reason: str) -> None:
        self._database.execute(
            "UPDATE runs SET status = 'failed', reason = ?, ended = ? WHERE id = ?",
            [reason, now(), run],
        )

    def release(self, runs: Iterable[str]) -> None:
        """Runs whose worker is gone; they wait for another one."""
        for run in runs:
            self._database.execute(
                "UPDATE runs SET status = 'planned' WHERE id = ? AND status = 'running'", [run]
            )

    def retry(self) -> None:
        """Failed runs of the study are planned again."""
        self._database.execute(
            "UPDATE runs SET status = 'planned', reason = NULL, seconds = 0 "
            "WHERE status = 'failed' AND position IS NOT NULL"
        )

    def spend(self, run: str, seconds: float) -> None:
        """Adds to the time that a run has taken, over all attempts."""
        self._database.execute("UPDATE runs SET seconds = seconds + ? WHERE id = ?", [seconds, run])

    def open_session(self, engine: str, workers: int, host: str, versions: Any) -> int:
        cursor = self._database.execute(
            "INSERT INTO sessions (engine, workers, host, versions, began) VALUES (?, ?, ?, ?, ?)",
            [engine, workers, host, json.dumps(versions), now()],
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def close_session(self, number: int, outcome: str) -> None:
        self._database.execute(
            "UPDATE sessions SET ended = ?, outcome = ? WHERE number = ?", [now(), outcome, number]
        )

    def _progress(self, run: str, progress: Progress, epochs: Iterable[tuple[int, Epoch]]) -> None:
        for number, epoch in epochs:
            self._put("epochs", {"run": run, "epoch": number} | asdict(epoch))
        best = progress.schedule.best
        self._database.execute(
            "UPDATE runs SET learning_rate = ?, valid_bound = ?, valid_perplexity = ?, "
            "epochs = ?, best_epoch = ?, doubtful = ? WHERE id = ?",
            [
                progress.curve[0].learning_rate if progress.curve else progress.schedule.rate,
                progress.bound, best if best < float("inf") else None,
                progress.epochs, progress.best_epoch, progress.doubtful, run,
            ],
        )  # fmt: skip

    def _score(
        self, run: str, precision: str, scores: Mapping[str, Any], strings_per_length: int
    ) -> None:
        low, high = scores["lengths"]
        about = self.rows("SELECT language, configuration FROM runs WHERE id = ?", [run])[0]
        train_low, train_high = json.loads(about["configuration"])["recipe"]["lengths"]
        test = {"low": low, "high": high, "strings_per_length": strings_per_length}
        of_run = {"run": run, "precision": precision} | test
        of_bin = {
            "language": about["language"], "train_low": train_low, "train_high": train_high
        } | test  # fmt: skip
        self._put("bin_scores", of_run | _numbers(scores))
        self._put_bounds("bin_bounds", of_bin, scores)
        for one in scores["per_length"]:
            length = {"length": one["length"]}
            self._put("length_scores", of_run | length | _numbers(one))
            self._put_bounds("length_bounds", of_bin | length, one)

    def _put_bounds(self, table: str, of_bin: dict[str, Any], scores: Mapping[str, Any]) -> None:
        for predictor, bound in [(CEILING, scores["ceiling"]), *scores["floors"].items()]:
            self._put(table, of_bin | {"predictor": predictor} | bound)

    def _put(self, table: str, row: Mapping[str, Any]) -> None:
        columns, marks = ", ".join(row), ", ".join("?" for _ in row)
        self._database.execute(
            f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})", list(row.values())
        )

    @contextmanager
    def _explained(self) -> Generator[None]:
        """Turns SQLite's errors into sentences that say what to do."""
        try:
            yield
        except sqlite3.OperationalError as error:
            text = str(error)
            if "locked" in text or "busy" in text:
                raise LedgerError(
                    f"{self.path} is locked by another program for more than {PATIENCE:.0f} "
                    "seconds; close that and repeat the command. Nothing is lost."
                ) from error
            if "full" in text:
                raise OSError(
                    errno.ENOSPC, f"Could not write {self.path}: the disk is full."
                ) from error
            raise LedgerError(f"{self.path} cannot be used: {text}.") from error
        except sqlite3.DatabaseError as error:
            raise LedgerError(
                f"{self.path} is damaged ({error}). Move it away and repeat `memrnn study run`: "
                "what was trained is taken from its checkpoints."
            ) from error


def now() -> str:
    """The time, in UTC, as the ledger writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _numbers(scores: Mapping[str, Any]) -> dict[str, Any]:
    names = [part.split()[0] for part in SCORES.split(", ")]
    return {name: scores[name] for name in names}
