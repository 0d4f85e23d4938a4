"""Finished runs that a study takes from exported tables instead of running them again."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from memrnn.errors import MemrnnError
from memrnn.studies._export import FORMATS
from memrnn.studies._records import complete
from memrnn.studies._schema import FINAL, OF_RUNS, OF_TASKS
from memrnn.studies._tables import column_types
from memrnn.training import TrainingConfig

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

    def without(self, known: Iterable[Mapping[str, Any]], config: TrainingConfig) -> "FinishedRuns":
        """What is left where these runs are finished already."""
        ids = {row["id"] for row in known if complete(row, config)}
        runs = [row for row in self.runs if row["id"] not in ids]
        return FinishedRuns(self.folder, runs, self.others, _belonging(runs, self.tables))

    def sentence(self) -> str:
        """What was taken, for the user."""
        text = f"{len(self.runs)} finished runs are taken from {self.folder}"
        if self.others:
            text += f"; {self.others} more there are not of this study"
        return f"{text}."


def read_finished(
    folder: str | Path, planned: Collection[str], config: TrainingConfig
) -> FinishedRuns:
    """Reads those of the planned runs that an export holds finished, done or diverged.

    Args:
        folder: as `export` wrote it, in either format.
        planned: ids of the study's runs. An id is a digest of everything that a run's outcome
            depends on but for `max_epochs`, so an equal id is an equal run as long as that is.

    Raises:
        MemrnnError: if a table is missing or is none that `export` wrote.
        OSError: if a file could not be read.
    """
    folder = Path(folder)
    finished = [row for row in _read(folder, "runs") if row["status"] in FINAL]
    runs = [
        row | {"position": None, "planned_job": None}
        for row in finished
        if row["id"] in planned and complete(row, config)
    ]
    tables = {name: _read(folder, name) for name in (*OF_RUNS, *OF_TASKS)}
    return FinishedRuns(folder, runs, len(finished) - len(runs), _belonging(runs, tables))


def _belonging(runs: Iterable[Row], tables: dict[str, list[Row]]) -> dict[str, list[Row]]:
    ids, keys = {row["id"] for row in runs}, {row["task_key"] for row in runs}
    return {
        **{name: [row for row in tables[name] if row["run"] in ids] for name in OF_RUNS},
        "tasks": [row for row in tables["tasks"] if row["key"] in keys],
        "references": [row for row in tables["references"] if row["task_key"] in keys],
    }


def _read(folder: Path, name: str) -> list[Row]:
    types = column_types(name)
    paths = [path for suffix in FORMATS if (path := folder / f"{name}.{suffix}").is_file()]
    if not paths:
        raise MemrnnError(
            f"{folder} holds no {name}.parquet or {name}.csv; give a folder that "
            "`memrnn study export` of this version wrote."
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
