"""How names such as `gru-40+rns-4-5:window=35` say what a model is made of."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from memrnn.nn.controllers import CONTROLLERS

HIDDEN_SIZE = 20
"""Number of hidden units of a controller where a name gives none."""

_CONTROLLER_NAME = r"[a-z][a-z0-9_]*"
_CONTROLLER = re.compile(rf"(?P<name>{_CONTROLLER_NAME})(?:-(?P<hidden>[1-9]\d*))?")


class Parts(NamedTuple):
    """What a name says; see `memrnn.Model`."""

    controller: str
    memory: str
    hidden_size: int
    options: Mapping[str, Any]


@dataclass(frozen=True)
class _Family:
    """Names of one kind of memory, as in `jm-3.3.3` or `rns-4-5:window=35`.

    Attributes:
        memory: a name in `memrnn.MEMORIES`.
        pattern: what follows the family's name and a hyphen.
        names: the options that the groups of the pattern give, in order.
        further: options that can follow a colon.
    """

    memory: str
    pattern: str
    names: tuple[str, ...]
    further: tuple[str, ...] = ()


_NUMBER = r"([1-9]\d*)"
_FAMILIES = {
    "jm": _Family(
        "superposition", r"(hidden|[1-9]\d*(?:\.[1-9]\d*)*)", ("sizes",), ("depth_limit",)
    ),
    "strat": _Family("stratification", _NUMBER, ("size",)),
    "rns": _Family("nondeterministic", f"{_NUMBER}-{_NUMBER}", ("states", "symbols"), ("window",)),
    "vrns": _Family(
        "vector_nondeterministic",
        f"{_NUMBER}-{_NUMBER}-{_NUMBER}",
        ("states", "symbols", "size"),
        ("window", "bottom_vector", "bottom_scope"),
    ),
}

GRAMMAR = (
    "elman, gru or lstm, with a number of hidden units if not 20 (lstm-256); jm-M1.M2... or "
    "jm-hidden, strat-M, rns-STATES-SYMBOLS, vrns-STATES-SYMBOLS-M for stacks, with a controller "
    "in front if not lstm (gru+jm-10, lstm-256+rns-4-5) and options behind a colon: "
    + "; ".join(
        f"{name}: {', '.join(family.further)}"
        for name, family in _FAMILIES.items()
        if family.further
    )
    + " (rns-4-5:window=35)"
)


def parse(name: str) -> Parts | None:
    """What a name says, None where it is none of the grammar."""
    front, last = _cut(name)
    controller = _CONTROLLER.fullmatch(front or "lstm")
    if controller is None or controller["name"] not in CONTROLLERS or not name:
        return None
    hidden_size = int(controller["hidden"] or HIDDEN_SIZE)
    if not last:
        return Parts(controller["name"], "none", hidden_size, {})
    prefix, _, rest = last.partition("-")
    family = _FAMILIES[prefix]
    sizes, _, further = rest.partition(":")
    parsed = re.fullmatch(family.pattern, sizes)
    if parsed is None:
        return None
    options = {
        key: _sizes(text) if key == "sizes" else int(text)
        for key, text in zip(family.names, parsed.groups(), strict=True)
    }
    for option in filter(None, further.split(",")):
        key, _, value = option.partition("=")
        if key not in family.further or not value:
            return None
        options[key] = int(value) if value.isdecimal() else value
    return Parts(controller["name"], family.memory, hidden_size, options)


def spell(parts: Parts) -> str | None:
    """The shortest name that says this, with options in a fixed order; None where there is none."""
    size = "" if parts.hidden_size == HIDDEN_SIZE else f"-{parts.hidden_size}"
    front = f"{parts.controller}{size}"
    name = front
    if parts.memory != "none":
        memory = _spell_memory(parts.memory, parts.options)
        name = f"{front}+{memory}" if front != "lstm" else str(memory)
    # The name says the same, or there is none: an option may be one that names cannot give.
    return name if parse(name) == parts else None


def controller_in(name: str) -> str | None:
    """The controller that a name would begin with if there were one of this name."""
    front, last = _cut(name)
    found = _CONTROLLER.fullmatch(front or ("lstm" if last else ""))
    return found and found["name"]


def can_name_controller(name: str) -> bool:
    """Whether `NAME`, `NAME-64` and `NAME+jm-10` can be parsed."""
    return re.fullmatch(_CONTROLLER_NAME, name) is not None and name not in _FAMILIES


def _cut(name: str) -> tuple[str, str]:
    """The controller and the memory, each empty where the name has none."""
    front, _, last = name.rpartition("+")
    return (front, last) if last.partition("-")[0] in _FAMILIES else (name, "")


def _sizes(text: str) -> Any:
    return text if text == "hidden" else [int(size) for size in text.split(".")]


def _spell_memory(memory: str, options: Mapping[str, Any]) -> str | None:
    for prefix, family in _FAMILIES.items():
        if family.memory == memory and set(family.names) <= set(options):
            sizes = [options[name] for name in family.names]
            text = "-".join(".".join(map(str, n)) if isinstance(n, list) else str(n) for n in sizes)
            further = ",".join(f"{key}={options[key]}" for key in family.further if key in options)
            return f"{prefix}-{text}:{further}" if further else f"{prefix}-{text}"
    return None
