"""Networks by name: the names of the literature, and names that users register."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from memrnn._init import SCALE
from memrnn.controllers import CONTROLLERS, Controller
from memrnn.errors import MemrnnError
from memrnn.memories import MEMORIES, Memory
from memrnn.network import Network, OneHot, OutputLayer


@dataclass(frozen=True)
class Model:
    """What a network is made of, before it is sized for a language and given parameters.

    Attributes:
        controller: a name in `memrnn.CONTROLLERS`.
        memory: a name in `memrnn.MEMORIES`.
        hidden_size: number of hidden units of the controller.
        options: keyword arguments of the memory's constructor, as JSON can hold them.
    """

    controller: str = "lstm"
    memory: str = "none"
    hidden_size: int = 20
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, name, known in (
            ("controller", self.controller, CONTROLLERS),
            ("memory", self.memory, MEMORIES),
        ):
            if name not in known:
                raise MemrnnError(f"There is no {what} {name!r}; there are {', '.join(known)}.")
        if self.hidden_size < 1:
            raise MemrnnError(f"hidden_size is {self.hidden_size}, but must be at least 1.")

    def build(self, symbols: int, seed: int) -> Network:
        """A network with fresh parameters for an alphabet of `symbols` symbols.

        Each part draws from a stream of its own, so two models with the same controller and
        seed start with the same controller if their readings have the same length.
        """
        streams = [
            np.random.default_rng(child)
            for child in np.random.SeedSequence(seed, spawn_key=(0,)).spawn(3)
        ]
        memory = MEMORIES[self.memory](self.hidden_size, rng=streams[1], **self.options)
        controller = CONTROLLERS[self.controller](
            symbols + memory.reading_size, self.hidden_size, scale=SCALE, rng=streams[0]
        )
        output = OutputLayer(self.hidden_size, symbols + 1, rng=streams[2])
        return Network(OneHot(symbols), controller, memory, output)


_REGISTERED: dict[str, Model] = {}

_CONTROLLER = re.compile(r"(?P<name>[a-z][a-z0-9_]*)(?:-(?P<hidden>[1-9]\d*))?")


@dataclass(frozen=True)
class _Family:
    """Names of one kind of memory, as in `jm-3.3.3` or `rns-4-5:window=35`.

    Attributes:
        memory: a name in `memrnn.MEMORIES`.
        pattern: what follows the family's name and a hyphen.
        options: the options that the parts of the pattern make.
        further: options that can follow a colon.
    """

    memory: str
    pattern: str
    options: Callable[..., dict[str, Any]]
    further: tuple[str, ...] = ()


def _sizes(sizes: str) -> dict[str, Any]:
    return {"sizes": sizes if sizes == "hidden" else [int(size) for size in sizes.split(".")]}


def _numbers(*names: str) -> Callable[..., dict[str, Any]]:
    return lambda *values: dict(zip(names, map(int, values), strict=True))


_NUMBER = r"([1-9]\d*)"
_FAMILIES = {
    "jm": _Family("superposition", r"(hidden|[1-9]\d*(?:\.[1-9]\d*)*)", _sizes, ("depth_limit",)),
    "strat": _Family("stratification", _NUMBER, _numbers("size")),
    "rns": _Family(
        "nondeterministic", f"{_NUMBER}-{_NUMBER}", _numbers("states", "symbols"), ("window",)
    ),
    "vrns": _Family(
        "vector_nondeterministic",
        f"{_NUMBER}-{_NUMBER}-{_NUMBER}",
        _numbers("states", "symbols", "size"),
        ("window", "bottom_vector", "bottom_scope"),
    ),
}

PRESETS: dict[str, str] = {
    "elman": "simple recurrent network, no memory",
    "gru": "gated recurrent unit, no memory",
    "lstm": "long short-term memory, no memory beside it",
    "jm-10": "superposition stack of learned vectors of length 10",
    "jm-3.3.3": "three superposition stacks of learned vectors of length 3",
    "jm-hidden": "superposition stack of hidden states",
    "strat-10": "stratification stack of learned vectors of length 10",
    "rns-3-3": "nondeterministic stack, 3 states, 3 symbols",
    "rns-4-5": "nondeterministic stack, 4 states, 5 symbols",
    "vrns-3-3-5": "the same with 3 and 3, and vectors of length 5",
}
"""The presets that `memrnn models` lists; `get_model` says which further names there are."""

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


def register_memory(name: str, memory: type[Memory]) -> None:
    """Makes a memory of one's own known, so that models, checkpoints and commands can name it."""
    if MEMORIES.get(name, memory) is not memory:
        raise MemrnnError(f"There is a memory {name!r} already; choose another name.")
    MEMORIES[name] = memory


