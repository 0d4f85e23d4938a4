"""The loops that give jobs to an engine and pass on what its workers report."""

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence, Sized

from memrnn.engines._engine import Engine, Job, JobFinished, JobStarted, Message, WorkerLost
from memrnn.errors import MemrnnError

POLL_SECONDS = 0.5

STOP_SECONDS = 8.0
"""How long workers have to finish the current epoch, once the time is over."""


def poll_until(
    engine: Engine, start: Callable[[], None], running: Sized, deadline: float
) -> Generator[Sequence[Message]]:
    """Yields what workers report, as long as jobs run.

    Args:
        start: starts waiting jobs where workers are free.
        running: the jobs that run.
        deadline: time of `time.monotonic` from which no job is started; those that run have
            `STOP_SECONDS` more.
    """
    stopped = math.inf
    while True:
        now = time.monotonic()
        if now < deadline:
            start()
        elif stopped == math.inf:
            engine.stop()
            stopped = now
        if not running or now > stopped + STOP_SECONDS:
            return
        yield engine.poll(min(POLL_SECONDS, max(0.0, deadline - now)) or POLL_SECONDS)


def run_jobs(engine: Engine, jobs: Iterable[Job], stop_after: float | None = None) -> Generator:
    """Runs jobs and yields their events; closes the engine at the end.

    Args:
        stop_after: seconds, from which on no job is started; workers have `STOP_SECONDS` more.

    Raises:
        MemrnnError: if a worker is lost.
    """
    deadline = math.inf if stop_after is None else time.monotonic() + stop_after
    waiting, running = deque(jobs), set[int]()

    def start() -> None:
        while waiting and len(running) < engine.workers:
            running.add(waiting[0].number)
            engine.start(waiting.popleft())

    try:
        for messages in poll_until(engine, start, running, deadline):
            for number, event in messages:
                match event:
                    case JobStarted():
                        pass
                    case JobFinished():
                        running.discard(number)
                    case WorkerLost(reason, fault):
                        advice = " with fewer workers" if fault == "memory" else ""
                        raise MemrnnError(
                            f"A worker was lost: {reason}. The same command continues{advice}."
                        )
                    case _:
                        yield event
    finally:
        engine.close()
