"""Test processes share a cache of compiled programs, which a run of the tests begins empty."""

import gc
import importlib.metadata
import os
from collections.abc import Iterator

# Compiling dominates the time of the tests. Without LLVM's optimisations, with XLA's older emitters
# of loops and with a program in one piece it takes a quarter as long; what XLA does with a program
# before that stays on. `XLA_FLAGS= make test` tests what users run.
OLDER_EMITTERS = importlib.metadata.version("jax").startswith("0.10.")  # gone in JAX 0.11
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
    + (" --xla_cpu_use_fusion_emitters=false" if OLDER_EMITTERS else ""),
)

import equinox as eqx
import jax
import pytest
from hypothesis import settings

from memrnn.runtime.cache import use_compile_cache

# The first call of a program compiles it, so the time of an example says nothing.
settings.register_profile("memrnn", deadline=None)
settings.load_profile("memrnn")

# Tracing makes millions of objects that live on, and each full collection visits all of them.
gc.freeze()
gc.set_threshold(100_000, 50, 100)

# Arrays of different rank or number format meet only where the code says so.
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
# Programs do without the stack of calls behind each operation, which takes time to write.
jax.config.update("jax_traceback_in_locations_limit", 0)

LONG = frozenset(
    f"test_{name}.py"
    for name in [
        "benchmarks",
        "discrete",
        "first_screen",
        "folders_of_others",
        "golden",
        "groups",
        "interrupted",
        "job",
        "local",
        "nondeterministic",
        "nondeterministic_rules",
        "pack",
        "ray",
        "terminal",
        "text",
        "train",
        "unroll",
    ]
)
"""Files that take longest. They begin first, so that no process ends long before another."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(autouse=True, scope="session")
def compile_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    os.environ["MEMRNN_CACHE"] = str(folder / "cache")
    use_compile_cache()


@pytest.fixture(autouse=True, scope="module")
def compiled_programs() -> Iterator[None]:
    """Frees what a file has compiled.

    A compiled program maps memory several times, and Linux allows a process 65,530 maps
    (`vm.max_map_count`): all tests together come close, and the compiler crashes beyond.
    """
    yield
    eqx.clear_caches()
    jax.clear_caches()
    gc.collect()
