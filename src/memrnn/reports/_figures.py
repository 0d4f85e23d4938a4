"""Figures: a score against string length, one panel per language and model.

Only matplotlib's objects are used, no pyplot, so that nothing global holds a figure and threads
may draw at the same time.
"""

import io
import statistics
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullFormatter, ScalarFormatter

from memrnn.checkpoints import write_bytes
from memrnn.errors import MemrnnError
from memrnn.reports._summary import Result, best_floor, frozen_label

SCORES = {
    "accuracy": "Share of all symbols predicted right",
    "determined_accuracy": "Share of determined symbols predicted right",
}
"""The scores that can be drawn, with the label of their axis."""

STYLES: dict[str, tuple[str, Any, float]] = {
    "nothing": ("#0072B2", "-", 2.4),
    "memory": ("#E69F00", (0, (4, 2)), 1.5),
    "controller": ("#B03A8C", (0, (1, 1.2)), 2.2),
    "controller+memory": ("#009E73", (0, (6, 1.5, 1, 1.5)), 1.8),
}
"""Colour (told apart by the colour-blind), dash (told apart in grey) and width by what is frozen.
A memory line is thin and dashed so that what it hides shows through."""

SPARE: tuple[str, Any, float] = ("#56B4E9", (0, (8, 3)), 1.5)
_LOG_FROM = 12
"""Ratio of longest to shortest test length from which the axis of lengths is logarithmic."""
_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "memrnn",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "font.size": 9.0,
}
# rc_context changes global settings for a while, so one figure is written at a time.
_LOCK = threading.Lock()


def draw(
    results: Sequence[Result],
    score: str = "accuracy",
    *,
    training_lengths: tuple[int, int] | None = None,
    columns: int | None = None,
) -> Figure:
    """A score by string length: languages down, models across, one line per freezing mode.

    A line is the median over all restarts, its band reaches from the worst to the best of them.

    Args:
        score: `accuracy`, with floor and ceiling drawn in, or `determined_accuracy`, whose ceiling
            is 1.
        training_lengths: the range to shade.
        columns: panels in a row; by default one row a language.

    Raises:
        MemrnnError: for an unknown score, no result, or two results of one experiment.
    """
    if score not in SCORES:
        raise MemrnnError(f"{score!r} cannot be drawn; choose one of {', '.join(SCORES)}.")
    panels = _panels(results)
    languages = list(dict.fromkeys(language for language, _ in panels))
    models = list(dict.fromkeys(model for _, model in panels))
    cells = [(language, model) for language in languages for model in models]
    across = columns or len(models)
    down = -(-len(cells) // across)
    size = (max(4.2, 3.0 * across), 2.35 * down + 1.3)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).flat
    for axis, cell in zip(axes, cells, strict=False):
        if cell in panels:
            _draw_panel(axis, panels[cell], score, training_lengths)
            axis.set_title(f"{cell[0]}\n{cell[1]}", fontsize=9, fontweight="bold", parse_math=False)
        else:
            axis.set_axis_off()
    for axis in list(axes)[len(cells) :]:
        axis.set_axis_off()
    figure.supxlabel("String length", fontsize=9)
    figure.supylabel(SCORES[score], fontsize=9)
    _add_legend(figure, panels, score, training_lengths, across)
    return figure


def svg(figure: Figure, title: str) -> str:
    """The figure as SVG text; equal figures give equal text."""
    with _LOCK, matplotlib.rc_context(_SETTINGS):
        FigureCanvasSVG(figure)
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata={"Title": title} | nothing)
    return buffer.getvalue()


def save_figure(
    figure: Figure, path: Path, title: str, formats: Sequence[str] = ("svg", "png")
) -> tuple[Path, ...]:
    """Writes `path` with a suffix for each format: svg, png or pdf.

    Raises:
        OSError: naming the file that could not be written.
    """
    paths: list[Path] = []
    for suffix in formats:
        content = svg(figure, title).encode() if suffix == "svg" else _bytes(figure, suffix, title)
        paths.append(path.with_name(f"{path.name}.{suffix}"))
        write_bytes(paths[-1], content)
    return tuple(paths)


def _bytes(figure: Figure, suffix: str, title: str) -> bytes:
    """The figure as PNG or PDF; equal figures give equal bytes."""
    canvas = {"png": FigureCanvasAgg, "pdf": FigureCanvasPdf}[suffix]
    absent = ("Software",) if suffix == "png" else ("CreationDate", "Creator", "Producer")
    with _LOCK, matplotlib.rc_context(_SETTINGS):
        canvas(figure)
        buffer = io.BytesIO()
        metadata = {"Title": title} | dict.fromkeys(absent)
        figure.savefig(buffer, format=suffix, dpi=160, metadata=metadata)
    return buffer.getvalue()


