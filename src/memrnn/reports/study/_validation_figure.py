"""A figure of a study: the validation score of every restart, above its reference."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from memrnn.evaluation import best_baseline
from memrnn.reports._figures import SPARE, STYLES
from memrnn.reports._summary import (
    bayes_value,
    frozen_label,
    frozen_words,
    metric_label,
    set_label,
)
from memrnn.reports._thresholds import advantage
from memrnn.reports.study._published import is_the_papers, published, published_cell
from memrnn.reports.study._scores import excess, first_set, references
from memrnn.studies import StudyResults
from memrnn.tasks import Metric, TaskDescription

_GREY = "0.45"

_LINEAR = 0.01
"""Nats up to which the axis of validation scores is linear; from there it is logarithmic."""


def draw_validation(
    results: StudyResults, tasks: Sequence[TaskDescription] | None = None, *, columns: int = 4
) -> Figure:
    """What the validation metric is above its reference: every finished restart is a point.

    Without a reference it is the metric's mean, with its sign turned if larger is better.

    Args:
        tasks: of one selection metric; by default all of the study.
    """
    chosen = results.tasks if tasks is None else list(tasks)
    modes = list(dict.fromkeys(cell.freeze for cell in results.cells))
    models = list(dict.fromkeys(cell.model for cell in results.cells))
    columns = min(columns, len(chosen))
    down = -(-len(chosen) // columns)
    width = max(1.6, 0.34 + 0.16 * len(modes) * len(models))
    figure = Figure(
        figsize=(max(4.2, 0.9 + width * columns), 2.5 * down + 0.9), layout="constrained"
    )
    axes = figure.subplots(down, columns, squeeze=False, sharey=True)
    metric = chosen[0].metric(chosen[0].selection)
    of_bound = has_reference(results, chosen[0])
    if of_bound and metric.scale == "exp":
        axes[0, 0].set_yscale("symlog", linthresh=_LINEAR, linscale=0.6)
        axes[0, 0].set_yticks([0, 0.01, 0.1, 1], ["0", "0.01", "0.1", "1"])
        axes[0, 0].yaxis.set_minor_locator(NullLocator())
    for axis, task in zip(axes.flat, chosen, strict=False):
        _draw_task(axis, results, task, modes, models)
    if of_bound and metric.scale == "exp":
        axes[0, 0].set_ylim(bottom=-_LINEAR / 2)
    for axis in list(axes.flat)[len(chosen) :]:
        axis.set_axis_off()
    figure.supylabel(_validation_label(metric, of_bound), fontsize=9, parse_math=False)
    handles: list[Any] = [
        Line2D([], [], linestyle="none", marker="o", color=STYLES.get(frozen_label(mode), SPARE)[0],
               markersize=4, label=frozen_words(mode))
        for mode in modes
    ]  # fmt: skip
    if is_the_papers(results):
        handles.append(
            Line2D([], [], linestyle="none", marker="D", color=_GREY, markersize=4.6,
                   fillstyle="none", label="published")
        )  # fmt: skip
    if any(floor_above_bound(results, task) is not None for task in chosen):
        label = f"floor on {set_label(first_set(chosen[0]) or '')}"
        handles.append(Line2D([], [], color=_GREY, linewidth=1.2, label=label))
    if of_bound:
        handles.append(Line2D([], [], color="black", linewidth=1.2, label="bound"))
    figure.legend(
        handles=handles, loc="outside upper center", ncols=4 if columns > 1 else 2, frameon=False,
        fontsize=8,
    )  # fmt: skip
    return figure


def has_reference(results: StudyResults, task: TaskDescription) -> bool:
    """Whether finished restarts of a task have a reference of their validation score."""
    return any(
        run.reference is not None
        for cell in results.cells
        if cell.task == task
        for run in cell.finished
    )


def _validation_label(metric: Metric, of_bound: bool) -> str:
    name = metric_label(metric)
    if of_bound:
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
) -> None:
    paper = is_the_papers(results)
    for cell in (cell for cell in results.cells if cell.task == task):
        left = models.index(cell.model) - 0.36
        x = left + 0.72 * (modes.index(cell.freeze) + 0.5) / len(modes)
        color = STYLES.get(frozen_label(cell.freeze), SPARE)[0]
        values = [known for run in cell.finished if (known := excess(cell, run)) is not None]
        axis.plot([x] * len(values), values, "o", color=color, markersize=4.2, alpha=0.55,
                  markeredgewidth=0, zorder=3)  # fmt: skip
        theirs = published_cell(cell) if paper else None
        bounds = [run.reference for run in cell.finished if run.reference]
        if theirs and bounds and task.trained_groups == published().lengths:
            above = math.log(theirs.valid_perplexity / statistics.median(bounds))
            axis.plot(x, above, "D", color=color, markersize=4.6, fillstyle="none", zorder=4)
    if has_reference(results, task):
        axis.axhline(0, color="black", linewidth=1.2, zorder=2)
    if (floor := floor_above_bound(results, task)) is not None:
        axis.axhline(floor, color=_GREY, linewidth=1.2, zorder=2)
    axis.set_xticks(range(len(models)), models, fontsize=7.5, parse_math=False)
    axis.set_xlim(-0.5, len(models) - 0.5)
    axis.tick_params(axis="y", labelsize=8, labelleft=True)
    axis.tick_params(axis="x", length=0)
    axis.grid(axis="y", color="0.9", linewidth=0.6, zorder=0)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_title(task.title, fontsize=8.5, fontweight="bold", parse_math=False)


def floor_above_bound(results: StudyResults, task: TaskDescription) -> float | None:
    """How much worse than the Bayes-optimal predictor the best baseline is on the first set.

    By the selection metric, in nats on an `exp` scale, so that it is comparable with what restarts
    are above their bound on validation items. None if either is not known, or no restart has such
    a bound.
    """
    name = first_set(task)
    cell = next((cell for cell in results.cells if cell.task == task), None)
    if name is None or cell is None or not has_reference(results, task):
        return None
    metric = task.metric(task.selection)
    found = best_baseline(references(cell, name), metric)
    bayes = bayes_value(references(cell, name), metric)
    if found is None or bayes is None:
        return None
    gap = advantage(bayes, found[1], metric)
    return gap if math.isfinite(gap) else None
