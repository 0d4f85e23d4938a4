"""Worker processes import the script that starts them; that import must start nothing itself."""

import multiprocessing

from memrnn.errors import MemrnnError

WORKER = "memrnn-worker"
"""The name of worker processes."""

UNGUARDED = 79
NEEDS_GUARD = (
    "Worker processes import the script that starts a study, so whatever it runs needs "
    "`if __name__ == '__main__':` above it."
)


def check_main_guard() -> None:
    """Refuses to start a study while a process that `spawn` started imports its main module.

    memrnn's own workers end without a word, with the status `UNGUARDED`, of which their parent says
    the meaning; other processes raise a MemrnnError.
    """
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False):  # only while `multiprocessing.spawn` prepares it
        if process.name == WORKER:
            raise SystemExit(UNGUARDED)
        raise MemrnnError(NEEDS_GUARD)


def explain_failed_start(status: int) -> str:
    """Why a worker ended with this exit status before it could take a job."""
    if status == UNGUARDED:
        return NEEDS_GUARD
    return (
        f"A worker process could not start (exit status {status}): the import of the script that "
        "starts the study failed in it; its own message stands above."
    )
