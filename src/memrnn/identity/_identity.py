"""Identities: what names stand for, as JSON that is equal in every process and on every machine.

What memrnn defines is identified by its name, its options and the class attribute `revision`, which
grows when the same name and options stand for something else than before. What a user defines is
identified also by its definition (`memrnn.runtime.sources.definition_of`) and by its behaviour on
fixed input (`module_behaviour`, `memrnn.languages.language_behaviour`), since neither sees all: a
definition does not see data files and installed packages, fixed input does not see all cases.
"""

import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from memrnn.identity._behaviour import module_behaviour
from memrnn.languages import (
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


def identity_of(kind: Any, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The identity of a class with options.

    Args:
        kind: a memory, a controller, or any other class, as of a task.
        name: how configurations call it.
        options: what it is built with, as JSON can hold it: keyword arguments of a memory's
            constructor beside `hidden_size` and `rng`.

    Returns:
        `name`, `options` and `revision`; and for what a user defined `definition` and
        `behaviour`, digests or null where there is no source or no fixed input.

    Raises:
        MemrnnError: if a memory or controller draws from anything but the generator it is given.
    """
    revision: int = getattr(kind, "revision", 1)  # a class may have no base class of memrnn
    behaviour = None
    if inspect.isclass(kind) and issubclass(kind, Memory | Controller):
        behaviour = functools.partial(module_behaviour, kind, options)
    return _identity([kind], name, options, revision, behaviour)


def language_identity(name: str) -> dict[str, Any]:
    """The identity of the language that `get_language` gives for a name.

    The definition is that of what was registered and of the language's class. A language that data
    define has a digest of them as `source`.

    Raises:
        MemrnnError: as `get_language` and `language_behaviour`.
    """
    language = get_language(name)
    identity = _identity(
        [language_factory(name), type(language)],
        canonical_language_name(name),
        {},
        language.revision,
        functools.partial(language_behaviour, language),
    )
    return identity | ({"source": language.source} if language.source else {})


def model_identity(name: str) -> dict[str, Any]:
    """The identity of the model that `get_model` gives for a name: of its components.

    Raises:
        MemrnnError: as `get_model` and `identity_of`.
    """
    model = get_model(name).canonical()
    controller, memory = CONTROLLERS[model.controller], MEMORIES[model.memory]
    return {
        "controller": identity_of(controller, model.controller, model.controller_options),
        "memory": identity_of(memory, model.memory, model.options),
        "hidden_size": model.hidden_size,
    }


def restart_seed(study_seed: int, task: Mapping[str, Any], model: str, restart: int) -> int:
    """The seed of a restart, shared by freezing modes only: 63 bits of a SHA-256.

    Args:
        study_seed: the seed that the user gave.
        task: the task's identity.
        model: the model's canonical name.
        restart: the restart's number.
    """
    content = canonical_json([study_seed, task, model, restart])
    return int.from_bytes(hashlib.sha256(content.encode()).digest()[:8]) >> 1


def _identity(
    definers: list[Any],
    name: str,
    options: Mapping[str, Any],
    revision: int,
    behaviour: Callable[[], str] | None,
) -> dict[str, Any]:
    """An identity; `definers` are the classes and functions that define what has the name."""
    identity: dict[str, Any] = {"name": name, "options": dict(options), "revision": revision}
    own = [definer for definer in definers if not is_built_in(definer)]
    if own:
        identity["definition"] = "+".join(filter(None, map(definition_of, own))) or None
        identity["behaviour"] = behaviour and behaviour()
    return identity
