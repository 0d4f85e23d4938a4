"""Finished runs that a study takes from exported tables instead of running them again."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from memrnn.errors import MemrnnError
from memrnn.studies._export import FORMATS, column_types
from memrnn.studies._schema import FINAL, OF_LANGUAGES, OF_RUNS

_BY_LENGTH = ("length_scores", "length_bounds")
"""Large tables, which may have been left out; figures by length then show other runs only."""

Row = dict[str, Any]


@dataclass(frozen=True)
class FinishedRuns:
    """What a folder of exported tables holds of a study.

    Attributes:
        runs: the rows of its finished runs.
        others: how many finished runs of the folder are not the study's.
        tables: the rows of the other tables that belong to these runs, by table.
    """

    folder: Path
    runs: list[Row]
    others: int
    tables: dict[str, list[Row]]

    def without(self, known: Collection[str]) -> "FinishedRuns":
        """What is left where these runs are finished already."""
        runs = [row for row in self.runs if row["id"] not in known]
        return FinishedRuns(self.folder, runs, self.others, _belonging(runs, self.tables))

    def sentence(self) -> str:
        """What was taken, for the user."""
        text = f"{len(self.runs)} finished runs are taken from {self.folder}"
        if self.others:
            text += f"; {self.others} more there are not of this study"
        by_length = {row["run"] for row in self.tables["length_scores"]}
        if bare := sum(row["id"] not in by_length for row in self.runs):
            text += f"; figures by length will lack {bare} of them, whose scores are not there"
        return f"{text}."


def read_finished(folder: str | Path, planned: Collection[str]) -> FinishedRuns:
    """Reads those of the planned runs that an export holds finished, done or diverged.

    Args:
        folder: as `export` wrote it, in either format; tables by length may be missing.
        planned: ids of the study's runs. An id is the hash of everything that a run's outcome
            depends on, so an equal id is an equal run.

    Raises:
        MemrnnError: if a table is missing or is none that `export` wrote.
        OSError: if a file could not be read.
    """
    folder = Path(folder)
    finished = [row for row in _read(folder, "runs") if row["status"] in FINAL]
    runs = [row | {"position": None, "pack": None} for row in finished if row["id"] in planned]
    tables = {name: _read(folder, name) for name in (*OF_RUNS, *OF_LANGUAGES)}
    return FinishedRuns(folder, runs, len(finished) - len(runs), _belonging(runs, tables))


def _belonging(runs: Iterable[Row], tables: dict[str, list[Row]]) -> dict[str, list[Row]]:
    ids, languages = {row["id"] for row in runs}, {row["language"] for row in runs}
    of_runs = {name: [row for row in tables[name] if row["run"] in ids] for name in OF_RUNS}
    of_languages = {
        name: [row for row in tables[name] if row["language"] in languages] for name in OF_LANGUAGES
    }
    return of_runs | of_languages


def _read(folder: Path, name: str) -> list[Row]:
    types = column_types(name)
    paths = [path for suffix in FORMATS if (path := folder / f"{name}.{suffix}").is_file()]
    if not paths:
        if name in _BY_LENGTH:
            return []
        raise MemrnnError(
            f"{folder} holds no {name}.parquet or {name}.csv; give a folder that "
            "`memrnn study export` wrote."
        )
    try:
        table = _table(paths[0], types)
        return table.select(list(types)).to_pylist()
    except (pa.ArrowException, KeyError) as error:
        raise MemrnnError(
            f"{paths[0]} is no table of this version's `memrnn study export`: {error}."
        ) from error


def _table(path: Path, types: dict[str, pa.DataType]) -> pa.Table:
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path)
    options = pyarrow.csv.ConvertOptions(
        column_types=types, null_values=[""], strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )  # fmt: skip
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    return pyarrow.csv.read_csv(path, parse_options=parse, convert_options=options)
