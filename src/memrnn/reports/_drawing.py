"""Figures as SVG text and as files; equal figures give equal bytes.

Only matplotlib's objects are used, no pyplot, so that nothing global holds a figure and threads
may draw at the same time.
"""

import io
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from memrnn.runtime.checkpoints import write_bytes

_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "memrnn",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "font.size": 9.0,
}
# rc_context changes global settings for a while, so one figure is written at a time.
_LOCK = threading.Lock()


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
