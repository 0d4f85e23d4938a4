"""SQLite databases in WAL mode that the reader may not write."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path


def connect(path: Path, timeout: float) -> sqlite3.Connection:
    """Opens an existing database; one that cannot be written is opened for reading.

    A reader of a database in WAL mode needs two files beside it, `-wal` and `-shm`, and makes them
    where they are missing. In a folder that it may not write it cannot, and SQLite refuses. There:

    - With a `-wal`, a process may be writing now; SQLite can read beside it if it finds `-shm`.
    - Without one, or with an empty one, all is in the file, which is read as one that does not
      change (`immutable`).
    - Otherwise a process was killed. A copy of both files is recovered, in memory.

    Raises:
        sqlite3.Error: if the database cannot be read.
        OSError: if its files cannot be copied.
    """
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK):
        return sqlite3.connect(path, timeout=timeout, isolation_level=None)
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        with contextlib.suppress(sqlite3.OperationalError):
            return _connect_read_only(path, "mode=ro", timeout)
        if log.stat().st_size:
            return _recover(path, log, timeout)
    return _connect_read_only(path, "immutable=1", timeout)


def _connect_read_only(path: Path, mode: str, timeout: float) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?{mode}"
    database = sqlite3.connect(address, uri=True, timeout=timeout, isolation_level=None)
    try:
        database.execute("SELECT count(*) FROM sqlite_master")  # opening alone touches no file
    except sqlite3.Error:
        database.close()
        raise
    return database


def _recover(path: Path, log: Path, timeout: float) -> sqlite3.Connection:
    with tempfile.TemporaryDirectory() as folder:
        for file in (path, log):
            shutil.copyfile(file, Path(folder) / file.name)  # without the mode, which may be r--
        with contextlib.closing(sqlite3.connect(Path(folder) / path.name)) as copied:
            memory = sqlite3.connect(":memory:", timeout=timeout, isolation_level=None)
            copied.backup(memory)
    return memory
