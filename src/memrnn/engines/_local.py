"""The local engine: spawned processes on this machine, one job each at a time.

Each process computes on one thread (`NPROC`), so that processes do not fight for cores, and a run
ends in the same bits however many there are. Where JAX can use GPUs there is one process a GPU.
"""

import importlib.util
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from memrnn.engines._engine import Job, JobFinished, JobStarted, Message, WorkerLost
from memrnn.errors import MemrnnError
from memrnn.runtime import WORKER, check_main_guard, cores, explain_failed_start, memory

ONE_THREAD = {"NPROC": "1"}
"""What makes XLA compute on one thread; it must be set before JAX starts."""

_SPAWN = multiprocessing.get_context("spawn")
MANY = 1000
"""Runs in a job for a GPU: more than its memory holds, so that it is never short of them."""

_SHARE = 0.5
"""A worker that fills more than this share of its part of the machine's memory is replaced when
its job is over: compiled programs pile up in a process."""


class _Ready:
    """A worker's first message: it has imported the driver's script and can take a job."""


class _Stop:
    """The message that asks a worker to stop its job at the end of the current epoch."""


class _Worker:
    def __init__(self, gpu: str | None) -> None:
        ours, theirs = _SPAWN.Pipe()
        self.gpu = gpu
        self.process = _SPAWN.Process(target=serve, args=(theirs,), name=WORKER, daemon=True)
        environment = ONE_THREAD if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        try:
            self.process.start()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        theirs.close()
        self.connection = ours
        self.job: int | None = None
        self.ready = False

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class LocalEngine:
    """Spawned processes on this machine."""

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
        self._taken: list[int] = []
        self._deaths = _kills_for_memory()

    def start(self, job: Job) -> None:
        check_main_guard()
        worker = next((one for one in self._workers if one.job is None), None)
        if worker is None:
            taken = [one.gpu for one in self._workers]
            worker = _Worker(next((gpu for gpu in self._gpus if gpu not in taken), None))
            self._workers.append(worker)
        worker.job = job.number
        self._taken.append(job.number)
        # A worker that died while it was idle is found by the next poll.
        with suppress(OSError):
            worker.connection.send(job)

    def poll(self, seconds: float) -> Sequence[Message]:
        messages: list[Message] = [(job, JobStarted()) for job in self._taken]
        self._taken.clear()
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
        self._taken = [taken for taken in self._taken if taken != job]
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
            messages.append((job, self._loss(worker.process.exitcode)))
            self._drop(worker)
        return messages

    def _drop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.kill()

    def _loss(self, code: int | None) -> WorkerLost:
        deaths, self._deaths = self._deaths, _kills_for_memory()
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            if code == -signal.SIGKILL and self._deaths > deaths:
                return WorkerLost("the system had no memory left and killed the worker", "memory")
            killed = -code in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
            return WorkerLost(f"its worker was ended by {name}", "killed" if killed else "crashed")
        return WorkerLost(f"its worker ended with status {code}", "crashed")


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
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _kills_for_memory() -> int:
    """How many processes the system has killed so far because memory was short."""
    counts: list[Any] = []
    for path in ("/proc/vmstat", "/sys/fs/cgroup/memory.events"):
        try:
            lines = Path(path).read_text().splitlines()
        except OSError:
            continue
        counts += [int(line.split()[1]) for line in lines if line.startswith("oom_kill ")]
    return sum(counts)
