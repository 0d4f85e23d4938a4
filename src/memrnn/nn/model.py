"""What a network is made of: controller, memory, sizes and options."""

import dataclasses
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from memrnn.errors import MemrnnError
from memrnn.nn.controllers import CONTROLLERS
from memrnn.nn.initialisation import SCALE
from memrnn.nn.memories import MEMORIES
from memrnn.nn.network import Embedding, Network, OutputLayer
from memrnn.runtime.digests import canonical_json

HIDDEN_SIZE = 20
"""Number of hidden units of a controller where a name gives none."""


@dataclasses.dataclass(frozen=True)
class Model:
    """What a network is made of, before it is sized for a task and given parameters.

    Attributes:
        controller: a name in `memrnn.CONTROLLERS`.
        memory: a name in `memrnn.MEMORIES`.
        hidden_size: number of hidden units of the controller.
        options: keyword arguments of the memory's constructor, as JSON can hold them.
        controller_options: the same of the controller's constructor.

    Examples:
        >>> import memrnn
        >>> model = memrnn.Model("gru", "superposition", hidden_size=8, options={"sizes": (3,)})
        >>> network = model.build(memrnn.OneHot(3), classes=4, seed=0)
        >>> network.memory.reading_size
        3
    """

    controller: str = "lstm"
    memory: str = "none"
    hidden_size: int = HIDDEN_SIZE
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    controller_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, name, known in (
            ("controller", self.controller, CONTROLLERS),
            ("memory", self.memory, MEMORIES),
        ):
            if name not in known:
                raise MemrnnError(f"There is no {kind} {name!r}; there are {', '.join(known)}.")
        if self.hidden_size < 1:
            raise MemrnnError(f"hidden_size is {self.hidden_size}, but must be at least 1.")
        known = controller_options(self.controller)
        for name in self.controller_options:
            if name not in known:
                there_are = f"there are {', '.join(known)}" if known else "there are none"
                raise MemrnnError(
                    f"The controller {self.controller!r} has no option {name!r}; {there_are}."
                )

    def build(self, embedding: Embedding, classes: int, seed: int) -> Network:
        """A network with fresh parameters.

        Each component draws from a stream of its own, so two models with the same controller and
        seed start with the same controller if their readings have the same length.

        Args:
            embedding: of the task's inputs.
            classes: number of outputs.
            seed: from which all parameters are drawn.
        """
        streams = [
            np.random.default_rng(child)
            for child in np.random.SeedSequence(seed, spawn_key=(0,)).spawn(3)
        ]
        memory = MEMORIES[self.memory](self.hidden_size, rng=streams[1], **self.options)
        controller = CONTROLLERS[self.controller](
            embedding.size + memory.reading_size,
            self.hidden_size,
            scale=SCALE,
            rng=streams[0],
            **self.controller_options,
        )
        output = OutputLayer(self.hidden_size, classes, rng=streams[2])
        return Network(embedding, controller, memory, output)

    def canonical(self) -> "Model":
        """The model with options as JSON has them, without those that have their default value.

        Equal for models that build equal networks.
        """
        return dataclasses.replace(
            self,
            options=_without_defaults(MEMORIES[self.memory], self.options),
            controller_options=_without_defaults(
                CONTROLLERS[self.controller], self.controller_options
            ),
        )


def controller_options(controller: str) -> tuple[str, ...]:
    """The options of a controller: the named arguments of its constructor beside those of all."""
    parameters = inspect.signature(CONTROLLERS[controller]).parameters.values()
    named = [one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY]
    return tuple(name for name in named if name not in ("scale", "rng"))


def _without_defaults(
    constructor: Callable[..., Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Options as JSON has them, without those that have their default value."""
    parameters = inspect.signature(constructor).parameters
    values: dict[str, Any] = json.loads(canonical_json(dict(options)))
    return {
        key: value
        for key, value in values.items()
        if key not in parameters or not _equal_in_json(value, parameters[key].default)
    }


def _equal_in_json(value: Any, default: Any) -> bool:
    try:
        return canonical_json(value) == canonical_json(default)
    except MemrnnError:  # there is no default, or none that JSON can hold
        return False
