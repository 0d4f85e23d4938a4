"""An explanation in the terminal, within 80 columns: a row a symbol, or blocks if it is long."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from memrnn.explain._explain import Explanation
from memrnn.explain._traces import SoftStack, StackRun
from memrnn.reports._format import perplexity, share

MOST_ROWS = 32
"""Symbols that get a row each; longer strings are written in blocks."""

_WIDTH, _LABEL = 80, 12
_BAR, _LINES = 16, 4
_EIGHTHS, _LEVELS = " ▏▎▍▌▋▊▉█", "▁▂▃▄▅▆▇█"
_SIGNS = {"push": "+", "replace": "=", "pop": "-", "no-op": "·"}
_STYLES = {"push": "blue", "replace": "yellow", "pop": "magenta", "no-op": "dim"}
_WRONG = "red"


@dataclass(frozen=True)
class _Track:
    """One thing over time: a column of the table, or a line of a block.

    Attributes:
        values: after 0 ... n symbols; None where there is nothing to say.
        kind: how it is written; shares go from 0 to 1.
        signs: what is written in a block, where that is shorter.
        styles: colour of each value.
    """

    name: str
    values: Sequence[str | float | None]
    kind: Literal["text", "share", "height"]
    signs: Sequence[str] | None = None
    styles: Sequence[str] | None = None


def explanation_table(
    explanation: Explanation, symbols: Sequence[str], title: str, notes: Sequence[str] = ()
) -> Group:
    """An explanation for people.

    Up to `MOST_ROWS` symbols have a row each, more are written as blocks of lines.

    Args:
        symbols: the language's names of the symbols.
        title: what was explained.
        notes: further sentences for the end.
    """
    if len(explanation.tokens) <= MOST_ROWS:
        parts = _tables(explanation, symbols)
    else:
        parts = _blocks(explanation, symbols)
    notes = [_score(explanation), *_reading_help(explanation), *notes]
    return Group(Text(title, "bold"), *parts, Text("\n".join(notes), "italic"))


def _run_tracks(trace: StackRun) -> list[_Track]:
    run = trace.run
    kinds = [action.kind for action in run.actions]
    names = [
        action.kind if action.symbol is None else f"{action.kind} {action.symbol}"
        for action in run.actions
    ]
    styles = [_STYLES[kind] for kind in kinds]
    odds = [
        float(marginal[state, top])
        for marginal, state, top in zip(trace.marginals, run.states, run.tops, strict=True)
    ]
    return [
        _Track(
            "action",
            ["", *names, ""],
            "text",
            ["", *(_SIGNS[kind] for kind in kinds), ""],
            ["", *styles, ""],
        ),
        _Track("state", [*map(str, run.states), ""], "text"),
        _Track("top", [*map(str, run.tops), ""], "text"),
        _Track("of all", [*odds, None], "share"),
        _Track("height", [*map(float, run.heights), None], "height"),
    ]


def _soft_tracks(stack: SoftStack, number: str = "") -> list[_Track]:
    return [
        *(
            _Track(f"{name}{number}", [None, *map(float, stack.weights[:, k]), None], "share")
            for k, name in enumerate(stack.actions)
        ),
        _Track(f"{stack.heights_name}{number}", [*map(float, stack.heights), None], "height"),
    ]


def _tables(explanation: Explanation, symbols: Sequence[str]) -> list[Table]:
    """A row a symbol; one table for each stack, for more do not fit beside each other."""
    trace = explanation.trace
    if isinstance(trace, StackRun):
        return [_table(explanation, symbols, _run_tracks(trace), None)]
    return [
        _table(
            explanation,
            symbols,
            _soft_tracks(stack),
            f"\nstack {number} of {len(trace)}" if len(trace) > 1 else None,
        )
        for number, stack in enumerate(trace, 1)
    ]


def _table(
    explanation: Explanation, symbols: Sequence[str], tracks: Sequence[_Track], title: str | None
) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        header_style="",
    )
    for name in ("", "symbol", "next"):
        table.add_column(name, justify="left" if name == "symbol" else "right", no_wrap=True)
    for track in tracks:
        justify = "left" if track.kind != "share" else "right"
        table.add_column(Text(track.name), justify=justify, no_wrap=True)
    columns = [_cells(track) for track in tracks]
    for t, (odds, right) in enumerate(zip(explanation.probability, explanation.right, strict=True)):
        symbol = Text(symbols[explanation.tokens[t - 1]] if t else "")
        following = Text(f"{share(float(odds))} {' ' if right else '✗'}", "" if right else _WRONG)
        table.add_row(str(t), symbol, following, *(column[t] for column in columns))
    return table


def _cells(track: _Track) -> list[Text]:
    """A track as cells of a column."""
    if track.kind == "text":
        styles = track.styles or [""] * len(track.values)
        return [Text(str(value), style) for value, style in zip(track.values, styles, strict=True)]
    if track.kind == "share":
        return [Text("" if value is None else share(float(value))) for value in track.values]
    numbers = [float(value) for value in track.values if value is not None]
    form = "{:3.0f}" if all(number.is_integer() for number in numbers) else "{:5.2f}"
    scale = min(1.0, _BAR / max(numbers))
    texts = [
        f"{form.format(value)} {_bar(float(value) * scale)}" if value is not None else ""
        for value in track.values
    ]
    return [Text(text) for text in texts]


def _bar(length: float) -> str:
    """A bar of this many characters, to the nearest eighth."""
    whole, rest = divmod(round(8 * length), 8)
    return _EIGHTHS[8] * whole + _EIGHTHS[rest].strip()


def _blocks(explanation: Explanation, symbols: Sequence[str]) -> list[Text]:
    """A column a symbol, as many beside each other as fit."""
    trace = explanation.trace
    if isinstance(trace, StackRun):
        of_stack = _run_tracks(trace)
    else:
        numbers = [f" {k}" for k in range(1, len(trace) + 1)] if len(trace) > 1 else [""]
        of_stack = [
            track
            for number, stack in zip(numbers, trace, strict=True)
            for track in _soft_tracks(stack, number)
        ]
    names = ["", *(symbols[token] for token in explanation.tokens)]
    odds = _Track("next", [float(p) for p in explanation.probability], "share")
    marks = ["" if right else "✗" for right in explanation.right]
    tracks = [
        _Track("symbol", names, "text", styles=["bold"] * len(names)),
        odds,
        _Track("wrong", marks, "text", styles=[_WRONG] * len(marks)),
        *of_stack,
    ]
    texts = [value for track in tracks if track.kind == "text" for value in _signs(track)]
    widest = max(map(len, texts))
    cell = widest + 1 if widest > 1 else 1
    length = len(names)
    blocks = -(-length // ((_WIDTH - _LABEL) // cell))
    across = -(-length // blocks)
    parts: list[Text] = []
    for begin in range(0, length, across):
        end = min(begin + across, length)
        parts.append(Text(f"\nafter {begin} to {end - 1} symbols"))
        for track in tracks:
            parts += _lines(track, begin, end, cell)
    return parts


def _signs(track: _Track) -> list[str]:
    return [str(value) for value in track.signs or track.values]


def _lines(track: _Track, begin: int, end: int, cell: int) -> list[Text]:
    """A track between two positions as lines of a block; nothing where it says nothing."""
    if track.kind == "text":
        signs = _signs(track)[begin:end]
        styles = (track.styles or [""] * len(track.values))[begin:end]
        if not any(signs):
            return []
        line = Text(track.name.ljust(_LABEL))
        for sign, style in zip(signs, styles, strict=True):
            line.append(sign.ljust(cell), style)
        return [line]
    values = [None if value is None else float(value) for value in track.values]
    lines = 1 if track.kind == "share" else _LINES
    top = 1.0 if track.kind == "share" else max(value for value in values if value is not None)
    drawn = []
    for number in range(lines):
        label = track.name if number == 0 else f"  to {top:.3g}" if number == 1 else ""
        line = "".join(
            _level(value, top, lines - 1 - number, lines) * max(1, cell - 1) + " " * (cell > 1)
            for value in values[begin:end]
        )
        drawn.append(Text(label.ljust(_LABEL) + line))
    return drawn


def _level(value: float | None, top: float, line: int, lines: int) -> str:
    """The part of a bar that stands in this line, counted from the lowest; never quite nothing."""
    if value is None:
        return " "
    eighths = max(1, round(8 * lines * value / top)) if top > 0 else 1
    here = min(8, eighths - 8 * line)
    return _LEVELS[here - 1] if here > 0 else " "


def _score(explanation: Explanation) -> str:
    right = int(explanation.right.sum())
    return (
        f"{right} of {len(explanation.right)} predictions are right; "
        f"perplexity {perplexity(explanation.perplexity)}."
    )


def _reading_help(explanation: Explanation) -> list[str]:
    lines = [
        "In line t the string is known up to symbol t. next: probability of the symbol that "
        "follows (✗: another one is more probable); then what the stack does before it is read, "
        "and what it then is."
    ]
    trace = explanation.trace
    if isinstance(trace, StackRun):
        lines.append(
            f"The best run has {trace.share:.2g} of the weight of all runs; of all: probability "
            "of its state and top over all runs so far."
        )
    return lines
