"""Tasks by name."""

from collections.abc import Mapping
from typing import Any

from memrnn.errors import MemrnnError
from memrnn.runtime.formats import listed
from memrnn.runtime.options import from_json, parse_value
from memrnn.runtime.sources import definition_of
from memrnn.tasks._task import Preset, Task

_TASKS: dict[str, type[Task]] = {}


def register_task(kind: type[Task]) -> type[Task]:
    """Makes a task known under its `name`, so that commands, studies and runs can name it.

    Usable as a decorator.

    Args:
        kind: a frozen dataclass; `name` is an attribute of the class.

    Returns:
        The class.

    Raises:
        MemrnnError: if another class has the name, if it is no identifier, if the class lacks
            `name`, or if its `selection` or `headline` is none of its `metrics`.

    Examples:
        >>> from dataclasses import dataclass
        >>> import memrnn
        >>> @memrnn.register_task
        ... @dataclass(frozen=True)
        ... class Short(memrnn.Strings):
        ...     name = "short_strings"
        ...     train_lengths: tuple[int, int] = (3, 9)
        >>> memrnn.make_task("short_strings", {"language": "count-3"}).spec
        'short_strings:count-3'
    """
    _check_attributes(kind)
    known = _TASKS.get(kind.name)
    if known is not None and not _is_same(known, kind):
        raise MemrnnError(f"There is a task {kind.name!r} already; choose another name.")
    if not kind.name.isidentifier():
        raise MemrnnError(f"{kind.name!r} cannot name a task; write letters, digits and _ only.")
    _TASKS[kind.name] = kind
    return kind


def _check_attributes(kind: type[Task]) -> None:
    """As far as they are given and no properties, which need an argument of the task."""
    if not isinstance(getattr(kind, "name", None), str):
        raise MemrnnError(f"The task {kind.__name__} needs a class attribute `name`, a text.")
    metrics: Any = getattr(kind, "metrics", ())
    for attribute in ("selection", "headline"):
        value: Any = getattr(kind, attribute, None)
        given = isinstance(metrics, tuple) and value is not None
        if given and not isinstance(value, property) and value not in metrics:
            raise MemrnnError(
                f"The task {kind.name} has a `{attribute}` that is none of its `metrics`."
            )


def _is_same(known: type[Task], kind: type[Task]) -> bool:
    """Whether a class is defined once more, not another one with the same name.

    A file that is imported twice, as a script and as an import, defines its class twice; a cell
    of a notebook that runs again may have been edited.
    """
    in_notebook = kind.__module__ == known.__module__ == "__main__"
    return kind.__qualname__ == known.__qualname__ and (
        in_notebook or definition_of(kind) == definition_of(known)
    )


def task_names() -> tuple[str, ...]:
    """The names of all tasks, in the order in which they were registered.

    Examples:
        >>> from memrnn.tasks import task_names
        >>> task_names()[:2]
        ('strings', 'text')
    """
    return tuple(_TASKS)


def task_class(name: str) -> type[Task]:
    """The class of a task.

    Args:
        name: of a registered task.

    Raises:
        MemrnnError: if there is none of this name.

    Examples:
        >>> import memrnn
        >>> from memrnn.tasks import task_class
        >>> task_class("strings") is memrnn.Strings
        True
    """
    if name not in _TASKS:
        raise MemrnnError(
            f"There is no task {name!r}; there are {', '.join(_TASKS)}. A task of your own is "
            "registered by a file that --import names."
        )
    return _TASKS[name]


def get_preset(kind: type[Task], name: Any) -> Preset:
    """The preset of this name of a task.

    Raises:
        MemrnnError: if it has none of this name.
    """
    if not isinstance(name, str) or name not in kind.presets:
        raise MemrnnError(
            f"There is no preset {name!r} for the task {kind.name}; there is "
            f"{listed(list(kind.presets), 'or')}."
        )
    return kind.presets[name]


def make_task(name: str, options: Mapping[str, Any]) -> Task:
    """The task of a name with options as `Task.options` gives them.

    Args:
        name: of a registered task.
        options: all of its options.

    Raises:
        MemrnnError: if there is no such task, or an option is unknown, missing or wrong.

    Examples:
        >>> import memrnn
        >>> task = memrnn.make_task("strings", {"language": "count-3", "batches": 5})
        >>> task.updates
        5
    """
    return from_json(task_class(name), options, f"[{name}]")


def parse_task(spec: str, options: Mapping[str, Any] | None = None) -> Task:
    """The task of `NAME` or `NAME:ARGUMENT`; the argument is the value of its first option.

    Args:
        spec: a name, or a name and an argument.
        options: further options.

    Raises:
        MemrnnError: as `make_task`.

    Examples:
        >>> from memrnn.tasks import parse_task
        >>> parse_task("strings:count-3", {"batches": 5}).spec
        'strings:count-3'
    """
    name, colon, argument = spec.partition(":")
    options = dict(options or {})
    if colon:
        first = next(iter(task_class(name).option_names()), None)
        if first is None or first in options:
            raise MemrnnError(f"The task {name} takes no argument; write --task {name}.")
        options[first] = parse_value(task_class(name), first, argument)
    return make_task(name, options)
