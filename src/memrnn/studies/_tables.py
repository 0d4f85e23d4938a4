"""A study's tables as Arrow tables: from its ledger, and to and from Parquet and CSV files."""

import contextlib
import itertools
import json
import math
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from pyarrow import compute

from memrnn.errors import MemrnnError
from memrnn.runtime.checkpoints import write_bytes
from memrnn.studies._compact import compact as compact_tables
from memrnn.studies._ledger import LEDGER_FILE, Ledger, LedgerError
from memrnn.studies._schema import ADDED, ADDED_SCHEMA, FORMAT, SCHEMA, TABLES
from memrnn.studies._study import Study

CHUNK = 50_000
"""Rows that are Python objects at a time."""

_LEVEL = 19
"""Of zstd: twice the time of writing for a fifth less."""

_PAGE = 1 << 26
"""Bytes of a page, so that a column is one, and what repeats in it is found."""

FORMATS = ("parquet", "csv")

_TYPES = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string()}
_TOTALS = ("numerator", "denominator")
_CELL = ("task", "model", "freeze", "restart")
_FIRST = {
    **dict.fromkeys(("epochs", "curves", "scores", "partition_scores"), _CELL),
    **dict.fromkeys(("references", "partition_references"), ("task",)),
}
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
    "partition_scores": _OF_RUNS.format("partition_scores")
    + "AND partition_scores.task_key = runs.task_key "
    'ORDER BY position, precision, "set", partition, place, metric',
    "partition_references": "SELECT task, partition_references.* FROM partition_references "
    f"JOIN tasks ON key = task_key {_OF_TASKS} ORDER BY tasks.rowid, partition_references.rowid",
    "sessions": "SELECT * FROM sessions ORDER BY number",
    "facts": "SELECT * FROM facts ORDER BY rowid",
}


class ArrowResults(NamedTuple):
    """A study's results as long tables, as `memrnn study export` writes them.

    Tables about runs begin with task, model, freezing mode and restart. The value of a metric is
    the sum of its numerators divided by that of its denominators, or exp of it, as the metric's
    scale says. A numerator can be infinite, or NaN where it was not a number. In scores and
    references a row without a group holds what the groups lack to their set, as in compact exports.

    Attributes:
        runs: one row per run.
        epochs: the learning rate of every epoch.
        curves: per run, epoch, set (`train` or `validation`) and metric.
        scores: per run, precision, evaluation set, group and metric.
        references: per task, evaluation set, predictor, group and metric.
        partition_scores: scores by the groups of partitions, of tasks that have some: of a text by
            word frequency, position and sentence.
        partition_references: the same of references.

    Examples:
        >>> import memrnn
        >>> from memrnn.engines import LocalEngine
        >>> from memrnn.studies import Study, run_study
        >>> study = Study(("strings:count-3",), ("lstm", "jm-3"), restarts=2)
        >>> counts = run_study(study, "study", LocalEngine(1), stop_after=0.0)  # only plans
        >>> results = memrnn.load_tables("study")
        >>> results.runs.num_rows, results.scores.column_names[:4]
        (4, ['task', 'model', 'freeze', 'restart'])
    """

    runs: pa.Table
    epochs: pa.Table
    curves: pa.Table
    scores: pa.Table
    references: pa.Table
    partition_scores: pa.Table
    partition_references: pa.Table


def load_tables(folder: str | Path) -> ArrowResults:
    """The results of a study, also while it runs; runs that left the study are left out.

    Args:
        folder: of the study, or one that `export` wrote.

    Raises:
        MemrnnError: if there is no study in `folder`, or it cannot be read.

    Examples:
        >>> from memrnn.engines import LocalEngine
        >>> from memrnn.studies import Study, load_tables, run_study
        >>> study = Study(("strings:count-3",), ("lstm", "jm-3"), restarts=2)
        >>> counts = run_study(study, "study", LocalEngine(1), stop_after=0.0)  # only plans
        >>> load_tables("study").runs.select(["model", "restart", "status"]).to_pylist()[0]
        {'model': 'lstm', 'restart': 0, 'status': 'planned'}
    """
    tables = read_tables(folder, ("facts", *ArrowResults._fields))
    study_of(tables["facts"], folder)
    return ArrowResults(*(tables[name] for name in ArrowResults._fields))


def is_export(folder: str | Path) -> bool:
    """Whether a folder holds exported tables rather than a ledger."""
    names = [LEDGER_FILE, *(f"runs.{suffix}" for suffix in FORMATS)]
    ledger, *tables = [(Path(folder) / name).is_file() for name in names]
    return any(tables) and not ledger


def read_tables(folder: str | Path, names: Iterable[str] = TABLES) -> dict[str, pa.Table]:
    """Tables of the study in a folder, from its ledger or as `export` wrote them.

    Raises:
        MemrnnError: if there are none, or they cannot be read.
        OSError: if a file could not be read.
    """
    if is_export(folder):
        return _read_export(Path(folder), names)
    with Ledger(folder) as ledger:
        return {name: _read_table(ledger, name) for name in names}


def study_of(facts: pa.Table, folder: str | Path) -> Study:
    """The study as it was last run.

    Raises:
        LedgerError: if none was planned.
    """
    values = {row["key"]: row["value"] for row in facts.to_pylist()}
    if "study" not in values:
        raise LedgerError(f"{folder} holds no study yet.")
    return Study.from_json(json.loads(values["study"]))


