"""Figures of a study: accuracies beside the published ones, validation scores of all restarts."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from memrnn.errors import MemrnnError
from memrnn.languages import Law, get_language
from memrnn.reports._figures import SPARE, STYLES
from memrnn.reports._summary import frozen_label, lengths_label
from memrnn.reports.study._published import PublishedCell, published
from memrnn.reports.study._scores import View
from memrnn.studies import Cell, StudyResults

_HERE, _THEIRS, _GREY = "#0072B2", "#D55E00", "0.45"
_ROW = 0.17
"""Inches that a row of a dot plot is high."""

_POINTS: dict[str, dict[str, Any]] = {
    "all": {
        "marker": "o", "color": _HERE, "markersize": 3.4, "alpha": 0.35, "markeredgewidth": 0,
    },
    "best": {"marker": "o", "color": _HERE, "markersize": 4},
    "theirs": {"marker": "D", "color": _THEIRS, "markersize": 4.6, "fillstyle": "none"},
}  # fmt: skip
"""The marks of a dot plot, those in front last."""

_LINEAR = 0.01
"""Nats up to which the axis of validation scores is linear; from there it is logarithmic."""


def draw_accuracies(view: View, freeze: tuple[str, ...], *, columns: int | None = None) -> Figure:
    """Accuracy of every language and model with some parts frozen, one panel a bin.

    Shown are the published figure, the best of ours chosen by validation, every restart, and
    floor and ceiling.

    Raises:
        MemrnnError: if the study has no such cell.
    """
    cells = [cell for cell in view.results.cells if cell.freeze == freeze]
    if not cells:
        raise MemrnnError(f"The study has no cell with {frozen_label(freeze)} frozen.")
    bins = view.results.study.bins
    across = columns or len(bins)
    down = -(-len(bins) // across)
    languages = list(dict.fromkeys(cell.language for cell in cells))
    height = _ROW * (len(cells) + 1.25 * len(languages)) + 0.5
    figure = Figure(figsize=(max(4.4, 3.7 * across), height * down + 0.6), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, sharey=True)
    for axis, edges in zip(axes.flat, bins, strict=False):
        _draw_bin(axis, view, cells, edges)
        axis.set_title(f"lengths {lengths_label(edges)}", fontsize=9, fontweight="bold")
    for axis in list(axes.flat)[len(bins) :]:
        axis.set_axis_off()
    figure.supxlabel("Share of all symbols predicted right", fontsize=9)
    figure.legend(
        handles=_legend(), loc="outside upper center", ncols=min(5, 2 * across), frameon=False,
        fontsize=8,
    )  # fmt: skip
    return figure


def _draw_bin(axis: Axes, view: View, cells: Sequence[Cell], edges: tuple[int, int]) -> None:
    # Points of one kind are one line, so that drawing stays fast with hundreds of them.
    points: dict[str, list[tuple[float, float]]] = {name: [] for name in ("theirs", "all", "best")}
    bounds: dict[str, list[tuple[float, float]]] = {name: [] for name in ("floor", "ceiling")}
    row, language = 0.0, None
    rows: list[float] = []
    for cell in cells:
        if cell.language != language:
            language = cell.language
            axis.axhspan(row - 0.5, row + 0.6, color="0.94", linewidth=0, zorder=0)
            axis.text(
                0.01, row + 0.05, language, fontsize=7.5, fontweight="bold", va="center",
                parse_math=False,
            )  # fmt: skip
            row += 1.25
        known = published().find(cell.language, cell.model, cell.freeze)
        theirs = _published_accuracy(known, edges)
        if theirs is not None:
            points["theirs"].append((theirs, row))
        best = cell.best
        if best is None:
            failed = {run.status for run in cell.runs} == {"failed"}
            axis.text(0.01, row, "failed" if failed else "not run", fontsize=6.5, color=_GREY,
                      va="center", style="italic")  # fmt: skip
        else:
            points["all"] += [(view.accuracy(run, edges), row) for run in cell.finished]
            points["best"].append((view.accuracy(best, edges), row))
            bounds["floor"].append((view.floor(best, edges), row))
            ceiling = best.scores[view.precision, edges]["ceiling"]["accuracy"]
            bounds["ceiling"].append((ceiling, row))
        rows.append(row)
        row += 1
    for name, color in (("floor", _GREY), ("ceiling", "black")):
        segments = [[(x, y - 0.46), (x, y + 0.46)] for x, y in bounds[name]]
        axis.add_collection(LineCollection(segments, colors=color, linewidths=1.2, zorder=2))
    for name, style in _POINTS.items():
        x, y = zip(*points[name], strict=True) if points[name] else ((), ())
        axis.plot(x, y, linestyle="none", zorder=3, **style)
    axis.set_yticks(rows, [cell.model for cell in cells], fontsize=7.5, parse_math=False)
    axis.set_ylim(row - 0.4, -0.6)
    axis.set_xlim(0, 1.03)
    axis.grid(axis="x", color="0.88", linewidth=0.6, zorder=0)
    axis.tick_params(axis="y", length=0, labelleft=True)
    axis.tick_params(axis="x", labelsize=8)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _published_accuracy(cell: PublishedCell | None, edges: tuple[int, int]) -> float | None:
    bins = published().bins
    return cell.accuracies[bins.index(edges)] if cell and edges in bins else None


def _legend() -> list[Any]:
    names = {
        "theirs": "published",
        "best": "here, chosen by validation",
        "all": "here, each restart",
    }
    bound: dict[str, Any] = {"marker": "|", "markersize": 8, "markeredgewidth": 1.2}
    return [
        *(Line2D([], [], linestyle="none", label=names[n], **_POINTS[n]) for n in names),
        Line2D([], [], linestyle="none", color=_GREY, label="floor", **bound),
        Line2D([], [], linestyle="none", color="black", label="ceiling", **bound),
    ]


def draw_validation(results: StudyResults, *, columns: int = 4) -> Figure:
    """Validation cross-entropy above its exact bound: every finished restart is a point."""
    study = results.study
    modes = list(dict.fromkeys(cell.freeze for cell in results.cells))
    columns = min(columns, len(study.languages))
    down = -(-len(study.languages) // columns)
    width = max(1.6, 0.34 + 0.16 * len(modes) * len(study.models))
    figure = Figure(
        figsize=(max(4.2, 0.9 + width * columns), 2.5 * down + 0.9), layout="constrained"
    )
    axes = figure.subplots(down, columns, squeeze=False, sharey=True)
    for axis, language in zip(axes.flat, study.languages, strict=False):
        _draw_language(axis, results, language, modes)
    for axis in list(axes.flat)[len(study.languages) :]:
        axis.set_axis_off()
    figure.supylabel("Nats per symbol above the bound", fontsize=9)
    handles: list[Any] = [
        Line2D([], [], linestyle="none", marker="o", color=STYLES.get(name, SPARE)[0],
               markersize=4, label=f"{name} frozen")
        for name in map(frozen_label, modes)
    ]  # fmt: skip
    handles += [
        Line2D([], [], linestyle="none", marker="D", color=_GREY, markersize=4.6,
               fillstyle="none", label="published"),
        Line2D([], [], color=_GREY, linewidth=1.2, label="floor: bigram"),
        Line2D([], [], color="black", linewidth=1.2, label="bound"),
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="outside upper center", ncols=4 if columns > 1 else 2, frameon=False,
        fontsize=8,
    )  # fmt: skip
    return figure


def _draw_language(
    axis: Axes, results: StudyResults, language: str, modes: Sequence[tuple[str, ...]]
) -> None:
    study = results.study
    for cell in (cell for cell in results.cells if cell.language == language):
        left = study.models.index(cell.model) - 0.36
        x = left + 0.72 * (modes.index(cell.freeze) + 0.5) / len(modes)
        color = STYLES.get(frozen_label(cell.freeze), SPARE)[0]
        values = [run.difference for run in cell.finished if math.isfinite(run.difference)]
        axis.plot([x] * len(values), values, "o", color=color, markersize=4.2, alpha=0.55,
                  markeredgewidth=0, zorder=3)  # fmt: skip
        theirs = published().find(language, cell.model, cell.freeze)
        bounds = [run.valid_bound for run in cell.finished if run.valid_bound]
        if theirs and bounds and study.recipe.lengths == published().lengths:
            above = math.log(theirs.valid_perplexity / statistics.median(bounds))
            axis.plot(x, above, "D", color=color, markersize=4.6, fillstyle="none", zorder=4)
    axis.axhline(0, color="black", linewidth=1.2, zorder=2)
    if (floor := floor_above_bound(results, language)) is not None:
        axis.axhline(floor, color=_GREY, linewidth=1.2, zorder=2)
    axis.set_yscale("symlog", linthresh=_LINEAR, linscale=0.6)
    axis.set_ylim(bottom=-_LINEAR / 2)
    axis.set_yticks([0, 0.01, 0.1, 1], ["0", "0.01", "0.1", "1"])
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_xticks(range(len(study.models)), study.models, fontsize=7.5, parse_math=False)
    axis.set_xlim(-0.5, len(study.models) - 0.5)
    axis.tick_params(axis="y", labelsize=8, labelleft=True)
    axis.tick_params(axis="x", length=0)
    axis.grid(axis="y", color="0.9", linewidth=0.6, zorder=0)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_title(language, fontsize=8.5, fontweight="bold", parse_math=False)


def floor_above_bound(results: StudyResults, language: str) -> float | None:
    """Expected cross-entropy of the bigram predictor on validation strings, above their bound.

    With expected counts c of pairs under the training law it is

        - sum over a, b of c(a, b) log(c(a, b) / c(a))  /  sum over a, b of c(a, b),

    the least that any predictor gets that sees one symbol only, so no other floor is lower. None
    if no restart is finished, whose bounds are needed.
    """
    bounds = [
        run.valid_bound
        for cell in results.cells
        if cell.language == language
        for run in cell.finished
        if run.valid_bound
    ]
    if not bounds:
        return None
    counts = Law(get_language(language), *results.study.recipe.lengths).transition_counts()
    known = counts > 0
    shares = np.divide(counts, counts.sum(axis=1, keepdims=True), where=known, out=counts * 0 + 1)
    return float(-(counts * np.log(shares)).sum() / counts.sum()) - math.log(
        statistics.median(bounds)
    )
