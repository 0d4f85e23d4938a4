"""Folders that one process at a time works in.

The lock is `flock` on the folder: it leaves no file behind, and the system releases it when a
process is killed. On file systems without such locks (NFS for folders, many in user space) work
goes on without one, with a warning. A lock file would be no better: one that a killed process on
another host left behind could not be told from a valid one. Two processes in one folder do not
damage it, since files are replaced whole and restarts are deterministic; they do the same work
twice, or one of them stops with an error.
"""

import errno
import fcntl
import os
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from memrnn.errors import MemrnnError, MemrnnWarning

_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
_NO_LOCKS = (
    errno.ENOLCK,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EINVAL,
    errno.ENOSYS,
    errno.EBADF,  # NFS, for an exclusive lock on what is open for reading only
)


@contextmanager
def hold(folder: Path, work: str, timeout: float = 0.0) -> Generator[None]:
    """Keeps every other process from the same work in a folder.

    Args:
        work: what is done there, for the sentence that others get.
        timeout: seconds to wait for another process.

    Raises:
        MemrnnError: if another process holds it.
        OSError: if the folder cannot be opened, or its lock fails for a reason other than that.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    deadline = time.monotonic() + timeout
    try:
        while not _try_lock(descriptor, fcntl.LOCK_EX):
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
        return not _try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        if error.errno not in _NO_LOCKS:
            raise
        # Without the folder's name, so that Python shows it once per process.
        warnings.warn(
            f"The file system of the output folder has no locks ({error.strerror}), so nothing "
            "keeps two commands from working in the same folder: run only one at a time.",
            MemrnnWarning,
            stacklevel=3,
        )
    return True
