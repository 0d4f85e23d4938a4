"""Runs whose network was constructed from a machine."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from memrnn.automata import Machine, machine_of, walk
from memrnn.errors import MemrnnError
from memrnn.nn.memories import Nondeterministic
from memrnn.nn.models import get_model
from memrnn.nn.network import Network
from memrnn.runtime.formats import listed
from memrnn.runtime.precision import cast, scope
from memrnn.stability.golden import (
    STOP,
    compile_machine,
    default_gates,
    next_probabilities,
    smallest_model,
)
from memrnn.stability.verification import (
    Verification,
    verify_hidden,
    verify_string,
    verify_transitions,
)
from memrnn.tasks import Strings
from memrnn.training import save_constructed

FORMATS = ("float64", "float32")
"""Number formats of the parameters of constructed networks."""


def golden_network(
    task: Strings,
    model: str | None = None,
    *,
    precision: str = "float32",
    gate: float | None = None,
    gap: float | None = None,
    stop: float = STOP,
) -> Network:
    """The network that does what the machine of a task's language does.

    Args:
        task: of whose language there is a machine.
        model: that holds the machine; by default the smallest.
        precision: number format of its parameters, float32 or float64.
        gate: G, see `Gates`; by default `default_gates`.
        gap: D, likewise.
        stop: probability of what ends a phase, see `next_probabilities`.

    Returns:
        A network as `task.build` makes it for the model, with other parameters.

    Raises:
        MemrnnError: if the language has no machine, or the model cannot hold it.

    Examples:
        >>> import memrnn
        >>> from memrnn.stability import golden_network
        >>> network = golden_network(memrnn.Strings("marked-reversal"))
        >>> memrnn.parameter_count(network)
        1029
    """
    if precision not in FORMATS:
        raise MemrnnError(
            f"A network is constructed in {listed(FORMATS, 'or')}, not in "
            f"{precision!r}; it is evaluated in any format."
        )
    machine = machine_of(task.language)
    with scope(precision):
        network = task.build(get_model(model or smallest_model(machine)), 0)
        network = cast(network, precision)
        gates = default_gates(network)
        gates = gates._replace(gate=gate or gates.gate, gap=gap or gate or gates.gap)
        return compile_machine(machine, network, gates, next_probabilities(machine, stop))


def save_golden(
    network: Network, task: Strings, model: str, out: str | Path, imports: Sequence[str] = ()
) -> None:
    """Writes a network of `golden_network` as a constructed run.

    Args:
        network: of `golden_network`.
        task: for which it was constructed.
        model: its name, see `smallest_model`.
        out: the folder of the run.
        imports: as for `train`.

    Raises:
        MemrnnError: if `out` is not empty, or the network is not of this model.

    Examples:
        >>> import memrnn
        >>> from memrnn.stability import golden_network, save_golden
        >>> task, model = memrnn.Strings("marked-reversal"), "lstm-12+jm-2"
        >>> save_golden(golden_network(task, model), task, model, "golden")
        >>> memrnn.load_run("golden").origin.kind
        'constructed'
    """
    machine = machine_of(task.language)
    source = f"{machine.name} {machine.digest}"
    save_constructed(network, task, model, out, by="memrnn golden", source=source, imports=imports)


def verify(
    machine: Machine,
    network: Network,
    precision: str,
    *,
    length: int,
    dense: int = 0,
    max_depth: int | None = None,
    seed: int = 0,
) -> dict[str, Verification]:
    """All checks of a network in a number format, by name.

    Args:
        machine: that the network was constructed from.
        network: any that holds the machine.
        precision: a native number format.
        length: of the string along which every step is checked.
        dense: of the one along which every cell of the stacks is; 0 for none.
        max_depth: how many symbols a stack may hold along these strings, see `walk`.
        seed: from which these strings are drawn.

    Raises:
        MemrnnError: if no such string was found.

    Examples:
        >>> import memrnn
        >>> from memrnn.automata import machine_of
        >>> from memrnn.stability import golden_network, verify
        >>> network = golden_network(memrnn.Strings("marked-reversal"))
        >>> found = verify(machine_of("marked-reversal"), network, "float32", length=301)
        >>> {name: (check.inexact, check.wrong) for name, check in found.items()}
        {'all transitions': (0, 0), 'steps of a string': (0, 0)}
    """

    def string(length: int) -> np.ndarray:
        rng = np.random.default_rng([seed, length])
        found = walk(machine, length, rng, exact=False, max_depth=max_depth)
        if found is None:
            raise MemrnnError(f"Random walks of {machine.name} found no string of length {length}.")
        return found

    if isinstance(network.memory, Nondeterministic):
        return {"hidden states": verify_hidden(machine, network, string(length), precision)}
    checks = {
        "all transitions": verify_transitions(machine, network, precision),
        "steps of a string": verify_string(machine, network, string(length), precision),
    }
    if dense:
        checks["stack cells"] = verify_string(
            machine, network, string(dense), precision, dense=True
        )
    return checks
