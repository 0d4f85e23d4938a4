"""Flags that follow from a task: which task is meant, and its options as flags of a command."""

import dataclasses
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import docstring_parser
import tyro

from memrnn.errors import MemrnnError
from memrnn.runtime.options import format_range, parse_range
from memrnn.tasks import Task, task_class
from memrnn.training import TrainingConfig

OLD_FLAGS = {
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
"""Flags of version 0.1, and what they are called now."""


def values_of(flag: str, arguments: Sequence[str]) -> list[str]:
    """What stands behind a flag, up to the next one."""
    found: list[str] = []
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name != flag:
            continue
        if equals:
            found.append(value)
            continue
        for following in arguments[place + 1 :]:
            if following.startswith("--"):
                break
            found.append(following)
    return found


def chosen_class(arguments: Sequence[str]) -> type[Task]:
    """The class of the task that a command line is about; strings unless it says otherwise."""
    specs = values_of("--task", arguments)
    return task_class(specs[0].partition(":")[0] if specs else "strings")


def options_class(kind: type, names: Iterable[str]) -> type:
    """A dataclass with some fields of a dataclass, as flags: ranges are written `LOW:HIGH`.

    Explanations are those of the class's docstring.
    """
    hints = typing.get_type_hints(kind)
    explained = {
        one.arg_name: " ".join((one.description or "").split())
        for one in docstring_parser.parse(kind.__doc__ or "").params
    }
    chosen: list[Any] = []
    for one in dataclasses.fields(kind):
        if one.name not in names:
            continue
        hint = Annotated[_flag_type(hints[one.name]), tyro.conf.arg(help=explained.get(one.name))]
        given = (
            dataclasses.field(default=one.default)
            if one.default is not dataclasses.MISSING
            else dataclasses.field(default_factory=one.default_factory)
            if one.default_factory is not dataclasses.MISSING
            else dataclasses.field()
        )
        chosen.append((one.name, hint, given))
    return dataclasses.make_dataclass(f"{kind.__name__}Options", chosen, frozen=True)


def task_options(kind: type[Task]) -> type:
    """All options of a task but its argument."""
    return options_class(kind, kind.option_names()[1:])


def evaluation_options(kind: type[Task]) -> type:
    """The options of a task that do not change what is trained."""
    return options_class(kind, kind.evaluation_options)


def spec_of(task: str | None, language: str | None) -> str:
    """`NAME:ARGUMENT` of the one of two flags that is given.

    Raises:
        MemrnnError: if none or both are.
    """
    if (task is None) == (language is None):
        raise MemrnnError("Give either --language L or --task NAME:ARGUMENT; see memrnn tasks.")
    return f"strings:{language}" if task is None else task


def refuse_old_flags(arguments: Sequence[str]) -> None:
    """Raises a MemrnnError that names the new flag."""
    for argument in arguments:
        flag = argument.partition("=")[0]
        if flag in OLD_FLAGS:
            raise MemrnnError(f"The flag {flag} is now {OLD_FLAGS[flag]}.")
    freeze = values_of("--freeze", arguments)
    if len(freeze) > 1:
        raise MemrnnError(f"Write --freeze {'+'.join(freeze)}: components are joined by a plus.")


def existing_folder(arguments: Sequence[str]) -> Path | None:
    """The folder that a command is about: its first argument that is no flag."""
    return next((Path(one) for one in arguments[1:2] if not one.startswith("-")), None)


def _flag_type(hint: Any) -> Any:
    kinds = typing.get_args(hint)
    if typing.get_origin(hint) is not tuple:
        return hint
    if kinds in ((int, int), (float, float)):
        return Annotated[hint, _range_flag(kinds[0])]
    if kinds[-1] is Ellipsis:
        return tuple[_flag_type(kinds[0]), ...]
    return hint


def _range_flag(kind: type) -> Any:
    def read(words: list[str]) -> tuple[Any, Any]:
        try:
            return parse_range(words[0], kind)
        except MemrnnError as error:
            raise ValueError(str(error)) from error

    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="LOW:HIGH",
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, tuple) and len(value) == 2,
        str_from_instance=lambda value: [format_range(value)],
    )


CONFIG = options_class(TrainingConfig, [one.name for one in dataclasses.fields(TrainingConfig)])
