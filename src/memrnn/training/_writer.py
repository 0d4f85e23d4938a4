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
    """Writes lists of checkpoints one after another, each file whole or not at all.

    The `OSError` of a file that could not be written is raised by the next call.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "checkpoints")
        self._pending: Future[None] | None = None

    def write(self, contents: Sequence[Checkpoint]) -> None:
        """Hands checkpoints over when those before them are written."""
        self.wait()
        self._pending = self._executor.submit(_save, contents)

    def wait(self) -> None:
        """Waits until what was handed over is written."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Ends the thread when it has written what was handed over."""
        with self._executor:
            self.wait()


def _save(contents: Sequence[Checkpoint]) -> None:
    for checkpoint in contents:
        checkpoints.save(*checkpoint)
