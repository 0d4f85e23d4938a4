"""How many cores, and how much memory, this process may use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def cores(root: Path = ROOT) -> int:
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
    # `quota period` in microseconds.
    quotas = [int(values[0]) / max(1, int(values[1])) for values in _limits(root, "cpu.max", 2)]
    return max(1, min(allowed, math.ceil(min([float(os.cpu_count() or 1), *quotas]))))


def memory(root: Path = ROOT) -> int:
    """Bytes of memory that this process may use: the machine's, or its control group's limit.

    Args:
        root: where `/proc` and `/sys` are mounted.
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *(int(values[0]) for values in _limits(root, "memory.max", 1))])


def _limits(root: Path, name: str, count: int) -> Iterator[list[str]]:
    """The numbers in a file of this process's control group, and of those that contain it.

    Those of groups without a limit, `max`, are left out.
    """
    mount = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        if not line.startswith("0::/"):  # a hierarchy of version 1
            continue
        group = mount / line.removeprefix("0::/")
        for folder in (group, *group.parents):
            try:
                values = (folder / name).read_text().split()
            except OSError:
                values = []
            if len(values) == count and all(value.isdecimal() for value in values):
                yield values
            if folder == mount:
                break
