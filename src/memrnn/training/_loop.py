"""The training loop: assigns runs to slots, trains them, and replaces those that have ended.

With one slot a run trains as it is, without an axis of slots; several train in one program.
"""

import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Literal, NamedTuple

from memrnn.runtime import checkpoints
from memrnn.runtime.devices import policy
from memrnn.training._pack import Pack
from memrnn.training._restart import Checkpoint, Restart


class TrainingEvent(NamedTuple):
    """What has happened to a run.

    Attributes:
        kind: it is in the state of its checkpoint; an epoch is over; it is trained, and its
            checkpoint is written; it cannot go on.
        run: as `train_runs` was given it.
        restart: the run in memory; None where it failed.
        error: why it failed.
    """

    kind: Literal["started", "epoch", "trained", "failed"]
    run: Any
    restart: Restart | None = None
    error: Exception | None = None


Events = Generator[TrainingEvent]


class Writer:
    """A thread that writes lists of checkpoints one after another, each file whole or not at all.

    The `OSError` of a file that could not be written is raised by the next call.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "checkpoints")
        self._pending: Future[None] | None = None

    def write(self, contents: Sequence[Checkpoint]) -> None:
        """Hands checkpoints over when those before them are written."""
        self.wait()
        self._pending = self._executor.submit(self._save, contents)

    def wait(self) -> None:
        """Waits until what was handed over is written."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Ends the thread when it has written what was handed over."""
        with self._executor:
            self.wait()

    @staticmethod
    def _save(contents: Sequence[Checkpoint]) -> None:
        for checkpoint in contents:
            checkpoints.save(*checkpoint)


def train_runs(
    runs: Sequence[Any],
    open_run: Callable[[Any], AbstractContextManager[Restart]],
    slots: int | None = None,
) -> Events:
    """Trains runs, in the order in which they are given, as many at a time as there are slots.

    When a run ends, the next one that shares the program takes its slot. Where memory does not
    hold the slots after all, there are half as many from then on. A run that fails ends alone,
    unless the program fails: then all runs end that have a slot.

    Checkpoints are written by a thread, every `checkpoint_seconds` of the device's policy, and
    when a run is trained, or the generator is closed.

    Args:
        runs: of any type.
        open_run: a run from its checkpoint; left after the run's last event.
        slots: by default what suits the device.
    """
    return _Loop(runs, open_run, slots or policy().slots).run()


class _OpenRun(NamedTuple):
    run: Any
    restart: Restart
    resources: contextlib.ExitStack  # released when the run is over


class _Loop:
    def __init__(
        self,
        runs: Sequence[Any],
        open_run: Callable[[Any], AbstractContextManager[Restart]],
        slots: int,
    ):
        self.open_run, self.slots = open_run, slots
        self.waiting = deque(runs)
        self.ready: deque[_OpenRun] = deque()  # without a slot
        self.training: list[_OpenRun] = []  # with a slot
        self.pack: Pack | None = None  # None also where a run trains alone
        self.writer = Writer()
        self.last_write = -math.inf  # the first epoch is written at once

    def run(self) -> Events:
        try:
            while self.waiting or self.ready or self.training:
                yield from self._fill()
                try:
                    if self.training:
                        yield from self._advance()
                except Exception as error:
                    for failed in self.training:
                        yield TrainingEvent("failed", failed.run, error=error)
                    for failed in self.training:
                        failed.resources.close()
                    self.training.clear()
                    self.pack = None
        except GeneratorExit:
            if self.training:  # keep the last epoch
                self._write()
            raise
        finally:
            try:
                self.writer.close()
            finally:
                for opened in (*self.training, *self.ready):
                    opened.resources.close()

    def _fill(self) -> Events:
        """Gives free slots to runs; those that share no program wait until the pack is empty."""
        others: list[_OpenRun] = []
        try:
            while (self.ready or self.waiting) and len(self.training) < self.slots:
                if not self.ready:
                    yield from self._open(self.waiting.popleft())
                    continue
                candidate = self.ready.popleft()
                if candidate.restart.finished:
                    with candidate.resources:
                        yield TrainingEvent("trained", candidate.run, candidate.restart)
                    continue
                try:
                    admitted = self._admit(candidate.restart, len(others))
                except Exception as error:
                    with candidate.resources:
                        yield TrainingEvent("failed", candidate.run, error=error)
                    continue
                (self.training if admitted else others).append(candidate)
        finally:
            self.ready.extend(others)

    def _open(self, run: Any) -> Events:
        with contextlib.ExitStack() as resources:
            try:
                restart = resources.enter_context(self.open_run(run))
            except Exception as error:
                yield TrainingEvent("failed", run, error=error)
                return
            self.ready.append(_OpenRun(run, restart, resources.pop_all()))
        yield TrainingEvent("started", run, restart)

    def _admit(self, restart: Restart, others: int) -> bool:
        """Gives a run a slot, if it shares the program with those that have one.

        Args:
            others: runs that were refused a slot since the last epoch.
        """
        if not self.training and (self.pack is None or not self.pack.admits(restart)):
            size = min(self.slots, 1 + others + len(self.waiting) + len(self.ready))
            self.pack = Pack(restart, size) if size > 1 else None
        if self.pack is None:  # a run that trains alone
            return not self.training
        if not self.pack.admits(restart):
            return False
        self.pack.insert(restart)
        return True

    def _advance(self) -> Events:
        """An epoch of every run that has a slot."""
        try:
            (self.pack or self.training[0].restart).advance()
        except Exception as error:
            if not out_of_memory(error) or len(self.training) == 1:
                raise
            self._halve_slots()
            return
        for active in self.training:
            yield TrainingEvent("epoch", active.run, active.restart)
        if time.monotonic() - self.last_write >= policy().checkpoint_seconds:
            self._write()
            self.last_write = time.monotonic()
        for done in [active for active in self.training if active.restart.finished]:
            if self.pack is not None:
                self.pack.remove(done.restart)
            self.writer.wait()  # an older checkpoint must not follow the last one
            self.training.remove(done)
            with done.resources:
                yield self._save(done)
        if self.pack is not None and not (self.waiting or self.ready):
            while self.training and 2 * len(self.training) <= len(self.pack.restarts):
                self.pack.halve()

    def _write(self) -> None:
        if self.pack is None:
            self.writer.write([self.training[0].restart.checkpoint()])
        else:
            self.writer.write(self.pack.checkpoints())

    def _save(self, done: _OpenRun) -> TrainingEvent:
        try:
            done.restart.save()
        except Exception as error:
            return TrainingEvent("failed", done.run, error=error)
        return TrainingEvent("trained", done.run, done.restart)

    def _halve_slots(self) -> None:
        """From now on; all runs wait, in their order, for a slot in a smaller pack."""
        assert self.pack is not None
        self.slots = max(1, len(self.training) // 2)
        for active in self.training:
            self.pack.remove(active.restart)
        self.ready.extendleft(reversed(self.training))
        self.training.clear()
        self.pack = None


def out_of_memory(error: Exception) -> bool:
    """Whether memory of the host or of the device is short."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
