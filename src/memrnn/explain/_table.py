"""An explanation in the terminal, within 80 columns: a row a symbol, or blocks if it is long."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from memrnn.explain._explain import Explanation
from memrnn.explain._traces import SoftStack, StackRun
from memrnn.runtime.printing import decimal, share

MOST_ROWS = 32
"""Symbols that get a row each; longer strings are written in blocks."""

_WIDTH, _LABEL = 80, 12
_BAR, _LINES = 16, 4
_EIGHTHS, _LEVELS = " ▏▎▍▌▋▊▉█", " ▁▂▃▄▅▆▇█"
_SIGNS = {"push": "+", "replace": "=", "pop": "-", "no-op": "·"}
_STYLES = {"push": "blue", "replace": "yellow", "pop": "magenta", "no-op": "dim"}
_WRONG = "red"


@dataclass(frozen=True)
class _Words:
    """Words after 0 ... n symbols, and what is written of them in a block."""

    name: str
    texts: Sequence[Text]
    signs: Sequence[Text]


@dataclass(frozen=True)
class _Numbers:
    """Numbers after 0 ... n symbols, drawn as bars up to `top`, or shares if that is None."""

    name: str
    values: Sequence[float | None]
    top: float | None = None


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
    names = ["", *(symbols[token] for token in explanation.tokens)]
    layout = _tables if len(explanation.tokens) <= MOST_ROWS else _blocks
    notes = [
        f"{explanation.right.sum()} of {len(explanation.right)} predictions are right; "
        f"perplexity {decimal(explanation.perplexity)}.",
        "In line t the string is known up to symbol t. next: probability of the symbol that "
        "follows (✗: another one is more probable); then what the stack does before it is read, "
        "and what it then is.",
        *_help_on_run(explanation),
        *notes,
    ]
    parts = layout(explanation, names)
    return Group(Text(title, "bold"), *parts, Text("\n".join(notes), "italic"))


def _help_on_run(explanation: Explanation) -> Iterator[str]:
    if isinstance(explanation.trace, StackRun):
        yield (
            f"The best run has {explanation.trace.share:.2g} of the weight of all runs; of all: "
            "probability of its state and top over all runs so far."
        )


def _run_tracks(trace: StackRun) -> list[_Words | _Numbers]:
    run, end = trace.run, Text("")
    names, signs = [end], [end]
    for kind, *_, symbol in run.actions:
        names.append(Text(kind if symbol is None else f"{kind} {symbol}", _STYLES[kind]))
        signs.append(Text(_SIGNS[kind], _STYLES[kind]))
    states = [*(Text(str(state)) for state in run.states), end]
    tops = [*(Text(str(top)) for top in run.tops), end]
    updates = range(len(run.states))
    shares = trace.marginals[updates, run.states, run.tops]
    return [
        _Words("action", [*names, end], [*signs, end]),
        _Words("state", states, states),
        _Words("top", tops, tops),
        _Numbers("of all", [*map(float, shares), None]),
        _Numbers("height", [*map(float, run.heights), None], max(run.heights)),
    ]


def _soft_tracks(stack: SoftStack, number: str = "") -> list[_Words | _Numbers]:
    return [
        *(
            _Numbers(f"{action}{number}", [None, *map(float, weights), None])
            for action, weights in zip(stack.actions, stack.weights.T, strict=True)
        ),
        _Numbers(
            f"{stack.heights_name}{number}",
            [*map(float, stack.heights), None],
            float(stack.heights.max()),
        ),
    ]


def _tables(explanation: Explanation, names: Sequence[str]) -> list[Table]:
    """A row a symbol; one table for each stack, for more do not fit beside each other."""
    trace = explanation.trace
    if isinstance(trace, StackRun):
        return [_table(explanation, names, _run_tracks(trace), None)]
    titles = [f"\nstack {k} of {len(trace)}" for k in range(1, len(trace) + 1)]
    return [
        _table(explanation, names, _soft_tracks(stack), title if len(trace) > 1 else None)
        for title, stack in zip(titles, trace, strict=True)
    ]


def _table(
    explanation: Explanation,
    names: Sequence[str],
    tracks: Sequence[_Words | _Numbers],
    title: str | None,
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
        is_share = isinstance(track, _Numbers) and track.top is None
        table.add_column(Text(track.name), justify="right" if is_share else "left", no_wrap=True)
    columns = [_cells(track) for track in tracks]
    for t, (probability, right) in enumerate(
        zip(explanation.probability, explanation.right, strict=True)
    ):
        following = Text(f"{share(probability)} {' ' if right else '✗'}", "" if right else _WRONG)
        table.add_row(str(t), Text(names[t]), following, *(column[t] for column in columns))
    return table


def _cells(track: _Words | _Numbers) -> Sequence[Text]:
    """A track as cells of a column."""
    if isinstance(track, _Words):
        return track.texts
    top = track.top
    integers = all(value is None or value.is_integer() for value in track.values)

    def text(value: float | None) -> str:
        if value is None:
            return ""
        if top is None:
            return share(value)
        bar = _bar(value * min(1.0, _BAR / top))
        return f"{value:3.0f} {bar}" if integers else f"{value:5.2f} {bar}"

    return [Text(text(value)) for value in track.values]


def _bar(length: float) -> str:
    """A bar of this many characters, to the nearest eighth."""
    whole, rest = divmod(round(8 * length), 8)
    return _EIGHTHS[8] * whole + _EIGHTHS[rest].strip()


def _blocks(explanation: Explanation, names: Sequence[str]) -> Iterator[Text]:
    """A column a symbol, as many beside each other as fit."""
    trace = explanation.trace
    symbols = [Text(name, "bold") for name in names]
    wrong = [Text("" if right else "✗", _WRONG) for right in explanation.right]
    tracks = [
        _Words("symbol", symbols, symbols),
        _Numbers("next", [*map(float, explanation.probability)]),
        _Words("wrong", wrong, wrong),
    ]
    if isinstance(trace, StackRun):
        tracks += _run_tracks(trace)
    else:
        for number, stack in enumerate(trace, 1):
            tracks += _soft_tracks(stack, f" {number}" if len(trace) > 1 else "")
    widest = max(len(sign) for track in tracks if isinstance(track, _Words) for sign in track.signs)
    width = widest + 1 if widest > 1 else 1
    blocks = math.ceil(len(names) / ((_WIDTH - _LABEL) // width))
    across = math.ceil(len(names) / blocks)
    for begin in range(0, len(names), across):
        end = min(begin + across, len(names))
        yield Text(f"\nafter {begin} to {end - 1} symbols")
        for track in tracks:
            yield from _lines(track, begin, end, width)


def _lines(track: _Words | _Numbers, begin: int, end: int, width: int) -> Iterator[Text]:
    """A track between two positions as lines of a block; nothing where there are no words."""
    if isinstance(track, _Words):
        if any(track.signs[begin:end]):
            line = Text(track.name.ljust(_LABEL))
            for sign in track.signs[begin:end]:
                line.append(sign.plain.ljust(width), sign.style)
            yield line
        return
    lines = 1 if track.top is None else _LINES
    top = track.top or 1.0
    # What there is, is never drawn as quite nothing.
    eighths = [
        0 if value is None else max(1, round(8 * lines * value / top))
        for value in track.values[begin:end]
    ]
    for number in range(lines):
        label = track.name if number == 0 else f"  to {top:.3g}" if number == 1 else ""
        levels = (_LEVELS[min(max(e - 8 * (lines - 1 - number), 0), 8)] for e in eighths)
        bars = "".join(level * max(1, width - 1) + " " * (width > 1) for level in levels)
        yield Text(label.ljust(_LABEL) + bars)
