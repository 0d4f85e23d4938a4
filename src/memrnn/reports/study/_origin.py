"""Where a study's numbers come from: versions, machines, time, and the study file."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from memrnn.studies import Study, StudyResults


@dataclass(frozen=True)
class Origin:
    """What a reader needs to repeat a study.

    Attributes:
        versions: what runs were made with, each with their number, most frequent first.
        devices: likewise.
        core_seconds: time of all workers together, that of failed runs included.
        wall_seconds: of all sessions that have ended.
        open_sessions: sessions of which the end is not known: running now, or killed.
        hosts: machines of the drivers.
        file: the study file.
        commands: that make the results and this page.
    """

    versions: list[tuple[str, int]]
    devices: list[tuple[str, int]]
    core_seconds: float
    wall_seconds: float
    open_sessions: int
    sessions: int
    hosts: list[str]
    file: str
    commands: list[str]


def written_options(options: Mapping[str, Any]) -> dict[str, str]:
    """Options or a configuration as a page writes them: names in words, ranges from low to high."""
    return {
        name.replace("_", " "): " to ".join(map(str, value))
        if isinstance(value, list | tuple)
        else str(value)
        for name, value in options.items()
    }


def origin(results: StudyResults, folder: Path) -> Origin:
    """Sums up where the results in a study's folder come from."""
    finished = [run for run in results.runs if run.finished]
    versions = Counter(
        ", ".join(f"{name} {version}" for name, version in run.versions.items()) or "unknown"
        for run in finished
    )
    spans = [
        datetime.fromisoformat(session["ended"]) - datetime.fromisoformat(session["began"])
        for session in results.sessions
        if session["ended"]
    ]
    return Origin(
        versions=versions.most_common(),
        devices=Counter(run.device or "unknown" for run in finished).most_common(),
        core_seconds=sum(run.seconds for run in results.runs),
        wall_seconds=sum((span.total_seconds() for span in spans), 0.0),
        open_sessions=len(results.sessions) - len(spans),
        sessions=len(results.sessions),
        hosts=list(dict.fromkeys(session["host"] or "unknown" for session in results.sessions)),
        file=to_toml(_study_file(results.study)),
        commands=[
            f"memrnn study run study.toml --out {folder}",
            f"memrnn study report {folder}",
        ],
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
    lines = _assignments({name: values[name] for name in values if name not in tables})
    for name, table in tables.items():
        lines += ["", f"[{name}]", *_assignments(table)]
    return "\n".join(lines) + "\n"


def _assignments(values: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} = {json.dumps(value, ensure_ascii=False)}"
        for name, value in values.items()
        if value is not None
    ]
