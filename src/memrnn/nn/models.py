"""Models by name: the names of the literature such as `jm-10`, and names that users register.

A name such as `gru-40+rns-4-5:window=35` says controller, hidden units, memory and options;
`lstm:discrete+jm-3.3.3:hard` has an option of the controller, too.
"""

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from memrnn.errors import MemrnnError
from memrnn.nn.controllers import CONTROLLERS, Controller
from memrnn.nn.memories import MEMORIES, Memory
from memrnn.nn.model import HIDDEN_SIZE, Model, controller_options
from memrnn.runtime.sources import definition_of, is_built_in

PRESETS: dict[str, str] = {
    "elman": "simple recurrent network, no memory",
    "gru": "gated recurrent unit, no memory",
    "lstm": "long short-term memory, no memory beside it",
    "lstm_capped": "the same with an input gate of at most one minus the forget gate",
    "jm-10": "superposition stack of learned vectors of length 10",
    "jm-3.3.3": "three superposition stacks of learned vectors of length 3",
    "jm-hidden": "superposition stack of hidden states",
    "strat-10": "stratification stack of learned vectors of length 10",
    "rns-3-3": "nondeterministic stack, 3 states, 3 symbols",
    "rns-4-5": "nondeterministic stack, 4 states, 5 symbols",
    "vrns-3-3-5": "the same with 3 and 3, and vectors of length 5",
}
"""The presets that `memrnn models` lists; `get_model` says which further names there are."""


class _Family(NamedTuple):
    """Names of one kind of memory, as in `jm-3.3.3` or `rns-4-5:window=35`."""

    memory: str  # a name in `memrnn.MEMORIES`
    pattern: str  # what follows the family's name and a hyphen
    required: tuple[str, ...]  # the options that the groups of the pattern give, in order
    optional: tuple[str, ...] = ()  # options that can follow a colon


_NUMBER = r"([1-9]\d*)"
_SIZES = r"[1-9]\d*(?:x[1-9]\d*)?"  # the size of a stack, or of several: 3, 3x16
_FAMILIES = {
    "jm": _Family(
        "superposition", rf"(hidden|{_SIZES}(?:\.{_SIZES})*)", ("sizes",), ("depth_limit", "hard")
    ),
    "strat": _Family("stratification", _NUMBER, ("size",)),
    "rns": _Family(
        "nondeterministic", f"{_NUMBER}-{_NUMBER}", ("states", "symbols"), ("window", "hard")
    ),
    "vrns": _Family(
        "vector_nondeterministic",
        f"{_NUMBER}-{_NUMBER}-{_NUMBER}",
        ("states", "symbols", "size"),
        ("window", "bottom_vector", "bottom_scope", "hard"),
    ),
}
_CONTROLLER_NAME = r"[a-z][a-z0-9_]*"
_CONTROLLER = re.compile(
    rf"(?P<name>{_CONTROLLER_NAME})(?:-(?P<hidden>[1-9]\d*))?(?::(?P<options>[^+]*))?"
)

GRAMMAR = (
    "elman, gru, lstm or lstm_capped, with a number of hidden units if not 20 (lstm-256), elman, "
    "gru and lstm with the option discrete (lstm:discrete); "
    "jm-M1.M2... (jm-3x16 for 16 stacks of size 3) or jm-hidden, strat-M, rns-STATES-SYMBOLS, "
    "vrns-STATES-SYMBOLS-M for stacks, "
    "with a controller in front if not lstm (gru+jm-10, lstm-256+rns-4-5) and options behind a "
    "colon: "
    + "; ".join(f"{name}: {', '.join(f.optional)}" for name, f in _FAMILIES.items() if f.optional)
    + " (rns-4-5:window=35, jm-10:hard)"
)


def _split(name: str) -> tuple[re.Match[str] | None, str]:
    """The controller that a name begins with, and the rest, empty for no memory."""
    front, _, memory = name.rpartition("+")
    if memory.partition("-")[0] not in _FAMILIES:
        front, memory = name, ""
    return _CONTROLLER.fullmatch(front or ("lstm" if memory else "")), memory


def _parse(name: str) -> Model | None:
    """The model of a name of the grammar, None for any other name."""
    controller, memory = _split(name)
    if controller is None or controller["name"] not in CONTROLLERS:
        return None
    hidden_size = int(controller["hidden"] or HIDDEN_SIZE)
    cell = controller["name"]
    own = _parse_options(controller["options"] or "", controller_options(cell), CONTROLLERS[cell])
    if own is None:
        return None
    if not memory:
        return Model(cell, "none", hidden_size, controller_options=own)
    prefix, _, rest = memory.partition("-")
    required, _, optional = rest.partition(":")
    family = _FAMILIES[prefix]
    match = re.fullmatch(family.pattern, required)
    if match is None:
        return None
    options: dict[str, Any] = {}
    for key, text in zip(family.required, match.groups(), strict=True):
        if key == "sizes":
            options[key] = text if text == "hidden" else _parse_sizes(text)
        else:
            options[key] = int(text)
    further = _parse_options(optional, family.optional, MEMORIES[family.memory])
    if further is None:
        return None
    return Model(cell, family.memory, hidden_size, options | further, own)


