"""The map of a precision horizon as a figure."""

from collections.abc import Mapping
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from memrnn.stability.horizon import HorizonCell, HorizonRow, horizon_cell


def horizon_maps(
    rows: list[HorizonRow],
) -> dict[tuple[str, str], dict[tuple[str, float], dict[int, HorizonCell]]]:
    """By component and kind of rounding: by exponent, or by gap where there is one, by mantissa.

    The label of an exponent is `e`, that of a gap `D`, with `e` where there are several.
    """
    several = len({row.exponent for row in rows}) > 1
    maps: dict[tuple[str, str], dict[tuple[str, float], dict[int, HorizonCell]]] = {}
    for (gap, _), group in groupby(rows, key=lambda row: (row.gap, row.precision)):
        of_precision = list(group)
        one = of_precision[0]
        line = ("e", float(one.exponent)) if gap is None else ("D", gap)
        if gap is not None and several:
            line = (f"e{one.exponent} D", gap)
        lines = maps.setdefault((one.component, one.rounding), {})
        lines.setdefault(line, {})[one.mantissa] = horizon_cell(of_precision)
    return maps


def draw_horizon(rows: list[HorizonRow], title: str) -> Figure:
    """A panel per component and kind of rounding.

    Colour is the share of determined symbols that are right, the number in a cell the shortest
    length with a wrong one.
    """
    maps = horizon_maps(rows)
    lines = max(map(len, maps.values()))
    figure = Figure(figsize=(1.2 + 3.6 * len(maps), 1.8 + 0.32 * lines), layout="constrained")
    figure.suptitle(f"{title}\ndetermined symbols that are right")
    axes = figure.subplots(1, len(maps), squeeze=False)[0]
    image = None
    for axis, ((component, rounding), panel) in zip(axes, maps.items(), strict=True):
        mantissas = list(next(iter(panel.values())))
        image = axis.imshow(
            [[panel[line][m].right for m in mantissas] for line in panel],
            cmap="cividis",
            norm=Normalize(0, 1),
            aspect="auto",
        )
        _write_cells(axis, panel, mantissas)
        axis.set_xticks(range(len(mantissas)), map(str, mantissas))
        axis.set_yticks(range(len(panel)), [f"{label} {value:g}" for label, value in panel])
        axis.set_xlabel("bits of mantissa")
        axis.set_title(f"{component} rounded, {rounding}")
    if image is not None:
        figure.colorbar(image, ax=axes.tolist(), label="share")
    return figure


def _write_cells(
    axis: Axes, panel: Mapping[tuple[str, float], Mapping[int, HorizonCell]], mantissas: list[int]
) -> None:
    for y, cells in enumerate(panel.values()):
        for x, mantissa in enumerate(mantissas):
            found = cells[mantissa]
            text = "" if found.first_wrong is None else str(found.first_wrong)
            colour = "black" if found.right > 0.5 else "white"
            axis.text(x, y, text, ha="center", va="center", color=colour, fontsize=7)
