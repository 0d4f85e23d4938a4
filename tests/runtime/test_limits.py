"""Usable cores and memory: by affinity and by the limits of the control group."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from memrnn.runtime import cores, memory


def machine(root: Path, group: str, **quotas: str) -> Path:
    """Files of a machine on which this process is in a control group; quotas by group."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(f"4:cpu:/old\n0::{group}\n")
    for name, text in {"": "max 100000", **quotas}.items():
        folder = root / "sys/fs/cgroup" / name.replace("_", "/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cpu.max").write_text(f"{text}\n")
    return root


@pytest.fixture(autouse=True)
def sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    monkeypatch.setattr(os, "cpu_count", lambda: 64)


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 16),
        ("400000 100000", 4),
        ("150000 100000", 2),
        ("1000 100000", 1),
        ("6400000 100000", 16),
        ("no number", 16),
    ],
)
def test_a_quota_below_the_affinity_counts(tmp_path: Path, quota: str, expected: int) -> None:
    assert cores(machine(tmp_path, "/job", job=quota)) == expected


def test_the_smallest_quota_above_a_group_counts(tmp_path: Path) -> None:
    root = machine(tmp_path, "/slice/job", slice="200000 100000", slice_job="300000 100000")
    assert cores(root) == 2


def test_affinity_counts_where_there_are_no_control_groups(tmp_path: Path) -> None:
    assert cores(tmp_path) == 16


@pytest.mark.parametrize(("limit", "expected"), [("5000", 5000), ("max", None), ("9" * 25, None)])
def test_memory_is_the_machine_s_or_the_control_group_s(
    tmp_path: Path, limit: str, expected: int | None
) -> None:
    root = machine(tmp_path, "/slice/job", slice_job="max 100000")
    (root / "sys/fs/cgroup/slice/memory.max").write_text(f"{limit}\n")
    assert memory(root) == (expected or memory(tmp_path / "nowhere"))
    assert memory(tmp_path / "nowhere") > 2**30


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_a_command_counts_the_cores_that_it_may_use() -> None:
    """What a worker's machine is called, and defaults of `workers`, follow the affinity."""
    script = (
        "import os, memrnn\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from memrnn.engines import LocalEngine\n"
        "from memrnn.studies._about import about_worker\n"
        "print(LocalEngine().workers, about_worker()['device'])\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "NPROC"}
    environment["JAX_PLATFORMS"] = "cpu"
    printed = subprocess.run(
        [sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert printed[0].startswith("1 ")
    assert printed[0].endswith(", 1 core")
