"""A figure of a study: the validation score of every restart, above its reference."""

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from memrnn.evaluation import best_baseline
from memrnn.nn.components import format_freeze
from memrnn.reports._figures import SPARE, STYLES
from memrnn.reports._summary import (
    bayes_value,
    frozen_words,
    metric_label,
    set_label,
)
from memrnn.reports._thresholds import advantage
from memrnn.reports.study._score_figure import GREY
from memrnn.reports.study.scores import excess, first_set, references
from memrnn.studies import Cell, StudyResults
from memrnn.tasks import Metric, TaskDescription

_LINEAR = 0.01
"""Nats up to which the axis of validation scores is linear; from there it is logarithmic."""

_LETTER = 0.065
"""Inches that a letter of a model's name takes or so."""

_LEGEND = 5.5
"""Inches that a legend of four columns takes."""


def draw_validation(
    results: StudyResults,
    tasks: Sequence[TaskDescription] | None = None,
    *,
    published: Callable[[Cell], float | None] | None = None,
    columns: int = 4,
) -> Figure:
    """What the validation metric is above its reference: every finished restart is a point.

    Without a reference it is the metric's mean, with its sign turned if larger is better.

    Args:
        tasks: of one selection metric; by default all of the study.
        published: the validation metric of a cell above its reference.
    """
    tasks = results.tasks if tasks is None else list(tasks)
    modes = list(dict.fromkeys(cell.freeze for cell in results.cells))
    models = list(dict.fromkeys(cell.model for cell in results.cells))
    columns = min(columns, len(tasks))
    down = -(-len(tasks) // columns)
    title = _LETTER * 1.3 * max(len(task.title) for task in tasks)  # bold, and larger
    width = max(1.6, title, 0.34 + 0.16 * len(modes) * len(models))
    wide = max(4.2, 0.9 + width * columns)
    # Names that would run into each other are written aslant.
    longest = _LETTER * max(map(len, models))
    aslant = longest * len(models) * columns > wide - 0.9
    high = 2.5 + (0.5 * longest if aslant else 0)
    figure = Figure(figsize=(wide, high * down + 0.9), layout="constrained")
    axes = figure.subplots(down, columns, squeeze=False, sharey=True)
    metric = tasks[0].metric(tasks[0].selection)
    referenced = has_reference(results, tasks[0])
    in_nats = referenced and metric.scale == "exp"
    first = axes[0, 0]
    if in_nats:
        first.set_yscale("symlog", linthresh=_LINEAR, linscale=0.6)
        first.set_yticks([0, 0.01, 0.1, 1], ["0", "0.01", "0.1", "1"])
        first.yaxis.set_minor_locator(NullLocator())
    for axis, task in zip(axes.flat, tasks, strict=False):
        _draw_task(axis, results, task, modes, models, published)
        if aslant:
            axis.tick_params(axis="x", labelrotation=30)
            for label in axis.get_xticklabels():
                label.set(ha="right", rotation_mode="anchor")
    if in_nats:
        first.set_ylim(bottom=-_LINEAR / 2)
    for axis in list(axes.flat)[len(tasks) :]:
        axis.set_axis_off()
    figure.supylabel(_label(metric, referenced), fontsize=9, parse_math=False)
    handles = [
        Line2D([], [], ls="none", marker="o", color=_color(mode), ms=4, label=frozen_words(mode))
        for mode in modes
    ]
    if published:
        handles.append(
            Line2D([], [], ls="none", marker="D", color=GREY, ms=4.6, fillstyle="none",
                   label="published")
        )  # fmt: skip
    if any(baseline_excess(results, task) is not None for task in tasks):
        label = f"floor on {set_label(first_set(tasks[0]))}"
        handles.append(Line2D([], [], color=GREY, linewidth=1.2, label=label))
    if referenced:
        handles.append(Line2D([], [], color="black", linewidth=1.2, label="bound"))
    figure.legend(
        handles=handles, loc="outside upper center", ncols=4 if wide > _LEGEND else 2,
        frameon=False, fontsize=8,
    )  # fmt: skip
    return figure


def has_reference(results: StudyResults, task: TaskDescription) -> bool:
    """Whether finished restarts of a task have a reference of their validation score."""
    runs = (run for cell in results.cells if cell.task == task for run in cell.finished)
    return any(run.reference is not None for run in runs)


def _color(freeze: tuple[str, ...]) -> str:
    return STYLES.get(format_freeze(freeze), SPARE)[0]


def _label(metric: Metric, referenced: bool) -> str:
    name = metric_label(metric)
    if referenced:
        return (
            "Nats above the bound" if metric.scale == "exp" else f"Validation {name} to the bound"
        )
    mean = f"log {name}" if metric.scale == "exp" else name
    return f"Validation {mean}" if metric.goal == "min" else f"Minus validation {mean}"


def _draw_task(
    axis: Axes,
    results: StudyResults,
    task: TaskDescription,
    modes: Sequence[tuple[str, ...]],
    models: Sequence[str],
    published: Callable[[Cell], float | None] | None,
) -> None:
    for cell in (cell for cell in results.cells if cell.task == task):
        left = models.index(cell.model) - 0.36
        x = left + 0.72 * (modes.index(cell.freeze) + 0.5) / len(modes)
        color = _color(cell.freeze)
        values = [known for run in cell.finished if (known := excess(cell, run)) is not None]
        axis.plot([x] * len(values), values, "o", color=color, markersize=4.2, alpha=0.55,
                  markeredgewidth=0, zorder=3)  # fmt: skip
        if published and (value := published(cell)) is not None:
            axis.plot(x, value, "D", color=color, markersize=4.6, fillstyle="none", zorder=4)
    if has_reference(results, task):
        axis.axhline(0, color="black", linewidth=1.2, zorder=2)
    if (floor := baseline_excess(results, task)) is not None:
        axis.axhline(floor, color=GREY, linewidth=1.2, zorder=2)
    axis.set_xticks(range(len(models)), models, fontsize=7.5, parse_math=False)
    axis.set_xlim(-0.5, len(models) - 0.5)
    axis.tick_params(axis="y", labelsize=8, labelleft=True)
    axis.tick_params(axis="x", length=0)
    axis.grid(axis="y", color="0.9", linewidth=0.6, zorder=0)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_title(task.title, fontsize=8.5, fontweight="bold", parse_math=False)


def baseline_excess(results: StudyResults, task: TaskDescription) -> float | None:
    """How much worse than the Bayes-optimal predictor the best baseline is on the first set.

    By the selection metric, in nats on an `exp` scale, so that it is comparable with what restarts
    are above their bound on validation items. None if either is not known, or no restart has such
    a bound.
    """
    cells = [cell for cell in results.cells if cell.task == task]
    if not has_reference(results, task):
        return None
    metric, known = task.metric(task.selection), references(cells[0], first_set(task))
    baseline, bayes = best_baseline(known, metric), bayes_value(known, metric)
    if baseline is None or bayes is None:
        return None
    gap = advantage(bayes, baseline[1], metric)
    return gap if math.isfinite(gap) else None
