"""System calls that not every file system has."""

import errno
from collections.abc import Callable
from typing import Any

_UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.ENOSYS)


def where_supported(call: Callable[..., object], *arguments: Any) -> None:
    """Makes a system call; on a file system that does not have it, does nothing.

    FAT, some network and most user-space file systems lack `fchmod` or `fsync` of a folder. Files
    are as good without them; only a crash of the machine may then lose the last of them.

    Raises:
        OSError: for any other reason, such as a full disk.
    """
    try:
        call(*arguments)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
