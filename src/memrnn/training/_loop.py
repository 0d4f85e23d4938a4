"""The training loop: assigns runs to slots, trains them, and replaces those that have ended.

With one slot a run trains as it is, without an axis of slots; several train in one program.
"""

import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, NamedTuple

from memrnn.runtime.devices import policy
from memrnn.runtime.precision import scope
from memrnn.training._pack import Pack
from memrnn.training._restart import Restart
from memrnn.training._writer import Checkpoint, Writer


class Step(NamedTuple):
    """What has happened to a run.

    Attributes:
        kind: taken up, in the state of its checkpoint; an epoch is over; it is trained, and its
            checkpoint is written; it cannot go on.
        run: as `train_runs` was given it.
        restart: the run in memory; None where it failed.
        error: why it failed.
    """

    kind: Literal["started", "epoch", "trained", "failed"]
    run: Any
    restart: Restart | None = None
    error: Exception | None = None


def train_runs(
    runs: Sequence[Any],
    open_run: Callable[[Any], AbstractContextManager[Restart]],
    slots: int | None = None,
) -> Generator[Step]:
    """Trains runs, in the order in which they are given, as many at a time as there are slots.

    When a run ends, the next one that shares the program takes its slot. Where memory does not
    hold the slots after all, there are half as many from then on. A run that fails ends alone,
    unless the program fails: then all runs end that have a slot.

    Checkpoints are written by a thread, every `checkpoint_seconds` of the device's policy, and
    when a run is trained, or the generator is closed.

    Args:
        runs: of any type.
        open_run: a run from its checkpoint; left when its last step was taken.
        slots: by default what suits the device.
    """
    slots = slots or policy().slots
    loop = _Loop(runs, open_run, slots)
    with contextlib.closing(loop.run()) as steps:
        yield from steps


class _Training(NamedTuple):
    """A run that was taken up, and what is left when it is over."""

    run: Any
    restart: Restart
    opened: contextlib.ExitStack


class _OneSlot:
    """A run that trains alone, with the interface of a pack."""

    def __init__(self) -> None:
        self.restarts: list[Restart | None] = [None]

    def admits(self, restart: Restart) -> bool:
        del restart
        return self.restarts == [None]

    def put(self, restart: Restart) -> None:
        self.restarts = [restart]

    def take(self, restart: Restart) -> None:
        assert self.restarts == [restart]
        self.restarts = [None]

    def advance(self) -> None:
        (restart,) = self.restarts
        assert restart is not None
        with scope(restart.experiment.config.precision):
            restart.advance()

    def checkpoints(self) -> list[Checkpoint]:
        return [one.checkpoint() for one in self.restarts if one is not None and one.path]


class _Loop:
    def __init__(
        self,
        runs: Sequence[Any],
        open_run: Callable[[Any], AbstractContextManager[Restart]],
        slots: int,
    ):
        self.open_run, self.slots = open_run, slots
        self.waiting = deque(runs)
        self.ready: deque[_Training] = deque()  # taken up, and without a slot
        self.training: list[_Training] = []  # with a slot
        self.pack: Pack | _OneSlot | None = None
        self.writer = Writer()
        self.written = -math.inf  # the first epoch is written at once

    def run(self) -> Generator[Step]:
        try:
            while self.waiting or self.ready or self.training:
                yield from self._fill()
                if self.training and not (yield from _guarded(self.training, self._advance())):
                    for one in tuple(self.training):
                        self._leave(one)
                    self.pack = None
        except GeneratorExit:
            # Whoever takes the steps wants no more: the last epoch is kept.
            if self.pack is not None and self.training:
                self.writer.write(self.pack.checkpoints())
            raise
        finally:
            try:
                self.writer.close()
            finally:
                for one in (*self.training, *self.ready):
                    one.opened.close()

    def _fill(self) -> Generator[Step]:
        """Gives free slots to runs; those that share no program wait until the pack is empty."""
        aside: list[_Training] = []
        while (self.ready or self.waiting) and len(self.training) < self.slots:
            if not self.ready:
                yield from self._take_up(self.waiting.popleft())
                continue
            one = self.ready.popleft()
            if one.restart.finished:
                yield Step("trained", one.run, one.restart)
                one.opened.close()
            elif not (yield from _guarded([one], self._assign(one, aside))):
                one.opened.close()
        self.ready.extend(aside)

    def _take_up(self, run: Any) -> Generator[Step]:
        with contextlib.ExitStack() as opened:
            try:
                restart = opened.enter_context(self.open_run(run))
            except Exception as error:
                yield Step("failed", run, error=error)
                return
            self.ready.append(_Training(run, restart, opened.pop_all()))
        yield Step("started", run, restart)

    def _assign(self, one: _Training, aside: list[_Training]) -> Iterator[Step]:
        if self.pack is None or (not self.training and not self.pack.admits(one.restart)):
            most = min(self.slots, len(self.waiting) + len(self.ready) + len(aside) + 1)
            self.pack = Pack(one.restart, most) if most > 1 else _OneSlot()
        if self.pack.admits(one.restart):
            self.pack.put(one.restart)
            self.training.append(one)
        else:
            aside.append(one)
        yield from ()

    def _advance(self) -> Iterator[Step]:
        """An epoch of every run that has a slot."""
        assert self.pack is not None
        try:
            self.pack.advance()
        except Exception as error:
            if not out_of_memory(error) or len(self.training) == 1:
                raise
            self._halve()
            return
        for one in self.training:
            yield Step("epoch", one.run, one.restart)
        if time.monotonic() - self.written >= policy().checkpoint_seconds:
            self.writer.write(self.pack.checkpoints())
            self.written = time.monotonic()
        for one in [one for one in self.training if one.restart.finished]:
            self.pack.take(one.restart)
            self.writer.wait()  # an older checkpoint must not follow the last one
            yield from _guarded([one], self._end(one))
            self._leave(one)
        if isinstance(self.pack, Pack) and not (self.waiting or self.ready):
            while self.training and 2 * len(self.training) <= len(self.pack.restarts):
                self.pack.halve()

    def _halve(self) -> None:
        """Half of the slots from now on; what has no slot then goes on later."""
        assert self.pack is not None
        self.slots = max(1, len(self.training) // 2)
        for one in self.training:
            self.pack.take(one.restart)
        self.ready.extendleft(reversed(self.training))
        self.training.clear()
        self.pack = None

    def _end(self, one: _Training) -> Iterator[Step]:
        one.restart.save()
        yield Step("trained", one.run, one.restart)

    def _leave(self, one: _Training) -> None:
        self.training.remove(one)
        one.opened.close()


def out_of_memory(error: Exception) -> bool:
    """Whether memory of the host or of the device is short."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def _guarded(runs: Sequence[_Training], steps: Iterator[Step]) -> Generator[Step, None, bool]:
    """Passes steps on; if they end in an error, each of the runs has failed.

    Returns:
        Whether they did not.
    """
    try:
        yield from steps
    except Exception as error:
        for one in tuple(runs):
            yield Step("failed", one.run, error=error)
        return False
    return True
