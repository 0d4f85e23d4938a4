"""Flags that follow from a dataclass, and what a command line says before it is parsed."""

import dataclasses
import itertools
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tyro

from memrnn.errors import MemrnnError
from memrnn.runtime.options import format_range, parse_range
from memrnn.tasks import Task, task_class, task_names

OLD_NAMES = {
    "test": "evaluate",
    "--lengths": "--train-lengths SHORTEST:LONGEST",
    "--bins": "--length-bins",
    "--strings-per-length": "--samples-per-length",
    "--epochs": "--max-epochs",
    "--learning-rate": "--learning-rate-range LOW:HIGH",
    "--clip": "--max-grad-norm",
    "--decay": "--lr-decay",
    "--decay-patience": "--lr-patience",
    "--stop-patience": "--early-stopping-patience",
    "--only": "--restart-ids",
    "--finished": "--import-results",
}
"""The command and the flags of version 0.1 that have another name now."""


def refuse_old_names(arguments: Sequence[str]) -> None:
    """Raises a MemrnnError that gives the new name."""
    flags = [argument.partition("=")[0] for argument in arguments if argument.startswith("--")]
    for name in (*arguments[:1], *flags):
        if name in OLD_NAMES:
            raise MemrnnError(f"{name} of version 0.1 is now {OLD_NAMES[name]}.")
    freeze, _ = split_flag("--freeze", arguments)
    if len(freeze) > 1:
        raise MemrnnError(f"Write --freeze {'+'.join(freeze)}: components are joined by a plus.")


def refuse_options_of_others(kind: type[Task], arguments: Sequence[str]) -> None:
    """Raises a MemrnnError if a flag is no option of the task, but one of another task."""
    flags = [argument.partition("=")[0] for argument in arguments if argument.startswith("--")]
    for flag, other in itertools.product(flags, map(task_class, task_names())):
        option = flag.removeprefix("--").replace("-", "_")
        if option in other.option_names()[1:] and option not in kind.option_names():
            raise MemrnnError(
                f"{flag} is an option of the task {other.name}, and not of {kind.name}; "
                f"memrnn train --task {kind.name}:... --help explains those."
            )


def split_flag(flag: str, arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The values of a flag, each up to the next flag, and all other arguments."""
    values: list[str] = []
    others: list[str] = []
    target = others
    for argument in arguments:
        if argument.startswith(f"{flag}="):
            values.append(argument.removeprefix(f"{flag}="))
        elif argument == flag:
            target = values
        else:
            if argument.startswith("--"):
                target = others
            target.append(argument)
    return values, others


def options_class(kind: type, names: Iterable[str], defaults: Mapping[str, Any]) -> type:
    """A dataclass with some fields of a dataclass, whose docstring explains them as flags.

    Args:
        defaults: of some fields, instead of those of the class.
    """
    hints = typing.get_type_hints(kind)
    fields: list[Any] = [
        (
            field.name,
            hints[field.name],
            dataclasses.field(default=defaults[field.name])
            if field.name in defaults
            else dataclasses.field(default=field.default, default_factory=field.default_factory),
        )
        for field in dataclasses.fields(kind)
        if field.name in names
    ]
    name, documentation = f"{kind.__name__}Options", {"__doc__": kind.__doc__}
    return dataclasses.make_dataclass(name, fields, namespace=documentation, frozen=True)


RANGES = tyro.constructors.ConstructorRegistry()
"""Flags whose type is a pair of numbers are written `LOW:HIGH`."""


@RANGES.primitive_rule
def _range_flag(info: tyro.constructors.PrimitiveTypeInfo) -> Any:
    kinds = typing.get_args(info.type)
    if info.type_origin is not tuple or kinds not in ((int, int), (float, float)):
        return None

    def read(words: list[str]) -> tuple[Any, Any]:
        try:
            return parse_range(words[0], kinds[0])
        except MemrnnError as error:
            raise ValueError(str(error)) from error

    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="LOW:HIGH",
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, tuple) and len(value) == 2,
        str_from_instance=lambda value: [format_range(value)],
    )
