"""Networks that training starts from, instead of from random parameters."""

import hashlib
from pathlib import Path

import numpy as np

from memrnn.errors import MemrnnError
from memrnn.nn.network import Network
from memrnn.runtime import checkpoints
from memrnn.training._experiment import Start

BEST = "best"
"""The prefix under which a checkpoint has the network of the best epoch."""


def read_start(path: Path) -> Start:
    """The best network in a checkpoint, as a start."""
    arrays, _ = checkpoints.load(path)
    digest = hashlib.sha256()
    for name in sorted(name for name in arrays if name.startswith(f"{BEST}.")):
        digest.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return Start(str(path), digest.hexdigest()[:12])


def apply_start(network: Network, start: Start) -> Network:
    """The start's parameters in a network of the same shapes.

    Raises:
        MemrnnError: if the file is another one than it was, or of another network.
    """
    path = Path(start.path)
    if read_start(path).digest != start.digest:
        raise MemrnnError(f"{path} holds another network than the one that was to be started from.")
    arrays, _ = checkpoints.load(path)
    return checkpoints.restore(network, BEST, arrays)
