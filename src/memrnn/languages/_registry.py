"""Languages by name."""

import inspect
from collections.abc import Callable

from memrnn.errors import MemrnnError
from memrnn.languages._language import Language

_FACTORIES: dict[str, Callable[..., Language]] = {}


def register_language(name: str, factory: Callable[..., Language]) -> None:
    """Makes a language known to `get_language`.

    Args:
        name: Its name, without parameters.
        factory: Builds it. Its parameters, all whole numbers with defaults, can be given by name:
            `name:k=5`.

    Raises:
        MemrnnError: If the name is taken, empty, or holds a colon, comma or space.
    """
    if not name or any(character in name for character in ":, "):
        raise MemrnnError(
            f"{name!r} cannot name a language; choose a name without colon, comma and space."
        )
    if name in _FACTORIES:
        raise MemrnnError(f"There is a language named {name} already; choose another name.")
    _FACTORIES[name] = factory


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
    try:
        return factory(**parameters)
    except ValueError as error:
        raise MemrnnError(f"There is no language {name}: {error}") from None


def _usage(base: str, allowed: tuple[str, ...]) -> str:
    if not allowed:
        return "it takes none"
    return f"write {base}:{','.join(f'{key}=NUMBER' for key in allowed)}"
