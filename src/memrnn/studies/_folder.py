"""A study's folder, which one process runs at a time."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from memrnn.studies._ledger import LEDGER_FILE


@contextmanager
def claim(out: Path) -> Generator[None]:
    """Makes the folder this study's and this process' own while it runs."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; give a folder that does not exist or is empty.")
    ours = (out / LEDGER_FILE).exists() or (out / "runs").is_dir()
    if out.exists() and any(out.iterdir()) and not ours:
        raise ValueError(f"{out} is not empty and holds no study; give another folder.")
    out.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(out, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ValueError(f"Another process is running the study in {out}.") from error
        yield
    finally:
        os.close(descriptor)


def is_running(out: str | Path) -> bool:
    """Whether a process runs the study in this folder now."""
    descriptor = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
