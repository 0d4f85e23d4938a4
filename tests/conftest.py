"""Every test session compiles into a cache of its own, shared by its tests."""

import os

import pytest

from memrnn.cache import use_compile_cache


@pytest.fixture(autouse=True, scope="session")
def compile_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["MEMRNN_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    use_compile_cache()
