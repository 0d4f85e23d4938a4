"""An explanation in the terminal, within 80 columns: a row a symbol, or blocks if it is long."""

import math
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from memrnn.explain._explain import Explanation
from memrnn.explain._traces import SoftStack, StackRun
from memrnn.runtime.formats import decimal
from memrnn.runtime.printing import ruled_table

MOST_ROWS = 32
"""Symbols that get a row each; longer strings are written in blocks."""

_WIDTH, _LABEL = 80, 12
_BAR, _LINES = 16, 4
_EIGHTHS, _LEVELS = " ▏▎▍▌▋▊▉█", " ▁▂▃▄▅▆▇█"
_SIGNS = {"push": "+", "replace": "=", "pop": "-", "no-op": "·"}
_STYLES = {"push": "blue", "replace": "yellow", "pop": "magenta", "no-op": "dim"}
_WRONG = "red"


class _Track(NamedTuple):
    """A quantity after 0 ... n symbols.

    Attributes:
        cells: as a column of a table.
        lines: as lines of a block, each with its label; a bar is as wide as its column.
    """

    name: str
    justify: Literal["left", "right"]
    cells: Sequence[Text]
    lines: Sequence[tuple[str, Sequence[Text]]]
    bars: bool


def explanation_table(
    explanation: Explanation, symbols: Sequence[str], title: str, notes: Sequence[str] = ()
) -> Group:
    """An explanation for people.

    Up to `MOST_ROWS` symbols have a row each, more are written as blocks of lines.

    Args:
        explanation: of a string of a language.
        symbols: the language's names of the symbols.
        title: what was explained.
        notes: further sentences for the end.

    Returns:
        What `rich` prints.

    Examples:
        >>> import memrnn
        >>> from memrnn.explain import explain, explanation_table
        >>> task = memrnn.Strings("marked-copy")
        >>> network = task.build(memrnn.get_model("lstm-6+jm-2"), seed=0)
        >>> tokens = task.encode("01#01")
        >>> explanation = explain(network, tokens, task.targets(tokens))
        >>> table = explanation_table(explanation, task.labels, "lstm-6+jm-2")
        >>> len(table.renderables) > 0
        True
    """
    trace, scored = explanation.trace, explanation.scored
    names = ["", *(symbols[token] for token in explanation.tokens)]
    sentences = [
        f"{scored.sum()} of {len(scored)} predictions are right; perplexity "
        f"{decimal(explanation.perplexity)}.",
        "In line t the string is known up to symbol t. next: probability of the symbol that "
        "follows (✗: another one is more probable); then what the stack does before it is read, "
        "and what it then is.",
    ]
    if isinstance(trace, StackRun):
        sentences.append(
            f"The best run has {trace.share:.2g} of the weight of all runs; of all: probability "
            "of its state and top over all runs so far."
        )
    sentences += notes
    layout = _tables if len(explanation.tokens) <= MOST_ROWS else _blocks
    parts = layout(explanation, names)
    return Group(Text(title, "bold"), *parts, Text("\n".join(sentences), "italic"))


def _tables(explanation: Explanation, names: Sequence[str]) -> Iterator[Table]:
    """A row a symbol; one table for each stack, for more do not fit beside each other."""
    trace = explanation.trace
    if isinstance(trace, StackRun):
        yield _table(explanation, names, _run_tracks(trace), None)
        return
    for number, stack in enumerate(trace, 1):
        title = f"\nstack {number} of {len(trace)}" if len(trace) > 1 else None
        yield _table(explanation, names, _soft_tracks(stack), title)


def _table(
    explanation: Explanation, names: Sequence[str], tracks: Sequence[_Track], title: str | None
) -> Table:
    table = ruled_table(title, "")
    following = [
        Text(f"{decimal(probability)} {' ' if right else '✗'}", "" if right else _WRONG)
        for probability, right in zip(explanation.probability, explanation.right, strict=True)
    ]
    tracks = [
        _Track("", "right", [Text(str(t)) for t in range(len(names))], [], False),
        _words("symbol", names),
        _Track("next", "right", following, [], False),
        *tracks,
    ]
    for track in tracks:
        table.add_column(Text(track.name), justify=track.justify, no_wrap=True)
    for row in zip(*(track.cells for track in tracks), strict=True):
        table.add_row(*row)
    return table


