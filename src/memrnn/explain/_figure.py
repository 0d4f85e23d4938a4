"""An explanation as a figure: what is predicted, what the stack does, what it holds, over time."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from memrnn.errors import MemrnnError
from memrnn.explain._explain import Explanation
from memrnn.explain._traces import SoftStack, StackRun
from memrnn.reports import svg
from memrnn.runtime.checkpoints import write_bytes

SUFFIXES = (".svg", ".pdf", ".png")
"""The formats in which a figure can be written."""

_ACTIONS = {"push": "#0072B2", "replace": "#E69F00", "pop": "#B03A8C", "no-op": "0.75"}
_SIGNS = {"push": "+", "replace": "=", "pop": "–"}
_SYMBOLS = ("#BBBBBB", "#56B4E9", "#F0E442", "#009E73", "#D55E00", "#CC79A7", "#0072B2", "#E69F00")
"""Colours of stack symbols, told apart by the colour-blind; number 0 begins at the bottom."""
_RIGHT, _WRONG = "#009E73", "#D55E00"
_MAP = colormaps["Blues"]
_LEAST = 0.005
"""A cell with less than this is not drawn: it would not be seen."""
_COLUMN, _FEWEST, _WIDEST = 0.26, 5.4, 13.0
"""Inches: a symbol's column where there is room, and the bounds of all columns together."""
_ROOM = 0.17
"""Inches of a column from which text fits into a cell."""


def check_figure_path(path: Path) -> Path:
    """The path, if its suffix names a format that can be written.

    Raises:
        MemrnnError: if not.
    """
    if path.suffix not in SUFFIXES:
        raise MemrnnError(
            f"{path} is no figure that can be written; its suffix must be .svg, .pdf or .png."
        )
    return path


def draw_explanation(explanation: Explanation, symbols: Sequence[str], title: str) -> Figure:
    """A column for each symbol, with the stack that is read together with it.

    At the top, the probability that the net gave to the symbol before it saw it. Below, for a best
    run: its actions, each between two symbols, its state and the symbols on the stack, and the
    probabilities of state and top over all runs so far, with the best run as dots. For each soft
    stack: how much there is of each action, the expected height or total strength, the contents.

    Args:
        symbols: the language's names of the symbols.
        title: what was explained.
    """
    columns = len(explanation.tokens) + 1
    width = min(max(_COLUMN * columns, _FEWEST), _WIDEST)
    trace = explanation.trace
    panels = [(0.7, _draw_predictions)]
    if isinstance(trace, StackRun):
        panels += _run_panels(trace, width / columns)
    else:
        for number, stack in enumerate(trace):
            panels += _soft_panels(stack, explanation, symbols, f" {number + 1}" * (len(trace) > 1))
    heights = [height for height, _ in panels]
    figure = Figure(figsize=(width + 1.9, sum(heights) + 0.22 * len(heights) + 1.1))
    figure.set_layout_engine("constrained", h_pad=0.05, hspace=0.0)
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    for axis, (_, panel) in zip(axes, panels, strict=True):
        axis.tick_params(labelsize=8, length=2)
        axis.spines[["top", "right"]].set_visible(False)
        panel(axis, explanation)
    figure.align_ylabels(axes)
    _name_columns(axes[-1], explanation, symbols, width / columns)
    figure.suptitle(title, fontsize=9, fontweight="bold", parse_math=False)
    _add_legend(figure, list(axes), explanation)
    return figure


def save_explanation(figure: Figure, path: Path, title: str) -> None:
    """Writes a figure in the format that the suffix of `path` names.

    Raises:
        MemrnnError: for an unknown suffix.
        OSError: naming the file that could not be written.
    """
    check_figure_path(path)
    if path.suffix == ".svg":
        write_bytes(path, svg(figure, title).encode())
        return
    buffer = io.BytesIO()
    if path.suffix == ".pdf":
        FigureCanvasPdf(figure)
        nothing = dict.fromkeys(("CreationDate", "Creator", "Producer"))
        figure.savefig(buffer, format="pdf", metadata={"Title": title} | nothing)
    else:
        FigureCanvasAgg(figure)
        metadata = {"Title": title, "Software": None}
        figure.savefig(buffer, format="png", dpi=160, metadata=metadata)
    write_bytes(path, buffer.getvalue())


def _draw_predictions(axis: Axes, explanation: Explanation) -> None:
    places = np.arange(1, len(explanation.targets) + 1)
    colors = [_RIGHT if right else _WRONG for right in explanation.right]
    bars = axis.bar(places, explanation.probability, width=0.8, color=colors)
    for bar, right in zip(bars, explanation.right, strict=True):
        if not right:
            bar.set_hatch("////")
            bar.set_edgecolor("white")
            bar.set_linewidth(0)
    axis.set_ylim(0, 1)
    axis.set_yticks([0, 1])
    _label(axis, "probability")


