"""Where two identities differ, in words."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from memrnn.runtime.formats import listed

_MOST = 3
"""How many differences are named."""


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The first keys with different values, with those of all mappings around them.

    Args:
        one: an identity, as JSON can hold it.
        other: what it is compared with.

    Returns:
        The keys as a list for a sentence, empty for equal identities.

    Examples:
        >>> from memrnn.identity import differences
        >>> differences({"task": {"text": "1c"}, "seed": 1}, {"task": {"text": "2d"}, "seed": 1})
        'task.text'
    """
    found = list(itertools.islice(_keys(one, other), _MOST + 1))
    return listed(found if len(found) <= _MOST else [*found[:_MOST], "more"])


def _keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for key in dict.fromkeys([*one, *other]):
        mine, its = one.get(key), other.get(key)
        if isinstance(mine, Mapping) and isinstance(its, Mapping):
            yield from (f"{key}.{rest}" for rest in _keys(mine, its))
        elif mine != its or (key in one) != (key in other):
            yield key
