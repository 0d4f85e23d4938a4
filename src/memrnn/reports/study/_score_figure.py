"""A figure of a study: the headline metric of every restart by set, beside the published one."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from memrnn.errors import MemrnnError
from memrnn.reports._limits import Limits
from memrnn.reports._summary import frozen_words, in_order, metric_label, set_label
from memrnn.reports.study.scores import View, baseline, bayes, headline
from memrnn.studies import Cell
from memrnn.tasks import TaskDescription

_HERE, _PUBLISHED, GREY = "#0072B2", "#D55E00", "0.45"
_ROW = 0.17
"""Inches that a row of a dot plot is high."""

_POINTS: dict[str, dict[str, Any]] = {
    "all": {
        "marker": "o", "color": _HERE, "markersize": 3.4, "alpha": 0.35, "markeredgewidth": 0,
    },
    "best": {"marker": "o", "color": _HERE, "markersize": 4},
    "published": {"marker": "D", "color": _PUBLISHED, "markersize": 4.6, "fillstyle": "none"},
}  # fmt: skip
"""The points of a dot plot, those in front last."""

_BOUNDS: dict[str, tuple[Callable[[Cell, str], float | None], str]] = {
    "floor": (baseline, GREY),
    "Bayes": (bayes, "black"),
}


def draw_scores(
    view: View,
    freeze: tuple[str, ...],
    tasks: Sequence[TaskDescription] | None = None,
    *,
    published: Callable[[Cell, str], float | None] | None = None,
    columns: int | None = None,
) -> Figure:
    """The headline metric of every task and model in a freezing mode, one panel per set.

    Shown are the best restart chosen by validation, every restart, floor, Bayes-optimal value and
    published number.

    Args:
        published: the headline metric of a cell on a set.
        tasks: of one headline metric and the same sets; by default all of the study.

    Raises:
        MemrnnError: if the study has no such cell.
    """
    tasks = view.results.tasks if tasks is None else tasks
    keys = [task.key for task in tasks]
    cells = [c for c in view.results.cells if c.freeze == freeze and c.task.key in keys]
    if not cells:
        raise MemrnnError(f"The study has no cell with {frozen_words(freeze)}.")
    sets = in_order([of_set.name for of_set in tasks[0].sets])
    metric = headline(tasks[0])
    across = max(1, columns or len(sets))
    down = -(-len(sets) // across)
    height = _ROW * (len(cells) + 1.25 * len({cell.task.key for cell in cells})) + 0.5
    figure = Figure(figsize=(max(4.4, 3.7 * across), height * down + 0.6), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, sharey=True)
    bounds = {
        kind: [value for c in cells for name in sets if (value := bound(c, name)) is not None]
        for kind, (bound, _) in _BOUNDS.items()
    }
    scores = [
        value
        for cell in cells
        for name in sets
        for run in cell.finished
        if (value := view.value(cell, run, name)) is not None
    ]
    limits = Limits.of([*scores, *bounds["floor"], *bounds["Bayes"]], metric, 0.03)
    for index, (axis, name) in enumerate(zip(axes.flat, sets, strict=False)):
        axis.set_xscale(limits.scale)
        axis.set_xlim(limits.low, limits.high)
        _draw_set(axis, view, cells, name, published)
        axis.tick_params(axis="y", length=0, labelleft=index % across == 0)
        axis.set_title(set_label(name), fontsize=9, fontweight="bold", parse_math=False)
    for axis in list(axes.flat)[len(sets) :]:
        axis.set_axis_off()
    label = metric_label(metric)
    better = "" if metric.goal == "max" else " (smaller is better)"
    figure.supxlabel(label[:1].upper() + label[1:] + better, fontsize=9, parse_math=False)
    here = "here, " if published else ""
    labels = {
        **({"published": "published"} if published else {}),
        "best": f"{here}chosen by validation",
        "all": f"{here}each restart",
    }
    handles = [Line2D([], [], ls="none", label=labels[kind], **_POINTS[kind]) for kind in labels]
    handles += [
        Line2D([], [], ls="none", color=color, label=kind, marker="|", ms=8, mew=1.2)
        for kind, (_, color) in _BOUNDS.items()
        if bounds[kind]
    ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=min(5, 2 * across),
        frameon=False, fontsize=8,
    )  # fmt: skip
    return figure


def _draw_set(
    axis: Axes,
    view: View,
    cells: Sequence[Cell],
    name: str,
    published: Callable[[Cell, str], float | None] | None,
) -> None:
    # Points of one kind are one line, so that drawing stays fast with hundreds of them.
    points: dict[str, list[tuple[float, float]]] = {kind: [] for kind in [*_POINTS, *_BOUNDS]}
    left = axis.get_yaxis_transform()  # x from 0 to 1 across the panel
    row, task = 0.0, None
    rows: list[float] = []

    def add(kind: str, value: float | None) -> None:
        if value is not None:
            points[kind].append((value, row))

    for cell in cells:
        if cell.task != task:
            task = cell.task
            axis.axhspan(row - 0.5, row + 0.6, color="0.94", linewidth=0, zorder=0)
            axis.text(
                0.01, row + 0.05, task.title, fontsize=7.5, fontweight="bold", va="center",
                parse_math=False, transform=left,
            )  # fmt: skip
            row += 1.25
        if published:
            add("published", published(cell, name))
        if cell.best:
            for run in cell.finished:
                add("all", view.value(cell, run, name))
            add("best", view.value(cell, cell.best, name))
            for kind, (bound, _) in _BOUNDS.items():
                add(kind, bound(cell, name))
        else:
            failed = all(run.status == "failed" for run in cell.runs)
            axis.text(0.01, row, "failed" if failed else "not run", fontsize=6.5, color=GREY,
                      va="center", style="italic", transform=left)  # fmt: skip
        rows.append(row)
        row += 1
    for kind, (_, color) in _BOUNDS.items():
        segments = [[(x, y - 0.46), (x, y + 0.46)] for x, y in points[kind] if math.isfinite(x)]
        axis.add_collection(
            LineCollection(segments, colors=color, linewidths=1.2, zorder=2), autolim=False
        )
    low, high = axis.get_xlim()
    for kind, style in _POINTS.items():
        # An infinite value is drawn at the axis' end.
        x = [min(max(value, low), high) for value, _ in points[kind]]
        axis.plot(x, [y for _, y in points[kind]], linestyle="none", zorder=3, **style)
    axis.set_yticks(rows, [cell.model for cell in cells], fontsize=7.5, parse_math=False)
    axis.set_ylim(row - 0.4, -0.6)
    axis.set_xlim(low, high)
    axis.grid(axis="x", color="0.88", linewidth=0.6, zorder=0)
    axis.tick_params(axis="x", labelsize=8)
    axis.spines[["top", "right", "left"]].set_visible(False)
