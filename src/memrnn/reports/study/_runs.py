"""The runs of a study: where their numbers come from, which failed, and which are missing."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from memrnn.nn.components import format_freeze
from memrnn.reports.study.table import (
    Column,
    Field,
    Table,
    count,
    count_of,
    number_field,
    text_field,
)
from memrnn.studies import Study, StudyResults


class Origin(NamedTuple):
    """What a reader needs to repeat a study."""

    versions: list[tuple[str, int]]  # with the number of runs, most frequent first
    devices: list[tuple[str, int]]  # likewise
    core_seconds: float  # of all workers together, failed runs included
    wall_seconds: float  # of all sessions that have ended
    open_sessions: int  # sessions of which no end is known: running now, or killed
    sessions: int
    hosts: list[str]  # machines of the drivers
    file: str  # the study file
    commands: list[str]  # that make the results and this page


def origin(results: StudyResults, folder: Path) -> Origin:
    """Sums up where the results in a study's folder come from."""
    finished = [run for run in results.runs if run.finished]
    versions = [", ".join(f"{k} {v}" for k, v in run.versions.items()) for run in finished]
    sessions = results.sessions
    spans = [
        datetime.fromisoformat(session["ended"]) - datetime.fromisoformat(session["began"])
        for session in sessions
        if session["ended"]
    ]
    return Origin(
        versions=Counter(version or "unknown" for version in versions).most_common(),
        devices=Counter(run.device or "unknown" for run in finished).most_common(),
        core_seconds=sum(run.seconds for run in results.runs),
        wall_seconds=sum(span.total_seconds() for span in spans),
        open_sessions=len(sessions) - len(spans),
        sessions=len(sessions),
        hosts=list(dict.fromkeys(session["host"] or "unknown" for session in sessions)),
        file=to_toml(_study_file(results.study)),
        commands=[f"memrnn study run study.toml --out {folder}", f"memrnn study report {folder}"],
    )


def _study_file(study: Study) -> dict[str, Any]:
    """What a study file holds: the options of each task are a table of its name."""
    values = study.to_json()
    options = values.pop("options")
    return values | options


def to_toml(values: Mapping[str, Any]) -> str:
    """Keys, values and tables as TOML; what is null is left out.

    JSON's strings, numbers and arrays are TOML's too, as long as nothing but ASCII is escaped.
    """
    tables = {name: value for name, value in values.items() if isinstance(value, dict)}
    arrays = {name: value for name, value in values.items() if _is_array_of_tables(value)}
    lines = _assignments({n: values[n] for n in values if n not in tables and n not in arrays})
    for name, array in arrays.items():
        for table in array:
            lines += ["", f"[[{name}]]", *_assignments(table)]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *_assignments(table)]
    return "\n".join(lines) + "\n"


def _is_array_of_tables(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(one, dict) for one in value)


def _assignments(values: Mapping[str, Any]) -> list[str]:
    known = {name: value for name, value in values.items() if value is not None}
    return [f"{name} = {json.dumps(known[name], ensure_ascii=False)}" for name in known]


_CELL_FIELDS: list[Field] = [
    text_field("task", lambda record: record[0].task.title),
    text_field("model", lambda record: record[0].model),
    text_field("frozen", lambda record: format_freeze(record[0].freeze)),
]
"""Of a record that begins with a cell."""


def failed_table(results: StudyResults) -> Table:
    """Every run that failed, and why."""
    return Table.of(
        "failed",
        "Runs that failed",
        [(cell, run) for cell in results.cells for run in cell.runs if run.status == "failed"],
        [
            *_CELL_FIELDS,
            (Column("restart", numeric=False), lambda record: count(record[1].restart)),
            (Column("epochs"), lambda record: count(record[1].epochs)),
            number_field("seconds", lambda record: record[1].seconds, "{:.0f}".format),
            text_field("reason", lambda record: record[1].reason or "no reason known"),
        ],
        heads=4,
    )


def missing_table(results: StudyResults) -> Table:
    """Every cell of which runs are missing: planned, or running when this was written."""
    records = [(cell, Counter(run.status for run in cell.runs)) for cell in results.cells]
    return Table.of(
        "missing",
        "Cells with runs still to come",
        [record for record in records if record[1]["running"] or record[1]["planned"]],
        [
            *_CELL_FIELDS,
            (Column("finished"), lambda row: count_of(len(row[0].finished), len(row[0].runs))),
            (Column("running"), lambda record: count(record[1]["running"])),
            (Column("planned"), lambda record: count(record[1]["planned"])),
            (Column("failed"), lambda record: count(record[1]["failed"])),
        ],
        heads=3,
    )
