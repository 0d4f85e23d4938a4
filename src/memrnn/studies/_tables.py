"""The ledger's tables as Arrow tables."""

import contextlib
import math
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from memrnn.studies._ledger import Ledger
from memrnn.studies._schema import OF_RUNS, SCHEMA

_TYPES = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string()}
_CELL = {
    "task": pa.string(),
    "model": pa.string(),
    "freeze": pa.string(),
    "restart": pa.int64(),
}
_TOTALS = ("numerator", "denominator")
_ORDER = {
    "tasks": "WHERE key IN (SELECT task_key FROM runs WHERE position IS NOT NULL) ORDER BY rowid",
    "runs": "WHERE position IS NOT NULL ORDER BY position",
    "epochs": "WHERE run = :id ORDER BY epoch",
    "curves": 'WHERE run = :id ORDER BY epoch, "set", metric',
    # Of every run the scores as the study evaluates now.
    "scores": 'WHERE run = :id AND task_key = :task_key ORDER BY precision, "set", place, metric',
    "references": "WHERE task_key = :task_key ORDER BY rowid",
    "sessions": "ORDER BY number",
}
"""Which rows of a table are read, in which order; for each run or task where one is named."""


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
    types = column_types(name)
    columns = ", ".join(f'"{column}"' for column in types)
    query = f'SELECT {columns} FROM "{name}" {_ORDER[name]}'
    if name in OF_RUNS:
        owners, before = "SELECT id, task_key, task, model, freeze, restart FROM runs", _CELL
        owners += " WHERE position IS NOT NULL ORDER BY position"
    elif name == "references":
        owners, before = "SELECT task_key, task FROM runs", {"task": pa.string()}
        owners += " WHERE position IS NOT NULL GROUP BY task_key ORDER BY min(position)"
    else:
        owners, before = "SELECT NULL", {}
    schema = pa.schema(list((before | types).items()))
    parts = [
        _part(ledger.tuples(query, owner), {column: owner[column] for column in before}, schema)
        for owner in ledger.rows(owners)
    ]
    return pa.Table.from_batches(parts, schema).combine_chunks()


def _part(
    rows: Sequence[tuple[Any, ...]], before: Mapping[str, Any], schema: pa.Schema
) -> pa.RecordBatch:
    """Rows of one owner, which has the values `before` in front of each."""
    read = schema.names[len(before) :]
    values = dict(zip(read, zip(*rows, strict=True), strict=True)) if rows else {}
    arrays: list[pa.Array] = []
    for field in schema:
        if field.name in before:
            arrays.append(pa.repeat(pa.scalar(before[field.name], field.type), len(rows)))
            continue
        column = values.get(field.name, ())
        if field.name in _TOTALS:
            # The ledger has NULL where a total was not a number.
            column = [math.nan if value is None else value for value in column]
        arrays.append(pa.array(column, field.type))
    return pa.record_batch(arrays, schema=schema)
