"""Figures: a metric against numeric groups, one panel per task and model."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullFormatter, ScalarFormatter

from memrnn.errors import MemrnnError
from memrnn.evaluation import Evaluation
from memrnn.nn.components import format_freeze
from memrnn.reports._curves import LOGARITHMIC, Curve, families
from memrnn.reports._limits import Limits
from memrnn.reports._summary import frozen_words, metric_label
from memrnn.tasks import Metric, TaskDescription

STYLES: dict[str, tuple[str, Any, float]] = {
    "none": ("#0072B2", "-", 2.4),
    "memory": ("#E69F00", (0, (4, 2)), 1.5),
    "controller": ("#B03A8C", (0, (1, 1.2)), 2.2),
    "controller+memory": ("#009E73", (0, (6, 1.5, 1, 1.5)), 1.8),
}
"""Colour (distinct for the colour-blind), dash (distinct in grey) and width by what is frozen.
A memory line is thin and dashed so that what it hides shows through."""

SPARE: tuple[str, Any, float] = ("#56B4E9", (0, (8, 3)), 1.5)

_Panel = dict[tuple[str, ...], Curve]
"""The curves of one task and model, by freezing mode."""
_PanelName = tuple[TaskDescription, str, str]
"""Task, label of the set if each set is drawn for itself, model."""


def draw(
    evaluations: Sequence[Evaluation], metric: str | None = None, *, columns: int | None = None
) -> Figure:
    """A metric by group: tasks down, models across, one line per freezing mode.

    A line is the median over all restarts, its band reaches from the worst to the best of them;
    a restart without a value counts as the worst, and infinity is drawn at the axis' end. Where
    there are more groups than points fit, neighbours are pooled. Groups that were trained on are
    shaded. Floor and Bayes-optimal value are drawn where the task has them.

    Args:
        metric: its name; by default the headline metric. Cells without it are left out.
        columns: panels in a row; by default one row per task.

    Raises:
        MemrnnError: for a metric that cannot be drawn, no result, or two results of one cell.
    """
    if not evaluations:
        raise MemrnnError("There is no result to draw.")
    name = metric or evaluations[0].task.headline
    family = next(iter(families(evaluations, name)), None)
    if family is None:
        known = families(evaluations)
        names = ", ".join(dict.fromkeys(family.metric.name for family in known))
        raise MemrnnError(
            f"{name!r} cannot be drawn; "
            + (f"choose one of {names}." if names else "no task here has groups that are numbers.")
        )
    panels = _panels(family.curves)
    rows = dict.fromkeys(panel[:2] for panel in panels)
    models = dict.fromkeys(model for _, _, model in panels)
    names = [(*row, model) for row in rows for model in models]
    across = columns or len(models)
    down = math.ceil(len(names) / across)
    size = (max(4.2, 3.0 * across), 2.35 * down + 1.3)
    figure = Figure(figsize=size, layout="constrained")
    axes = list(figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).flat)
    limits = _limits(family.curves, family.metric)
    axes[0].set_yscale(limits.scale)
    axes[0].set_ylim(limits.low, limits.high)
    if limits == Limits(0.0, 1.1):
        axes[0].set_yticks([0, 0.25, 0.5, 0.75, 1])
    for index, axis in enumerate(axes):
        if index < len(names) and names[index] in panels:
            task, label, model = names[index]
            leftmost = index % across == 0 or names[index - 1] not in panels
            _draw_panel(axis, task, panels[task, label, model], limits, leftmost=leftmost)
            title = "\n".join(filter(None, (task.title, model, label)))
            axis.set_title(title, fontsize=9, fontweight="bold", parse_math=False)
        else:
            axis.set_axis_off()
    figure.supxlabel(family.axis, fontsize=9, parse_math=False)
    better = "" if family.metric.goal == "max" else " (smaller is better)"
    label = metric_label(family.metric)
    figure.supylabel(label[:1].upper() + label[1:] + better, fontsize=9, parse_math=False)
    figure.legend(
        handles=_legend(family.curves),
        loc="outside upper center",
        ncols=min(3, across),
        frameon=False,
        fontsize=8,
        handlelength=3.2,
    )
    return figure


def _panels(curves: Sequence[Curve]) -> dict[_PanelName, _Panel]:
    panels: dict[_PanelName, _Panel] = {}
    for curve in curves:
        task, model, freeze = curve.evaluation.task, curve.evaluation.model, curve.evaluation.freeze
        panel = panels.setdefault((task, curve.label, model), {})
        if freeze in panel:
            raise MemrnnError(
                f"Two results are {task.title}, {model}, {frozen_words(freeze)}; draw one of them "
                "at a time."
            )
        panel[freeze] = curve
    return panels


def _limits(curves: Sequence[Curve], metric: Metric) -> Limits:
    values = [value for curve in curves for restarts in curve.values for value in restarts]
    for curve in curves:
        values += [*curve.floor.values(), *curve.bayes.values()]
    return Limits.of(values, metric, 0.1)


def _draw_panel(
    axis: Axes, task: TaskDescription, panel: _Panel, limits: Limits, *, leftmost: bool
) -> None:
    if task.trained_groups:
        axis.axvspan(*task.trained_groups, color="0.9", linewidth=0, zorder=0)
    for freeze, curve in panel.items():
        color, dash, width = STYLES.get(format_freeze(freeze), SPARE)
        low, median, high = (
            limits.clip([reduce(restarts) for restarts in curve.values])
            for reduce in (min, statistics.median, max)
        )
        axis.fill_between(curve.groups, low, high, color=color, alpha=0.2, linewidth=0, zorder=2)
        axis.plot(curve.groups, median, color=color, linestyle=dash, linewidth=width, zorder=3)
    first = next(iter(panel.values()))
    _draw_bound(axis, "floor", first.floor, "0.35", "top")
    _draw_bound(axis, "Bayes", first.bayes, "black", "bottom")
    if first.groups and first.groups[-1] >= LOGARITHMIC * max(first.groups[0], 1):
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_formatter(NullFormatter())
    else:
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axis.tick_params(labelsize=8, labelbottom=True, labelleft=leftmost)
    axis.spines[["top", "right"]].set_visible(False)


def _draw_bound(axis: Axes, name: str, bound: Mapping[float, float], color: str, side: str) -> None:
    """Floor or Bayes-optimal value, with its name at the right end of its line."""
    points = [point for point in bound.items() if math.isfinite(point[1])]
    if not points:
        return
    axis.plot(*zip(*points, strict=True), color=color, linewidth=1, zorder=4)
    axis.annotate(
        name,
        points[-1],
        xytext=(0, -2) if side == "top" else (0, 1),
        textcoords="offset points",
        ha="right",
        va=side,
        fontsize=7.5,
        color="0.2",
        zorder=5,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.4},
    )


def _legend(curves: Sequence[Curve]) -> list[Any]:
    handles: list[Any] = []
    evaluations = [curve.evaluation for curve in curves]
    for freeze in dict.fromkeys(evaluation.freeze for evaluation in evaluations):
        color, dash, width = STYLES.get(format_freeze(freeze), SPARE)
        label = frozen_words(freeze)
        handles.append(Line2D([], [], color=color, linestyle=dash, linewidth=width, label=label))
    restarts = max(len(evaluation.runs) for evaluation in evaluations)
    if restarts > 1:
        label = f"worst to best of {restarts} restarts (line: median)"
        handles.append(Patch(facecolor="0.55", alpha=0.5, label=label))
    if any(evaluation.task.trained_groups for evaluation in evaluations):
        handles.append(Patch(facecolor="0.9", edgecolor="0.7", label="trained on"))
    if any(curve.floor for curve in curves):
        label = "floor: best baseline"
        handles.append(Line2D([], [], color="0.35", linewidth=1, label=label))
    if any(curve.bayes for curve in curves):
        label = "Bayes: Bayes-optimal predictor"
        handles.append(Line2D([], [], color="black", linewidth=1, label=label))
    return handles
