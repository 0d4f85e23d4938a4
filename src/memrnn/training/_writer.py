"""A thread that writes checkpoints while training goes on."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from memrnn.runtime import checkpoints


class Checkpoint(NamedTuple):
    """The content of one checkpoint, and where it belongs."""

    path: Path
    arrays: Mapping[str, np.ndarray]
    record: Mapping[str, Any]


class Writer:
    """Writes lots of checkpoints one after another, each file whole or not at all.

    An error of the thread is raised by the next call.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "checkpoints")
        self._pending: Future[None] | None = None

    def write(self, lot: Sequence[Checkpoint]) -> None:
        """Hands a lot over when the one before it is written.

        Raises:
            OSError: if that could not be written.
        """
        self.wait()
        self._pending = self._executor.submit(_save, lot)

    def wait(self) -> None:
        """Waits for what was handed over.

        Raises:
            OSError: if it could not be written.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Ends the thread when it has written what was handed over.

        Raises:
            OSError: if that could not be written.
        """
        with self._executor:
            self.wait()


def _save(lot: Sequence[Checkpoint]) -> None:
    for path, arrays, record in lot:
        checkpoints.save(path, arrays, record)