def register_controller(name: str, controller: type[Controller]) -> None:
    """Makes a controller of one's own known, so that models, checkpoints and commands can name it.

    Its name stands where `lstm` does: `NAME`, `NAME-32`, `NAME-32+jm-10`.

    Raises:
        MemrnnError: for a name that is taken or cannot stand there.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise MemrnnError(
            f"A controller cannot be named {name!r}; take small letters, digits and underscores, "
            "a letter first."
        )
    if name in _FAMILIES or CONTROLLERS.get(name, controller) is not controller:
        raise MemrnnError(
            f"There is a controller or a memory {name!r} already; choose another name."
        )
    CONTROLLERS[name] = controller


def register_model(name: str, model: Model) -> None:
    """Gives a model a name, for `get_model` and for the command line."""
    if name in PRESETS:
        raise MemrnnError(f"{name!r} is a preset already; choose another name.")
    _REGISTERED[name] = model


def model_names() -> dict[str, str]:
    """Every listed model with one line about it: the presets, then the registered ones."""
    registered = {
        name: f"{model.controller} with memory {model.memory}, registered by the user"
        for name, model in _REGISTERED.items()
    }
    own = dict.fromkeys(_own_controllers(), "controller, registered by the user")
    return PRESETS | own | registered


def get_model(name: str) -> Model:
    """The model of this name.

    Args:
        name: a registered name; a controller (`elman`, `gru`, `lstm` or a registered one), with
            `-N` for N hidden units instead of 20; or a memory, with `CONTROLLER+` in front if not
            `lstm`: `jm-10`, `jm-3.3.3`, `jm-hidden`, `strat-10`, `rns-3-3`, `vrns-3-3-5`,
            `gru+jm-10`, `lstm-256+rns-4-5:window=35`.

    Raises:
        MemrnnError: for any other name.
    """
    if name in _REGISTERED:
        return _REGISTERED[name]
    front, _, last = name.rpartition("+")
    family, _, rest = last.partition("-")
    if family not in _FAMILIES:
        front, last = name, ""
    controller = _CONTROLLER.fullmatch(front or "lstm")
    if controller is None or controller["name"] not in CONTROLLERS or not name:
        raise _unknown(name)
    hidden_size = int(controller["hidden"] or 20)
    if not last:
        return Model(controller["name"], "none", hidden_size)
    sizes, _, further = rest.partition(":")
    parsed = re.fullmatch(_FAMILIES[family].pattern, sizes)
    if parsed is None:
        raise _unknown(name)
    options = _FAMILIES[family].options(*parsed.groups())
    for option in filter(None, further.split(",")):
        key, _, value = option.partition("=")
        if key not in _FAMILIES[family].further or not value:
            raise _unknown(name)
        options[key] = int(value) if value.isdecimal() else value
    return Model(controller["name"], _FAMILIES[family].memory, hidden_size, options)


def _own_controllers() -> list[str]:
    return [name for name in CONTROLLERS if name not in PRESETS]


def _unknown(name: str) -> MemrnnError:
    registered = ", ".join([*_REGISTERED, *_own_controllers()])
    registered = f"; registered: {registered}" if registered else ""
    return MemrnnError(
        f"There is no model {name!r}; there are {GRAMMAR}{registered}. "
        "A model of your own must be registered first."
    )
