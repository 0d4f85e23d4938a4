"""A figure of a study: the headline metric of every restart by set, beside the published one."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from memrnn.errors import MemrnnError
from memrnn.reports._limits import Limits
from memrnn.reports._summary import (
    frozen_words,
    in_order,
    metric_label,
    set_label,
)
from memrnn.reports.study._published import (
    is_the_papers,
    published,
    published_cell,
)
from memrnn.reports.study._scores import View, ceiling, floor, headline
from memrnn.studies import Cell
from memrnn.tasks import Metric, TaskDescription

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


def draw_scores(
    view: View,
    freeze: tuple[str, ...],
    tasks: Sequence[TaskDescription] | None = None,
    *,
    columns: int | None = None,
) -> Figure:
    """The headline metric of every task and model in a freezing mode, one panel per set.

    Shown are the best restart chosen by validation, every restart, floor and ceiling, and in a
    study of the paper's networks the published figure.

    Args:
        tasks: of one headline metric and the same sets; by default all of the study.

    Raises:
        MemrnnError: if the study has no such cell.
    """
    chosen = view.results.tasks if tasks is None else tasks
    keys = [task.key for task in chosen]
    cells = [c for c in view.results.cells if c.freeze == freeze and c.task.key in keys]
    if not cells:
        raise MemrnnError(f"The study has no cell with {frozen_words(freeze)}.")
    paper = is_the_papers(view.results)
    sets = in_order([one.name for one in chosen[0].sets])
    metric = headline(chosen[0])
    across = max(1, columns or len(sets))
    down = -(-len(sets) // across)
    rows = len({cell.task.key for cell in cells})
    height = _ROW * (len(cells) + 1.25 * rows) + 0.5
    figure = Figure(figsize=(max(4.4, 3.7 * across), height * down + 0.6), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, sharey=True)
    limits = _score_limits(view, cells, sets, metric)
    for axis, name in zip(axes.flat, sets, strict=False):
        axis.set_xscale(limits.scale)
        axis.set_xlim(limits.low, limits.high)
        _draw_set(axis, view, cells, name, paper)
        axis.set_title(set_label(name), fontsize=9, fontweight="bold", parse_math=False)
    for axis in list(axes.flat)[len(sets) :]:
        axis.set_axis_off()
    label = metric_label(metric)
    better = "" if metric.goal == "max" else " (smaller is better)"
    figure.supxlabel(label[:1].upper() + label[1:] + better, fontsize=9, parse_math=False)
    bounds = {
        "floor": any(floor(cell, name) is not None for cell in cells for name in sets),
        "ceiling": any(ceiling(cell, name) is not None for cell in cells for name in sets),
    }
    figure.legend(
        handles=_legend(paper, bounds), loc="outside upper center", ncols=min(5, 2 * across),
        frameon=False, fontsize=8,
    )  # fmt: skip
    return figure


def _score_limits(view: View, cells: Sequence[Cell], sets: Sequence[str], metric: Metric) -> Limits:
    values = [
        value
        for cell in cells
        for name in sets
        for value in (
            *(view.value(cell, run, name) for run in cell.finished),
            floor(cell, name),
            ceiling(cell, name),
        )
    ]
    return Limits.of([value for value in values if value is not None], metric, 0.03)


def _draw_set(axis: Axes, view: View, cells: Sequence[Cell], name: str, paper: bool) -> None:
    # Points of one kind are one line, so that drawing stays fast with hundreds of them.
    points: dict[str, list[tuple[float, float]]] = {kind: [] for kind in ("theirs", "all", "best")}
    bounds: dict[str, list[tuple[float, float]]] = {kind: [] for kind in ("floor", "ceiling")}
    left = axis.get_yaxis_transform()  # x from 0 to 1 across the panel
    row, task = 0.0, None
    rows: list[float] = []
    for cell in cells:
        if cell.task != task:
            task = cell.task
            axis.axhspan(row - 0.5, row + 0.6, color="0.94", linewidth=0, zorder=0)
            axis.text(
                0.01, row + 0.05, task.title, fontsize=7.5, fontweight="bold", va="center",
                parse_math=False, transform=left,
            )  # fmt: skip
            row += 1.25
        theirs = _published_accuracy(cell, name) if paper else None
        if theirs is not None:
            points["theirs"].append((theirs, row))
        best = cell.best
        if best is None:
            failed = {run.status for run in cell.runs} == {"failed"}
            axis.text(0.01, row, "failed" if failed else "not run", fontsize=6.5, color=_GREY,
                      va="center", style="italic", transform=left)  # fmt: skip
        else:
            everyone = [view.value(cell, run, name) for run in cell.finished]
            points["all"] += [(value, row) for value in everyone if value is not None]
            chosen = view.value(cell, best, name)
            points["best"] += [(chosen, row)] if chosen is not None else []
            for kind, bound in (("floor", floor(cell, name)), ("ceiling", ceiling(cell, name))):
                bounds[kind] += [(bound, row)] if bound is not None else []
        rows.append(row)
        row += 1
    for kind, color in (("floor", _GREY), ("ceiling", "black")):
        segments = [[(x, y - 0.46), (x, y + 0.46)] for x, y in bounds[kind] if math.isfinite(x)]
        axis.add_collection(
            LineCollection(segments, colors=color, linewidths=1.2, zorder=2), autolim=False
        )
    end = axis.get_xlim()
    for kind, style in _POINTS.items():
        # An infinite value is drawn at the axis' end.
        inside = [(min(max(x, end[0]), end[1]), y) for x, y in points[kind]]
        x, y = zip(*inside, strict=True) if inside else ((), ())
        axis.plot(x, y, linestyle="none", zorder=3, **style)
    axis.set_yticks(rows, [cell.model for cell in cells], fontsize=7.5, parse_math=False)
    axis.set_ylim(row - 0.4, -0.6)
    axis.set_xlim(*end)
    axis.grid(axis="x", color="0.88", linewidth=0.6, zorder=0)
    axis.tick_params(axis="y", length=0, labelleft=True)
    axis.tick_params(axis="x", labelsize=8)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _published_accuracy(cell: Cell, name: str) -> float | None:
    theirs, sets = published_cell(cell), published().sets
    return theirs.accuracies[sets.index(name)] if theirs and name in sets else None


def _legend(paper: bool, bounds: dict[str, bool]) -> list[Any]:
    names = {
        **({"theirs": "published"} if paper else {}),
        "best": "here, chosen by validation" if paper else "chosen by validation",
        "all": "here, each restart" if paper else "each restart",
    }
    bound: dict[str, Any] = {"marker": "|", "markersize": 8, "markeredgewidth": 1.2}
    colors = {"floor": _GREY, "ceiling": "black"}
    return [
        *(Line2D([], [], linestyle="none", label=names[n], **_POINTS[n]) for n in names),
        *(
            Line2D([], [], linestyle="none", color=colors[kind], label=kind, **bound)
            for kind, shown in bounds.items()
            if shown
        ),
    ]
