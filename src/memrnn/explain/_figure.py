"""An explanation as a figure: what is predicted, what the stack does, what it holds, over time."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from memrnn.explain._explain import Explanation
from memrnn.explain._traces import SoftStack, StackRun

_ACTIONS = {"push": "#0072B2", "replace": "#E69F00", "pop": "#B03A8C", "no-op": "0.75"}
_SIGNS = {"push": "+", "replace": "=", "pop": "–"}
_SYMBOLS = ("#BBBBBB", "#56B4E9", "#F0E442", "#009E73", "#D55E00", "#CC79A7", "#0072B2", "#E69F00")
"""Colours of stack symbols, told apart by the colour-blind; number 0 begins at the bottom."""
_RIGHT, _WRONG = "#009E73", "#D55E00"
_MAP, _SIGNED = colormaps["Blues"], colormaps["RdBu_r"]
_LEAST = 0.005
"""A cell with less than this is not drawn: it would not be seen."""
_COLUMN, _FEWEST, _WIDEST = 0.26, 5.4, 13.0
"""Inches: a symbol's column where there is room, and the bounds of all columns together."""
_TEXT_COLUMN = 0.17
"""Inches of a column from which text fits into a cell."""


class _Panel(NamedTuple):
    """A part of the figure; its height is in inches."""

    height: float
    label: str
    draw: Callable[[Axes], None]


def draw_explanation(explanation: Explanation, symbols: Sequence[str], title: str) -> Figure:
    """A column for each symbol, with the stack that is read together with it.

    At the top, the probability that the net gave to the symbol before it saw it, and the vectors of
    the controller's state from which it did. Below, for a best run: its actions, each between two
    symbols, its state and the symbols on the stack, and the probabilities of state and top over all
    runs so far, with the best run as dots. For each soft stack: how much there is of each action,
    and the contents, with the expected height as a line in them or the total strength above them.

    Args:
        explanation: of a string of a language.
        symbols: the language's names of the symbols.
        title: what was explained.

    Returns:
        A figure of matplotlib.

    Examples:
        >>> import memrnn
        >>> from memrnn.explain import draw_explanation, explain
        >>> task = memrnn.Strings("marked-copy")
        >>> network = task.build(memrnn.get_model("lstm-6+jm-2"), seed=0)
        >>> tokens = task.encode("01#01")
        >>> explanation = explain(network, tokens, task.targets(tokens))
        >>> figure = draw_explanation(explanation, task.labels, "lstm-6+jm-2")
        >>> figure.savefig("explanation.svg")
    """
    columns = len(explanation.tokens) + 1
    width = min(max(_COLUMN * columns, _FEWEST), _WIDEST)
    trace = explanation.trace
    panels = [_Panel(0.7, "probability", lambda axis: _draw_predictions(axis, explanation))]
    panels += _state_panels(explanation.states)
    if isinstance(trace, StackRun):
        panels += _run_panels(trace, width / columns)
    else:
        names = [symbols[token] for token in explanation.tokens]
        for number, stack in enumerate(trace, 1):
            panels += _soft_panels(stack, names, f" {number}" if len(trace) > 1 else "", len(trace))
    heights = [panel.height for panel in panels]
    figure = Figure(figsize=(width + 1.9, sum(heights) + 0.22 * len(heights) + 1.1))
    figure.set_layout_engine("constrained", h_pad=0.05, hspace=0.0)
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    for axis, panel in zip(axes, panels, strict=True):
        axis.tick_params(labelsize=8, length=2)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_ylabel(panel.label, fontsize=8, rotation=0, ha="right", va="center")
        panel.draw(axis)
    figure.align_ylabels(axes)
    _name_columns(axes[-1], [symbols[target] for target in explanation.targets], width / columns)
    figure.suptitle(title, fontsize=9, fontweight="bold", parse_math=False)
    _add_legend(figure, list(axes), explanation)
    return figure


def _draw_predictions(axis: Axes, explanation: Explanation) -> None:
    right = explanation.right
    # Behind the bar, which may be too short to be seen.
    wrong = np.flatnonzero(~right) + 1
    axis.bar(wrong, np.ones(len(wrong)), width=1.0, color=_WRONG, alpha=0.25, linewidth=0)
    axis.bar(
        np.arange(1, len(right) + 1),
        explanation.probability,
        color=np.where(right, _RIGHT, _WRONG).tolist(),
        hatch=np.where(right, "", "////").tolist(),
        edgecolor="white",
        linewidth=0,
    )
    axis.set(ylim=(0, 1), yticks=[0, 1])


