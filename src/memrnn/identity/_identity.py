"""What a named thing means, and the seeds that follow from meanings.

A meaning is a JSON object, equal in every process and on every machine. What memrnn defines is
identified by its name, its options and the class attribute `revision`, which grows when the same
name and options mean something else than before. What a user defines is identified by its
definition (`memrnn.runtime.sources.definition_of`) and by what it does on fixed input
(`memrnn.identity._behaviour`, `memrnn.languages.language_behaviour`), too: neither sees all. A
definition does not see data files and installed packages, fixed input does not see all cases.
"""

import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from memrnn.identity._behaviour import controller_behaviour, memory_behaviour
from memrnn.languages import (
    Language,
    canonical_language_name,
    get_language,
    language_behaviour,
    language_factory,
)
from memrnn.nn.controllers import CONTROLLERS, Controller
from memrnn.nn.memories import MEMORIES, Memory
from memrnn.nn.models import get_model
from memrnn.runtime.digests import canonical_json
from memrnn.runtime.sources import definition_of, is_built_in


def identity_of(thing: Any, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a thing of this name and these options means.

    Args:
        thing: a language; a class of memories or controllers; or any other class, as of a task,
            of which no behaviour is known.
        name: how configurations call it.
        options: what it is built with, as JSON can hold it: keyword arguments of a memory's
            constructor beside `hidden_size` and `rng`.

    Returns:
        `name`, `options` and `revision`; and for what a user defined `definition` and
        `behaviour`, digests or null where there is no source or no fixed input.

    Raises:
        MemrnnError: if the thing draws from anything but the generator that it is given, or if a
            language gives a wrong result.
    """
    if isinstance(thing, Language):
        return _identity(
            [type(thing)], name, options, thing.revision, lambda: language_behaviour(thing)
        )
    revision: int = getattr(thing, "revision", 1)  # tasks, and things that need no base class
    behaviour: Callable[[], str | None] = lambda: None  # noqa: E731
    if inspect.isclass(thing) and issubclass(thing, Memory):
        behaviour = functools.partial(memory_behaviour, thing, options)
    elif inspect.isclass(thing) and issubclass(thing, Controller):
        behaviour = functools.partial(controller_behaviour, thing)
    return _identity([thing], name, options, revision, behaviour)


def language_identity(name: str) -> dict[str, Any]:
    """The meaning of the language that `get_language` gives for a name.

    The definition is that of what was registered and of the language's class.

    Raises:
        MemrnnError: as `get_language` and `identity_of`.
    """
    language, factory = get_language(name), language_factory(name)
    return _identity(
        [factory, type(language)],
        canonical_language_name(name),
        {},
        language.revision,
        lambda: language_behaviour(language),
    )


def model_identity(name: str) -> dict[str, Any]:
    """The meaning of the model that `get_model` gives for a name: of its components.

    Raises:
        MemrnnError: as `get_model` and `identity_of`.
    """
    model = get_model(name).canonical()
    controller, memory = CONTROLLERS[model.controller], MEMORIES[model.memory]
    return {
        "controller": identity_of(controller, model.controller, {}),
        "memory": identity_of(memory, model.memory, model.options),
        "hidden_size": model.hidden_size,
    }


def restart_seed(study_seed: int, task: Mapping[str, Any], model: str, restart: int) -> int:
    """The seed of a restart, shared by freezing modes only: 63 bits of a SHA-256.

    Args:
        study_seed: the seed that the user gave.
        task: the task's identity, as JSON can hold it.
        model: the model's canonical name.
        restart: the restart's number.
    """
    content = canonical_json([study_seed, task, model, restart])
    return int.from_bytes(hashlib.sha256(content.encode()).digest()[:8]) >> 1


def _identity(
    things: Sequence[Any],
    name: str,
    options: Mapping[str, Any],
    revision: int,
    behaviour: Callable[[], str | None],
) -> dict[str, Any]:
    meaning: dict[str, Any] = {"name": name, "options": dict(options), "revision": revision}
    own = [thing for thing in things if not is_built_in(thing)]
    if own:
        meaning["definition"] = "+".join(filter(None, map(definition_of, own))) or None
        meaning["behaviour"] = behaviour()
    return meaning
