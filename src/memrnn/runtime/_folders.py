"""Folders that may be missing or not ours to write: home, cache, output."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from memrnn.errors import MemrnnError


def home_folder() -> Path | None:
    """The user's home folder.

    None where there is none: containers and batch systems run processes without `HOME` under user
    numbers that have no name.
    """
    try:
        return Path.home()
    except RuntimeError:
        return None


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, which itself may not exist yet."""
    for place in (folder, *folder.absolute().parents):
        if os.path.lexists(place):
            return place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return False


def check_output(folder: Path) -> None:
    """Refuses a folder in which no files can be made.

    Raises:
        MemrnnError: naming the option that gives another one.
    """
    if not is_writable(folder):
        raise MemrnnError(f"{folder} cannot be written; give another folder with --out.")


def configure_matplotlib() -> None:
    """Gives Matplotlib a temporary folder where it would refuse to be imported without a home."""
    named = ("MPLCONFIGDIR", "XDG_CONFIG_HOME")
    if home_folder() is None and not any(os.environ.get(name) for name in named):
        os.environ["MPLCONFIGDIR"] = folder = tempfile.mkdtemp(prefix="matplotlib-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
