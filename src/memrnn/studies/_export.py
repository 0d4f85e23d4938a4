"""The ledger's tables as Parquet and CSV files."""

import io
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from memrnn.errors import MemrnnError
from memrnn.runtime.checkpoints import write_bytes
from memrnn.studies._ledger import Ledger
from memrnn.studies._schema import TABLES
from memrnn.studies._tables import read_table

FORMATS = ("parquet", "csv")


def export(folder: str | Path, out: str | Path, formats: Iterable[str] = FORMATS) -> list[Path]:
    """Writes every table of a study's ledger; runs that left the study are left out.

    The rows of a run's curve and scores begin with its task, model, freezing mode and number, so
    that each file can be read alone. A value that does not exist is null. A total can be `inf`,
    or `nan` where it was not a number.

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
        tables = {name: read_table(ledger, name) for name in TABLES}
    out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, table in tables.items():
        for suffix in chosen:
            path = out / f"{name}.{suffix}"
            write_bytes(path, _bytes(table, suffix))
            written.append(path)
    return written


def _bytes(table: pa.Table, suffix: str) -> bytes:
    if suffix == "csv":
        buffer = io.BytesIO()
        pyarrow.csv.write_csv(table, buffer)
        return buffer.getvalue()
    with tempfile.TemporaryFile() as file:
        pyarrow.parquet.write_table(table, file)
        file.seek(0)
        return file.read()