def _state_panels(states: Sequence[np.ndarray]) -> Iterator[_Panel]:
    """A row a unit; what is 1 or more is red, -1 or less blue."""
    for number, vector in enumerate(states):

        def draw(axis: Axes, vector: np.ndarray = vector) -> None:
            _draw_cells(axis, _SIGNED(np.clip(0.5 + 0.5 * vector.T, 0, 1)), 0.5)
            axis.set(yticks=[])

        name = f"state vector {number + 1}" if number else "hidden state"
        label = f"{name},\nred 1, blue –1"
        yield _Panel(min(max(0.05 * vector.shape[1], 0.25), 1.2), label, draw)


def _run_panels(trace: StackRun, column: float) -> Iterator[_Panel]:
    """The panels of a best run; `column` is the width of a symbol's column in inches."""
    run, texts = trace.run, column >= _TEXT_COLUMN
    tallest = max(run.heights)
    _, states, symbols = trace.marginals.shape

    def draw_actions(axis: Axes) -> None:
        colors = to_rgba_array([_ACTIONS[action.kind] for action in run.actions])
        _draw_cells(axis, colors[None], 1.0, line=0.6)
        for t, action in enumerate(run.actions if texts else (), 1):
            symbol = "" if action.symbol is None else action.symbol
            _write(axis, t + 0.5, 0.5, f"{_SIGNS[action.kind]}{symbol}", "white")
        axis.set(ylim=(0, 1), yticks=[])

    def draw_states(axis: Axes) -> None:
        greys = [str(0.93 - 0.4 * state / max(1, states - 1)) for state in run.states]
        _draw_cells(axis, to_rgba_array(greys)[None], 0.5)
        for t, state in enumerate(run.states, 1):
            # Where columns are narrow, a state is named where it begins.
            if texts or t == 1 or run.states[t - 2] != state:
                _write(axis, float(t), 0.5, str(state), "black")
        axis.set(ylim=(0, 1), yticks=[])

    def draw_stack(axis: Axes) -> None:
        in_cells = texts and tallest <= 16
        colors = np.zeros((tallest, len(run.stacks), 4))
        for t, stack in enumerate(run.stacks):
            colors[: len(stack), t] = to_rgba_array([_color(symbol) for symbol in stack])
            for level, symbol in enumerate(stack):
                if in_cells:
                    _write(axis, t + 1.0, level + 0.5, str(symbol), "black")
        _draw_cells(axis, colors, 0.5, line=0.4 if in_cells else 0.0)
        _draw_stairs(axis, np.array(run.heights))
        axis.set_ylim(0, tallest + 0.5)
        axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))

    def draw_marginals(axis: Axes) -> None:
        _draw_shares(axis, trace.marginals.reshape(len(trace.marginals), -1), 0.5)
        best = np.array(run.states) * symbols + np.array(run.tops) + 0.5
        size = min(4.0, 25 * column, 30 / (states * symbols))
        times = np.arange(1, len(best) + 1)
        axis.plot(times, best, "o", color=_WRONG, markersize=size, markeredgewidth=0)
        names = [f"{q}, {x}" for q in range(states) for x in range(symbols)]
        axis.set_yticks(np.arange(len(names)) + 0.5, names)
        axis.set_ylim(len(names), 0)

    yield _Panel(0.25, "action", draw_actions)
    yield _Panel(0.25, "state", draw_states)
    yield _Panel(min(max(0.19 * tallest, 0.8), 3.2), "stack of the\nbest run", draw_stack)
    height = min(max(0.17 * states * symbols, 0.4), 3.0)
    yield _Panel(height, "state, top of\nall runs so far", draw_marginals)


