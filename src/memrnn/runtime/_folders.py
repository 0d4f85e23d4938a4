"""Folders that may be missing or not ours to write: home, cache, output."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from memrnn.errors import MemrnnError


def home_folder() -> Path | None:
    """The user's home folder; None without `HOME` and a user name, as in some containers."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, which itself may not exist yet."""
    existing = (path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    first = next(existing, None)
    return first is not None and first.is_dir() and os.access(first, os.W_OK | os.X_OK)


def check_output(folder: Path) -> None:
    """Raises a MemrnnError for a folder in which no files can be made."""
    if not is_writable(folder):
        raise MemrnnError(f"{folder} cannot be written; give another folder with --out.")


def configure_matplotlib() -> None:
    """Gives Matplotlib a temporary folder where it would refuse to be imported without a home."""
    named = ("MPLCONFIGDIR", "XDG_CONFIG_HOME")
    if home_folder() is None and not any(os.environ.get(name) for name in named):
        os.environ["MPLCONFIGDIR"] = folder = tempfile.mkdtemp(prefix="matplotlib-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
