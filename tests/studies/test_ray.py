"""The Ray engine, on a cluster of three nodes on the loopback interface."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from small_studies import content, small_study

from memrnn.engines import JobFinished, LocalEngine, Message, RayEngine, WorkerLost, explain_loss
from memrnn.studies import (
    Change,
    Job,
    JobRun,
    Ledger,
    PlannedRun,
    RunFailed,
    RunFinished,
    RunStarted,
    Study,
    plan,
    run_study,
)

# Ray forks to start its processes, and JAX, which other tests of this process have used, warns of
# forks that do not become another program at once, as these do.
pytestmark = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")

HOST = "127.0.0.2"
"""Loopback, too; Ray takes 127.0.0.1 for "the address by which others see this machine"."""

STORE = 80_000_000


@pytest.fixture(scope="module", autouse=True)
def surroundings() -> Generator[None]:
    """Ray asks nobody, reports to nobody, and keeps its files to itself."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # paths of sockets must be short
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_TMPDIR", folder)
        patch.delenv("RAY_ADDRESS", raising=False)
        yield
    shutil.rmtree(folder)


class Cluster:
    """A head without CPUs and worker nodes with one each: real processes, which can be killed."""

    def __init__(self, head_cpus: int = 0, nodes: int = 2) -> None:
        from ray.cluster_utils import Cluster as RayCluster

        self.cluster = RayCluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": head_cpus,
                "node_ip_address": HOST,
                "object_store_memory": STORE,
                "include_dashboard": False,
                # Whether a node is alive is asked more often than every few seconds.
                "_system_config": {"health_check_period_ms": 500},
            },
        )
        for _ in range(nodes):
            self.add_node()

    @property
    def address(self) -> str:
        return self.cluster.address

    def add_node(self) -> None:
        self.cluster.add_node(
            num_cpus=1, node_ip_address=HOST, object_store_memory=STORE, include_dashboard=False
        )

    def kill_node(self, raylet: int) -> None:
        """As if it had been cut off: nobody says goodbye."""
        [process] = [
            process.process
            for node in self.cluster.list_all_nodes()
            for process in node.all_processes["raylet"]
            if process.process.pid == raylet
        ]
        process.send_signal(signal.SIGKILL)
        process.wait()

    @property
    def living(self) -> int:
        """Worker nodes that have not been killed, whatever the cluster knows by now."""
        return sum(
            process.process.poll() is None
            for node in self.cluster.worker_nodes
            for process in node.all_processes["raylet"]
        )

    def close(self) -> None:
        import ray

        ray.shutdown()
        self.cluster.shutdown()


@pytest.fixture(scope="module")
def cluster(surroundings: None) -> Generator[Cluster]:
    pytest.importorskip("ray")
    cluster = Cluster()
    try:
        yield cluster
    finally:
        cluster.close()


class Heard:
    """An engine of which a test hears all messages."""

    name = "ray"
    runs_in_a_job = 1

    def __init__(self, engine: RayEngine):
        self.engine = engine
        self.start, self.stop = engine.start, engine.stop
        self.cancel, self.close = engine.cancel, engine.close
        self.messages: list[Message] = []

    @property
    def workers(self) -> int:
        return self.engine.workers

    def poll(self, seconds: float) -> Sequence[Message]:
        messages = self.engine.poll(seconds)
        self.messages += messages
        return messages

    def of(self, kind: type) -> list[Any]:
        return [message for _, message in self.messages if isinstance(message, kind)]


def long_study(epochs: int = 60, **changes: Any) -> Study:
    """Runs that take a second or more."""
    return small_study(config={"max_epochs": epochs, "early_stopping_patience": epochs}, **changes)


def worker_of(out: Path, run: PlannedRun) -> int:
    """The process that computes a run."""
    with Ledger(out) as ledger:
        [row] = ledger.rows("SELECT worker FROM runs WHERE id = ?", [run.id])
    return int(row["worker"].rpartition(":")[2])


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_when_workers_and_a_node_die(
    cluster: Cluster, tmp_path: Path
) -> None:
    # So long that a run cannot be done before its worker learns that its node is dead.
    study = long_study(150)
    engine = Heard(RayEngine(address=cluster.address))
    assert engine.workers == 2
    victims: dict[str, str] = {}

    def kill(change: Change) -> None:
        """One death for each of three runs, as soon as it runs."""
        run, status, _ = change
        if status != "running" or run.id in victims or len(victims) == 3:
            return
        worker = worker_of(tmp_path / "ray", run)
        victims[run.id] = ("worker", "task", "node")[len(victims)]
        match victims[run.id]:
            case "worker":
                os.kill(worker, signal.SIGKILL)
            case "task":
                os.kill(parent_of(worker), signal.SIGKILL)
            case _:
                cluster.kill_node(parent_of(parent_of(worker)))

    assert run_study(study, tmp_path / "ray", engine, listener=kill) == {"done": 4}
    assert list(victims.values()) == ["worker", "task", "node"]
    assert {lost.fault for lost in engine.of(WorkerLost)} == {"killed"}
    assert len(engine.of(WorkerLost)) >= 3
    # Nothing is doubled, and what was interrupted was taken up again.
    finished = Counter(message.run for message in engine.of(RunFinished))
    assert finished == {run.id: 1 for job in plan(study) for run in job}
    began = Counter(message.run for message in engine.of(RunStarted))
    assert all(began[run] >= 2 for run in victims)
    last: set[int] = set()
    for number, message in engine.messages:
        assert number not in last
        if isinstance(message, JobFinished | WorkerLost):
            last.add(number)

    assert run_study(study, tmp_path / "local", LocalEngine(2)) == {"done": 4}
    assert content(tmp_path / "ray") == content(tmp_path / "local")