def _soft_panels(
    stack: SoftStack, names: Sequence[str], number: str, stacks: int
) -> Iterator[_Panel]:
    """The panels of one of several soft stacks on a string of these symbols."""
    by_push = stack.rows == "push"
    rows = stack.contents.shape[1]
    if not by_push:  # deep rows that hold nothing are left out
        filled = np.flatnonzero((stack.contents >= _LEAST).any(axis=0)).max(initial=0) + 1
        rows = min(rows, max(int(filled), math.ceil(stack.heights.max()) + 1))
    named = by_push and rows <= 24

    def draw_actions(axis: Axes) -> None:
        _draw_shares(axis, stack.weights, 1.0)
        axis.set_yticks(np.arange(len(stack.actions)) + 0.5, stack.actions)
        axis.set_ylim(len(stack.actions), 0)

    def draw_height(axis: Axes) -> None:
        _draw_stairs(axis, stack.heights)
        axis.set_ylim(0, max(1.0, 1.08 * float(stack.heights.max())))
        axis.yaxis.set_major_locator(MaxNLocator(3, integer=True))

    def draw_contents(axis: Axes) -> None:
        _draw_shares(axis, stack.contents[:, :rows], 0.5)
        axis.set_ylim(*((0, rows) if by_push else (rows, 0)))
        if not by_push:
            _draw_stairs(axis, stack.heights)
        if named:
            axis.set_yticks(np.arange(rows) + 0.5, names[:rows], parse_math=False)
        elif not by_push:
            axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))

    yield _Panel(0.17 * len(stack.actions), f"actions{number}", draw_actions)
    label = f"stack{number},\ntop is 0;\nline: {stack.heights_name}"
    if by_push:
        yield _Panel(0.6, f"{stack.heights_name}{number}", draw_height)
        # A row is known by the symbol after which it was pushed, or by how many there were.
        known_by = "symbol" if named else "position"
        label = f"values{number}, by\n{known_by} before\ntheir push"
    most = 2.6 if stacks == 1 else 1.3
    yield _Panel(min(max(0.12 * rows, 0.6), most), label, draw_contents)


def _draw_cells(
    axis: Axes, colors: Float[np.ndarray, "rows times 4"], left: float, line: float = 0.0
) -> None:
    """Cells of a colour, parted by white lines: time along x from `left`, rows along y from 0."""
    rows, times, _ = colors.shape
    right = left + times
    axis.imshow(colors, aspect="auto", interpolation="none", extent=(left, right, rows, 0))
    if line:
        style = {"color": "white", "linewidth": line, "zorder": 0.5}
        axis.vlines(np.arange(times + 1) + left, 0, rows, **style)
        axis.hlines(np.arange(rows + 1), left, right, **style)


def _draw_shares(axis: Axes, shares: Float[np.ndarray, "times rows"], left: float) -> None:
    colors = _MAP(np.minimum(shares.T, 1.0))
    colors[..., 3] = shares.T >= _LEAST
    _draw_cells(axis, colors, left)


def _draw_stairs(axis: Axes, heights: np.ndarray) -> None:
    edges = np.arange(len(heights) + 1) + 0.5
    axis.stairs(heights, edges, color="black", linewidth=1.2, baseline=None)


def _write(axis: Axes, x: float, y: float, text: str, color: str) -> None:
    axis.text(x, y, text, color=color, fontsize=7, ha="center", va="center_baseline")


def _color(symbol: int) -> str:
    return _SYMBOLS[symbol % len(_SYMBOLS)]


def _name_columns(axis: Axes, names: Sequence[str], column: float) -> None:
    # A symbol is about 0.6 of its size wide and needs a gap beside it.
    size = min(8.0, 72 * column / (0.6 * (max(map(len, names[:-1])) + 0.8)))
    axis.set_xlim(0.4, len(names) + 0.6)
    if size >= 4:
        axis.set_xticks(np.arange(1, len(names) + 1), names, fontsize=size, parse_math=False)
        side = "center" if column >= _TEXT_COLUMN else "left"
        axis.get_xticklabels()[-1].set(fontsize=min(size, 7), style="italic", ha=side)
    else:
        axis.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axis.set_xlabel("Symbols of the string" if size >= 4 else "Position in the string", fontsize=9)


def _add_legend(figure: Figure, axes: list[Axes], explanation: Explanation) -> None:
    handles = [
        Patch(facecolor=_RIGHT, label="most probable symbol"),
        Patch(facecolor=_WRONG, edgecolor="white", hatch="////", label="another one more probable"),
    ]
    trace = explanation.trace
    if isinstance(trace, StackRun):
        used = sorted({symbol for stack in trace.run.stacks for symbol in stack})
        handles += [
            *(Patch(facecolor=_ACTIONS[kind], label=f"{_SIGNS[kind]} {kind}") for kind in _SIGNS),
            *(Patch(facecolor=_color(symbol), label=f"stack symbol {symbol}") for symbol in used),
        ]
        axes, label, aspect = axes[-1:], "", 10
    else:
        axes, label, aspect = axes[1:], f"share of each action; {trace[0].contents_name}", 35
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(4, len(handles)),
        frameon=False,
        fontsize=8,
        handlelength=1.4,
    )
    bar = figure.colorbar(ScalarMappable(cmap=_MAP), ax=axes, pad=0.01, aspect=aspect)
    bar.ax.tick_params(labelsize=7, length=2)
    bar.set_ticks([0, 0.5, 1])
    bar.set_label(label, fontsize=8)
