"""How programs are shaped for the device that runs them: measured numbers, one table."""

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from memrnn.runtime import cores, memory


class Policy(NamedTuple):
    """The numbers for one kind of device.

    Attributes:
        slots: restarts that train at a time in one program.
        group_bytes: how much a group of strings may look at, so that it stays in the cache; None
            for all strings at once.
        unroll: steps per iteration of a loop over time whose steps are small.
        many_cells: updates of a stack's cells in a loop over time from which on several loops, each
            with the rows that it needs, save more time than compiling them takes; None for never.
        matrix_left: whether weights are the left factor of a product in a loop over time.
        logit_rows: words whose logits over a vocabulary are computed at a time.
        validated: slots that are scored at a time.
        checkpoint_seconds: between two checkpoints of a run or a pack.
        compiler_options: for XLA; those that `$XLA_FLAGS` names are left to it.
        rounded_options: the same for programs that round after every operation.
    """

    slots: int
    group_bytes: int | None
    unroll: int
    many_cells: int | None
    matrix_left: bool
    logit_rows: int
    validated: int
    checkpoint_seconds: float
    compiler_options: Mapping[str, int | bool]
    rounded_options: Mapping[str, int | bool]


_CPU_OPTIONS: dict[str, int | bool] = {"xla_backend_optimization_level": 2}
"""With level 3 and the newer emitters compiling takes longer, see `docs/results.md`."""

if jax.__version_info__ < (0, 11):
    # The older emitters compile faster; JAX 0.11 no longer has them.
    _CPU_OPTIONS["xla_cpu_use_fusion_emitters"] = False

_CPU_OPTIONS_ROUNDED: dict[str, int | bool] = {
    "xla_backend_optimization_level": 2,
    "xla_cpu_prefer_vector_width": 512,
}
"""Roundings are integer arithmetic per number. The older emitters do not vectorise them, and with
the usual width of 256 bits they take half as long again (`benchmarks/rounding.py`)."""

POLICIES = {
    # 14 MB: `docs/nondeterministic.md`. 10^10 cells, which take 2.5 s in one loop, where seven more
    # loops take 3 s to compile: `benchmarks/long_evaluation.py`. Left factors:
    # `benchmarks/torch_text_step.py --loop`. 224 rows: `benchmarks/softmax.py`; with 10,000 words
    # their logits take 9 MB in float32.
    "cpu": Policy(
        slots=1,
        group_bytes=14 << 20,
        unroll=1,
        many_cells=10**10,
        matrix_left=True,
        logit_rows=224,
        validated=40,
        checkpoint_seconds=1.0,
        compiler_options=_CPU_OPTIONS,
        rounded_options=_CPU_OPTIONS_ROUNDED,
    ),
    # On an H100 starting a step costs more than computing it, and there is no cache to stay in:
    # rns-3-3 in version 0.1, 1 and 40 restarts: 38 and 75 ms per update in groups, 8.5 and 38
    # without.
    # Several loops over time for high stacks were not measured.
    # 2,240 words are a whole update of the recipe `strong`; other numbers were not measured.
    "gpu": Policy(
        slots=160,
        group_bytes=None,
        unroll=8,
        many_cells=None,
        matrix_left=False,
        logit_rows=2240,
        validated=40,
        checkpoint_seconds=60.0,
        compiler_options={},
        rounded_options={},
    ),
}


def policy() -> Policy:
    """The numbers for the device that JAX uses by default."""
    return POLICIES["cpu" if jax.default_backend() == "cpu" else "gpu"]


def compiled(static_argnums: int | tuple[int, ...]) -> Callable[[Callable], Any]:
    """A decorator: `jax.jit` with the options of the policy.

    It makes a function that returns the jitted one, since the device is known only when programs
    run. Its argument says whether the program rounds after every operation; by default not.
    """

    def decorate(function: Callable) -> Any:
        @functools.cache
        def jitted(rounded: bool = False) -> Any:
            flags = os.environ.get("XLA_FLAGS", "")
            options = policy().rounded_options if rounded else policy().compiler_options
            unset = {name: value for name, value in options.items() if name not in flags}
            return jax.jit(function, static_argnums=static_argnums, compiler_options=unset)

        return jitted

    return decorate


def memory_limit() -> int:
    """Bytes of memory that programs may take: the device's if it says them, else the machine's."""
    stats: dict[str, int] = jax.devices()[0].memory_stats() or {}
    return stats.get("bytes_limit", memory())


def describe() -> list[dict[str, Any]]:
    """What `memrnn devices` prints: each device with the numbers that its programs get."""
    return [
        {
            "device": str(device),
            "kind": device.device_kind,
            "cores": cores() if device.platform == "cpu" else None,
            "memory_gb": round(memory_limit() / 1e9, 1),
            **policy()._asdict()
            | {
                "compiler_options": dict(policy().compiler_options),
                "rounded_options": dict(policy().rounded_options),
            },
        }
        for device in jax.devices()
    ]
