"""Training that is killed, stopped or out of disk ends in the bits of an unbroken run."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import memrnn
from clocks import Clock
from memrnn import Progress, load_run, train
from small_experiments import files, small


def test_workers_leave_the_bits_of_one_process(unbroken: Path, tmp_path: Path) -> None:
    seen: dict[int, list[int]] = {}
    run = train(
        small(),
        tmp_path / "run",
        restarts=3,
        workers=2,
        listener=lambda number, progress: seen.setdefault(number, []).append(progress.epochs),
    )
    assert files(tmp_path / "run") == files(unbroken)
    assert seen == {number: [0, 1, 2, 3, 4] for number in range(3)}
    assert [one.progress for one in run.restarts] == [
        one.progress for one in load_run(unbroken).restarts
    ]


def test_training_stops_in_time_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of the epoch in which the time is over; nothing of it is trained again."""
    long = small(max_epochs=300, early_stopping_patience=300)
    train(long, tmp_path / "calm", restarts=1)
    clock, seen = Clock(monkeypatch), list[int]()

    def forward(number: int, progress: Progress) -> None:
        seen.append(progress.epochs)
        if progress.epochs == 3:
            clock.forward(3600)

    stopped = train(long, tmp_path / "run", restarts=1, stop_after=3600.0, listener=forward)
    (one,) = stopped.restarts
    assert 3 <= one.progress.epochs < 300 and seen == list(range(one.progress.epochs + 1))
    first: list[int] = []
    train(long, tmp_path / "run", restarts=1, listener=lambda _, now: first.append(now.epochs))
    assert first[0] == one.progress.epochs
    assert files(tmp_path / "run") == files(tmp_path / "calm")


def test_a_lost_worker_is_said_and_costs_nothing(unbroken: Path, tmp_path: Path) -> None:
    def kill(number: int, progress: Progress) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(memrnn.MemrnnError, match=r"ended by SIGKILL\. The same command continues"):
        train(small(), tmp_path / "run", restarts=3, workers=2, listener=kill)
    train(small(), tmp_path / "run", restarts=3)
    assert files(tmp_path / "run") == files(unbroken)


KILLED = """
import json, sys
from memrnn import Experiment, train
from memrnn.runtime.cache import use_compile_cache
use_compile_cache()
experiment = Experiment.from_json(json.loads(sys.argv[1]))
print("begin", flush=True)
train(experiment, sys.argv[2], restarts=3)
"""


def test_a_run_killed_at_random_moments_ends_in_the_same_bits(tmp_path: Path) -> None:
    # Long enough that no machine is done before the kill, and none stops early.
    experiment = small(max_epochs=120, early_stopping_patience=120)
    expected, folder = tmp_path / "expected", tmp_path / "killed"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }

    def start(target: Path) -> subprocess.Popen[str]:
        text = json.dumps(experiment.to_json())
        return subprocess.Popen(
            [sys.executable, "-c", KILLED, text, str(target)],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
        )

    with start(expected) as process:
        process.communicate()
        assert process.returncode == 0
    rng = np.random.default_rng(0)
    kills = 0
    for _ in range(3):
        with start(folder) as process:
            assert process.stdout is not None and process.stdout.readline() == "begin\n"
            time.sleep(rng.uniform(0.2, 2))
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
    assert kills > 0
    with start(folder) as process:
        process.communicate()
        assert process.returncode == 0
    assert files(folder) == files(expected)


def test_a_full_disk_ends_training_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    train(small(max_epochs=1), folder, restarts=1)
    before = files(folder)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="the disk is full"):
            train(small(), folder, restarts=1)
    assert files(folder) == before
    assert len(list(folder.iterdir())) == 2
    train(small(), folder, restarts=1)