def _run_panels(trace: StackRun, column: float) -> list[tuple[float, Any]]:
    _, states, symbols = trace.marginals.shape
    run, room = trace.run, column >= _ROOM
    tallest = max(run.heights)

    def draw_actions(axis: Axes, _: Explanation) -> None:
        cells = [(float(t), 0.0, _ACTIONS[action.kind]) for t, action in enumerate(run.actions, 1)]
        _fill(axis, cells, line=0.6)
        for t, action in enumerate(run.actions, 1):
            if room:
                symbol = "" if action.symbol is None else action.symbol
                _write(axis, t + 0.5, 0.5, f"{_SIGNS[action.kind]}{symbol}", "white")
        axis.set_ylim(0, 1)
        axis.set_yticks([])
        _label(axis, "action")

    def draw_states(axis: Axes, _: Explanation) -> None:
        shades = [str(0.93 - 0.4 * state / max(1, states - 1)) for state in run.states]
        cells = [(t - 0.5, 0.0, shade) for t, shade in enumerate(shades, 1)]
        _fill(axis, cells)
        for t, state in enumerate(run.states, 1):
            # Where columns are narrow, a state is named where it begins.
            if room or t == 1 or run.states[t - 2] != state:
                _write(axis, float(t), 0.5, str(state), "black")
        axis.set_ylim(0, 1)
        axis.set_yticks([])
        _label(axis, "state")

    def draw_stack(axis: Axes, _: Explanation) -> None:
        cells = [
            (t - 0.5, float(level), _SYMBOLS[symbol % len(_SYMBOLS)])
            for t, stack in enumerate(run.stacks, 1)
            for level, symbol in enumerate(stack)
        ]
        _fill(axis, cells, line=0.4 * (room and tallest <= 16))
        if room and tallest <= 16:
            for t, stack in enumerate(run.stacks, 1):
                for level, symbol in enumerate(stack):
                    _write(axis, float(t), level + 0.5, str(symbol), "black")
        edges = np.arange(len(run.heights) + 1) + 0.5
        axis.stairs(run.heights, edges, color="black", linewidth=1.2, baseline=None)
        axis.set_ylim(0, tallest + 0.5)
        axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        _label(axis, "stack of the\nbest run")

    def draw_marginals(axis: Axes, _: Explanation) -> None:
        _heat(axis, trace.marginals.reshape(len(trace.marginals), -1), 0.5)
        places = np.arange(1, len(run.states) + 1)
        best = np.array(run.states) * symbols + np.array(run.tops) + 0.5
        size = min(4.0, 25 * column, 30 / (states * symbols))
        axis.plot(places, best, "o", color=_WRONG, markersize=size, markeredgewidth=0)
        names = [f"{q}, {x}" for q in range(states) for x in range(symbols)]
        axis.set_yticks(np.arange(len(names)) + 0.5, names)
        axis.set_ylim(len(names), 0)
        _label(axis, "state, top of\nall runs so far")

    return [
        (0.25, draw_actions),
        (0.25, draw_states),
        (min(max(0.19 * tallest, 0.8), 3.2), draw_stack),
        (min(max(0.17 * states * symbols, 0.4), 3.0), draw_marginals),
    ]


def _soft_panels(
    stack: SoftStack, explanation: Explanation, symbols: Sequence[str], number: str
) -> list[tuple[float, Any]]:
    seen = np.flatnonzero((stack.contents >= _LEAST).any(axis=0))
    # Deep rows that hold nothing are left out.
    rows = int(seen.max(initial=0)) + 1 if stack.rows == "depth" else stack.contents.shape[1]

    def draw_actions(axis: Axes, _: Explanation) -> None:
        _heat(axis, stack.weights, 1.0)
        axis.set_yticks(np.arange(len(stack.actions)) + 0.5, stack.actions)
        axis.set_ylim(len(stack.actions), 0)
        _label(axis, f"actions{number}")

    def draw_height(axis: Axes, _: Explanation) -> None:
        edges = np.arange(len(stack.heights) + 1) + 0.5
        axis.stairs(stack.heights, edges, color="black", linewidth=1.2, baseline=None)
        axis.set_ylim(0, max(1.0, 1.08 * float(stack.heights.max())))
        axis.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        _label(axis, f"{stack.heights_name}{number}")

    def draw_contents(axis: Axes, _: Explanation) -> None:
        _heat(axis, stack.contents, 0.5)
        if stack.rows == "push":
            # A row is known by the symbol after which it was pushed, or by how many there were.
            if rows <= 24:
                names = [symbols[token] for token in explanation.tokens[:rows]]
                axis.set_yticks(np.arange(rows) + 0.5, names, parse_math=False)
            axis.set_ylim(0, rows)
            known_by = "symbol" if rows <= 24 else "position"
            _label(axis, f"values{number}, by\n{known_by} before\ntheir push")
        else:
            axis.set_ylim(rows, 0)
            axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))
            _label(axis, f"stack{number},\ntop is 0")

    return [
        (0.17 * len(stack.actions), draw_actions),
        (0.6, draw_height),
        (min(max(0.12 * rows, 0.6), 2.6), draw_contents),
    ]


