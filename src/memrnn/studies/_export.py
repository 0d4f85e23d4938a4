"""The ledger's tables as Parquet and CSV files."""

import contextlib
import io
import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from memrnn.checkpoints import write_bytes
from memrnn.errors import MemrnnError
from memrnn.studies._ledger import Ledger
from memrnn.studies._schema import OF_RUNS, SCHEMA, TABLES

FORMATS = ("parquet", "csv")

_TYPES = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string()}
_CELL = ("language", "model", "freeze", "restart")


def export(folder: str | Path, out: str | Path, formats: Iterable[str] = FORMATS) -> list[Path]:
    """Writes every table of a study's ledger; runs that left the study are left out.

    The rows of a run's curve and scores begin with its language, model, frozen parts and number,
    so that each file can be read alone. A value that does not exist is null.

    Returns:
        The files, in the order in which they were written.

    Raises:
        MemrnnError: if there is no study in `folder`, or a format is unknown.
        OSError: if a file could not be written.
    """
    chosen = list(dict.fromkeys(formats))
    if unknown := [name for name in chosen if name not in FORMATS]:
        raise MemrnnError(f"{unknown[0]!r} is not a format; choose of {', '.join(FORMATS)}.")
    out = Path(out)
    with Ledger(folder) as ledger:
        tables = {name: _table(ledger, name) for name in TABLES}
    out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, table in tables.items():
        for suffix in chosen:
            path = out / f"{name}.{suffix}"
            write_bytes(path, _bytes(table, suffix))
            written.append(path)
    return written


def column_types(name: str) -> dict[str, pa.DataType]:
    """The columns of one of a ledger's tables."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.executescript(SCHEMA)
        columns = database.execute(f"SELECT name, type FROM pragma_table_info('{name}')")
        return {column: _TYPES[kind] for column, kind in columns}


def _table(ledger: Ledger, name: str) -> pa.Table:
    columns = column_types(name)
    if name == "runs":
        rows = ledger.rows("SELECT * FROM runs WHERE position IS NOT NULL ORDER BY position")
    elif name in OF_RUNS:
        extra = {column: pa.int64() if column == "restart" else pa.string() for column in _CELL}
        names = ", ".join(f"runs.{column} AS {column}" for column in _CELL)
        key = ", ".join(
            column for column in columns if column in ("precision", "low", "epoch", "length")
        )
        rows = ledger.rows(
            f"SELECT {names}, {name}.* FROM {name} JOIN runs ON runs.id = {name}.run "
            f"WHERE runs.position IS NOT NULL ORDER BY runs.position, {key}"
        )
        columns = extra | columns
    else:
        rows = ledger.rows(f"SELECT * FROM {name}")
    return pa.Table.from_pylist(rows, schema=pa.schema(list(columns.items())))


def _bytes(table: pa.Table, suffix: str) -> bytes:
    if suffix == "csv":
        buffer = io.BytesIO()
        pyarrow.csv.write_csv(table, buffer)
        return buffer.getvalue()
    with tempfile.TemporaryFile() as file:
        pyarrow.parquet.write_table(table, file)
        file.seek(0)
        return file.read()
