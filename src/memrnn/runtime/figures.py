"""Figures as SVG text and as files; equal figures give equal bytes.

Only matplotlib's objects are used, no pyplot, so that nothing global holds a figure and threads
may draw at the same time.
"""

import io
import threading
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from memrnn.errors import MemrnnError
from memrnn.runtime.checkpoints import write_output

_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "memrnn",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "font.size": 9.0,
}
_UNDATED = {
    ".svg": ("Date", "Creator", "Format", "Type"),
    ".pdf": ("CreationDate", "Creator", "Producer"),
    ".png": ("Software",),
}
"""Metadata, by suffix, that a file must not have to be equal at another time or version."""
# rc_context changes global settings for a while, so one figure is written at a time.
_LOCK = threading.Lock()


def check_figure_path(path: Path) -> None:
    """Checks that the suffix of a path names a format that can be written.

    Raises:
        MemrnnError: if not.
    """
    if path.suffix not in _UNDATED:
        raise MemrnnError(
            f"{path} is no figure that can be written; its suffix must be .svg, .pdf or .png."
        )


def save_figure(figure: Figure, path: Path, title: str) -> None:
    """Writes a figure in the format that the suffix of `path` names; makes its folder.

    Raises:
        MemrnnError: for an unknown suffix.
        OSError: naming the file that could not be written.
    """
    check_figure_path(path)
    write_output(path, _render(figure, path.suffix, title))


def svg(figure: Figure, title: str) -> str:
    """A figure as SVG text."""
    return _render(figure, ".svg", title).decode()


def _render(figure: Figure, suffix: str, title: str) -> bytes:
    metadata = {"Title": title, **dict.fromkeys(_UNDATED[suffix])}
    buffer = io.BytesIO()
    with _LOCK, matplotlib.rc_context(_SETTINGS):
        figure.savefig(buffer, format=suffix[1:], dpi=160, metadata=metadata)
    return buffer.getvalue()
