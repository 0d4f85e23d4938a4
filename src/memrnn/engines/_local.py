"""The local engine: spawned processes on this machine, one job each at a time.

Each process computes on one thread (`NPROC`), so that processes do not fight for cores, and a run
ends in the same bits however many there are. Where JAX can use GPUs there is one process a GPU.
"""

import importlib.util
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

from memrnn.engines._engine import Job, JobFinished, JobStarted, Message, WorkerLost
from memrnn.errors import MemrnnError
from memrnn.runtime import WORKER, check_main_guard, cores, explain_failed_start, memory

_SPAWN = multiprocessing.get_context("spawn")
MANY = 1000
"""Runs in a job for a GPU: more than its memory holds, so that it is never short of them."""

_SHARE = 0.5
"""A worker that fills more than this share of its part of the machine's memory is replaced when
its job is over: compiled programs pile up in a process."""


class _Ready:
    """A worker's first message: it has imported the driver's script and can run a job."""


class _Stop:
    """The message that asks a worker to stop its job at the end of the current epoch."""


class _Worker:
    def __init__(self, gpu: str | None) -> None:
        self.gpu = gpu
        self.job: int | None = None
        self.ready = False
        self.connection, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=serve, args=(theirs,), name=WORKER, daemon=True)
        # XLA computes on one thread; it reads this when JAX starts.
        variable, value = ("NPROC", "1") if gpu is None else ("CUDA_VISIBLE_DEVICES", gpu)
        with _environment(variable, value):
            self.process.start()
        theirs.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class LocalEngine:
    """Spawned processes on this machine.

    Examples:
        >>> from memrnn.engines import LocalEngine
        >>> LocalEngine(workers=2).workers <= 2
        True
    """

    name = "local"

    def __init__(self, workers: int | None = None):
        """By default one worker a GPU, or a core where there is none; of GPUs never more."""
        if workers is not None and workers < 1:
            raise MemrnnError(f"workers is {workers}, but must be at least 1.")
        self._gpus = visible_gpus()
        self.runs_in_a_job = MANY if self._gpus else 1
        most = len(self._gpus)
        self.workers = min(workers or most, most) if most else workers or cores()
        self._memory = memory() / self.workers * _SHARE
        self._workers: list[_Worker] = []
        self._started: list[int] = []
        self._memory_kills = _memory_kills()

    def start(self, job: Job) -> None:
        check_main_guard()
        worker = next((worker for worker in self._workers if worker.job is None), None)
        if worker is None:
            used = [worker.gpu for worker in self._workers]
            worker = _Worker(next((gpu for gpu in self._gpus if gpu not in used), None))
            self._workers.append(worker)
        worker.job = job.number
        self._started.append(job.number)
        # A worker that died while it was idle is found by the next poll.
        with suppress(OSError):
            worker.connection.send(job)

    def poll(self, seconds: float) -> Sequence[Message]:
        messages: list[Message] = [(job, JobStarted()) for job in self._started]
        self._started.clear()
        busy = [worker for worker in self._workers if worker.job is not None]
        ready = set(wait([worker.connection for worker in busy], 0 if messages else seconds))
        for worker in busy:
            if worker.connection in ready:
                messages += self._read(worker)
        return messages

    def stop(self) -> None:
        for worker in self._workers:
            if worker.job is not None:
                with suppress(OSError):
                    worker.connection.send(_Stop())

    def cancel(self, job: int) -> None:
        self._started = [started for started in self._started if started != job]
        for worker in [worker for worker in self._workers if worker.job == job]:
            self._drop(worker)

    def close(self) -> None:
        for worker in list(self._workers):
            self._drop(worker)

    def _read(self, worker: _Worker) -> list[Message]:
        """All that a worker has sent; the end of its pipe means that it is gone.

        Raises:
            MemrnnError: if it ended by itself before it could take a job: no other worker would
                fare better, and no run is at fault.
        """
        job = worker.job
        assert job is not None
        messages: list[Message] = []
        try:
            while worker.connection.poll():
                event = worker.connection.recv()
                if isinstance(event, _Ready):
                    worker.ready = True
                    continue
                messages.append((job, event))
                if isinstance(event, JobFinished):
                    worker.job = None
                    if _resident(worker.process.pid) > self._memory:
                        self._drop(worker)
                    break
        except (EOFError, OSError):
            worker.process.join()
            status = worker.process.exitcode or 0
            if not worker.ready and status >= 0:
                raise MemrnnError(explain_failed_start(status)) from None
            messages.append((job, self._loss(status)))
            self._drop(worker)
        return messages

    def _drop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.kill()

    def _loss(self, status: int) -> WorkerLost:
        before, self._memory_kills = self._memory_kills, _memory_kills()
        if status >= 0:
            return WorkerLost(f"its worker ended with status {status}", "crashed")
        number = signal.Signals(-status)
        if number == signal.SIGKILL and self._memory_kills > before:
            return WorkerLost("the system had no memory left and killed the worker", "memory")
        killed = number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        return WorkerLost(
            f"its worker was ended by {number.name}", "killed" if killed else "crashed"
        )


@contextmanager
def _environment(variable: str, value: str) -> Generator[None]:
    """Sets a variable for the processes that are started meanwhile."""
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        yield
    finally:
        del os.environ[variable]
        if before is not None:
            os.environ[variable] = before


def serve(connection: Connection) -> None:
    """The main loop of a worker process: it takes jobs until its driver is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver ends its workers itself
    threading.Thread(target=_follow_parent, daemon=True).start()
    with suppress(OSError):
        connection.send(_Ready())
    while True:
        try:
            job = connection.recv()
            if isinstance(job, _Stop):  # it had just ended its job
                continue
            with closing(job.run()) as events:
                for event in events:
                    connection.send(event)
                    if connection.poll():
                        connection.recv()
                        break
            connection.send(JobFinished())
        except (EOFError, ConnectionError):
            return


def _follow_parent() -> None:
    """Ends this process when its driver is gone, even in the middle of an epoch."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def visible_gpus() -> list[str]:
    """The GPUs that workers may use, as CUDA names them; none if JAX is not made for them."""
    plugin = any(importlib.util.find_spec(f"jax_cuda{major}_plugin") for major in (12, 13))
    if not plugin or os.environ.get("JAX_PLATFORMS") == "cpu":
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    return [str(number) for number, _ in enumerate(Path("/proc/driver/nvidia/gpus").glob("*"))]


def _resident(process: int | None) -> int:
    """Bytes of memory that a process holds; 0 where the system does not say."""
    with suppress(OSError):
        pages = Path(f"/proc/{process}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _memory_kills() -> int:
    """How many processes the system has killed so far because memory was short."""
    kills = 0
    for path in ("/proc/vmstat", "/sys/fs/cgroup/memory.events"):
        with suppress(OSError):
            lines = Path(path).read_text().splitlines()
            kills += sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return kills
