"""What is known of the stacks of a network and a machine; `product.py` has the terms."""

from typing import NamedTuple

BOTTOM, UNKNOWN = -1, -2
"""In place of the number of an event: an empty stack, and what was forgotten."""


class Known(NamedTuple):
    """What is known of all stacks, those of the network before those of the machine.

    Attributes:
        tops: by stack, the number of an event or `BOTTOM`. Events are numbered from 0 in the order
            in which they are found, from the first stack's top down.
        labels: of the events.
        before: by event, the tops just before it, where they are not known `UNKNOWN`.
    """

    tops: tuple[int, ...]
    labels: tuple[int, ...]
    before: tuple[tuple[int, ...], ...]


def cut(known: Known, depth: int) -> Known:
    """What is known without all events but those of the uppermost `depth` cells of each stack."""
    kept: dict[int, int] = {BOTTOM: BOTTOM}
    for stack, event in enumerate(known.tops):
        for _ in range(depth):
            if event < 0:
                break
            kept.setdefault(event, len(kept) - 1)
            event = known.before[event][stack]
    events = list(kept)[1:]
    return Known(
        tuple([kept[top] for top in known.tops]),
        tuple([known.labels[event] for event in events]),
        tuple([tuple([kept.get(e, UNKNOWN) for e in known.before[n]]) for n in events]),
    )


def joined(known: Known, event: int, then: Known) -> Known | None:
    """What is known if an event happened in such a configuration; None if it cannot have."""
    same: dict[int, int] = {}  # events of `then` that are known already
    learned: list[tuple[int, int, int]] = []
    pairs = [(event, then.tops)]
    while pairs:
        number, tops = pairs.pop()
        for stack, (old, new) in enumerate(zip(known.before[number], tops, strict=True)):
            if old == UNKNOWN:
                learned.append((number, stack, new))
            elif old >= 0 and new >= 0:
                if known.labels[old] != then.labels[new]:
                    return None
                if new not in same:
                    same[new] = old
                    pairs.append((old, then.before[new]))
            elif UNKNOWN not in (old, new) and old != new:
                return None
    added = [number for number in range(len(then.labels)) if number not in same]
    numbers = {BOTTOM: BOTTOM, UNKNOWN: UNKNOWN, **same}
    numbers |= {number: len(known.labels) + place for place, number in enumerate(added)}
    before = [list(tops) for tops in known.before]
    for number, stack, new in learned:
        before[number][stack] = numbers[new]
    return Known(
        known.tops,
        (*known.labels, *(then.labels[number] for number in added)),
        (
            *(tuple(tops) for tops in before),
            *(tuple([numbers[e] for e in then.before[number]]) for number in added),
        ),
    )
