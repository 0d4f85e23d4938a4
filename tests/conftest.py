"""Every test process compiles into a cache of its own, shared by its tests."""

import os

# Compiling dominates the time of the tests, and most of that is LLVM's. What XLA does with a
# program before LLVM stays on. `XLA_FLAGS= make test` tests what users run.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import jax
import pytest
from hypothesis import settings

from memrnn.cache import use_compile_cache

# The first call of a program compiles it, so the time of an example says nothing.
settings.register_profile("memrnn", deadline=None)
settings.load_profile("memrnn")

# Arrays of different rank or number format meet only where the code says so.
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.fixture(autouse=True, scope="session")
def compile_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["MEMRNN_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    use_compile_cache()
