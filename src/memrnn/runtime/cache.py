"""The persistent cache of compiled programs: a second start compiles nothing."""

import os
from pathlib import Path

import jax

from memrnn.runtime import home_folder, is_writable


def cache_folder() -> Path | None:
    """`$MEMRNN_CACHE`, else `memrnn` in the user's cache folder; None where there is none.

    Not among the temporary files, where others could put programs that memrnn would then run.
    """
    if chosen := os.environ.get("MEMRNN_CACHE"):
        return Path(chosen)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "memrnn"
    home = home_folder()
    return home / ".cache" / "memrnn" if home else None


def use_compile_cache() -> None:
    """Keeps compiled programs in `cache_folder` from now on, however quick they were to compile.

    Where that folder cannot be written, every process compiles anew.

    Examples:
        >>> import memrnn
        >>> memrnn.use_compile_cache()  # a second start of the same script compiles nothing
    """
    folder = cache_folder()
    if folder is None or not is_writable(folder / "xla"):
        return
    jax.config.update("jax_compilation_cache_dir", str(folder / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
