"""Options: dataclasses from JSON, TOML and flags, with one sentence about what is wrong."""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from memrnn.errors import MemrnnError

T = TypeVar("T")


def parse_range(text: str, kind: type = int) -> tuple[Any, Any]:
    """`40:80` as (40, 80), both inclusive.

    Raises:
        MemrnnError: if it is not two numbers in order.
    """
    try:
        low, high = map(kind, text.split(":"))
    except ValueError:
        example = "40:100" if kind is int else "0.0005:0.01"
        raise MemrnnError(
            f"{text!r} is not a range; write LOW:HIGH, for instance {example}."
        ) from None
    if low > high:
        raise MemrnnError(f"The range {text} is empty; the smaller number comes first.")
    return low, high


def format_range(bounds: tuple[Any, Any]) -> str:
    """(40, 80) as `40:80`."""
    return f"{bounds[0]}:{bounds[1]}"


def parse_duration(text: str) -> float:
    """`90s`, `9m` or `1.5h` in seconds.

    Raises:
        MemrnnError: if it is none of these, or not positive.
    """
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    try:
        seconds = float(text[:-1]) * units[text[-1:]]
    except (KeyError, ValueError):
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise MemrnnError(f"{text!r} is not a time; write a number with s, m or h, as in 9m.")
    return seconds


def added(default: Any) -> Any:
    """A field that came after runs were made: where it has its default, no identity holds it."""
    return dataclasses.field(default=default, metadata={"added": True})


def without_added(options: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a dataclass' fields without those of `added` ones that have their default."""
    left_out = {
        field.name
        for field in dataclasses.fields(options)
        if field.metadata.get("added") and getattr(options, field.name) == field.default
    }
    return {name: value for name, value in values.items() if name not in left_out}


def to_json(options: Any) -> dict[str, Any]:
    """The fields of a dataclass as JSON holds them."""
    return json.loads(json.dumps(dataclasses.asdict(options)))


def from_json(kind: type[T], values: Any, what: str) -> T:
    """A dataclass from JSON or TOML.

    Where a field is a pair of numbers, its value may be a range, `40:80`.

    Args:
        what: names the table in messages, for instance `[config]`.

    Raises:
        MemrnnError: for an unknown key, a missing one, a value of the wrong kind, or one that the
            class refuses.
    """
    if not isinstance(values, Mapping):
        raise MemrnnError(f"{what} must be a table of keys and values.")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := [key for key in values if key not in fields]:
        raise MemrnnError(f"{what} has no key {unknown[0]!r}; its keys are {', '.join(fields)}.")
    missing = [
        name
        for name, field in fields.items()
        if field.default is field.default_factory is dataclasses.MISSING and name not in values
    ]
    if missing:
        raise MemrnnError(f"{what} needs a value for {', '.join(missing)}.")
    hints = typing.get_type_hints(kind)
    plain = {name: _parse_ranges(value, hints[name]) for name, value in values.items()}
    try:
        return msgspec.convert(plain, kind)
    except MemrnnError:
        raise
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, MemrnnError):
            raise error.__cause__ from None
        message, _, path = str(error).partition(" - at `$.")
        raise MemrnnError(f"{what}: {message} in {path.rstrip('`')}.") from error


def parse_value(kind: type, name: str, text: str) -> Any:
    """The value of a field whose type is a number or a truth value, from its text.

    Any other text is returned as it is, for `from_json` to accept or to refuse.
    """
    try:
        return msgspec.convert(text, typing.get_type_hints(kind)[name], strict=False)
    except msgspec.ValidationError:
        return text


def without_none(hint: Any) -> Any:
    """The type T of `T | None`; any other type as it is."""
    kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
    return kinds[0] if isinstance(hint, types.UnionType) and len(kinds) == 1 else hint


def _parse_ranges(value: Any, hint: Any) -> Any:
    """Texts of ranges as pairs, where the type of the field is a pair or a tuple of pairs."""
    hint = without_none(hint)
    kinds = typing.get_args(hint)
    if typing.get_origin(hint) is not tuple:
        return value
    if isinstance(value, str) and len(kinds) == 2 and kinds[0] in (int, float):
        return parse_range(value, kinds[0])
    if isinstance(value, list | tuple) and kinds[-1] is Ellipsis:
        return [_parse_ranges(item, kinds[0]) for item in value]
    return value
