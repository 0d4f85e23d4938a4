"""The Ray engine: the same processes as the local engine's, on all machines of a Ray cluster.

A job is a Ray task that holds one CPU of the cluster and streams back what happens. The task does
not compute: it gives the job to a worker process of its own, as the local engine does. So a run
ends in the same bits on either engine, and the task sees how its worker ended, which Ray itself
does not say. Whatever ends the task ends the worker.
"""

import importlib
import os
import socket
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, no_type_check

from memrnn.engines._engine import Job, JobFinished, Message, WorkerLost
from memrnn.engines._local import LocalEngine
from memrnn.errors import MemrnnError
from memrnn.runtime import cores

OBJECT_STORE = 100_000_000
"""Bytes of shared memory for a cluster that the engine starts: messages are a few kilobytes."""

FRESH = 1.0
"""Seconds for which the number of the cluster's CPUs is taken as known."""

PASSED_ON = ("MEMRNN_", "JAX_", "XLA_")
"""Beginnings of the environment variables that workers take from the driver."""

CONNECT_SECONDS = 10.0
"""How long to wait for the head of a cluster to answer."""


class RayEngine:
    """Worker processes on a Ray cluster, one for each of its CPUs.

    Workers use CPUs only. Every node needs the same memrnn and the same installed modules that the
    study imports, and must see the study's folder under the same path: a file system that all
    nodes share. A node may join or leave at any time; what it ran goes on elsewhere from its last
    epoch. The machine of the driver must be a node itself, and if that node or the cluster's head
    dies, the driver ends with it; the same command then continues the study.

    Examples:
        >>> from memrnn.engines import RayEngine
        >>> engine = RayEngine(address="head:6379")  # doctest: +SKIP
    """

    name = "ray"
    runs_in_a_job = 1

    def __init__(self, workers: int | None = None, address: str | None = None):
        """Connects to a cluster, or starts one on this machine.

        Args:
            workers: how many jobs may run at a time; None for one on each CPU of the cluster.
            address: `host:port` of the cluster's head, or `auto` for the one that runs on this
                machine. By default `$RAY_ADDRESS`; without that, a cluster is started on this
                machine and ends with the engine.

        Raises:
            MemrnnError: if Ray is not installed, or there is no cluster at the address.
        """
        if workers is not None and workers < 1:
            raise MemrnnError(f"workers is {workers}, but must be at least 1.")
        self._max_workers = workers
        self._ray = _import_ray()
        self._task = self._ray.remote(
            num_cpus=1, max_retries=0, num_returns="streaming", scheduling_strategy="SPREAD"
        )(serve_job)
        # Whoever has connected before us disconnects, too.
        self._connected_here = not self._ray.is_initialized()
        if self._connected_here:
            _connect(self._ray, address or os.environ.get("RAY_ADDRESS") or "local", workers)
        self._running: dict[int, Any] = {}
        self._cpus = 0
        self._counted = -FRESH

    @property
    def workers(self) -> int:
        """CPUs of the cluster now, at most as many as were asked for.

        At least 1: on a cluster without CPUs a job waits, which is how Ray learns that it should
        add a node.
        """
        if time.monotonic() - self._counted >= FRESH and self._ray.is_initialized():
            self._cpus = int(self._ray.cluster_resources().get("CPU", 0))
            self._counted = time.monotonic()
        return max(1, min(self._cpus, self._max_workers or self._cpus))

    def start(self, job: Job) -> None:
        environment = {
            name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)
        }
        # A task asks for no GPU, so several would share one.
        environment["JAX_PLATFORMS"] = "cpu"
        self._running[job.number] = self._task.remote(job, environment)

    def poll(self, seconds: float) -> Sequence[Message]:
        if not self._running:
            time.sleep(seconds)
            return []
        deadline = time.monotonic() + seconds
        messages: list[Message] = []
        ready = self._ready(list(self._running), 1, seconds)
        while ready:
            messages += [(job, self._next(job)) for job in ready]
            # Further messages are read now, but not waited for, and not for ever.
            more = [job for job in ready if job in self._running]
            if not more or time.monotonic() >= deadline:
                break
            ready = self._ready(more, len(more), 0.0)
        return messages

    def stop(self) -> None:
        """Does nothing: a running Ray task takes no messages, and has a checkpoint per epoch."""

    def cancel(self, job: int) -> None:
        stream = self._running.pop(job, None)
        if stream is not None:
            self._ray.cancel(stream, force=True)

    def close(self) -> None:
        for job in list(self._running):
            self.cancel(job)
        if self._connected_here:
            self._connected_here = False
            self._ray.shutdown()

    def _ready(self, jobs: list[int], least: int, seconds: float) -> list[int]:
        """Which of these jobs have a message, once so many have or time is over."""
        streams = {self._running[job]: job for job in jobs}
        ready, _ = self._ray.wait(list(streams), num_returns=least, timeout=seconds)
        return [streams[stream] for stream in ready]

    def _next(self, job: int) -> Any:
        """The next message of a job; the last one takes it off the list.

        Raises:
            ConnectionError: if the driver's own node is gone: no job could run any more.
        """
        stream = self._running[job]
        try:
            message = self._ray.get(next(stream))
        except StopIteration:
            message = WorkerLost("its Ray task ended early", "crashed")
        except self._ray.exceptions.LocalRayletDiedError as error:
            raise ConnectionError(
                "The Ray node on this machine has died, so that the driver is cut off from the "
                "cluster; start the node and repeat the command, and the study goes on."
            ) from error
        except self._ray.exceptions.RayError as error:
            message = explain_loss(self._ray.exceptions, error)
        if isinstance(message, JobFinished | WorkerLost):
            del self._running[job]
        return message


