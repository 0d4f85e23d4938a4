"""A study's folder, which one process runs at a time."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from memrnn.errors import MemrnnError
from memrnn.locks import hold
from memrnn.studies._ledger import LEDGER_FILE

LOCK_TIMEOUT = 1.0
"""Seconds to wait for the folder: `study status` holds it for a moment when it looks."""


@contextmanager
def lock_folder(out: Path) -> Generator[None]:
    """Locks the folder while the study runs in it."""
    if out.exists() and not out.is_dir():
        raise MemrnnError(f"{out} is a file; give a folder that does not exist or is empty.")
    ours = (out / LEDGER_FILE).exists() or (out / "runs").is_dir()
    if out.exists() and any(out.iterdir()) and not ours:
        raise MemrnnError(f"{out} is not empty and holds no study; give another folder.")
    out.mkdir(parents=True, exist_ok=True)
    with hold(out, "running the study", LOCK_TIMEOUT):
        yield
