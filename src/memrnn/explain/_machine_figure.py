"""A machine as a figure: states as circles, rules as arrows between them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.transforms import Bbox

from memrnn.automata import Machine, Rule

_RADIUS = 0.3
_LABELLED = 24
"""States up to which arrows have labels: those of more would cover each other."""
_LINES = 4
"""Rules between two states that are written out; of more, only their number."""
_FONT = 5.5
"""Size of labels, in points."""
_ALONG = (0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73)
"""Where on an arrow its label may be, from tail to tip; the first is preferred."""


def draw_machine(machine: Machine, title: str) -> Figure:
    """States in columns by the number of symbols after which they are first reached.

    An arrow has the symbols that are read, the tops that are tested, and what is pushed (+) or
    popped (-) on the stacks, by their numbers. A double circle may end a string.

    Args:
        machine: any.
        title: of the figure.

    Returns:
        A figure of matplotlib.

    Examples:
        >>> from memrnn.automata import machine_of
        >>> from memrnn.explain import draw_machine
        >>> draw_machine(machine_of("marked-reversal"), "w # w^R").savefig("machine.svg")
    """
    columns = _columns(machine)
    places = {
        state: (2.6 * x, 1.7 * ((len(column) - 1) / 2 - y))
        for x, column in enumerate(columns)
        for y, state in enumerate(column)
    }
    width, height = len(columns), max(map(len, columns))
    figure = Figure(figsize=(min(2.2 * width + 1, 16), min(1.5 * height + 1.5, 12)))
    axis = figure.add_axes((0.01, 0.02, 0.98, 0.9))
    labelled = len(machine.states) <= _LABELLED
    arrows: dict[tuple[str, str], list[str]] = {}
    for each in machine.moves:
        for source in each.sources:
            arrows.setdefault((source, each.target), []).append(_label(machine, each))
    axis.set(xlim=(-1.2, 2.6 * (width - 1) + 1.2), ylim=(-0.85 * height - 0.6, 0.85 * height + 0.6))
    taken = [_box(place, 2 * _RADIUS, 2 * _RADIUS) for place in places.values()]
    for (source, target), labels in arrows.items():
        _draw_arrow(axis, places[source], places[target], labels if labelled else (), taken)
    ends = {state for each in machine.rules if each.ends for state in each.sources}
    for state, (x, y) in places.items():
        for radius in (_RADIUS, 0.8 * _RADIUS) if state in ends else (_RADIUS,):
            circle = {"s": (radius * 118) ** 2 / 4, "facecolor": "white", "edgecolor": "black"}
            axis.scatter([x], [y], zorder=2, linewidths=0.8, **circle)
        axis.text(x, y, state, ha="center", va="center", fontsize=7, zorder=3, parse_math=False)
    start = places[machine.start]
    arrow = {"arrowstyle": "-|>", "shrinkB": 12}
    axis.annotate("", start, (start[0] - 0.9, start[1]), arrowprops=arrow, zorder=1)
    axis.axis("off")
    figure.suptitle(title, fontsize=9, fontweight="bold", parse_math=False)
    return figure


def _columns(machine: Machine) -> list[list[str]]:
    """The states by their distance from the first one; those that are not reached come last."""
    columns, seen = [[machine.start]], {machine.start}
    while True:
        column = dict.fromkeys(
            each.target
            for source in columns[-1]
            for each in machine.moves
            if source in each.sources and each.target not in seen
        )
        if not column:
            break
        seen.update(column)
        columns.append(list(column))
    rest = [state for state in machine.states if state not in seen]
    return [*columns, rest] if rest else columns


def _label(machine: Machine, each: Rule) -> str:
    numbers = {name: str(number) for number, name in enumerate(machine.stacks, 1)}
    tops = [f"{numbers[name]}:{'|'.join(tops)}" for name, tops in each.top.items()]
    actions = [f"+{numbers[name]}:{symbol}" for name, symbol in each.push.items()]
    actions += [f"-{numbers[name]}" for name in each.pop]
    return " ".join(["|".join(each.symbols), *tops, *(["/", *actions] if actions else [])])


Point = tuple[float, float]


def _draw_arrow(
    axis: Axes, start: Point, end: Point, labels: Sequence[str], taken: list[Bbox]
) -> None:
    """An arrow with its label where it covers least of what is there; `taken` gets its box."""
    (x, y), loop = start, start == end
    if loop:
        start, end, bend = (x - 0.16, y + 0.24), (x + 0.16, y + 0.24), -1.6
    else:
        bend = 0.12 + 0.03 * abs(end[0] - x) if end[0] != x else 0.35
    axis.add_patch(
        FancyArrowPatch(
            start,
            end,
            connectionstyle=f"arc3,rad={bend}",
            arrowstyle="-|>",
            mutation_scale=8,
            linewidth=0.7,
            color="0.35",
            shrinkA=0 if loop else 17,
            shrinkB=0 if loop else 17,
            zorder=1,
        )
    )
    if not labels:
        return
    text = "\n".join(labels) if len(labels) <= _LINES else f"{len(labels)} rules"
    width, height = _size(axis, text)
    dx, dy = end[0] - start[0], end[1] - start[1]
    boxes: list[Bbox] = []
    for t in _ALONG:  # on the curve of `arc3`, of degree 2
        bow = 2 * t * (1 - t) * bend
        place = start[0] + t * dx + bow * dy, start[1] + t * dy - bow * dx
        boxes.append(_box(place, width, height))
    if loop:
        boxes = [_box((x, y + 0.6 + height / 2), width, height)]
    box = min(boxes, key=lambda one: sum(_overlap(one, other) for other in taken))
    taken.append(box)
    axis.text(
        (box.x0 + box.x1) / 2,
        (box.y0 + box.y1) / 2,
        text,
        fontsize=_FONT,
        ha="center",
        va="center",
        zorder=4,
        parse_math=False,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
    )


def _box(centre: Point, width: float, height: float) -> Bbox:
    return Bbox.from_bounds(centre[0] - width / 2, centre[1] - height / 2, width, height)


def _size(axis: Axes, text: str) -> Point:
    """About the width and the height of a label, in the units of the axis."""
    lines = text.split("\n")
    points = np.array([0.6 * max(map(len, lines)), 1.3 * len(lines)]) * _FONT
    pixels = points * axis.figure.dpi / 72
    to_units = axis.transData.inverted()
    width, height = to_units.transform(pixels) - to_units.transform((0, 0))
    return float(width), float(height)


def _overlap(one: Bbox, other: Bbox) -> float:
    """The area that two boxes share."""
    shared = Bbox.intersection(one, other)
    return 0.0 if shared is None else shared.width * shared.height
