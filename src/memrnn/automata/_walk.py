"""Strings of a machine: random walks over its legal symbols that end at a given length."""

import numpy as np
from jaxtyping import Int32

from memrnn.automata._machine import Configuration, Machine

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
    attempts: int = 200,
) -> Int32[np.ndarray, " length"] | None:
    """A random string of the machine's language, None if none was found.

    In the free part of a walk the symbol that ends a state's phase (the last of `Machine.legal`)
    has a probability p, and the others share the rest equally; the end of the string is not chosen
    where anything else is legal. After it every phase is ended at once. p is log-uniform between
    1/(4 length) and 1/2 for each attempt, and the free part as long as it takes to get the length.
    So the strings are varied, and have no probabilities that could be given.

    Args:
        length: number of symbols.
        exact: whether a shorter string will do, of at least half the length.
        max_depth: how many symbols a stack may hold; beyond it phases are ended.
        attempts: how many walks are tried.
    """
    for _ in range(attempts):
        low, high = np.log(1 / (4 * max(length, 1))), np.log(LARGEST_STOP)
        stop, draws = float(np.exp(rng.uniform(low, high))), rng.random(length).tolist()
        free, tried = length, set[int]()
        while free not in tried and len(tried) < TRIES:
            tried.add(free)
            string, ended = _go(machine, draws[:free], stop, 2 * length, max_depth)
            if string is not None and len(string) == length:
                return np.array(string, np.int32)
            if string is not None and not exact and length / 2 <= len(string) <= length:
                return np.array(string, np.int32)
            if ended < free:
                break  # the walk ends by itself, and is too short
            found = 2 * length if string is None else len(string)
            change = (length - found) * free / max(found, 1)
            free += round(change) or (1 if found < length else -1)
            free = min(max(free, 0), length)
    return None


def _go(
    machine: Machine, draws: list[float], stop: float, most: int, max_depth: int | None
) -> tuple[list[int] | None, int]:
    """The symbols of a walk and the length of its free part; None if it has more than `most`."""
    end, free = len(machine.symbols), len(draws)
    configuration, string = Configuration(machine), list[int]()
    ended = free
    while len(string) <= most:
        legal = machine.legal[configuration.state]
        last, others = legal[-1], legal[:-1]
        t = len(string)
        symbol = last
        if t < free and others and (max_depth is None or _depth(configuration) < max_depth):
            share = 1.0 if last == end else 1 - stop
            if draws[t] < share:
                symbol = others[int(draws[t] / share * len(others))]
        if symbol == end:
            return string, min(ended, t)
        configuration.read(symbol)
        string.append(symbol)
    return None, ended


def _depth(configuration: Configuration) -> int:
    return max(map(len, configuration.stacks), default=0)
