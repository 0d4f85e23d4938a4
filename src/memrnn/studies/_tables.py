"""The ledger's tables as Arrow tables."""

import contextlib
import sqlite3
from pathlib import Path
from typing import NamedTuple

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
_QUERIES = {
    "tasks": "SELECT {columns} FROM tasks WHERE key IN "
    "(SELECT task_key FROM runs WHERE position IS NOT NULL) ORDER BY rowid",
    "runs": "SELECT {columns} FROM runs WHERE position IS NOT NULL ORDER BY position",
    "epochs": "SELECT {cell}, {columns} FROM epochs AS of JOIN runs ON id = run "
    "WHERE position IS NOT NULL ORDER BY position, epoch",
    "curves": "SELECT {cell}, {columns} FROM curves AS of JOIN runs ON id = run "
    'WHERE position IS NOT NULL ORDER BY position, epoch, "set", metric',
    # Of every run the scores as the study evaluates now.
    "scores": "SELECT {cell}, {columns} FROM scores AS of JOIN runs ON id = run "
    "AND runs.task_key = of.task_key WHERE position IS NOT NULL "
    'ORDER BY position, precision, "set", place, metric',
    "references": 'SELECT tasks.task, {columns} FROM "references" AS of '
    "JOIN tasks ON key = task_key WHERE task_key IN "
    "(SELECT task_key FROM runs WHERE position IS NOT NULL) ORDER BY of.rowid",
    "sessions": "SELECT {columns} FROM sessions ORDER BY number",
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
    types = column_types(name)
    of = "of." if name in (*OF_RUNS, "references") else ""
    query = _QUERIES[name].format(
        columns=", ".join(f'{of}"{column}"' for column in types),
        cell=", ".join(f"runs.{column}" for column in _CELL),
    )
    if name in OF_RUNS:
        types = _CELL | types
    elif name == "references":
        types = {"task": pa.string()} | types
    rows = ledger.each(query)
    # The ledger has NULL where a total was not a number.
    columns: list[list[object]] = [list(column) for column in zip(*rows, strict=True)]
    columns = columns or [[] for _ in types]
    arrays: list[pa.Array] = []
    for (column, kind), values in zip(types.items(), columns, strict=True):
        if column in _TOTALS:
            values = [float("nan") if value is None else value for value in values]
        arrays.append(pa.array(values, kind))
    return pa.Table.from_arrays(arrays, schema=pa.schema(list(types.items())))