def column_types(name: str) -> dict[str, pa.DataType]:
    """The columns of one of a ledger's tables."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.executescript(SCHEMA + ADDED_SCHEMA)
        columns = database.execute(f"SELECT name, type FROM pragma_table_info('{name}')")
        return {column: _TYPES[kind] for column, kind in columns}


def _schema(name: str) -> pa.Schema:
    """The columns of one of a ledger's tables, after what it takes to read it alone."""
    of_runs = column_types("runs")
    added = {column: of_runs[column] for column in _FIRST.get(name, ())}
    return pa.schema(list((added | column_types(name)).items()))


def _read_table(ledger: Ledger, name: str) -> pa.Table:
    """One of a ledger's tables, with what it takes to read it alone."""
    schema = _schema(name)
    if name in ADDED and not ledger.has(name):
        return schema.empty_table()
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


def export(
    folder: str | Path,
    out: str | Path,
    formats: Iterable[str] = FORMATS,
    *,
    compact: bool = False,
) -> list[Path]:
    """Writes every table of a study; runs that left the study are left out.

    The rows of a run's curve and scores begin with its task, model, freezing mode and number, so
    that each file can be read alone. A value that does not exist is null. A total can be `inf`,
    or `nan` where it was not a number.

    Args:
        folder: of the study, or one that this wrote before.
        out: for the files; it is made where it does not exist.
        formats: of parquet and csv.
        compact: keep less, so that the files are small enough for a repository. Totals of sets
            stay as they are; by group they are rounded, and kept in the first precision only.

    Returns:
        The files, in the order in which they were written.

    Raises:
        MemrnnError: if there is no study in `folder`, or a format is unknown.
        OSError: if a file could not be written.

    Examples:
        >>> from memrnn.engines import LocalEngine
        >>> from memrnn.studies import Study, export, run_study
        >>> study = Study(("strings:count-3",), ("lstm", "jm-3"), restarts=2)
        >>> counts = run_study(study, "study", LocalEngine(1), stop_after=0.0)  # only plans
        >>> sorted(path.name for path in export("study", "tables", ["csv"]))[:3]
        ['curves.csv', 'epochs.csv', 'facts.csv']
    """
    chosen = list(dict.fromkeys(formats))
    if unknown := [name for name in chosen if name not in FORMATS]:
        raise MemrnnError(f"{unknown[0]!r} is not a format; choose of {', '.join(FORMATS)}.")
    out = Path(out)
    tables = read_tables(folder)
    if compact:
        tables = compact_tables(tables, study_of(tables["facts"], folder))
    out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, table in tables.items():
        if name in ADDED and not table.num_rows:
            for suffix in FORMATS:
                (out / f"{name}.{suffix}").unlink(missing_ok=True)
            continue
        for suffix in chosen:
            stream = pa.BufferOutputStream()
            if suffix == "csv":
                pyarrow.csv.write_csv(table, stream)
            else:
                _write_parquet(table, stream)
            written.append(out / f"{name}.{suffix}")
            write_bytes(written[-1], stream.getvalue().to_pybytes())
    return written


def _write_parquet(table: pa.Table, stream: pa.NativeFile) -> None:
    """Numbers that hardly repeat are written byte by byte, so that their zeros are together."""
    split = [name for name in ("numerator",) if name in table.column_names]
    pyarrow.parquet.write_table(
        table,
        stream,
        compression="zstd",
        compression_level=_LEVEL,
        row_group_size=max(1, table.num_rows),
        data_page_size=_PAGE,
        # Names are allowed, too, which the stubs do not know.
        use_dictionary=[  # type: ignore[arg-type]
            name for name in table.column_names if name not in split
        ],
        column_encoding=dict.fromkeys(split, "BYTE_STREAM_SPLIT") or None,
    )


def read_export(folder: str | Path) -> dict[str, pa.Table]:
    """The tables that `export` wrote, in either format, with the columns of the ledger alone.

    Raises:
        MemrnnError: if a table is missing or is none that `export` wrote.
        OSError: if a file could not be read.
    """
    tables = _read_export(Path(folder), TABLES)
    return {name: table.select(list(column_types(name))) for name, table in tables.items()}


def _read_export(folder: Path, names: Iterable[str]) -> dict[str, pa.Table]:
    tables = {name: _read(folder, name) for name in dict.fromkeys((*names, "facts"))}
    values: Mapping[str, str] = {row["key"]: row["value"] for row in tables["facts"].to_pylist()}
    if values.get("format") != FORMAT:
        raise MemrnnError(f"The tables in {folder} are not of this version of memrnn.")
    return tables


def _read(folder: Path, name: str) -> pa.Table:
    paths = [path for suffix in FORMATS if (path := folder / f"{name}.{suffix}").is_file()]
    if not paths and name in ADDED:
        return _schema(name).empty_table()
    if not paths:
        raise MemrnnError(
            f"{folder} holds no {name}.parquet or {name}.csv; give a folder that "
            "`memrnn study export` of this version wrote."
        )
    schema = _schema(name)
    try:
        if paths[0].suffix == ".parquet":
            return pyarrow.parquet.read_table(paths[0]).select(schema.names).cast(schema)
        parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
        conversion = pyarrow.csv.ConvertOptions(
            column_types=schema,
            include_columns=schema.names,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        return pyarrow.csv.read_csv(paths[0], parse_options=parsing, convert_options=conversion)
    except (pa.ArrowException, KeyError) as error:
        raise MemrnnError(
            f"{paths[0]} is no table of this version's `memrnn study export`: {error}."
        ) from error
