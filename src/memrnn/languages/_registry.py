"""Languages by name."""

import inspect
from collections.abc import Callable

from memrnn.errors import MemrnnError
from memrnn.languages._behaviour import language_behaviour
from memrnn.languages._language import Language
from memrnn.runtime.sources import definition_of, is_built_in

_FACTORIES: dict[str, Callable[..., Language]] = {}


def register_language(name: str, factory: Callable[..., Language]) -> None:
    """Makes a language known to `get_language`.

    Args:
        name: Its name, without parameters.
        factory: Builds it. Its parameters, all whole numbers with defaults, can be given by name:
            `name:k=5`.

    Registering the same again changes nothing, as when a file is imported twice.

    Raises:
        MemrnnError: If another language has the name, or if the name is empty or holds a colon,
            comma, slash or space.
    """
    if not name or any(character in name for character in ":,/ "):
        raise MemrnnError(
            f"{name!r} cannot name a language; choose a name without colon, comma, slash and space."
        )
    if not is_built_in(factory):
        definition_of(factory)  # read now, before the file is edited
    if name not in _FACTORIES:
        _FACTORIES[name] = factory
    elif not _same(_FACTORIES[name], factory):
        raise MemrnnError(
            f"There is a language named {name} already, with another meaning; choose another name, "
            "or start a new process."
        )


def language_names() -> tuple[str, ...]:
    """The names of all languages, in the order in which they were registered."""
    return tuple(_FACTORIES)


def get_language(name: str) -> Language:
    """The language of a name, with parameters after a colon if any.

    >>> get_language("marked-copy").symbols
    ('0', '1', '#')
    >>> get_language("marked-copy:k=3").symbols
    ('0', '1', '2', '#')

    Raises:
        MemrnnError: If there is no such language, or no such parameter or value.
    """
    factory, parameters = _parse(name)
    try:
        return factory(**parameters)
    except ValueError as error:
        raise MemrnnError(f"There is no language {name}: {error}") from None


def language_factory(name: str) -> Callable[..., Language]:
    """What was registered to build the language of a name.

    Raises:
        MemrnnError: As `get_language`.
    """
    return _parse(name)[0]


def canonical_language_name(name: str) -> str:
    """The one name of a language among all that `get_language` takes.

    Parameters stand in the order of the factory's, without those that have their default value.
    A factory that was registered under several names is called by the first.

    >>> canonical_language_name("marked-copy:k=2")
    'marked-copy'

    Raises:
        MemrnnError: As `get_language`.
    """
    get_language(name)
    factory, given = _parse(name)
    first = next(other for other, known in _FACTORIES.items() if known is factory)
    parameters = inspect.signature(factory).parameters
    kept = [
        f"{key}={given[key]}"
        for key, parameter in parameters.items()
        if key in given and given[key] != parameter.default
    ]
    return f"{first}:{','.join(kept)}" if kept else first


def _parse(name: str) -> tuple[Callable[..., Language], dict[str, int]]:
    """The factory and its arguments."""
    base, colon, settings = name.partition(":")
    if base not in _FACTORIES:
        raise MemrnnError(
            f"There is no language named {base!r}; choose one of {', '.join(_FACTORIES)}."
        )
    factory = _FACTORIES[base]
    parameters: dict[str, int] = {}
    for setting in settings.split(",") if colon else ():
        key, _, value = setting.partition("=")
        allowed = tuple(inspect.signature(factory).parameters)
        if key not in allowed or key in parameters:
            raise MemrnnError(f"{setting!r} is not a parameter of {base}; {_usage(base, allowed)}.")
        if not value.removeprefix("-").isdecimal():
            raise MemrnnError(
                f"The parameter {key} of {base} cannot be {value!r}; give a whole number."
            )
        parameters[key] = int(value)
    return factory, parameters


def _same(one: Callable[..., Language], other: Callable[..., Language]) -> bool:
    """Whether two factories build the same: equal sources, and equal results by default.

    Equal sources do not suffice, since functions made in a loop differ in what they enclose.
    """
    if one is other:
        return True
    if definition_of(one) != definition_of(other):
        return False
    return language_behaviour(one()) == language_behaviour(other())


def _usage(base: str, allowed: tuple[str, ...]) -> str:
    if not allowed:
        return "it takes none"
    return f"write {base}:{','.join(f'{key}=NUMBER' for key in allowed)}"
