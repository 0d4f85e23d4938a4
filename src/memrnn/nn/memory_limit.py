"""Refuses what does not fit into the memory of this machine, or of its GPU."""

from memrnn.errors import MemrnnError
from memrnn.nn.groups import group_size
from memrnn.nn.memories import Memory
from memrnn.runtime.devices import memory_limit


def check_memory_limit(
    memory: Memory, sequences: int, steps: int, *, gradient: bool, workers: int = 1
) -> int:
    """Refuses batches whose memory states do not fit.

    Args:
        sequences: per batch.
        steps: of each sequence.
        gradient: whether the batch is differentiated.
        workers: batches at a time.

    Returns:
        The bytes that all of them need.

    Raises:
        MemrnnError: with the arithmetic.
    """
    updates = max(0, steps - 1)
    working, kept = memory.memory_estimate(updates, gradient=gradient)
    size = group_size(memory, sequences, updates, gradient=gradient)
    need = (working * size + kept * sequences) * workers
    limit = memory_limit()
    if need > limit:
        working_gb, kept_gb, need_gb, limit_gb = (
            f"{n / 1e9:.3g} GB" for n in (working, kept, need, limit)
        )
        raise MemrnnError(
            f"Sequences of length {steps} do not fit: ({working_gb} per sequence x {size} at a time"
            + (f" + {kept_gb} per sequence x {sequences} sequences" if kept else "")
            + f") x {workers} workers = {need_gb}, but this machine has {limit_gb}. Take shorter "
            "sequences, fewer states or symbols, fewer workers, or a window."
        )
    return need
