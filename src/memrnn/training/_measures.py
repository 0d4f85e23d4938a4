"""Measures: numbers by name that are taken of a restart's network at every evaluation point."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from memrnn.errors import MemrnnError
from memrnn.nn.network import Network

Measure = Callable[[Any, Network], Mapping[str, float]]
"""Takes a `Restart`, whose progress ends with the evaluation point before, and its network as it is
validated now. A number may be NaN where there is none; the curve keeps it as NaN."""

MEASURES: dict[str, Measure] = {}
"""By name."""


def register_measure(name: str, measure: Measure) -> None:
    """Makes a measure known under a name, for `Experiment.measure` and `memrnn train --measure`.

    Args:
        name: of the measure.
        measure: called with a `Restart` and its network at every evaluation point; it gives
            numbers by name and changes nothing.

    Raises:
        MemrnnError: if another measure has the name.

    Examples:
        >>> import memrnn
        >>> def size(restart, network):
        ...     return {"parameters": memrnn.parameter_count(network)}
        >>> memrnn.register_measure("size", size)
        >>> memrnn.Experiment(memrnn.Strings("count-3"), "jm-2", measure=("size",)).measure
        ('size',)
    """
    if MEASURES.setdefault(name, measure) is not measure:
        raise MemrnnError(f"There is a measure {name!r} already; choose another name.")


def check_measures(names: Sequence[str]) -> tuple[str, ...]:
    """The names, each once.

    Raises:
        MemrnnError: for a name that no measure has.
    """
    if unknown := [name for name in names if name not in MEASURES]:
        raise MemrnnError(
            f"There is no measure {unknown[0]!r}; there is {', '.join(sorted(MEASURES))}."
        )
    return tuple(dict.fromkeys(names))
