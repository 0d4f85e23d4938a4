"""How many cores, and how much memory, this process may use."""

import math
import os
from pathlib import Path

ROOT = Path("/")


def cores(root: Path = ROOT) -> int:
    """How many cores this process may use, at least 1.

    The smaller one of two numbers: the cores that the scheduler may choose for this process
    (`taskset`, Slurm), and the share of time that its control group gets (`cpu.max` of cgroup v2:
    Docker, Kubernetes, systemd), rounded up. The machine can have many times more cores; threads
    beyond one per usable core only wait for each other.

    Args:
        root: where `/proc` and `/sys` are mounted.
    """
    machine = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    # `quota period` in microseconds.
    quotas = [quota / max(1, period) for quota, period in _control_group_limits(root, "cpu.max", 2)]
    return max(1, min(allowed, math.ceil(min([float(machine), *quotas]))))


def memory(root: Path = ROOT) -> int:
    """Bytes of memory that this process may use: the machine's, or its control group's limit.

    Args:
        root: where `/proc` and `/sys` are mounted.
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *(limit for (limit,) in _control_group_limits(root, "memory.max", 1))])


def _control_group_limits(root: Path, name: str, count: int) -> list[list[int]]:
    """The numbers in a file of this process's control group, and of those that contain it.

    Groups without a limit, `max`, are left out.
    """
    mount, limits = root / "sys/fs/cgroup", list[list[int]]()
    for line in _lines(root / "proc/self/cgroup"):
        if not line.startswith("0::/"):  # a hierarchy of version 1
            continue
        group = mount / line.removeprefix("0::/")
        for folder in (group, *group.parents):
            values = " ".join(_lines(folder / name)).split()
            if len(values) == count and all(value.isdecimal() for value in values):
                limits.append([int(value) for value in values])
            if folder == mount:
                break
    return limits


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
