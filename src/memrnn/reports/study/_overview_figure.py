"""The first figure of a study: every task against its groups, by freezing mode, beside its bounds.

A line is the median over all restarts of all networks with a memory, its band holds the middle
half of these runs: few runs need no more, and one infinite value does not move either.
"""

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator, ScalarFormatter

from memrnn.nn.components import format_freeze
from memrnn.reports._figures import SPARE, STYLES
from memrnn.reports._limits import Limits
from memrnn.reports._summary import frozen_words, metric_label
from memrnn.reports.study._overview import overviews
from memrnn.reports.study._overview_lines import POINTS, WIDE, Column, Row, column, quartiles
from memrnn.reports.study.scores import View, has_memory
from memrnn.runtime import formats as form

_LINEAR = 0.01
"""Nats up to which their axis is linear; from there it is logarithmic."""

_GREY = "0.45"


@dataclass(frozen=True)
class OverviewFigure:
    """The first figure of a study, of all tasks with a finished run."""

    columns: tuple[Column, ...] = field(repr=False)

    @property
    def title(self) -> str:
        axes = dict.fromkeys(
            "evaluation set" if one.labels else (one.overview.task.group_axis or "group").lower()
            for one in self.columns
        )
        return f"{self._label(True)} by {form.listed(list(axes), 'or')}"

    @property
    def explanation(self) -> str:
        """What lines, bands and points are, and what is not shown."""
        memory = any(has_memory(c) for one in self.columns for c in one.overview.cells)
        runs = "all restarts of all networks" + (" with a memory" if memory else "")
        sentences = [f"A line is the median over {runs}, its band the middle half of them."]
        if any(not one.labels and len(one.places) >= POINTS for one in self.columns):
            sentences.append("A point is a bin of neighbouring groups, added up.")
        if any(one.nats for one in self.columns):
            sentences.append(f"Nats are linear up to {_LINEAR}, logarithmic from there.")
        if any(not math.isfinite(value) for row in self._rows for value in row.drawn):
            sentences.append("What is infinite stands at the end of its axis.")
        if hidden := sum(one.hidden for one in self.columns):
            verb = "is" if hidden == 1 else "are"
            sentences.append(
                f"{form.plural(hidden, 'finished run')} without scores {verb} not shown."
            )
        return " ".join(sentences)

    @property
    def _rows(self) -> list[Row]:
        rows = [row for one in self.columns for row in (one.score, one.nats)]
        return [row for row in rows if row is not None]

    def _label(self, alone: bool = False) -> str:
        """What the upper row shows, and alone also what the lower one does."""
        names = list(dict.fromkeys(metric_label(one.score.metric) for one in self.columns))
        nats = alone and any(one.nats for one in self.columns)
        label = form.listed(names, "or") + (
            ", and nats per symbol above the Bayes-optimal predictor," if nats else ""
        )
        return label[:1].upper() + label[1:]

    def draw(self, columns: int | None = None) -> Figure:
        """The figure, with so many tasks side by side; by default up to seven."""
        tasks = len(self.columns)
        across = min(tasks, columns or 7)
        blocks = -(-tasks // across)
        rows = 2 if any(one.nats for one in self.columns) else 1
        width = min(5.0, (4.6 if columns else 10.0) / across)
        figure = Figure(
            figsize=(width * across + 0.6, blocks * (1.2 * rows + 0.65) + 0.35),
            layout="constrained",
        )
        figure.get_layout_engine().set(h_pad=0.02, w_pad=0.03, hspace=0.02, wspace=0.02)  # type: ignore[union-attr]
        axes = figure.subplots(blocks * rows, across, squeeze=False)
        upper = _shared([one.score for one in self.columns], _score_limits)
        lower = _nats_limits([one.nats for one in self.columns if one.nats])
        several = len({one.score.metric for one in self.columns}) > 1
        for index, one in enumerate(self.columns):
            block, place = divmod(index, across)
            top, *rest = axes[block * rows : (block + 1) * rows, place]
            _draw(top, one, one.score, upper[index], first=place == 0 or several)
            title = textwrap.fill(one.overview.task.title, int(14 * width))
            if several:
                title += f"\n{metric_label(one.score.metric)}"
            top.set_title(title, fontsize=8, fontweight="bold", parse_math=False)
            if place == 0 and not several:
                top.set_ylabel(_wrapped(self._label()), fontsize=8, parse_math=False)
            for bottom in rest:
                if one.nats is None:
                    bottom.set_axis_off()
                    continue
                top.tick_params(labelbottom=False)
                _draw(bottom, one, one.nats, lower, first=place == 0)
                if place == 0:
                    bottom.set_ylabel("Nats per symbol\nabove Bayes", fontsize=8)
        for axis in axes.T[tasks - (blocks - 1) * across :, -rows:].flat:
            axis.set_axis_off()
        names = dict.fromkeys(
            one.overview.task.group_axis for one in self.columns if not one.labels
        )
        figure.supxlabel(form.listed([n for n in names if n], "or"), fontsize=8, parse_math=False)
        figure.legend(
            handles=self._legend(), loc="outside upper center", ncols=6 if not columns else 2,
            frameon=False, fontsize=8, handlelength=2.6, columnspacing=1.4, borderpad=0.1,
        )  # fmt: skip
        return figure

    def _legend(self) -> list[Any]:
        handles: list[Any] = []
        for freeze in dict.fromkeys(mode for row in self._rows for mode in row.lines):
            color, dash, width = STYLES.get(format_freeze(freeze), SPARE)
            handles.append(
                Line2D([], [], color=color, ls=dash, lw=width, label=frozen_words(freeze))
            )
        if any(row.plain is not None for row in self._rows):
            label = "network without a memory"
            handles.append(Line2D([], [], color=_GREY, ls="--", lw=0.9, label=label))
        if any(one.overview.task.trained_groups and not one.labels for one in self.columns):
            handles.append(Patch(facecolor="0.9", edgecolor="0.7", label="trained on"))
        return handles


def overview_figure(view: View) -> OverviewFigure | None:
    """The figure of a study; None if no finished run has scores."""
    columns = tuple(filter(None, map(column, overviews(view))))
    return OverviewFigure(columns) if columns else None


def _shared(rows: Sequence[Row], limits: Callable[[Sequence[Row]], Limits]) -> list[Limits]:
    """The limits of each row; the same for rows of one metric."""
    return [limits([other for other in rows if other.metric == row.metric]) for row in rows]


def _score_limits(rows: Sequence[Row]) -> Limits:
    return Limits.of([value for row in rows for value in row.drawn], rows[0].metric, 0.08)


def _nats_limits(rows: Sequence[Row]) -> Limits:
    values = [value for row in rows for value in row.drawn if math.isfinite(value)]
    return Limits(-_LINEAR / 2, 1.5 * max([1.0, *values]))


def _draw(axis: Axes, column: Column, row: Row, limits: Limits, *, first: bool) -> None:
    task, x = column.overview.task, np.array(column.places)
    if row is column.nats:
        axis.set_yscale("symlog", linthresh=_LINEAR, linscale=0.5)
        ticks = [0, 0.01, 0.1, 1, *(10.0**power for power in range(1, 9))]
        shown = [tick for tick in ticks if tick <= limits.high]
        axis.set_yticks(shown, [f"{tick:g}" for tick in shown])
        axis.yaxis.set_minor_locator(NullLocator())
    else:
        axis.set_yscale(limits.scale)
    if task.trained_groups and not column.labels:
        axis.axvspan(*task.trained_groups, color="0.9", linewidth=0, zorder=0)
    for freeze, runs in row.lines.items():
        color, dash, width = STYLES.get(format_freeze(freeze), SPARE)
        low, median, high = (np.clip(one, limits.low, limits.high) for one in quartiles(runs))
        axis.fill_between(x, low, high, color=color, alpha=0.16, linewidth=0, zorder=2)
        axis.plot(x, median, color=color, linestyle=dash, linewidth=0.75 * width, zorder=3,
                  marker="o", markersize=2.2, clip_on=False)  # fmt: skip
    if row.plain is not None:
        middle = np.clip(quartiles(row.plain)[1], limits.low, limits.high)
        axis.plot(x, middle, color=_GREY, linestyle="--", linewidth=0.9, zorder=3)
    _draw_bound(axis, "Bayes", x, row.bayes, "black", above=True)
    _draw_bound(axis, "floor", x, row.floor, "0.3", above=row is column.nats)
    if column.labels:
        axis.set_xticks(x, column.labels, parse_math=False)
        axis.set_xlim(-0.5, len(x) - 0.5)
    elif x[0] > 0 and x[-1] >= WIDE * x[0]:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.set_minor_locator(NullLocator())
    else:
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.set_ylim(limits.low, limits.high)
    if limits == Limits(0.0, 1.08):
        axis.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    axis.tick_params(labelsize=7.5, labelleft=first, length=2.5, pad=2)
    axis.spines[["top", "right"]].set_visible(False)


def _draw_bound(
    axis: Axes, name: str, x: np.ndarray, values: np.ndarray, color: str, *, above: bool
) -> None:
    """Floor or Bayes-optimal value, with its name at the end where networks are far from it.

    That is the left end for the floor, where they were trained, and the right end for the other.
    """
    known = np.isfinite(values)
    if not known.any():
        return
    axis.plot(x[known], values[known], color=color, linewidth=0.9, zorder=4)
    end, side = (-1, "right") if name == "Bayes" else (0, "left")
    axis.annotate(
        name, (x[known][end], values[known][end]), xytext=(0, 1 if above else -1.5),
        textcoords="offset points", ha=side, va="bottom" if above else "top", fontsize=7,
        color="0.15", zorder=5, parse_math=False,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.6, "pad": 0.3},
    )  # fmt: skip


def _wrapped(label: str) -> str:
    return textwrap.fill(label, 18)
