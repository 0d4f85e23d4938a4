"""The local engine with real processes, killed at any moment."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from small_studies import content, small_study

from clocks import Clock
from memrnn.engines import LocalEngine, Message, visible_gpus
from memrnn.studies import Change, EvaluationFinished, LedgerError, load_results, run_study

FILE = """
languages = ["count-3"]
models = ["jm-3", "lstm-4"]
restarts = {restarts}

[strings]
train_lengths = "3:12"
batch_size = 4
batches = 5
validation_batches = 2
length_bins = ["3:9", "12:18"]
samples_per_length = 2

[config]
max_epochs = {epochs}
early_stopping_patience = {epochs}
"""


def start(file: Path, out: Path) -> subprocess.Popen:
    """The command line's driver, as a user starts it."""
    command = [sys.executable, "-m", "memrnn", "study", "run", str(file), "--out", str(out)]
    with log_of(out).open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def log_of(out: Path) -> Path:
    return out.with_suffix(".log")


def workers_of(driver: subprocess.Popen) -> list[int]:
    """The driver's worker processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == driver.pid and b"spawn_main" in line:
            found.append(int(folder.name))
    return found


def kill_and_finish(file: Path, out: Path, kills: int, longest: float) -> tuple[int, int]:
    """Kills driver and workers at random moments, starts drivers anew; how many of each."""
    rng = random.Random(kills)
    of_drivers = of_workers = 0
    driver = start(file, out)
    while of_drivers + of_workers < kills:
        # Mostly when there is something to kill, but sometimes in the middle of a start.
        deadline = time.monotonic() + (60 if rng.random() < 0.85 else 0)
        while time.monotonic() < deadline and driver.poll() is None and not workers_of(driver):
            time.sleep(0.05)
        try:
            driver.wait(timeout=rng.uniform(0.1, longest))
            break
        except subprocess.TimeoutExpired:
            pass
        workers = workers_of(driver)
        if workers and rng.random() < 0.6:
            os.kill(rng.choice(workers), signal.SIGKILL)
            of_workers += 1
        else:
            driver.kill()
            driver.wait()
            of_drivers += 1
            driver = start(file, out)
    assert driver.wait(timeout=600) == 0, log_of(out).read_text()
    return of_drivers, of_workers


def check_survival(
    tmp_path: Path, restarts: int, epochs: int, kills: int, longest: float
) -> tuple[int, int]:
    file = tmp_path / "study.toml"
    file.write_text(FILE.format(restarts=restarts, epochs=epochs))
    calm, rough = tmp_path / "calm", tmp_path / "rough"
    assert start(file, calm).wait(timeout=900) == 0
    killed = kill_and_finish(file, rough, kills, longest)
    assert content(rough) == content(calm)
    runs = load_results(rough).runs
    assert {run.status for run in runs} == {"done"}
    assert len(runs) == 2 * restarts
    return killed


def test_killed_a_few_times(tmp_path: Path) -> None:
    # Short waits and many epochs, so that a fast machine is not done before the first kill.
    drivers, workers = check_survival(tmp_path, restarts=1, epochs=120, kills=3, longest=2)
    assert drivers + workers >= 1


def trains(out: Path) -> bool:
    """Whether an epoch is done."""
    try:
        return any(run.epochs for run in load_results(out).runs)
    except LedgerError:  # not there yet, or not planned yet
        return False


def test_a_driver_that_is_asked_to_stop_ends_its_session(tmp_path: Path) -> None:
    file, out = tmp_path / "study.toml", tmp_path / "out"
    file.write_text(FILE.format(restarts=1, epochs=100_000))
    driver = start(file, out)
    try:
        deadline = time.monotonic() + 120
        while not trains(out):
            assert time.monotonic() < deadline
            assert driver.poll() is None, log_of(out).read_text()
            time.sleep(0.1)
        workers = workers_of(driver)
        assert workers
        driver.terminate()
        assert driver.wait(timeout=30) == 130
    finally:
        driver.kill()
    said = "Stopped; the same command continues from what is saved.\n"
    assert log_of(out).read_text().endswith(said)
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    results = load_results(out)
    assert {run.status for run in results.runs} == {"planned"}
    (session,) = results.sessions
    assert (session["outcome"], session["ended"] is None) == ("stopped", False)


@pytest.mark.slow
def test_killed_fifty_times(tmp_path: Path) -> None:
    drivers, workers = check_survival(tmp_path, restarts=8, epochs=400, kills=50, longest=8)
    assert drivers + workers == 50
    assert drivers >= 10
    assert workers >= 10


def test_how_many_workers_there_are_changes_no_bit(tmp_path: Path) -> None:
    for workers in (1, 2):
        counts = run_study(small_study(), tmp_path / str(workers), LocalEngine(workers))
        assert counts == {"done": 4}
    assert content(tmp_path / "1") == content(tmp_path / "2")


def test_a_worker_that_hangs_is_ended(tmp_path: Path) -> None:
    # The file is imported by the driver, too, which must not hang.
    (tmp_path / "mine.py").write_text(
        "import multiprocessing, time\n"
        "if multiprocessing.parent_process() is not None:\n"
        "    time.sleep(3600)\n"
    )
    study = small_study(
        imports=[str(tmp_path / "mine.py")], models=["lstm-4"], restarts=1, time_limit=5
    )
    began = time.monotonic()
    assert run_study(study, tmp_path / "out", LocalEngine(1)) == {"failed": 1}
    assert time.monotonic() - began < 30
    assert load_results(tmp_path / "out").runs[0].reason == ("not done after the time limit of 5 s")


def test_a_worker_that_crashes_is_reported(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import multiprocessing, os, signal\n"
        "if multiprocessing.parent_process() is not None:\n"
        "    os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    study = small_study(imports=[str(tmp_path / "mine.py")], models=["lstm-4"], restarts=1)
    assert run_study(study, tmp_path / "out", LocalEngine(1)) == {"failed": 1}
    reason = load_results(tmp_path / "out").runs[0].reason
    assert reason == "its worker was ended by SIGSEGV, 3 times without an epoch in between"


def test_gpus_are_used_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_plugin(name: str) -> bool:
        return name == "jax_cuda12_plugin"

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    assert visible_gpus() == [], "JAX is not made for them here"
    monkeypatch.setattr("importlib.util.find_spec", with_plugin)
    assert visible_gpus() == ["2", "5"]
    assert [LocalEngine(workers).workers for workers in (None, 1, 9)] == [2, 1, 2]
    assert LocalEngine().runs_in_a_job > 100
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert visible_gpus() == []
    assert LocalEngine(9).workers == 9
    assert LocalEngine().runs_in_a_job == 1


def test_a_study_stops_in_time_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No epoch that was reported is trained again, and what comes out is the same to the bit."""
    epochs = {"max_epochs": 200, "early_stopping_patience": 200}
    study = small_study(models=["jm-3"], config=epochs)
    assert run_study(study, tmp_path / "calm", LocalEngine(1)) == {"done": 2}
    clock = Clock(monkeypatch)

    class Watched(LocalEngine):
        """Its time is over once a worker has reported epochs."""

        def poll(self, seconds: float) -> Sequence[Message]:
            messages = super().poll(seconds)
            if not clock.ahead and any(isinstance(one, EvaluationFinished) for _, one in messages):
                clock.forward(3600)
            return messages

    counts = run_study(study, tmp_path / "out", Watched(2), stop_after=3600.0)
    assert counts.get("planned", 0) >= 1
    results = load_results(tmp_path / "out")
    assert results.sessions[0]["outcome"] == "stopped"
    before = {run.folder: run.epochs for run in results.runs}
    assert any(before.values()) and min(before.values()) < 200
    begun: dict[str, int] = {}

    def note(change: Change) -> None:
        nonlocal begun
        if change.status == "running":
            runs = load_results(tmp_path / "out").runs
            begun |= {run.folder: run.epochs for run in runs if run.id == change.run.id}

    assert run_study(study, tmp_path / "out", LocalEngine(1), listener=note) == {"done": 2}
    assert begun and all(before[folder] <= count for folder, count in begun.items())
    assert content(tmp_path / "out") == content(tmp_path / "calm")
