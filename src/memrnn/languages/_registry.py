"""Languages by name."""

import inspect
from collections.abc import Callable

from memrnn.errors import MemrnnError
from memrnn.languages._checks import language_behaviour
from memrnn.languages._language import Language
from memrnn.runtime.sources import definition_of, is_built_in

_FACTORIES: dict[str, Callable[..., Language]] = {}


def register_language(name: str, factory: Callable[..., Language]) -> None:
    """Makes a language known to `get_language`.

    Registering the same again changes nothing, as when a file is imported twice.

    Args:
        name: its name, without parameters.
        factory: builds it. Its parameters, all whole numbers with defaults, can be given by name:
            `name:k=5`.

    Raises:
        MemrnnError: if another language has the name, or if the name is empty or holds a colon,
            comma, slash or space.

    Examples:
        >>> import memrnn
        >>> from memrnn.languages import Repeat, Template, TemplateLanguage
        >>> def anbn():
        ...     return TemplateLanguage("anbn", ("a", "b"), Template((Repeat(0), Repeat(1))))
        >>> memrnn.register_language("anbn", anbn)
        >>> memrnn.get_language("anbn").contains(memrnn.get_language("anbn").encode("aabb"))
        True
    """
    if not name or any(character in name for character in ":,/ "):
        raise MemrnnError(
            f"{name!r} cannot name a language; choose a name without colon, comma, slash and space."
        )
    if not is_built_in(factory):
        definition_of(factory)  # read now, before the file is edited
    if not _same(_FACTORIES.setdefault(name, factory), factory):
        raise MemrnnError(
            f"There is a language named {name} already, with another definition; choose another "
            "name, or start a new process."
        )


def language_names() -> tuple[str, ...]:
    """The names of all languages, in the order in which they were registered.

    Examples:
        >>> import memrnn
        >>> "count-3" in memrnn.language_names()
        True
    """
    return tuple(_FACTORIES)


def get_language(name: str) -> Language:
    """The language of a name, with parameters after a colon if any.

    Args:
        name: as `language_names` lists them; parameters as `name:k=3,depth=4`.

    Raises:
        MemrnnError: if there is no such language, or no such parameter or value.

    Examples:
        >>> import memrnn
        >>> memrnn.get_language("marked-copy").symbols
        ('0', '1', '#')
        >>> memrnn.get_language("marked-copy:k=3").symbols
        ('0', '1', '2', '#')
    """
    factory, parameters = _parse(name)
    try:
        return factory(**parameters)
    except ValueError as error:
        raise MemrnnError(f"There is no language {name}: {error}") from None


def language_factory(name: str) -> Callable[..., Language]:
    """What was registered to build the language of a name; raises as `get_language`."""
    return _parse(name)[0]


def language_arguments(name: str) -> tuple[str, dict[str, int]]:
    """The first name under which a language's factory was registered, and the factory's arguments.

    Raises:
        MemrnnError: as `get_language`.

    Examples:
        >>> from memrnn.languages import language_arguments
        >>> language_arguments("marked-copy:k=3")
        ('marked-copy', {'k': 3})
    """
    factory, given = _parse(name)
    return next(other for other, known in _FACTORIES.items() if known is factory), given


def canonical_language_name(name: str) -> str:
    """The one name of a language among all that `get_language` takes.

    Parameters stand in the order of the factory's, without those that have their default value.
    A factory that was registered under several names is called by the first.

    Args:
        name: as for `get_language`.

    Raises:
        MemrnnError: as `get_language`.

    Examples:
        >>> from memrnn.languages import canonical_language_name
        >>> canonical_language_name("marked-copy:k=2")
        'marked-copy'
    """
    get_language(name)
    first, given = language_arguments(name)
    settings = [
        f"{key}={given[key]}"
        for key, parameter in inspect.signature(_FACTORIES[first]).parameters.items()
        if key in given and given[key] != parameter.default
    ]
    return f"{first}:{','.join(settings)}" if settings else first


def _parse(name: str) -> tuple[Callable[..., Language], dict[str, int]]:
    """The factory and its arguments."""
    base, colon, settings = name.partition(":")
    if base not in _FACTORIES:
        raise MemrnnError(
            f"There is no language named {base!r}; choose one of {', '.join(_FACTORIES)}."
        )
    factory = _FACTORIES[base]
    allowed = tuple(inspect.signature(factory).parameters)
    given: dict[str, int] = {}
    for setting in settings.split(",") if colon else ():
        key, _, value = setting.partition("=")
        if key not in allowed or key in given:
            example = f"write {base}:{','.join(f'{key}=NUMBER' for key in allowed)}"
            usage = example if allowed else "it takes none"
            raise MemrnnError(f"{setting!r} is not a parameter of {base}; {usage}.")
        if not value.removeprefix("-").isdecimal():
            raise MemrnnError(
                f"The parameter {key} of {base} cannot be {value!r}; give a whole number."
            )
        given[key] = int(value)
    return factory, given


def _same(first: Callable[..., Language], second: Callable[..., Language]) -> bool:
    """Whether two factories build the same: equal sources, and equal results by default.

    Equal sources do not suffice, since functions made in a loop differ in what they enclose.
    """
    if first is second:
        return True
    if definition_of(first) != definition_of(second):
        return False
    one, other = first(), second()
    if one.source or other.source:
        return one.source == other.source
    return language_behaviour(one) == language_behaviour(other)
