"""The ledger: every run of a study, with its curve and its scores, in one SQLite file.

One process writes, the driver; anyone may read meanwhile (WAL).
"""

import errno
import json
import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memrnn.errors import MemrnnError
from memrnn.runtime import connect
from memrnn.studies._schema import ADDED_SCHEMA, FORMAT, SCHEMA
from memrnn.studies._study import Study

LEDGER_FILE = "ledger.db"
LOCK_TIMEOUT = 30.0
"""Seconds to wait for a lock that another process holds on the ledger."""


class LedgerError(MemrnnError):
    """The ledger cannot be used; the message says why and what to do.

    Examples:
        >>> import memrnn
        >>> from memrnn.studies import LedgerError
        >>> issubclass(LedgerError, memrnn.MemrnnError)
        True
    """


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
                self._database = sqlite3.connect(
                    self.path, timeout=LOCK_TIMEOUT, isolation_level=None
                )
            else:
                self._database = connect(self.path, LOCK_TIMEOUT)
            self._database.row_factory = sqlite3.Row
            try:
                self._prepare(create)
            except BaseException:
                self.close()
                raise

    def _prepare(self, create: bool) -> None:
        check = self._database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if check != "ok":
            raise sqlite3.DatabaseError(check)
        tables = {row["name"] for row in self.rows("SELECT name FROM sqlite_master")}
        if create and not tables:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.executescript(
                f"BEGIN IMMEDIATE;{SCHEMA}INSERT INTO facts VALUES ('format', '{FORMAT}');COMMIT;"
            )
            tables = {"facts"}
        # A crash of the machine may lose the last transactions, but never damages the file.
        self._database.execute("PRAGMA synchronous = NORMAL")
        version = self.fact("format") if "facts" in tables else None
        if version == "1":
            raise LedgerError(
                f"{self.path} was written by memrnn 0.1, whose results this version does not read; "
                "give another folder, or read it with version 0.1."
            )
        if version != FORMAT:
            raise LedgerError(f"{self.path} is not a ledger of this version of memrnn.")
        if create:
            self._database.executescript(ADDED_SCHEMA)

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
        """The rows of a query by the names of its columns."""
        with self._explained():
            return [dict(row) for row in self._database.execute(query, values)]

    def has(self, table: str) -> bool:
        """Whether there is a table of this name."""
        return bool(self.rows("SELECT name FROM sqlite_master WHERE name = ?", [table]))

    def tuples(self, query: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a query without names, one by one, for tables of millions of rows."""
        with self._explained(), closing(self._database.cursor()) as cursor:
            cursor.row_factory = None
            yield from cursor.execute(query)

    def fact(self, key: str) -> str | None:
        rows = self.rows("SELECT value FROM facts WHERE key = ?", [key])
        return rows[0]["value"] if rows else None

    def study(self) -> Study:
        """The study as it was last run.

        Raises:
            LedgerError: if none was planned.
        """
        text = self.fact("study")
        if text is None:
            raise LedgerError(f"{self.path} holds no study yet.")
        return Study.from_json(json.loads(text))

    def insert(self, table: str, *rows: Mapping[str, Any]) -> None:
        """Writes rows of the same columns, in place of those with the same keys."""
        if rows:
            columns = ", ".join(f'"{name}"' for name in rows[0])
            marks = ", ".join("?" for _ in rows[0])
            self._database.executemany(
                f'INSERT OR REPLACE INTO "{table}" ({columns}) VALUES ({marks})',
                [tuple(row.values()) for row in rows],
            )

    def execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Changes something, inside `writing`."""
        return self._database.execute(statement, values)

    @contextmanager
    def _explained(self) -> Generator[None]:
        """Turns SQLite's errors into sentences that say what to do."""
        try:
            yield
        except sqlite3.OperationalError as error:
            text = str(error)
            if "locked" in text or "busy" in text:
                raise LedgerError(
                    f"{self.path} is locked by another program for more than {LOCK_TIMEOUT:.0f} "
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
