"""Commands in processes of their own, with as few variables and privileges as a test wants."""

import os
import subprocess
import sys

UNPRIVILEGED = """
import ctypes, os, sys
if os.geteuid() == 0:  # who may write anywhere, but for two capabilities
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def command(
    *arguments: str, before: str = "", privileged: bool = True, **environment: str
) -> subprocess.CompletedProcess:
    """A command of memrnn.

    Its environment holds the given variables, and of others only where programs are found and how
    they are compiled.

    Args:
        before: Python that runs first in its process.
        privileged: whether the superuser may write where modes forbid it.
    """
    program = f"import sys\n{before}\nfrom memrnn.cli import main\nmain(sys.argv[1:])"
    kept = {
        name: os.environ[name] for name in ("PATH", "PYTHONPATH", "XLA_FLAGS") if name in os.environ
    }
    first = [] if privileged else ["-c", UNPRIVILEGED]
    return subprocess.run(
        [sys.executable, *first, "-c", program, *arguments],
        env=kept | {"JAX_PLATFORMS": "cpu"} | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