def jobs_of(study: Study, out: Path) -> list[Job]:
    return [
        Job(
            number,
            (JobRun(run.id, run.experiment.to_json(), run.restart, str(out / run.folder)),),
            study.precisions,
        )
        for number, run in enumerate(run for job in plan(study) for run in job)
    ]


def until(engine: Heard, found: Callable[[], Any], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        engine.poll(0.1)


@pytest.mark.slow
def test_a_node_that_joins_counts_and_a_cancelled_job_is_silent(
    cluster: Cluster, tmp_path: Path
) -> None:
    engine = Heard(RayEngine(address=cluster.address))
    try:
        # The cluster may be slow to learn that another test has killed a node.
        until(engine, lambda: engine.workers == cluster.living)
        before = engine.workers
        cluster.add_node()
        until(engine, lambda: engine.workers == before + 1)
        assert RayEngine(1).workers == 1  # of the same connection

        endless, other, *_ = jobs_of(long_study(10**6), tmp_path)
        engine.start(endless)
        until(engine, lambda: engine.of(RunStarted))
        worker = int(engine.of(RunStarted)[0].worker.rpartition(":")[2])
        engine.cancel(endless.number)
        heard = len(engine.messages)
        (run,) = other.runs
        faulty = dataclasses.replace(run, experiment={"language": "none"})
        engine.start(dataclasses.replace(other, runs=(faulty,)))
        until(engine, lambda: engine.of(JobFinished))
        assert {number for number, _ in engine.messages[heard:]} == {other.number}
        # A run's fault is not its worker's.
        assert any(isinstance(message, RunFailed) for _, message in engine.messages[heard:])
        until(engine, lambda: not Path(f"/proc/{worker}/cwd").exists())
        assert {number for number, _ in engine.messages[heard:]} == {other.number}
    finally:
        engine.close()


def test_a_cluster_of_ones_own_and_the_time_limit(surroundings: None, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    import ray

    study = long_study(time_limit=1.0, models=["jm-3"])
    engine = RayEngine(2)
    assert engine.workers == 2
    assert run_study(study, tmp_path, engine) == {"failed": 2}
    with Ledger(tmp_path) as ledger:
        reasons = {row["reason"] for row in ledger.rows("SELECT reason FROM runs")}
    assert reasons == {"not done after the time limit of 1 s"}
    assert not ray.is_initialized()


@pytest.mark.slow
def test_a_driver_whose_own_node_dies_says_so_and_another_continues(
    surroundings: None, tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    cluster = Cluster(head_cpus=1, nodes=0)

    def kill(change: Change) -> None:
        cluster.kill_node(parent_of(parent_of(worker_of(tmp_path, change.run))))

    try:
        with pytest.raises(ConnectionError, match="repeat the command"):
            run_study(long_study(), tmp_path, RayEngine(address=cluster.address), listener=kill)
    finally:
        cluster.close()
    assert run_study(long_study(), tmp_path, LocalEngine(2)) == {"done": 4}


def test_what_the_errors_of_ray_say() -> None:
    ray = pytest.importorskip("ray")
    kinds = ray.exceptions
    assert explain_loss(kinds, kinds.OutOfMemoryError("much text")).fault == "memory"
    assert explain_loss(kinds, kinds.NodeDiedError("much text")).fault == "killed"
    assert explain_loss(kinds, kinds.ObjectLostError("00", None, "")).fault == "killed"
    assert explain_loss(kinds, kinds.WorkerCrashedError()).fault == "killed"
    assert explain_loss(kinds, kinds.TaskCancelledError()).fault == "killed"
    no_module = ModuleNotFoundError("No module named 'memrnn'")
    lost = explain_loss(kinds, kinds.RayTaskError("serve_job", "much\ntext", no_module))
    assert lost == WorkerLost("its Ray task failed: No module named 'memrnn'", "crashed")


def test_without_ray_one_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        ValueError, match=r"needs Ray, .*; install it with pip install 'memrnn\[ray\]'"
    ):
        RayEngine()


def test_memrnn_does_not_import_ray() -> None:
    code = "import sys, memrnn.studies, memrnn.cli; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("nonsense", "Invalid address"),
        ("ray://127.0.0.1:10001", "give host:port"),
        ("127.0.0.2:99999", "give host:port"),
        ("127.0.0.2:1", "refused"),
    ],
)
def test_addresses_without_a_cluster(surroundings: None, address: str, reason: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(ValueError, match=f"at {address}: .*{reason}"):
        RayEngine(address=address)


def test_workers_must_be_positive() -> None:
    with pytest.raises(ValueError, match="workers is 0, but must be at least 1"):
        RayEngine(0)
