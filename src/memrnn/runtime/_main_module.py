"""Worker processes import the script that starts them; that import must start nothing itself."""

import multiprocessing

from memrnn.errors import MemrnnError

WORKER = "memrnn-worker"
"""The name of worker processes, by which they know what they are before they import anything."""

UNGUARDED = 79
"""The exit status of a worker whose import of the script would start a study."""

NEEDS_GUARD = (
    "Worker processes import the script that starts a study, so whatever it runs needs "
    "`if __name__ == '__main__':` above it."
)


def check_main_guard() -> None:
    """Refuses to start a study while a process that `spawn` started imports its main module.

    A worker ends without a word, with the status `UNGUARDED`: its parent has the sentence, and
    there are as many workers as cores.

    Raises:
        MemrnnError: in other processes than memrnn's own workers.
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
