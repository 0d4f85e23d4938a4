"""The machines that come with memrnn: of languages whose prefixes tell what may come next."""

from collections.abc import Callable
from itertools import pairwise

from memrnn.automata._machine import EMPTY, END, Machine, Rule, rule
from memrnn.languages import get_language

WORD_SYMBOLS = 2


def _words(k: int) -> list[str]:
    return [str(number) for number in range(k)]


def count_3() -> Machine:
    """a^N b^N c^N: the number of b is compared with one count, that of c with another.

    The first a is not counted, so that each state tells the end of its phase one symbol ahead.
    """
    stacks = {"a": ("1",), "b": ("1",)}
    rules = (
        rule("S", "a", "A1"),
        rule("A1 A", "a", "A", push={"a": "1"}),
        rule("A1 A B", "b", "B", top={"a": "1"}, pop="a", push={"b": "1"}),
        rule("A1 A B", "b", "X", top={"a": EMPTY}),
        rule("X C", "c", "C", top={"b": "1"}, pop="b"),
        rule("X C", "c", "E", top={"b": EMPTY}),
        rule("S E", END),
    )
    return Machine("count-3", ("a", "b", "c"), stacks, "S", rules)


def count_3_at_once() -> Machine:
    """a^N b^N c^N where each a is counted on both stacks: one is for b, the other for c."""
    stacks = {"for b": ("1",), "for c": ("1",)}
    rules = (
        rule("S", "a", "A1"),
        rule("A1 A", "a", "A", push={"for b": "1", "for c": "1"}),
        rule("A1 A B", "b", "B", top={"for b": "1"}, pop=["for b"]),
        rule("A1 A B", "b", "X", top={"for b": EMPTY}),
        rule("X C", "c", "C", top={"for c": "1"}, pop=["for c"]),
        rule("X C", "c", "E", top={"for c": EMPTY}),
        rule("S E", END),
    )
    return Machine("count-3 at once", ("a", "b", "c"), stacks, "S", rules)


def marked_reversal(k: int = WORD_SYMBOLS) -> Machine:
    """w # w^R: the state `Mc` says that c comes next."""
    words = _words(k)
    rules = [
        *(rule("P", a, "P", push={"w": a}) for a in words),
        *(rule("P", "#", f"M{c}", top={"w": c}, pop="w") for c in words),
        rule("P", "#", "E", top={"w": EMPTY}),
        *(rule(f"M{b}", b, f"M{c}", top={"w": c}, pop="w") for b in words for c in words),
        *(rule(f"M{b}", b, "E", top={"w": EMPTY}) for b in words),
        rule("E", END),
    ]
    return _with_words("marked-reversal", k, {"w": tuple(words)}, rules)


def marked_reverse_and_copy(k: int = WORD_SYMBOLS) -> Machine:
    """w # w^R # w: while w is unstacked it is stacked again, the other way round."""
    words = _words(k)
    rules = [
        *(rule("P", a, "P", push={"w": a}) for a in words),
        *(rule("P", "#", f"M{c}", top={"w": c}, pop="w") for c in words),
        rule("P", "#", "D", top={"w": EMPTY}),
        *(
            rule(f"M{b}", b, f"M{c}", top={"w": c}, pop="w", push={"reversed": b})
            for b in words
            for c in words
        ),
        *(rule(f"M{b}", b, "D", top={"w": EMPTY}, push={"reversed": b}) for b in words),
        *(rule("D", "#", f"C{c}", top={"reversed": c}, pop="reversed") for c in words),
        rule("D", "#", "E", top={"reversed": EMPTY}),
        *(
            rule(f"C{b}", b, f"C{c}", top={"reversed": c}, pop="reversed")
            for b in words
            for c in words
        ),
        *(rule(f"C{b}", b, "E", top={"reversed": EMPTY}) for b in words),
        rule("E", END),
    ]
    stacks = {"w": tuple(words), "reversed": tuple(words)}
    return _with_words("marked-reverse-and-copy", k, stacks, rules)


def count_and_copy(k: int = WORD_SYMBOLS) -> Machine:
    """w #^|w| w: while the # are counted, w is turned round onto a second stack."""
    words = _words(k)
    counted, last = {"count": "1"}, {"count": EMPTY}
    rules = [
        *(rule("S", a, "P", push={"w": a}) for a in words),
        *(rule("P", a, "P", push={"w": a, "count": "1"}) for a in words),
        *(
            rule("P H", "#", "H", top={"w": c, **counted}, pop="w count", push={"reversed": c})
            for c in words
        ),
        *(rule("P H", "#", f"C{c}", top={"w": c, **last}, pop="w") for c in words),
        *(
            rule(f"C{b}", b, f"C{c}", top={"reversed": c}, pop="reversed")
            for b in words
            for c in words
        ),
        *(rule(f"C{b}", b, "E", top={"reversed": EMPTY}) for b in words),
        rule("S E", END),
    ]
    stacks = {"w": tuple(words), "reversed": tuple(words), "count": ("1",)}
    return _with_words("count-and-copy", k, stacks, rules, start="S")


def dyck(k: int = WORD_SYMBOLS, depth: int = 0) -> Machine:
    """Brackets of k kinds: the state `Ti` says that i is open, the stack holds what is around it.

    Args:
        depth: how many may be open at once, where a state also counts them; 0 for any number.
    """
    brackets = get_language(f"dyck:k={k}").symbols
    opens, closings = brackets[:k], brackets[k:]
    kinds = _words(k)
    levels = [str(level) for level in range(1, depth + 1)] or [""]

    def inside(kind: str, level: str) -> str:
        return f"T{kind}.{level}" if level else f"T{kind}"

    rules = [rule("Z", a, inside(kind, levels[0])) for a, kind in zip(opens, kinds, strict=True)]
    # Without a bound one level lies around itself.
    around = list(pairwise(levels)) if depth else [("", "")]
    for outer, inner in around:
        rules += [
            rule(inside(i, outer), a, inside(j, inner), push={"open": i})
            for i in kinds
            for a, j in zip(opens, kinds, strict=True)
        ]
    for outer, inner in around:
        rules += [
            rule(inside(i, inner), b, inside(j, outer), top={"open": j}, pop="open")
            for b, i in zip(closings, kinds, strict=True)
            for j in kinds
        ]
    rules += [
        rule(inside(i, levels[0]), b, "Z", top={"open": EMPTY})
        for b, i in zip(closings, kinds, strict=True)
    ]
    rules.append(rule("Z", END))
    name = get_language(f"dyck:k={k},depth={depth}").name
    return Machine(name, brackets, {"open": tuple(kinds)}, "Z", tuple(rules))


def _with_words(
    name: str,
    k: int,
    stacks: dict[str, tuple[str, ...]],
    rules: list[Rule],
    *,
    start: str = "P",
) -> Machine:
    full_name = name if k == WORD_SYMBOLS else f"{name}:k={k}"
    return Machine(full_name, (*_words(k), "#"), stacks, start, tuple(rules))


MACHINES: dict[str, Callable[..., Machine]] = {
    "count-3": count_3,
    "marked-reversal": marked_reversal,
    "marked-reverse-and-copy": marked_reverse_and_copy,
    "count-and-copy": count_and_copy,
    "dyck": dyck,
}
"""By the name of the language, whose parameters they take; a new one is a function and an entry."""

VARIANTS: dict[str, tuple[Callable[..., Machine], ...]] = {"count-3": (count_3_at_once,)}
"""Further machines by the name of the same language, which use their stacks in another way."""