Panel = dict[str, Result]


def _panels(results: Sequence[Result]) -> dict[tuple[str, str], Panel]:
    if not results:
        raise MemrnnError("There is no result to draw.")
    panels: dict[tuple[str, str], Panel] = {}
    for result in results:
        first = result["runs"][0]
        panel = panels.setdefault((first["language"], first["model"]), {})
        frozen = frozen_label(first["freeze"])
        if frozen in panel:
            raise MemrnnError(
                f"Two results are {first['language']}, {first['model']}, {frozen} frozen; "
                "draw one of them at a time."
            )
        panel[frozen] = result
    return panels


def _draw_panel(
    axis: Axes, panel: Panel, score: str, training_lengths: tuple[int, int] | None
) -> None:
    if training_lengths:
        axis.axvspan(*training_lengths, color="0.9", linewidth=0, zorder=0)
    for frozen, result in panel.items():
        color, dash, width = STYLES.get(frozen, SPARE)
        curves = [_curve(run, score) for run in result["runs"]]
        lengths = sorted(curves[0])
        if not lengths:
            continue
        values = [[curve[length] for curve in curves] for length in lengths]
        low, high = [min(row) for row in values], [max(row) for row in values]
        axis.fill_between(lengths, low, high, color=color, alpha=0.2, linewidth=0, zorder=2)
        median = [statistics.median(row) for row in values]
        axis.plot(lengths, median, color=color, linestyle=dash, linewidth=width, zorder=3)
    _draw_bounds(axis, next(iter(panel.values())), score)
    lengths = [entry["length"] for entry in _per_length(next(iter(panel.values()))["runs"][0])]
    if lengths[-1] >= _LOG_FROM * max(lengths[0], 1) * 2:
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_formatter(NullFormatter())
    else:
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axis.set_ylim(0, 1.1)
    axis.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axis.tick_params(labelsize=8, labelbottom=True, labelleft=True)
    axis.spines[["top", "right"]].set_visible(False)


def _draw_bounds(axis: Axes, result: Result, score: str) -> None:
    """Floor and ceiling, each with its name at the right end of its line."""
    entries = _per_length(result["runs"][0])
    lengths = [entry["length"] for entry in entries]
    if score == "accuracy":
        ceiling = [entry["ceiling"]["accuracy"] for entry in entries]
        floor = [best_floor(entry["floors"])[1] for entry in entries]
        axis.plot(lengths, floor, color="0.35", linewidth=1, zorder=4)
        _name_line(axis, "floor", lengths[-1], floor[-1], "top")
    else:
        ceiling = [1.0 for _ in entries]
    axis.plot(lengths, ceiling, color="black", linewidth=1, zorder=4)
    _name_line(axis, "ceiling", lengths[-1], ceiling[-1], "bottom")


def _name_line(axis: Axes, name: str, x: int, y: float, side: str) -> None:
    offset = (0, -2) if side == "top" else (0, 1)
    axis.annotate(
        name,
        (x, y),
        xytext=offset,
        textcoords="offset points",
        ha="right",
        va=side,
        fontsize=7.5,
        color="0.2",
        zorder=5,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.4},
    )


def _add_legend(
    figure: Figure,
    panels: Mapping[tuple[str, str], Panel],
    score: str,
    training_lengths: tuple[int, int] | None,
    across: int,
) -> None:
    handles: list[Any] = []
    for frozen in dict.fromkeys(frozen for panel in panels.values() for frozen in panel):
        color, dash, width = STYLES.get(frozen, SPARE)
        handles.append(
            Line2D([], [], color=color, linestyle=dash, linewidth=width, label=f"{frozen} frozen")
        )
    restarts = max(len(result["runs"]) for panel in panels.values() for result in panel.values())
    if restarts > 1:
        label = f"worst to best of {restarts} restarts (line: median)"
        handles.append(Patch(facecolor="0.55", alpha=0.5, label=label))
    if training_lengths:
        handles.append(Patch(facecolor="0.9", edgecolor="0.7", label="lengths trained on"))
    if score == "accuracy":
        label = "floor: best trivial predictor"
        handles.append(Line2D([], [], color="0.35", linewidth=1, label=label))
        label = "ceiling: exact Bayes predictor"
        handles.append(Line2D([], [], color="black", linewidth=1, label=label))
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=min(3, across),
        frameon=False,
        fontsize=8,
        handlelength=3.2,
    )


def _per_length(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The scores of each length over all bins, lengths ascending; a length counts once."""
    by_length = {entry["length"]: entry for scores in run["bins"] for entry in scores["per_length"]}
    return [by_length[length] for length in sorted(by_length)]


def _curve(run: Mapping[str, Any], score: str) -> dict[int, float]:
    return {entry["length"]: entry[score] for entry in _per_length(run) if entry[score] is not None}
