"""Runs jobs one after another on all workers of an engine."""

import math
import time
from collections import deque
from collections.abc import Generator, Iterable

from memrnn.engines._engine import Engine, Job, JobFinished, JobStarted, WorkerLost
from memrnn.errors import MemrnnError

POLL_SECONDS = 0.5

STOP_SECONDS = 8.0
"""How long workers have to finish the current epoch, once the time is over."""


def run_jobs(engine: Engine, jobs: Iterable[Job], stop_after: float | None = None) -> Generator:
    """Runs jobs and yields their events; closes the engine at the end.

    Args:
        stop_after: seconds, from which on no job is started; workers have `STOP_SECONDS` more.

    Raises:
        MemrnnError: if a worker is lost.
    """
    deadline = math.inf if stop_after is None else time.monotonic() + stop_after
    waiting, running = deque(jobs), set[int]()
    stopped = math.inf
    try:
        while waiting or running:
            now = time.monotonic()
            if now >= deadline and stopped == math.inf:
                engine.stop()
                waiting.clear()
                stopped = now
            while waiting and len(running) < engine.workers:
                job = waiting.popleft()
                running.add(job.number)
                engine.start(job)
            if now > stopped + STOP_SECONDS:
                return
            seconds = min(POLL_SECONDS, max(0.0, deadline - now)) or POLL_SECONDS
            for number, event in engine.poll(seconds):
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