_engine: LocalEngine | None = None
"""The engine of a Ray task's process, whose worker takes one job after another."""


@no_type_check  # Ray wants a generator itself, not one within what checks its types in our tests
def serve_job(job: Job, environment: Mapping[str, str]) -> Iterator[Any]:
    """The Ray task: a worker's messages, of which the last is `JobFinished` or `WorkerLost`."""
    global _engine
    os.environ.update(environment)
    engine = _engine = _engine or LocalEngine()
    engine.start(job)
    ended = False
    try:
        while not ended:
            for _, message in engine.poll(1.0):
                ended = isinstance(message, JobFinished | WorkerLost)
                yield message
    finally:
        if not ended:
            engine.close()


def explain_loss(kinds: Any, error: Exception) -> WorkerLost:
    """What an error of Ray says about a job; `kinds` is `ray.exceptions`."""
    match error:
        case kinds.OutOfMemoryError():
            return WorkerLost("its node had no memory left and Ray ended its worker", "memory")
        case kinds.NodeDiedError() | kinds.ObjectLostError():
            return WorkerLost("its node has left the cluster", "killed")
        case kinds.WorkerCrashedError() | kinds.TaskCancelledError():
            # A task only waits: it does not fall over by itself.
            return WorkerLost("its Ray task was ended from outside", "killed")
        case _:
            text = str(getattr(error, "cause", None) or error).strip() or type(error).__name__
            return WorkerLost(f"its Ray task failed: {text.splitlines()[-1][:500]}", "crashed")


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise MemrnnError(
            "The ray engine needs Ray, which is not installed here; install it with "
            "pip install 'memrnn[ray]'."
        ) from error


def _connect(ray: Any, address: str, workers: int | None) -> None:
    """Joins the cluster, or starts one if the address is `local`, without a word."""
    options: dict[str, Any] = {}
    if address == "local":
        options = {
            "num_cpus": workers or cores(),
            "object_store_memory": OBJECT_STORE,
            "include_dashboard": False,
        }
        if sys.platform == "linux":
            # Ray takes 127.0.0.1 for "the address by which others see this machine".
            options["_node_ip_address"] = "127.0.0.2"
    try:
        if address != "local":
            _check_reachable(ray, address)
        with _silence(ray):
            ray.init(address, logging_level="ERROR", log_to_driver=False, **options)
    except (OSError, RuntimeError, ValueError) as error:
        text = " ".join(str(getattr(error, "strerror", None) or error).split()).rstrip(".")
        raise MemrnnError(f"Could not join a Ray cluster at {address}: {text}.") from error


def _check_reachable(ray: Any, address: str) -> None:
    """Raises what is wrong with an address; Ray itself tries for minutes.

    Raises:
        OSError: if nobody listens there.
        MemrnnError: if it is no address.
    """
    if "://" in address:
        raise MemrnnError("give host:port of the cluster's head, or auto")
    # What Ray will try: `auto` is looked up, and this machine's own name is replaced.
    resolved = ray._private.services.canonicalize_bootstrap_address_or_die(address)
    host, _, port = resolved.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise MemrnnError("give host:port of the cluster's head, or auto")
    with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS):
        pass


@contextmanager
def _silence(ray: Any) -> Generator[None]:
    """Keeps Ray from printing whatever befalls the cluster, as long as the driver is connected.

    `log_to_driver` is about the output of tasks alone.
    """
    worker = ray._private.worker
    listen = worker.listen_error_messages
    worker.listen_error_messages = lambda *_: None
    try:
        yield
    finally:
        worker.listen_error_messages = listen
