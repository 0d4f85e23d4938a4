"""Networks by name: the names of the literature, and names that users register."""

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from memrnn.errors import MemrnnError
from memrnn.nn._init import SCALE
from memrnn.nn.controllers import CONTROLLERS, Controller
from memrnn.nn.memories import MEMORIES, Memory
from memrnn.nn.model_grammar import (
    GRAMMAR,
    HIDDEN_SIZE,
    Parts,
    can_name_controller,
    controller_in,
    parse,
    spell,
)
from memrnn.nn.network import Embedding, Network, OutputLayer
from memrnn.runtime.digests import canonical_json
from memrnn.runtime.sources import definition_of, is_built_in


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
    hidden_size: int = HIDDEN_SIZE
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

    def build(self, embedding: Embedding, classes: int, seed: int) -> Network:
        """A network with fresh parameters.

        Args:
            embedding: of the task's inputs.
            classes: number of outputs.

        Each component draws from a stream of its own, so two models with the same controller and
        seed start with the same controller if their readings have the same length.
        """
        streams = [
            np.random.default_rng(child)
            for child in np.random.SeedSequence(seed, spawn_key=(0,)).spawn(3)
        ]
        memory = MEMORIES[self.memory](self.hidden_size, rng=streams[1], **self.options)
        controller = CONTROLLERS[self.controller](
            embedding.size + memory.reading_size, self.hidden_size, scale=SCALE, rng=streams[0]
        )
        output = OutputLayer(self.hidden_size, classes, rng=streams[2])
        return Network(embedding, controller, memory, output)


_REGISTERED: dict[str, Model] = {}

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


def register_memory(name: str, memory: type[Memory]) -> None:
    """Makes a memory of one's own known, so that models, checkpoints and commands can name it.

    Registering the same again changes nothing, as when a file is imported twice.

    Raises:
        MemrnnError: if another memory has the name.
    """
    _register(MEMORIES, "memory", name, memory)


def register_controller(name: str, controller: type[Controller]) -> None:
    """Makes a controller of one's own known; `NAME`, `NAME-64` and `NAME+jm-10` are then models.

    Registering the same again changes nothing, as when a file is imported twice.

    Raises:
        MemrnnError: if the name is not made of lower-case letters, digits and underscores, or if
            it means something else already.
    """
    if not can_name_controller(name):
        raise MemrnnError(
            f"{name!r} cannot name a controller; choose a name of lower-case letters, digits and "
            "underscores that begins with a letter and is no kind of stack (jm, strat, rns, vrns)."
        )
    for model in _REGISTERED if name not in CONTROLLERS else ():
        if controller_in(model) == name:
            raise MemrnnError(
                f"{model!r} would mean another model with a controller {name!r}; choose another "
                "name."
            )
    _register(CONTROLLERS, "controller", name, controller)


def register_model(name: str, model: Model) -> None:
    """Gives a model a name, for `get_model` and for the command line.

    Registering an equal model again changes nothing, as when a file is imported twice.

    Raises:
        MemrnnError: if the name means another model already, or is no name.
    """
    if not name or any(character in name for character in ",/ "):
        raise MemrnnError(
            f"{name!r} cannot name a model; choose a name without comma, slash and space."
        )
    try:
        known = get_model(name)
    except MemrnnError:
        _REGISTERED[name] = model
        return
    if parts_of(known) != parts_of(model):
        raise MemrnnError(f"{name!r} names another model already; choose another name.")


def _register(registry: dict[str, Any], what: str, name: str, thing: Any) -> None:
    if not is_built_in(thing):
        definition_of(thing)  # read now, before the file is edited
    if name not in registry:
        registry[name] = thing
        return
    known = registry[name]
    same = definition_of(known) is not None and definition_of(known) == definition_of(thing)
    if known is not thing and not same:
        raise MemrnnError(
            f"There is a {what} {name!r} already, with another meaning; choose another name, or "
            "start a new process."
        )


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
    parts = parse(name)
    if parts is None:
        raise _unknown(name)
    return Model(*parts)


def canonical_name(name: str) -> str:
    """The one name of a model among all that `get_model` takes.

    It is the shortest: without the controller `lstm` before a memory, without `-20`, without
    options that have their default value; options stand in a fixed order. A registered model that
    can be written so is called so; another one by the name that was registered first.

    >>> canonical_name("lstm-20+rns-4-5:window=35")
    'rns-4-5:window=35'

    Raises:
        MemrnnError: as `get_model`.
    """
    parts = parts_of(get_model(name))
    same = (known for known, model in _REGISTERED.items() if parts_of(model) == parts)
    # A model that the grammar cannot spell is a registered one.
    return spell(parts) or next(same)


def parts_of(model: Model) -> Parts:
    """What a model is made of, equal for models that build equal networks.

    Options are as JSON has them, without those that have the default of the memory's constructor.
    """
    parameters = inspect.signature(MEMORIES[model.memory]).parameters
    given: dict[str, Any] = json.loads(canonical_json(dict(model.options)))
    options = {
        key: value
        for key, value in given.items()
        if key not in parameters or not _is(value, parameters[key].default)
    }
    return Parts(model.controller, model.memory, model.hidden_size, options)


def _is(value: Any, default: Any) -> bool:
    try:
        return canonical_json(value) == canonical_json(default)
    except MemrnnError:  # there is no default, or none that JSON can hold
        return False


def _own_controllers() -> list[str]:
    return [name for name in CONTROLLERS if name not in PRESETS]


def _unknown(name: str) -> MemrnnError:
    own = ", ".join([*_REGISTERED, *_own_controllers()])
    registered = f"; registered: {own}" if own else ""
    return MemrnnError(
        f"There is no model {name!r}; there are {GRAMMAR}{registered}. "
        "A model of your own must be registered first."
    )
