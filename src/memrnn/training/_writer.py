"""A thread that writes checkpoints while training goes on."""

import queue
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from memrnn import checkpoints


class Checkpoint(NamedTuple):
    """The content of one checkpoint, and where it belongs."""

    path: Path
    arrays: Mapping[str, np.ndarray]
    record: Mapping[str, Any]


class Writer:
    """Writes lots of checkpoints one after another, each file whole or not at all.

    An error of the thread is raised by the next `write` or `wait`.
    """

    def __init__(self) -> None:
        self._lots: queue.Queue[Sequence[Checkpoint] | None] = queue.Queue(maxsize=1)
        self._errors: list[Exception] = []
        self._thread = threading.Thread(target=self._work, name="checkpoints", daemon=True)
        self._thread.start()

    def write(self, lot: Sequence[Checkpoint]) -> None:
        """Hands a lot over; waits while the one before it is not written yet.

        Raises:
            OSError: if an earlier one could not be written.
        """
        self._check()
        self._lots.put(lot)

    def wait(self) -> None:
        """Waits for what was handed over.

        Raises:
            OSError: if something could not be written.
        """
        self._lots.join()
        self._check()

    def close(self) -> None:
        """Ends the thread when it has written what was handed over."""
        self._lots.put(None)
        self._thread.join()

    def _check(self) -> None:
        if self._errors:
            raise self._errors.pop()

    def _work(self) -> None:
        while (lot := self._lots.get()) is not None:
            try:
                for path, arrays, record in lot:
                    checkpoints.save(path, arrays, record)
            except Exception as error:  # raised by the thread that trains
                self._errors.append(error)
            self._lots.task_done()