def _parse_sizes(text: str) -> list[int]:
    """The sizes of stacks: `3.3x2` is `3.3.3`."""
    parts = (part.partition("x") for part in text.split("."))
    return [int(size) for size, _, count in parts for _ in range(int(count or 1))]


def _parse_options(
    text: str, known: Sequence[str], constructor: Callable[..., Any]
) -> dict[str, Any] | None:
    """Options from `window=35,hard`; None if one is unknown.

    A name alone stands for true, of an option that is false by default; every other has a value.
    """
    parameters = inspect.signature(constructor).parameters
    options: dict[str, Any] = {}
    for option in filter(None, text.split(",")):
        key, _, value = option.partition("=")
        if key not in known or (parameters[key].default is False) != (option == key):
            return None
        if option != key and not value:
            return None
        options[key] = True if option == key else int(value) if value.isdecimal() else value
    return options


def _format_options(options: Mapping[str, Any], known: Sequence[str]) -> str:
    """What `_parse_options` reads, in the order of `known`, with a colon in front if any."""
    texts = [
        key if options[key] is True else f"{key}={options[key]}" for key in known if key in options
    ]
    return f":{','.join(texts)}" if texts else ""


def _format(model: Model) -> str | None:
    """The shortest name of a canonical model in the grammar, None where it has none."""
    size = "" if model.hidden_size == HIDDEN_SIZE else f"-{model.hidden_size}"
    own = _format_options(model.controller_options, controller_options(model.controller))
    name, options = f"{model.controller}{size}{own}", model.options
    for prefix, family in _FAMILIES.items():
        if family.memory == model.memory and set(family.required) <= set(options):
            values = [options[key] for key in family.required]
            sizes = [".".join(map(str, v)) if isinstance(v, list) else str(v) for v in values]
            memory = "-".join([prefix, *sizes]) + _format_options(options, family.optional)
            name = memory if name == "lstm" else f"{name}+{memory}"
    # There may be an option that names cannot give.
    return name if _parse(name) == model else None


# Registered names.

_REGISTERED: dict[str, Model] = {}


def register_memory(name: str, memory: type[Memory]) -> None:
    """Makes a memory known, so that models, checkpoints and commands can name it.

    Registering the same again changes nothing, as when a file is imported twice.

    Args:
        name: for `Model.memory`.
        memory: called as `memory(hidden_size, rng=rng, **options)`.

    Raises:
        MemrnnError: if another memory has the name.

    Examples:
        >>> import memrnn
        >>> class Stack(memrnn.MEMORIES["superposition"]):
        ...     pass
        >>> memrnn.register_memory("own_stack", Stack)
        >>> model = memrnn.Model("lstm", "own_stack", options={"sizes": (2,)})
        >>> model.build(memrnn.OneHot(3), classes=4, seed=0).memory.reading_size
        2
    """
    _register(MEMORIES, "memory", name, memory)


def register_controller(name: str, controller: type[Controller]) -> None:
    """Makes a controller known; `NAME`, `NAME-64` and `NAME+jm-10` are then models.

    Registering the same again changes nothing, as when a file is imported twice.

    Args:
        name: of lower-case letters, digits and underscores.
        controller: called as `controller(input_size, hidden_size, scale=scale, rng=rng)`; further
            keyword arguments are options of the model's name.

    Raises:
        MemrnnError: if the name is not made of lower-case letters, digits and underscores, or if
            it means something else already.

    Examples:
        >>> import memrnn
        >>> class Shifted(memrnn.CONTROLLERS["elman"]):
        ...     pass
        >>> memrnn.register_controller("shifted", Shifted)
        >>> memrnn.get_model("shifted-8+jm-3").controller
        'shifted'
    """
    if not re.fullmatch(_CONTROLLER_NAME, name) or name in _FAMILIES:
        raise MemrnnError(
            f"{name!r} cannot name a controller; choose a name of lower-case letters, digits and "
            "underscores that begins with a letter and is no kind of stack (jm, strat, rns, vrns)."
        )
    for model in _REGISTERED if name not in CONTROLLERS else ():
        match, _ = _split(model)
        if match and match["name"] == name:
            raise MemrnnError(
                f"{model!r} would mean another model with a controller {name!r}; choose another "
                "name."
            )
    _register(CONTROLLERS, "controller", name, controller)


