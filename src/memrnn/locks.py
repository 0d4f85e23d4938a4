"""Folders that one process at a time works in."""

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from memrnn.errors import MemrnnError


@contextmanager
def hold(folder: Path, work: str, patience: float = 0.0) -> Generator[None]:
    """Keeps every other process from the same work in a folder; a killed process lets go of it.

    Args:
        work: what is done there, for the sentence that others get.
        patience: seconds to wait for whoever holds it.

    Raises:
        MemrnnError: if another process holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    deadline = time.monotonic() + patience
    try:
        while not _locked(descriptor, fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                raise MemrnnError(f"Another process is {work} in {folder}.")
            time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def is_held(folder: str | Path) -> bool:
    """Whether a process holds this folder now."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return not _locked(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
