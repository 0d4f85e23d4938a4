"""The ledger's tables as Parquet and CSV files, and back."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from memrnn.errors import MemrnnError
from memrnn.runtime.checkpoints import write_bytes
from memrnn.studies._ledger import Ledger
from memrnn.studies._schema import OF_RUNS, OF_TASKS, TABLES
from memrnn.studies._tables import column_types, read_table

_WRITERS = {"parquet": pyarrow.parquet.write_table, "csv": pyarrow.csv.write_csv}
FORMATS = tuple(_WRITERS)


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
            stream = pa.BufferOutputStream()
            _WRITERS[suffix](table, stream)
            written.append(out / f"{name}.{suffix}")
            write_bytes(written[-1], stream.getvalue().to_pybytes())
    return written


def read_export(folder: str | Path) -> dict[str, pa.Table]:
    """The tables that `export` wrote, in either format, with the columns of the ledger alone.

    Raises:
        MemrnnError: if a table is missing or is none that `export` wrote.
        OSError: if a file could not be read.
    """
    return {name: _read(Path(folder), name) for name in ("runs", *OF_RUNS, *OF_TASKS)}


def _read(folder: Path, name: str) -> pa.Table:
    paths = [path for suffix in FORMATS if (path := folder / f"{name}.{suffix}").is_file()]
    if not paths:
        raise MemrnnError(
            f"{folder} holds no {name}.parquet or {name}.csv; give a folder that "
            "`memrnn study export` of this version wrote."
        )
    types = column_types(name)
    try:
        if paths[0].suffix == ".parquet":
            return pyarrow.parquet.read_table(paths[0]).select(list(types))
        parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
        conversion = pyarrow.csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        return pyarrow.csv.read_csv(paths[0], parse_options=parsing, convert_options=conversion)
    except (pa.ArrowException, KeyError) as error:
        raise MemrnnError(
            f"{paths[0]} is no table of this version's `memrnn study export`: {error}."
        ) from error
