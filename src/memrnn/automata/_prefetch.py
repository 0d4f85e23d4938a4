"""Machines whose state holds the top of every stack."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from memrnn.automata._machine import EMPTY, Machine, Rule

Tops = Mapping[str, str]
"""The top symbol of each stack, `EMPTY` for none."""


def prefetch(machine: Machine) -> Machine:
    """A machine with the same language whose states are (state, top of each stack).

    Its stacks hold what is below the tops, so its state alone tells what may come next, as a
    prediction from the state needs:

        push a     the state's top becomes a, and the old top, if there is one, is pushed
        pop        one rule for each symbol c that may lie on the stack: c becomes the state's top
                   and is popped; on an empty stack the state's top becomes empty

    It still reads one symbol per step and acts once on each stack. Rules that differ in one set
    only are merged.

    Args:
        machine: any.

    Returns:
        The machine; its language is the same, its states and stacks are others.

    Examples:
        >>> from memrnn.automata import machine_of, prefetch
        >>> machine = machine_of("marked-reversal")
        >>> len(machine.states), len(prefetch(machine).states)
        (4, 10)
    """
    start: tuple[str, Tops] = machine.start, dict.fromkeys(machine.stacks, EMPTY)
    known: dict[str, tuple[str, Tops]] = {_label(*start): start}
    pending: list[tuple[str, Tops]] = [start]
    rules: list[Rule] = []
    while pending:
        state, tops = pending.pop(0)
        for each in machine.rules:
            fires = all(tops[name] in allowed for name, allowed in each.top.items())
            if state not in each.sources or not fires:
                continue
            if each.ends:
                rules.append(Rule((_label(state, tops),), each.symbols))
                continue
            for rule, after in _split(machine, each, state, tops):
                rules.append(rule)
                if rule.target not in known:
                    known[rule.target] = each.target, after
                    pending.append(known[rule.target])
    return replace(machine, start=_label(*start), rules=tuple(_merged(machine, rules)))


def _split(machine: Machine, each: Rule, state: str, tops: Tops) -> Iterator[tuple[Rule, Tops]]:
    """The rules that stand for one rule in a state, with the tops after them."""
    popped = [name for name in each.pop if tops[name] != EMPTY]
    pushed = {name: tops[name] for name in each.push if tops[name] != EMPTY}
    for uncovered in itertools.product(*((*machine.stacks[name], EMPTY) for name in popped)):
        below = dict(zip(popped, uncovered, strict=True))
        after = {**tops, **each.push, **below}
        pop = tuple(name for name in popped if below[name] != EMPTY)
        top = {name: (symbol,) for name, symbol in below.items()}
        target = _label(each.target, after)
        yield Rule((_label(state, tops),), each.symbols, target, top, pushed, pop), after


def _label(state: str, tops: Tops) -> str:
    return f"{state}[{','.join('' if top == EMPTY else top for top in tops.values())}]"


def _merged(machine: Machine, rules: Sequence[Rule]) -> list[Rule]:
    """Fewer rules with the same meaning: two that differ in one of their sets become one."""
    merged = list(rules)
    number = 0
    while number < len(merged):
        for other in range(number + 1, len(merged)):
            union = _union(machine, merged[number], merged[other])
            if union is not None:
                merged[number] = union
                del merged[other]
                number = -1  # the union may merge with an earlier one
                break
        number += 1
    return merged


def _union(machine: Machine, first: Rule, second: Rule) -> Rule | None:
    if (first.target, first.push, first.pop) != (second.target, second.push, second.pop):
        return None
    every = {name: (*symbols, EMPTY) for name, symbols in machine.stacks.items()}
    one, other = (
        [each.sources, each.symbols, *(each.top.get(name, every[name]) for name in every)]
        for each in (first, second)
    )
    different = [
        n for n, pair in enumerate(zip(one, other, strict=True)) if set(pair[0]) != set(pair[1])
    ]
    if len(different) > 1:
        return None
    for n in different:
        one[n] = tuple(dict.fromkeys((*one[n], *other[n])))
    sources, symbols, *tops = one
    top = {
        name: allowed
        for (name, all_of), allowed in zip(every.items(), tops, strict=True)
        if set(allowed) != set(all_of)
    }
    return replace(first, sources=sources, symbols=symbols, top=top)
