"""Strings of a machine: random walks over its legal symbols that end at a given length."""

import numpy as np
from jaxtyping import Int32

from memrnn.automata._machine import POP, Machine

LARGEST_STOP = 0.5
TRIES = 12
"""How often the free part of one walk is shortened or lengthened."""


def walk(
    machine: Machine,
    length: int,
    rng: np.random.Generator,
    *,
    exact: bool = True,
    max_depth: int | None = None,
    stop: float | None = None,
    attempts: int = 200,
) -> Int32[np.ndarray, " length"] | None:
    """A random string of the machine's language, None if none was found.

    In the free part of a walk the symbol that ends a state's phase (the last of `Machine.legal`)
    has a probability p, and the others share the rest equally; the end of the string is not chosen
    where anything else is legal. After it every phase is ended at once. p is log-uniform between
    1/(4 length) and 1/2 for each attempt, and the free part as long as it takes to get the length.
    So the strings are varied, and have no probabilities that could be given.

    Args:
        machine: whose states tell the legal next symbols (`check_machine`).
        length: number of symbols.
        rng: from which the walk is drawn.
        exact: whether it must have this length; else a shorter string will do, of at least 99 % of
            the length, or half of it after half of the attempts.
        max_depth: how many symbols a stack may hold; beyond it phases are ended.
        stop: p, where it is not to be drawn.
        attempts: how many walks are tried.

    Returns:
        The symbol ids of the string, or None.

    Examples:
        >>> import numpy as np
        >>> from memrnn.automata import machine_of, walk
        >>> walk(machine_of("count-3"), 9, np.random.default_rng(0))
        array([0, 0, 0, 1, 1, 1, 2, 2, 2], dtype=int32)
    """
    share = 1.0
    for attempt in range(attempts):
        low, high = np.log(1 / (4 * max(length, 1))), np.log(LARGEST_STOP)
        drawn, draws = float(np.exp(rng.uniform(low, high))), rng.random(length).tolist()
        free, tried, best = round(share * length), set[int](), list[int]()
        while free not in tried and len(tried) < TRIES:
            tried.add(free)
            string, ended = _go(
                machine, draws[:free], drawn if stop is None else stop, 2 * length, max_depth
            )
            if string is not None and len(string) == length:
                return np.array(string, np.int32)
            if string is not None and len(best) < len(string) < length:
                best = string
            if ended < free:
                break  # the walk ends by itself, and is too short
            found = 2 * length if string is None else len(string)
            share = free / max(found, 1)  # the next attempt begins with it
            change = (length - found) * free / max(found, 1)
            free += round(change) or (1 if found < length else -1)
            free = min(max(free, 0), length)
        enough = 0.99 if attempt < attempts / 2 else 0.5
        if not exact and best and len(best) >= enough * length:
            return np.array(best, np.int32)
    return None


def _go(
    machine: Machine, draws: list[float], stop: float, most: int, max_depth: int | None
) -> tuple[list[int] | None, int]:
    """The symbols of a walk and the length of its free part; None if it has more than `most`."""
    # A loop with local names, since walks take most of the time of strings of machines.
    end, free, ended = len(machine.symbols), len(draws), len(draws)
    outcomes, state, string = machine.outcomes, 0, list[int]()
    stacks: list[list[int]] = [[] for _ in machine.stacks]
    while len(string) <= most:
        legal, t = machine.legal[state], len(string)
        symbol = legal[-1]
        if t < free and len(legal) > 1:
            share = 1.0 if symbol == end else 1 - stop
            shallow = max_depth is None or max(map(len, stacks), default=0) < max_depth
            if draws[t] < share and shallow:
                symbol = legal[int(draws[t] / share * (len(legal) - 1))]
        if symbol == end:
            return string, min(ended, t)
        key = state, symbol, tuple([stack[-1] if stack else -1 for stack in stacks])
        _, state, changes = outcomes.get(key) or machine.outcome(*key)
        for stack, action in changes:
            if action != POP:
                stacks[stack].append(action)
            elif stacks[stack]:
                stacks[stack].pop()
        string.append(symbol)
    return None, ended
