"""How many cores this process may use."""

import math
import os
from pathlib import Path


def cores(root: Path = Path("/")) -> int:
    """How many cores this process may use, at least 1.

    The smaller one of two numbers: the cores that the scheduler may choose for this process
    (`taskset`, Slurm), and the share of time that its control group gets (`cpu.max` of cgroup v2:
    Docker, Kubernetes, systemd), rounded up. The number of cores of the machine can be many times
    larger; threads beyond one per usable core only wait for each other.

    Args:
        root: where `/proc` and `/sys` are mounted.
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, math.ceil(_quota(root))))


def _quota(root: Path) -> float:
    """The smallest quota of this process's control group and of those that contain it, in cores."""
    mount, quotas = root / "sys/fs/cgroup", [float(os.cpu_count() or 1)]
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if not line.startswith("0::/"):  # a hierarchy of version 1
            continue
        group = mount / line.removeprefix("0::/")
        for folder in (group, *group.parents):
            quotas += _limit(folder / "cpu.max")
            if folder == mount:
                break
    return min(quotas)


def _limit(file: Path) -> list[float]:
    """`quota period` in microseconds, or `max period` where there is no quota."""
    try:
        quota, period = file.read_text().split()
        return [] if quota == "max" else [int(quota) / int(period)]
    except (OSError, ValueError, ZeroDivisionError):
        return []
