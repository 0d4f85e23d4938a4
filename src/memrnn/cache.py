"""The persistent cache of compiled programs: a second start compiles nothing."""

import os
from pathlib import Path

import jax


def cache_folder() -> Path:
    """`$MEMRNN_CACHE`, else `memrnn` in the user's cache folder."""
    if chosen := os.environ.get("MEMRNN_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "memrnn"


def use_compile_cache() -> None:
    """Keeps compiled programs in `cache_folder` from now on, however quick they were to compile.

    The command line calls it; a program of one's own may.
    """
    jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