def register_model(name: str, model: Model) -> None:
    """Gives a model a name, for `get_model` and for the command line.

    Registering an equal model again changes nothing, as when a file is imported twice.

    Args:
        name: without commas, slashes and spaces.
        model: what it stands for.

    Raises:
        MemrnnError: if the name means another model already, or is no name.

    Examples:
        >>> import memrnn
        >>> memrnn.register_model("wide-lstm", memrnn.Model("lstm", hidden_size=512))
        >>> memrnn.get_model("wide-lstm").hidden_size
        512
    """
    if not name or any(character in name for character in ",/ "):
        raise MemrnnError(
            f"{name!r} cannot name a model; choose a name without comma, slash and space."
        )
    known = _REGISTERED.get(name) or _parse(name)
    if known is None:
        _REGISTERED[name] = model
    elif known.canonical() != model.canonical():
        raise MemrnnError(f"{name!r} names another model already; choose another name.")


def _register(
    registry: dict[str, Callable[..., Any]], kind: str, name: str, component: type
) -> None:
    if not is_built_in(component):
        definition_of(component)  # read now, before the file is edited
    known = registry.setdefault(name, component)
    definition = definition_of(known)
    if known is not component and (definition is None or definition != definition_of(component)):
        raise MemrnnError(
            f"There is a {kind} {name!r} already, with another meaning; choose another name, or "
            "start a new process."
        )


def model_names() -> dict[str, str]:
    """Every listed model with one line about it: the presets, then the registered ones.

    Returns:
        By name, one line of text. Names of a family, as `jm-5`, are more than these.

    Examples:
        >>> import memrnn
        >>> memrnn.model_names()["gru"]
        'gated recurrent unit, no memory'
    """
    controllers = dict.fromkeys(_own_controllers(), "controller, registered by the user")
    models = {
        name: f"{model.controller} with memory {model.memory}, registered by the user"
        for name, model in _REGISTERED.items()
    }
    return PRESETS | controllers | models


def get_model(name: str) -> Model:
    """The model of this name.

    Args:
        name: a registered name; a controller (`elman`, `gru`, `lstm` or a registered one), with
            `-N` for N hidden units instead of 20; or a memory, with `CONTROLLER+` in front if not
            `lstm`: `jm-10`, `jm-3.3.3`, `jm-hidden`, `strat-10`, `rns-3-3`, `vrns-3-3-5`,
            `gru+jm-10`, `lstm-256+rns-4-5:window=35`, `elman:discrete+jm-10:hard`.

    Returns:
        What the name stands for; `Model.build` makes a network of it.

    Raises:
        MemrnnError: for any other name.

    Examples:
        >>> import memrnn
        >>> model = memrnn.get_model("lstm-256+jm-3.3")
        >>> model.controller, model.memory, model.hidden_size, model.options
        ('lstm', 'superposition', 256, {'sizes': [3, 3]})
    """
    model = _REGISTERED.get(name) or _parse(name)
    if model is None:
        own = ", ".join([*_REGISTERED, *_own_controllers()])
        raise MemrnnError(
            f"There is no model {name!r}; there are {GRAMMAR}"
            + (f"; registered: {own}" if own else "")
            + ". A model of your own must be registered first."
        )
    return model


def canonical_name(name: str) -> str:
    """The one name of a model among all that `get_model` takes.

    It is the shortest in the grammar, with options in a fixed order and without those that have
    their default value. A registered model that has none is called by its first registered name.

    >>> from memrnn.nn.models import canonical_name
    >>> canonical_name("lstm-20+rns-4-5:window=35")
    'rns-4-5:window=35'

    Raises:
        MemrnnError: as `get_model`.
    """
    model = get_model(name).canonical()
    same = (known for known, other in _REGISTERED.items() if other.canonical() == model)
    return _format(model) or next(same)


def continuous_name(name: str) -> str:
    """The canonical name of a model without options that make its values discrete.

    >>> from memrnn.nn.models import continuous_name
    >>> continuous_name("lstm:discrete+jm-3.3.3:hard")
    'jm-3.3.3'

    Raises:
        MemrnnError: as `get_model`.
    """
    model = get_model(name).canonical()
    less = continuous(model)
    return canonical_name(name) if less == model else _format(less) or canonical_name(name)


def continuous(model: Model) -> Model:
    """The model without options that make its values discrete; its parameters are the same.

    >>> from memrnn.nn.models import continuous, get_model
    >>> continuous(get_model("lstm:discrete+jm-3:hard")) == get_model("jm-3")
    True
    """
    model = model.canonical()
    return dataclasses.replace(
        model,
        options=_continuous_options(MEMORIES[model.memory], model.options),
        controller_options=_continuous_options(
            CONTROLLERS[model.controller], model.controller_options
        ),
    )


def _continuous_options(
    constructor: Callable[..., Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    names = getattr(constructor, "discrete_options", ())  # a function has none
    return {key: value for key, value in options.items() if key not in names}


def _own_controllers() -> list[str]:
    return [name for name in CONTROLLERS if name not in PRESETS]
