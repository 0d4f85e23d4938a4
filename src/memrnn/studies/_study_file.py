"""Study files: TOML, as users write it, and as memrnn ships it."""

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memrnn.errors import MemrnnError
from memrnn.runtime.imports import import_files, is_file_entry
from memrnn.runtime.options import from_json, to_json
from memrnn.studies._study import Study
from memrnn.tasks import get_preset, task_class, task_names
from memrnn.training import TrainingConfig

SHORT = {"languages": "strings", "texts": "text"}
"""Keys whose values are arguments of one task: `languages = ["L"]` is `tasks = ["strings:L"]`."""

RENAMED = {
    "freezes": "freeze",
    "bins": "length_bins in [strings]",
    "strings_per_length": "samples_per_length in [strings]",
    "recipe": "[config], and what belongs to the task is in [strings]",
}
"""Keys of version 0.1, and where their values belong now."""

RENAMED_CONFIG = {
    "lengths": "train_lengths in [strings]",
    "batch_size": "batch_size in [strings]",
    "batches": "batches in [strings]",
    "validation_batches": "validation_batches in [strings]",
    "epochs": "max_epochs",
    "clip": "max_grad_norm",
    "decay": "lr_decay",
    "decay_patience": "lr_patience",
    "stop_patience": "early_stopping_patience",
    "learning_rate": "learning_rate_range",
}
"""The same of [recipe]."""


def load_study(path: str | Path) -> Study:
    """Reads a study file, or a study that memrnn ships, by its name.

    What the file imports is imported. Entries of `imports` that end in .py or .toml are files, seen
    from the study file's folder.

    Args:
        path: of the file, or a name that `shipped_studies` has.

    Raises:
        MemrnnError: if it is no study; the message says what is allowed.
        OSError: if it cannot be read.

    Examples:
        >>> from memrnn.studies import load_study
        >>> study = load_study("smoke")
        >>> study.models, study.restarts
        (('lstm', 'jm-10'), 2)
    """
    path = Path(path)
    if not path.suffix and not path.is_file():  # a folder can have a study's name
        shipped = shipped_studies()
        if str(path) not in shipped:
            raise MemrnnError(
                f"There is no study file {str(path)!r}, and memrnn ships only {', '.join(shipped)}."
            )
        path = shipped[str(path)]
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MemrnnError(f"{path} is not TOML: {error}.") from error
    try:
        return parse_study(values, path.parent)
    except MemrnnError as error:
        raise MemrnnError(f"{path}: {error}") from error


def parse_study(values: Mapping[str, Any], folder: str | Path = ".") -> Study:
    """The study that a study file's keys and values declare.

    Args:
        values: keys and values as TOML gives them.
        folder: from which files in `imports` and folders in `start` are seen.

    Raises:
        MemrnnError: for an unknown key, a value of the wrong kind, or one that is not allowed.

    Examples:
        >>> from memrnn.studies import parse_study
        >>> study = parse_study({"languages": ["count-3"], "models": ["lstm"], "restarts": 2})
        >>> study.tasks
        ('strings:count-3',)
    """
    given = dict(values)
    if "imports" in given:
        given["imports"] = [
            str((Path(folder) / entry).resolve()) if is_file_entry(entry) else entry
            for entry in _strings(given["imports"], "imports")
        ]
        import_files(given["imports"])
    if "start" in given:
        given["start"] = [str(Path(folder) / run) for run in _strings(given["start"], "start")]
    tables = {name: given.pop(name) for name in task_names() if name in given}
    _refuse_renamed(given, RENAMED)
    for short, task in SHORT.items():
        if short in given:
            arguments = _strings(given.pop(short), short)
            tasks = _strings(given.get("tasks", []), "tasks")
            given["tasks"] = [*tasks, *(f"{task}:{argument}" for argument in arguments)]
    preset = given.pop("preset", None)
    keys = [field.name for field in dataclasses.fields(Study) if field.name != "options"]
    if unknown := [key for key in given if key not in keys]:
        raise MemrnnError(
            f"A study has no key {unknown[0]!r}; its keys are "
            f"{', '.join([*keys, *SHORT, 'preset'])} and tables with options of tasks, "
            f"{', '.join(f'[{name}]' for name in task_names())}."
        )
    if "tasks" not in given:
        raise MemrnnError(f"A study needs a value for tasks, or for {', '.join(SHORT)}.")
    if preset is not None:
        given["config"] = _fill_in(preset, given, tables)
    if "config" in given:
        if isinstance(given["config"], dict):
            _refuse_renamed(given["config"], RENAMED_CONFIG)
        given["config"] = to_json(from_json(TrainingConfig, given["config"], "[config]"))
    study = from_json(Study, {**given, "options": tables}, "The study file")
    named = {task.partition(":")[0] for task in study.tasks}
    if unused := [name for name in tables if name not in named]:
        raise MemrnnError(
            f"[{unused[0]}] has options of a task that `tasks` does not name; name one, or leave "
            "the table out."
        )
    list(study.cells())  # what is wrong with tasks and models is said now
    return study


def _fill_in(name: Any, given: Mapping[str, Any], tables: dict[str, Any]) -> Any:
    """The table `config` with a preset's values where it has none; likewise the tasks' tables.

    Args:
        tables: options by the task's name, changed in place.
    """
    config: Mapping[str, Any] | None = None
    for kind in dict.fromkeys(spec.partition(":")[0] for spec in _strings(given["tasks"], "tasks")):
        preset = get_preset(task_class(kind), name)
        tables[kind] = _with_defaults(preset.options, tables.get(kind, {}))
        if config is not None and config != preset.config:
            raise MemrnnError(
                f"The preset {name!r} trains these tasks differently; name one of them."
            )
        config = preset.config
    return _with_defaults(config or {}, given.get("config", {}))


def _with_defaults(defaults: Mapping[str, Any], table: Any) -> Any:
    """A table with values where it has none; what is no table is refused later."""
    return {**defaults, **table} if isinstance(table, Mapping) else table


def shipped_studies() -> dict[str, Path]:
    """The study files that come with memrnn, by name: its own and those of papers.

    Examples:
        >>> from memrnn.studies import shipped_studies
        >>> "smoke" in shipped_studies()
        True
    """
    package = Path(__file__).parents[1]
    files = [*package.glob("studies/shipped/*.toml"), *package.glob("papers/*/studies/*.toml")]
    return {path.stem: path for path in sorted(files, key=lambda path: path.name)}


def _refuse_renamed(values: Mapping[str, Any], renamed: Mapping[str, str]) -> None:
    for old, new in renamed.items():
        if old in values:
            raise MemrnnError(f"The key {old!r} of version 0.1 is now {new}.")


def _strings(values: Any, key: str) -> list[str]:
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise MemrnnError(f"{key} must be a list of strings.")
    return list(values)