def _blocks(explanation: Explanation, names: Sequence[str]) -> Iterator[Text]:
    """A column a symbol, as many beside each other as fit."""
    trace = explanation.trace
    wrong = ["" if right else "✗" for right in explanation.right]
    tracks = [
        _words("symbol", names, styles=["bold"] * len(names)),
        _shares("next", explanation.probability.tolist()),
        _words("wrong", wrong, styles=[_WRONG] * len(wrong)),
    ]
    if isinstance(trace, StackRun):
        tracks += _run_tracks(trace)
    else:
        for number, stack in enumerate(trace, 1):
            tracks += _soft_tracks(stack, f" {number}" if len(trace) > 1 else "")
    widest = max(len(text) for track in tracks for _, line in track.lines for text in line)
    width = widest + 1 if widest > 1 else 1
    blocks = math.ceil(len(names) / ((_WIDTH - _LABEL) // width))
    across = math.ceil(len(names) / blocks)
    for begin in range(0, len(names), across):
        end = min(begin + across, len(names))
        yield Text(f"\nafter {begin} to {end - 1} symbols")
        for track in tracks:
            for label, texts in track.lines:
                line = Text(label.ljust(_LABEL))
                for text in texts[begin:end]:
                    wide = text.plain * max(1, width - 1) if track.bars else text.plain
                    line.append(wide.ljust(width), text.style)
                if track.bars or any(texts[begin:end]):
                    yield line


def _run_tracks(trace: StackRun) -> list[_Track]:
    run = trace.run
    kinds = [action.kind for action in run.actions]
    names = [
        action.kind if action.symbol is None else f"{action.kind} {action.symbol}"
        for action in run.actions
    ]
    signs, styles = ([table[kind] for kind in kinds] for table in (_SIGNS, _STYLES))
    shares = trace.marginals[range(len(run.states)), run.states, run.tops]
    return [
        _words("action", ["", *names, ""], ["", *signs, ""], ["", *styles, ""]),
        _words("state", [*map(str, run.states), ""]),
        _words("top", [*map(str, run.tops), ""]),
        _shares("of all", [*shares.tolist(), None]),
        _heights("height", [*map(float, run.heights), None]),
    ]


def _soft_tracks(stack: SoftStack, number: str = "") -> list[_Track]:
    weights = zip(stack.actions, stack.weights.T.tolist(), strict=True)
    return [
        *(_shares(f"{action}{number}", [None, *shares, None]) for action, shares in weights),
        _heights(f"{stack.heights_name}{number}", [*stack.heights.tolist(), None]),
    ]


def _words(
    name: str, words: Sequence[str], signs: Sequence[str] = (), styles: Sequence[str] = ()
) -> _Track:
    """Words, for which shorter signs may stand in a block."""
    styles = styles or [""] * len(words)
    cells, short = (list(map(Text, texts, styles)) for texts in (words, signs or words))
    return _Track(name, "left", cells, [(name, short)], bars=False)


def _shares(name: str, values: Sequence[float | None]) -> _Track:
    """Numbers from 0 to 1."""
    cells = [Text("" if value is None else decimal(value)) for value in values]
    return _Track(name, "right", cells, [(name, _bars(values, 1.0, 0, 1))], bars=True)


def _heights(name: str, values: Sequence[float | None]) -> _Track:
    known = [value for value in values if value is not None]
    top = max(known) or 1.0
    digits = "3.0f" if all(value.is_integer() for value in known) else "5.2f"
    cells: list[Text] = []
    for value in values:
        whole, rest = divmod(round(8 * (value or 0) * min(1.0, _BAR / top)), 8)
        bar = _EIGHTHS[8] * whole + _EIGHTHS[rest].strip()
        cells.append(Text("" if value is None else f"{value:{digits}} {bar}"))
    labels = (name, f"  to {top:.3g}", *[""] * (_LINES - 2))
    lines = [(label, _bars(values, top, k, _LINES)) for k, label in enumerate(labels)]
    return _Track(name, "left", cells, lines, bars=True)


def _bars(values: Sequence[float | None], top: float, line: int, lines: int) -> list[Text]:
    """What a line, counted from the highest, shows of upright bars; a value is never invisible."""
    below = 8 * (lines - 1 - line)
    bars: list[Text] = []
    for value in values:
        eighths = 0 if value is None else max(1, round(8 * lines * value / top))
        bars.append(Text(_LEVELS[min(max(eighths - below, 0), 8)]))
    return bars
