"""A study's folder: one process at a time runs the study in it, and it keeps what was imported."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from memrnn.errors import MemrnnError
from memrnn.runtime.imports import IMPORTS_FOLDER, copy_imports
from memrnn.runtime.locks import hold
from memrnn.runtime.sources import file_digest
from memrnn.studies._ledger import LEDGER_FILE

LOCK_TIMEOUT = 1.0
"""Seconds to wait for the folder: `study status` holds it for a moment when it looks."""


@contextmanager
def lock_folder(out: Path) -> Generator[None]:
    """Locks the folder while the study runs in it."""
    if out.exists() and not out.is_dir():
        raise MemrnnError(f"{out} is a file; give a folder that does not exist or is empty.")
    ours = (out / LEDGER_FILE).exists() or (out / "runs").is_dir()
    if out.exists() and any(out.iterdir()) and not ours:
        raise MemrnnError(f"{out} is not empty and holds no study; give another folder.")
    out.mkdir(parents=True, exist_ok=True)
    with hold(out, "running the study", LOCK_TIMEOUT):
        yield


def keep_imports(entries: Sequence[str], out: Path) -> tuple[str, ...]:
    """Copies what a study imports into its folder, so that the folder can be moved.

    A copy that means something else, of an earlier session, is kept as `imports-1` and so on.

    Returns:
        The entries, where files are the copies' paths.

    Raises:
        MemrnnError, OSError: as `copy_imports` does.
    """
    files = [Path(entry) for entry in entries if entry.endswith(".py")]
    copies = [out / IMPORTS_FOLDER / path.stem / path.name for path in files]
    if any(
        copy.is_file() and file_digest(copy) != file_digest(path)
        for path, copy in zip(files, copies, strict=True)
    ):
        number = 1
        while (older := out / f"{IMPORTS_FOLDER}-{number}").exists():
            number += 1
        (out / IMPORTS_FOLDER).rename(older)
    return tuple(
        str(out / entry) if entry.endswith(".py") else entry for entry in copy_imports(entries, out)
    )
