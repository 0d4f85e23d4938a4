"""The ledger's tables as Arrow tables, and as Parquet and CSV files."""

import contextlib
import itertools
import math
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from pyarrow import compute

from memrnn.errors import MemrnnError
from memrnn.runtime.checkpoints import write_bytes
from memrnn.studies._ledger import Ledger
from memrnn.studies._schema import OF_RUNS, OF_TASKS, SCHEMA, TABLES

CHUNK = 50_000
"""Rows that are Python objects at a time."""

_WRITERS = {"parquet": pyarrow.parquet.write_table, "csv": pyarrow.csv.write_csv}
FORMATS = tuple(_WRITERS)

_TYPES = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string()}
_TOTALS = ("numerator", "denominator")
_CELL = ("task", "model", "freeze", "restart")
_ADDED = {"epochs": _CELL, "curves": _CELL, "scores": _CELL, "references": ("task",)}
"""Columns of other tables that come first, so that each table can be read alone."""

_OF_RUNS = (
    "SELECT runs.task, model, freeze, restart, {0}.* FROM runs CROSS JOIN {0} "
    "ON run = id WHERE position IS NOT NULL "
)
_OF_TASKS = "WHERE key IN (SELECT task_key FROM runs WHERE position IS NOT NULL) "
_QUERIES = {
    "tasks": f"SELECT * FROM tasks {_OF_TASKS} ORDER BY rowid",
    "runs": "SELECT * FROM runs WHERE position IS NOT NULL ORDER BY position",
    "epochs": _OF_RUNS.format("epochs") + "ORDER BY position, epoch",
    "curves": _OF_RUNS.format("curves") + 'ORDER BY position, epoch, "set", metric',
    # Of every run the scores as the study evaluates now.
    "scores": _OF_RUNS.format("scores") + "AND scores.task_key = runs.task_key "
    'ORDER BY position, precision, "set", place, metric',
    "references": 'SELECT task, "references".* FROM "references" JOIN tasks ON key = task_key '
    f'{_OF_TASKS} ORDER BY tasks.rowid, "references".rowid',
    "sessions": "SELECT * FROM sessions ORDER BY number",
}


class ArrowResults(NamedTuple):
    """A study's results as long tables, as `memrnn study export` writes them.

    Tables about runs begin with task, model, freezing mode and restart. The value of a metric is
    the sum of its numerators divided by that of its denominators, or exp of it, as the metric's
    scale says. A numerator can be infinite, or NaN where it was not a number.

    Attributes:
        runs: one row per run.
        epochs: the learning rate of every epoch.
        curves: per run, epoch, set (`train` or `validation`) and metric.
        scores: per run, precision, evaluation set, group and metric.
        references: per task, evaluation set, predictor, group and metric.
    """

    runs: pa.Table
    epochs: pa.Table
    curves: pa.Table
    scores: pa.Table
    references: pa.Table


def load_tables(folder: str | Path) -> ArrowResults:
    """The results of a study, also while it runs; runs that left the study are left out.

    Raises:
        MemrnnError: if there is no study in `folder`, or its ledger cannot be read.
    """
    with Ledger(folder) as ledger:
        ledger.study()
        return ArrowResults(*(read_table(ledger, name) for name in ArrowResults._fields))


def column_types(name: str) -> dict[str, pa.DataType]:
    """The columns of one of a ledger's tables."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.executescript(SCHEMA)
        columns = database.execute(f"SELECT name, type FROM pragma_table_info('{name}')")
        return {column: _TYPES[kind] for column, kind in columns}


def read_table(ledger: Ledger, name: str) -> pa.Table:
    """One of a ledger's tables, with what it takes to read it alone."""
    of_runs = column_types("runs")
    added = {column: of_runs[column] for column in _ADDED.get(name, ())}
    schema = pa.schema(list((added | column_types(name)).items()))
    rows, batches = ledger.tuples(_QUERIES[name]), list[pa.RecordBatch]()
    while chunk := list(itertools.islice(rows, CHUNK)):
        columns = zip(zip(*chunk, strict=True), schema.types, strict=True)
        batches.append(pa.record_batch([pa.array(*column) for column in columns], schema=schema))
    table = pa.Table.from_batches(batches, schema).combine_chunks()
    for column in set(_TOTALS) & set(schema.names):
        # The ledger has NULL where a total was not a number.
        filled = compute.fill_null(table[column], math.nan)
        table = table.set_column(schema.get_field_index(column), column, filled)
    return table


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
