"""The languages of templates once more, as dumbly as can be, straight from their table of shapes.

Everything is done on tuples, by spelling out strings and counting, with exact fractions.
"""

import itertools
from collections.abc import Iterable
from fractions import Fraction
from functools import cache

import numpy as np

String = tuple[int, ...]

NAMES = (
    "count-3",
    "marked-reverse-and-copy",
    "count-and-copy",
    "marked-copy",
    "unmarked-copy-different-alphabets",
    "unmarked-reverse-and-copy",
    "unmarked-copy",
    "marked-reversal",
)
CASES = [("count-3", 1)] + [(name, k) for name in NAMES[1:] for k in (1, 2, 3)]


def full_name(name: str, k: int) -> str:
    return name if name == "count-3" else f"{name}:k={k}"


def alphabet_size(name: str, k: int) -> int:
    if name == "count-3":
        return 3
    if name == "unmarked-copy-different-alphabets":
        return 2 * k
    return k if name.startswith("unmarked") else k + 1


def spell(name: str, w: String, k: int) -> String:
    mark = (k,)
    match name:
        case "count-3":
            return (0,) * len(w) + (1,) * len(w) + (2,) * len(w)
        case "marked-reverse-and-copy":
            return w + mark + w[::-1] + mark + w
        case "count-and-copy":
            return w + mark * len(w) + w
        case "marked-copy":
            return w + mark + w
        case "unmarked-copy-different-alphabets":
            return w + tuple(k + i for i in w)
        case "unmarked-reverse-and-copy":
            return w + w[::-1] + w
        case "unmarked-copy":
            return w + w
        case "marked-reversal":
            return w + mark + w[::-1]
    raise AssertionError(name)


def belongs(name: str, string: String, k: int) -> bool:
    words = (string[:n] for n in range(len(string) + 1))
    return any(
        all(0 <= symbol < k for symbol in word) and spell(name, word, k) == string for word in words
    )


@cache
def members(name: str, k: int, longest_word: int) -> dict[int, list[String]]:
    """All strings with a first word of at most so many symbols, by length."""
    by_length: dict[int, list[String]] = {}
    for size in range(longest_word + 1):
        for word in itertools.product(range(k), repeat=size):
            string = spell(name, word, k)
            by_length.setdefault(len(string), []).append(string)
    return by_length


def all_strings(symbols: int, length: int) -> np.ndarray:
    strings = list(itertools.product(range(symbols), repeat=length))
    return np.array(strings, dtype=np.int32).reshape(len(strings), length)


def prefix_table(groups: Iterable[list[String]], eos: int) -> dict[String, list[float]]:
    """Distribution of the next symbol after every prefix, when each group weighs the same."""
    table: dict[String, list[Fraction]] = {}
    for group in groups:
        for string in group:
            for t, symbol in enumerate((*string, eos)):
                row = table.setdefault(string[:t], [Fraction(0)] * (eos + 1))
                row[symbol] += Fraction(1, len(group))
    return {prefix: [float(x / sum(row)) for x in row] for prefix, row in table.items()}


def bayes_by_fractions(
    name: str, k: int, string: String, word_sizes: Iterable[int]
) -> list[list[Fraction]]:
    """The Bayes distribution at every position, without enumerating words."""
    eos = alphabet_size(name, k)
    rows = []
    for t in range(len(string) + 1):
        prefix = string[:t]
        row = [Fraction(0)] * (eos + 1)
        for size in word_sizes:
            head = 0 if name == "count-3" else None
            legal = all(i == head if head is not None else i < k for i in prefix[:size])
            if not legal:
                continue
            if t < size:
                nexts = [0] if head is not None else range(k)
                for symbol in nexts:
                    row[symbol] += Fraction(1, k ** (t + 1))
                continue
            whole = (*spell(name, prefix[:size], k), eos)
            if whole[:t] == prefix and t < len(whole):
                row[whole[t]] += Fraction(1, k**size)
        total = sum(row)
        rows.append([x / total for x in row] if total else [Fraction(1, eos + 1)] * (eos + 1))
    return rows
