"""The first figure of a study of single sequences: every restart of every cell on the last set."""

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from memrnn.evaluation import best_baseline
from memrnn.nn.components import format_freeze
from memrnn.reports._figures import SPARE, STYLES
from memrnn.reports._limits import Limits
from memrnn.reports._summary import frozen_words, metric_label, set_label
from memrnn.reports.study._overview import distinct, effective
from memrnn.reports.study.scores import View, has_memory, headline, last_set, references
from memrnn.runtime import formats as form
from memrnn.studies import Cell
from memrnn.tasks import Metric

FAR = 1.6
"""Ratio to the worst network from which a reference is named at the edge and not drawn."""

_GREY = "0.35"
_ROW = 0.2
"""Inches that a row is high."""

PublishedScore = Callable[[Cell, str], float | None]


def restarts_title(view: View) -> str:
    task = view.results.tasks[0]
    label = metric_label(headline(task))
    return f"{label[:1].upper()}{label[1:]} on {set_label(last_set(task))}, every restart"


def restarts_explanation(view: View, *, published: bool) -> str:
    """What rows and points are."""
    words = [
        "Each row is a network and what is frozen; a dot is a restart, the large one is that which "
        "validation chooses."
    ]
    if published:
        words.append("A diamond is the published value, of the best of its restarts.")
    words.append("The last rows are predictors that need no network; the dotted line is the best.")
    missing = sum(
        view.value(cell, run, last_set(cell.task)) is None
        for cell in distinct(view.results.cells)
        for run in cell.finished
    )
    if missing:
        words.append(f"{form.plural(missing, 'finished run')} without a score not shown.")
    if any(not has_memory(cell) for cell in view.results.cells):
        words.append("A network without a memory has one row for nothing and for memory frozen.")
    return " ".join(words)


def draw_restarts(
    view: View, *, published: PublishedScore | None = None, columns: int | None = None
) -> Figure:
    """A panel per task, one below the other.

    Args:
        published: the headline metric of a cell on a set.
        columns: given for narrow windows.
    """
    tasks = view.results.tasks
    every = distinct(view.results.cells)
    rows = [[cell for cell in every if cell.task.key == task.key] for task in tasks]
    width = 4.6 if columns else 8.6
    counts = [len(cells) + len(references(cells[0], last_set(cells[0].task))) for cells in rows]
    height = sum(_ROW * count + 0.55 for count in counts) + 0.3
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(len(rows), 1, squeeze=False, height_ratios=[n + 2 for n in counts])
    for axis, task, cells in zip(axes[:, 0], tasks, rows, strict=True):
        _draw(axis, view, cells, published, headline(task))
        if len(tasks) > 1:
            axis.set_title(task.title, fontsize=9, fontweight="bold", parse_math=False)
    modes = dict.fromkeys(effective(cell) for cell in every)
    handles = [
        Line2D([], [], ls="none", marker="o", color=_color(mode), label=frozen_words(mode))
        for mode in modes
    ]
    if published:
        handles.append(Line2D([], [], ls="none", label="published", **_DIAMOND))
    figure.legend(
        handles=handles, loc="outside upper center", ncols=2 if columns else 5, frameon=False,
        fontsize=8, borderpad=0.1,
    )  # fmt: skip
    return figure


_DIAMOND = {"marker": "D", "color": "black", "markersize": 4.6, "fillstyle": "none"}


def _color(freeze: tuple[str, ...]) -> str:
    return STYLES.get(format_freeze(freeze), SPARE)[0]


def _draw(
    axis: Axes,
    view: View,
    cells: Sequence[Cell],
    published: PublishedScore | None,
    metric: Metric,
) -> None:
    name = last_set(cells[0].task)
    shown: list[float] = []

    def known(value: float | None) -> list[float]:
        found = [] if value is None or not math.isfinite(value) else [value]
        shown.extend(found)
        return found

    for row, cell in enumerate(cells):
        color = _color(effective(cell))
        values = [x for run in cell.finished for x in known(view.value(cell, run, name))]
        axis.plot(values, [row] * len(values), ls="none", marker="o", color=color,
                  markersize=3.6, alpha=0.45, markeredgewidth=0, zorder=3)  # fmt: skip
        best = known(view.value(cell, cell.best, name)) if cell.best else []
        axis.plot(best, [row] * len(best), ls="none", marker="o", color=color, markersize=6.5,
                  zorder=4)  # fmt: skip
        theirs = known(published(cell, name)) if published else []
        axis.plot(theirs, [row] * len(theirs), ls="none", zorder=5, **_DIAMOND)
        if not cell.finished:
            axis.text(0.01, row, "not run", fontsize=6.5, color=_GREY, va="center",
                      style="italic", transform=axis.get_yaxis_transform())  # fmt: skip
    names = [f"{cell.model}, {_frozen(cell)}" for cell in cells]
    names += _draw_references(axis, cells[0], name, shown, metric, len(cells))
    axis.set_yticks(range(len(names)), names, fontsize=7.5, parse_math=False)
    axis.set_ylim(len(names) - 0.4, -0.6)
    limits = Limits.of(shown, metric, 0.03)
    axis.set_xscale(limits.scale)
    axis.set_xlim(limits.low, limits.high)
    label = metric_label(metric)
    better = "" if metric.goal == "max" else " (smaller is better)"
    axis.set_xlabel(f"{label[:1].upper()}{label[1:]} on {set_label(name)}{better}", fontsize=8,
                    parse_math=False)  # fmt: skip
    axis.tick_params(axis="x", labelsize=7.5)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color="0.9", linewidth=0.6, zorder=0)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _frozen(cell: Cell) -> str:
    """The freezing mode as rows are named, with both names where they are one experiment."""
    mode = format_freeze(effective(cell))
    return mode if has_memory(cell) else f"{mode} (= {format_freeze(_with_memory(cell))})"


def _with_memory(cell: Cell) -> tuple[str, ...]:
    return tuple(sorted({*effective(cell), "memory"}))


def _draw_references(
    axis: Axes, cell: Cell, name: str, shown: list[float], metric: Metric, first: int
) -> list[str]:
    """A row per predictor from row `first` on, and a line through all rows at the best one.

    One that is far from the networks is written at the edge.

    Returns:
        The names of the rows.
    """
    values = {
        predictor: value
        for predictor, scores in references(cell, name).items()
        if (value := scores.value(metric)) is not None and math.isfinite(value)
    }
    worst = max(shown, default=math.inf)
    for row, value in enumerate(values.values(), first):
        if value > FAR * worst:
            axis.text(1, row, f"{value:.1f} →", transform=axis.get_yaxis_transform(), ha="right",
                      va="center", fontsize=7, color=_GREY)  # fmt: skip
            continue
        shown.append(value)
        axis.plot([value], [row], ls="none", marker="|", markersize=9, color=_GREY, mew=1.4)
    best = best_baseline(references(cell, name), metric)
    if best and best[1] in shown:
        axis.axvline(best[1], color=_GREY, linewidth=0.8, linestyle=":", zorder=2)
    return list(values)
