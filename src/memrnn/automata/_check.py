"""Whether a machine's states tell the legal next symbols, found by walking all short strings."""

from collections import deque

from memrnn.automata._machine import Configuration, Machine
from memrnn.errors import MemrnnError

CONFIGURATIONS = 2_000
"""How many configurations are looked at, those after the shortest strings first."""
COMPLETION_STEPS = 10_000
"""How many symbols a completion may have."""


def check_machine(machine: Machine) -> None:
    """Checks that `Machine.legal` is right: a machine for which it is needs no `prefetch`.

    In every configuration looked at, a rule must fire at every legal symbol, and from it the
    string must have a completion (the machine is *trim*). This can find a fault and cannot prove
    that there is none, for a machine with two stacks can compute anything.

    Args:
        machine: to be checked.

    Raises:
        MemrnnError: with a shortest prefix for which it is wrong.

    Examples:
        >>> from memrnn.automata import check_machine, machine_of
        >>> check_machine(machine_of("count-3"))  # nothing is wrong
    """
    end = len(machine.symbols)
    start = Configuration(machine)
    prefixes: dict[tuple, tuple[int, ...]] = {start.key: ()}
    before: dict[tuple, list[tuple]] = {}
    completed: list[tuple] = []
    queue = deque([start])
    frontier: list[Configuration] = []
    while queue:
        configuration = queue.popleft()
        key = configuration.key
        if len(prefixes) > CONFIGURATIONS:
            frontier.append(configuration)
            continue
        for symbol in machine.legal[configuration.state]:
            after = configuration.copy()
            fires = after.may_end if symbol == end else after.read(symbol) >= 0
            if not fires:
                name = (*machine.symbols, "the end")[symbol]
                raise MemrnnError(
                    f"The machine {machine.name} has no rule for {name} after "
                    f"{_text(machine, prefixes[key])}, though its state "
                    f"{machine.states[configuration.state]} has one for other tops; "
                    "prefetch puts tops into states."
                )
            if symbol == end:
                completed.append(key)
                continue
            before.setdefault(after.key, []).append(key)
            if after.key not in prefixes:
                prefixes[after.key] = (*prefixes[key], symbol)
                queue.append(after)
    completed += [each.key for each in frontier if _completes(each.copy(), machine)]
    completable = set(completed)
    while completed:
        for key in before.get(completed.pop(), ()):
            if key not in completable:
                completable.add(key)
                completed.append(key)
    for key, prefix in prefixes.items():
        if key not in completable:
            raise MemrnnError(
                f"The machine {machine.name} accepts no string that begins with "
                f"{_text(machine, prefix)}, as far as was looked; every prefix that it reads must "
                "have a completion."
            )


def _completes(configuration: Configuration, machine: Machine) -> bool:
    """Whether the symbols that end phases lead to the end of a string."""
    end = len(machine.symbols)
    for _ in range(COMPLETION_STEPS):
        legal = machine.legal[configuration.state]
        if not legal:
            return False
        if legal[-1] == end:
            return configuration.may_end
        if configuration.read(legal[-1]) < 0:
            return False
    return False


def _text(machine: Machine, prefix: tuple[int, ...]) -> str:
    return " ".join(machine.symbols[symbol] for symbol in prefix) or "nothing"
