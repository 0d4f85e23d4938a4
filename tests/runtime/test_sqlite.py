"""Databases in WAL mode for a reader who may not write, told so by `os.access`."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Generator
from pathlib import Path

import pytest

from memrnn.runtime import connect


@pytest.fixture
def written(tmp_path: Path) -> Generator[tuple[Path, sqlite3.Connection]]:
    """A database of one row whose writer is at work, with that row in the `-wal` file."""
    path = tmp_path / "data.sqlite"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE numbers (number)")
    writer.execute("INSERT INTO numbers VALUES (7)")
    yield path, writer
    writer.close()


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be written: what permissions say to a user who is not root."""
    before = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and before(path, mode))


def rows(path: Path) -> list[tuple]:
    with contextlib.closing(connect(path, 1.0)) as database:
        return database.execute("SELECT number FROM numbers").fetchall()


def test_a_database_of_ones_own_is_opened_for_writing(
    written: tuple[Path, sqlite3.Connection],
) -> None:
    with contextlib.closing(connect(written[0], 1.0)) as database:
        database.execute("INSERT INTO numbers VALUES (8)")
    assert rows(written[0]) == [(7,), (8,)]


def test_beside_a_writer(
    written: tuple[Path, sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch)
    assert rows(written[0]) == [(7,)]
    written[1].execute("INSERT INTO numbers VALUES (8)")
    assert rows(written[0]) == [(7,), (8,)]
    with (
        contextlib.closing(connect(written[0], 1.0)) as database,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        database.execute("INSERT INTO numbers VALUES (9)")


def test_what_a_killed_writer_left(
    written: tuple[Path, sqlite3.Connection], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is in the `-wal` file alone, and no index of it is left."""
    left = tmp_path / "left"
    left.mkdir()
    for name in ("data.sqlite", "data.sqlite-wal"):
        shutil.copyfile(tmp_path / name, left / name)
    before = {file.name: file.read_bytes() for file in left.iterdir()}
    forbid(monkeypatch)
    # SQLite cannot make the index where nothing may be written.
    opened = sqlite3.connect

    def refuse(address: object, **options: object) -> sqlite3.Connection:
        if "mode=ro" in str(address):
            raise sqlite3.OperationalError("unable to open database file")
        return opened(address, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(sqlite3, "connect", refuse)
    assert rows(left / "data.sqlite") == [(7,)]
    assert {file.name: file.read_bytes() for file in left.iterdir()} == before


def test_without_a_log_the_file_is_all(
    written: tuple[Path, sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    written[1].close()
    assert [file.name for file in written[0].parent.iterdir()] == ["data.sqlite"]
    forbid(monkeypatch)
    assert rows(written[0]) == [(7,)]
    assert [file.name for file in written[0].parent.iterdir()] == ["data.sqlite"]


def test_what_is_no_database_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.sqlite"
    path.write_bytes(b"no database" * 100)
    forbid(monkeypatch)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        connect(path, 1.0)
