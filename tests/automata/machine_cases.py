"""Membership of the languages that have machines, as dumbly as can be."""

from collections.abc import Iterator
from itertools import product

from languages_reference import belongs, spell

ANBN = """
# a^n b^n
symbols = "a b"
stacks = {count = "1"}
start = "S"
rules = [
    {from = "S", read = "a", to = "A"},
    {from = "A", read = "a", to = "A", push = {count = "1"}},
    {from = "A B", read = "b", top = {count = "1"}, to = "B", pop = "count"},
    {from = ["A", "B"], read = "b", top = {count = "empty"}, to = "E"},
    {from = "S E", read = "end"},
]
"""
"""A machine of one's own, without a name."""

RULES = {
    "count-3": 6,
    "marked-reversal": 11,
    "marked-reversal:k=3": 19,
    "marked-reverse-and-copy": 20,
    "marked-reverse-and-copy:k=3": 35,
    "count-and-copy": 14,
    "count-and-copy:k=3": 24,
    "dyck": 12,
    "dyck:k=3": 24,
}
FIVE = ("count-3", "marked-reversal", "marked-reverse-and-copy", "count-and-copy", "dyck")


def is_member(name: str, string: tuple[int, ...]) -> bool:
    """With k = 2."""
    return not _unclosed(string) if name == "dyck" else belongs(name, string, 2)


def _unclosed(string: tuple[int, ...]) -> list[int] | None:
    """The brackets that are open, None after a wrong one; ids 0 and 1 open, 2 and 3 close."""
    rest: list[int] = []
    for symbol in string:
        if symbol < 2:
            rest.append(symbol)
        elif rest and rest[-1] == symbol - 2:
            rest.pop()
        else:
            return [-1]
    return rest


def legal_next(name: str, longest: int) -> Iterator[tuple[tuple[int, ...], set[int]]]:
    """Every prefix of a member with at most so many symbols, and what may come next.

    End-of-string has the id after the last symbol's.
    """
    if name == "dyck":
        pending: list[tuple[int, ...]] = [()]
        for prefix in pending:
            rest = _unclosed(prefix)
            assert rest is not None
            nexts = {0, 1, rest[-1] + 2} if rest else {0, 1, 4}
            yield prefix, nexts
            if len(prefix) < longest:
                pending += [(*prefix, symbol) for symbol in sorted(nexts - {4})]
        return
    symbols = 1 if name == "count-3" else 2
    eos = 3
    known: dict[tuple[int, ...], set[int]] = {}
    # A prefix lies in the word, or tells its length.
    for size in range(longest + 2):
        for word in product(range(symbols), repeat=size):
            string = spell(name, word, symbols if symbols > 1 else 1)
            for t, symbol in enumerate((*string, eos)[: longest + 1]):
                known.setdefault(string[:t], set()).add(symbol)
    yield from known.items()
