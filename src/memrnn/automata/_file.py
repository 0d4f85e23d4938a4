"""Machines as TOML files."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memrnn.automata._language import register_machine
from memrnn.automata._machine import Machine, rule
from memrnn.errors import MemrnnError
from memrnn.runtime.checkpoints import write_output

KEYS = ("name", "symbols", "stacks", "start", "rules")
RULE_KEYS = {
    "from": "sources",
    "read": "symbols",
    "to": "target",
    "top": "top",
    "push": "push",
    "pop": "pop",
}


def read_machine(path: str | Path) -> Machine:
    """The machine in a TOML file.

        name = "anbn"
        symbols = "a b"
        stacks = {count = "1"}
        start = "S"
        rules = [
            {from = "S", read = "a", to = "A"},
            {from = "A", read = "a", to = "A", push = {count = "1"}},
            {from = "A B", read = "b", top = {count = "1"}, to = "B", pop = "count"},
            {from = "A B", read = "b", top = {count = "empty"}, to = "E"},
            {from = "S E", read = "end"},
        ]

    Several names are a list, or one text with spaces between them. Without `name` the machine has
    that of the file.

    Args:
        path: of the file.

    Raises:
        MemrnnError: if it is no machine; the message says what is allowed.
        OSError: if it cannot be read.

    Examples:
        >>> from memrnn.automata import machine_of, read_machine, write_machine
        >>> write_machine(machine_of("count-3"), "count-3.toml")
        >>> read_machine("count-3.toml") == machine_of("count-3")
        True
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MemrnnError(f"{path} is not TOML: {error}.") from error
    try:
        return parse_machine({"name": path.stem, **values})
    except MemrnnError as error:
        raise MemrnnError(f"{path}: {error}") from error


def parse_machine(values: Mapping[str, Any]) -> Machine:
    """The machine that the keys and values of a TOML file declare.

    Args:
        values: with the keys that `read_machine` shows.

    Raises:
        MemrnnError: if it is no machine; the message says what is allowed.

    Examples:
        >>> import numpy as np
        >>> from memrnn.automata import parse_machine
        >>> rules = [{"from": "S", "read": "a", "to": "S"}, {"from": "S", "read": "end"}]
        >>> machine = parse_machine(
        ...     {"name": "a*", "symbols": "a", "stacks": {}, "start": "S", "rules": rules}
        ... )
        >>> machine.accepts(np.array([0, 0, 0]))
        True
    """
    _check_keys("A machine", values, KEYS)
    if missing := [key for key in KEYS if key not in values and key != "stacks"]:
        raise MemrnnError(f"A machine needs a value for {', '.join(missing)}.")
    rules = []
    for number, given in enumerate(_typed("rules", values["rules"], list), 1):
        what = f"Rule {number}"
        _check_keys(what, _typed(what, given, dict), tuple(RULE_KEYS))
        if "from" not in given or "read" not in given:
            raise MemrnnError(f"{what} needs a value for from and for read.")
        for key in ("from", "read", "pop"):
            if key in given:
                _texts(f"{key} of rule {number}", given[key])
        for key in ("top", "push"):
            for value in _typed(f"{key} of rule {number}", given.get(key, {}), dict).values():
                _texts(f"{key} of rule {number}", value)
        rules.append(rule(**{RULE_KEYS[key]: value for key, value in given.items()}))
    stacks = _typed("stacks", values.get("stacks", {}), dict)
    return Machine(
        _typed("name", values["name"], str),
        _texts("symbols", values["symbols"]),
        {name: _texts(f"the stack {name}", symbols) for name, symbols in stacks.items()},
        _typed("start", values["start"], str),
        tuple(rules),
    )


def write_machine(machine: Machine, path: str | Path) -> None:
    """Writes a machine as a TOML file that `read_machine` reads.

    Args:
        machine: any.
        path: of the file; one that is there is replaced, and its folder is made.

    Raises:
        OSError: if it cannot be written.

    Examples:
        >>> from pathlib import Path
        >>> from memrnn.automata import machine_of, write_machine
        >>> write_machine(machine_of("dyck"), "dyck.toml")
        >>> print(Path("dyck.toml").read_text().splitlines()[0])
        name = "dyck"
    """
    write_output(Path(path), _text(machine).encode())


def register_machine_file(path: Path) -> None:
    """Registers the machine in a TOML file, as `--import FILE.toml` does."""
    register_machine(read_machine(path))


def _text(machine: Machine) -> str:
    lines = [
        f"name = {_value(machine.name)}",
        f"symbols = {_value(machine.symbols)}",
        f"stacks = {_value(machine.stacks)}",
        f"start = {_value(machine.start)}",
        "rules = [",
    ]
    for each in machine.rules:
        fields: dict[str, Any] = {
            "from": each.sources,
            "read": each.symbols,
            "top": each.top,
            "to": each.target,
            "push": each.push,
            "pop": each.pop,
        }
        lines.append(f"    {_value({key: value for key, value in fields.items() if value})},")
    return "\n".join([*lines, "]", ""])


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{_value(key)} = {_value(each)}" for key, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _check_keys(what: str, values: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    if unknown := [key for key in values if key not in keys]:
        raise MemrnnError(f"{what} has no key {unknown[0]!r}; its keys are {', '.join(keys)}.")


def _typed(what: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        names = {list: "a list", dict: "a table", str: "a text"}
        raise MemrnnError(f"{what} must be {names[kind]}, not {value!r}.")
    return value


def _texts(what: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise MemrnnError(f"{what} must be a text or a list of texts, not {value!r}.")
    return tuple(value)
