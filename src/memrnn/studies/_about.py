"""On what, and with which versions, a process computes."""

import functools
import hashlib
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import jax

from memrnn.runtime import cores
from memrnn.runtime.digests import text_digest
from memrnn.runtime.version import __version__

_LIBRARIES = ("jax", "jaxlib", "equinox", "optax", "numpy")


@functools.cache
def about_worker() -> dict[str, Any]:
    """On what, and with which versions, this process computes."""
    device = jax.devices()[0]
    kind = device.device_kind
    if device.platform == "cpu":
        kind = f"{_processor()}, {os.environ.get('NPROC') or cores()} core"
    return {"device": f"{device.platform}: {kind}", "versions": versions()}


@functools.cache
def versions() -> dict[str, str]:
    """Versions of all that the numbers depend on, and of the rules by which they will be judged.

    `source` is a digest of memrnn's own files, `rules of PAPER` one of a paper's `claims.md`, and
    `NAME of PAPER` one of another file of rules, NAME.md.
    """
    digest, folder = hashlib.sha256(), Path(__file__).parents[1]
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}".encode() + path.read_bytes())
    return {
        "memrnn": __version__,
        **{name: importlib.metadata.version(name) for name in _LIBRARIES},
        "python": platform.python_version(),
        "source": digest.hexdigest()[:12],
        **{
            f"{'rules' if path.stem == 'claims' else path.stem} of {path.parent.name}": text_digest(
                path.read_text("utf-8")
            )
            for path in sorted(folder.glob("papers/*/*.md"))
        },
    }


def _processor() -> str:
    """The processor's name, where the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