def _fill(axis: Axes, cells: Sequence[tuple[float, float, Any]], *, line: float = 0) -> None:
    """Squares of a colour, each from its lower left corner, parted by white lines or by none."""
    if not cells:
        return
    wide = [(x, y, 1.0, color) for x, y, color in cells]
    if not line:
        # Neighbours of one colour are drawn as one, which makes small files.
        wide.sort(key=lambda cell: (cell[1], cell[0]))
        joined = wide[:1]
        for x, y, width, color in wide[1:]:
            last_x, last_y, last_width, last_color = joined[-1]
            if (y, color) == (last_y, last_color) and x == last_x + last_width:
                joined[-1] = (last_x, y, last_width + width, color)
            else:
                joined.append((x, y, width, color))
        wide = joined
    squares = [[(x, y), (x + width, y), (x + width, y + 1), (x, y + 1)] for x, y, width, _ in wide]
    colors = [color for *_, color in wide]
    # Without an edge of its own colour, a thin white line would part neighbours.
    edges = "white" if line else colors
    axis.add_collection(
        PolyCollection(squares, facecolors=colors, edgecolors=edges, linewidths=line or 0.2)
    )


def _heat(axis: Axes, values: np.ndarray, begin: float) -> None:
    """Shares as colours: time along x from `begin`, rows along y from 0."""
    cells = [
        (begin + float(t), float(row), _MAP(min(float(values[t, row]), 1.0)))
        for t, row in zip(*np.nonzero(values >= _LEAST), strict=True)
    ]
    _fill(axis, cells)


def _write(axis: Axes, x: float, y: float, text: str, color: str) -> None:
    axis.text(x, y, text, color=color, fontsize=7, ha="center", va="center_baseline")


def _label(axis: Axes, text: str) -> None:
    axis.set_ylabel(text, fontsize=8, rotation=0, ha="right", va="center")


def _name_columns(
    axis: Axes, explanation: Explanation, symbols: Sequence[str], column: float
) -> None:
    names = [symbols[target] for target in explanation.targets]
    # A symbol is about 0.6 of its size wide and needs a gap beside it.
    size = min(8.0, 72 * column / (0.6 * (max(map(len, names[:-1])) + 0.8)))
    places = np.arange(1, len(names) + 1)
    axis.set_xlim(0.4, len(names) + 0.6)
    if size >= 4:
        axis.set_xticks(places, names, fontsize=size, parse_math=False)
        last = axis.get_xticklabels()[-1]
        last.set(fontsize=min(size, 7), style="italic", ha="center" if column >= _ROOM else "left")
    else:
        axis.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axis.set_xlabel("Symbols of the string" if size >= 4 else "Position in the string", fontsize=9)


def _add_legend(figure: Figure, axes: Sequence[Axes], explanation: Explanation) -> None:
    handles = [
        Patch(facecolor=_RIGHT, label="most probable symbol"),
        Patch(facecolor=_WRONG, edgecolor="white", hatch="////", label="another one more probable"),
    ]
    trace = explanation.trace
    if isinstance(trace, StackRun):
        handles += [
            Patch(facecolor=_ACTIONS[kind], label=f"{sign} {kind}") for kind, sign in _SIGNS.items()
        ]
        used = sorted({symbol for stack in trace.run.stacks for symbol in stack})
        handles += [
            Patch(facecolor=_SYMBOLS[symbol % len(_SYMBOLS)], label=f"stack symbol {symbol}")
            for symbol in used
        ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(4, len(handles)),
        frameon=False,
        fontsize=8,
        handlelength=1.4,
    )
    run = isinstance(trace, StackRun)
    maps = list(axes[-1:] if run else axes[1:4])
    bar = figure.colorbar(ScalarMappable(cmap=_MAP), ax=maps, pad=0.01, aspect=10 if run else 35)
    bar.ax.tick_params(labelsize=7, length=2)
    bar.set_ticks([0, 0.5, 1])
    if not isinstance(trace, StackRun):
        bar.set_label(f"share of each action; {trace[0].contents_name}", fontsize=8)
