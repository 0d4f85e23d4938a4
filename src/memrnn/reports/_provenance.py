"""Where results come from: versions, machine, recipe and time."""

import importlib.metadata
import platform
from dataclasses import asdict, dataclass
from typing import Any

import jax

from memrnn.experiment import Recipe
from memrnn.runtime import cores


@dataclass(frozen=True)
class Provenance:
    """What a reader needs to repeat a report.

    Attributes:
        command: the command that made it.
        versions: of memrnn and what its numbers depend on.
        machine: operating system, architecture, cores and the kind of device.
        seconds: from start to results; None if not measured in one go.
    """

    command: str
    seed: int
    recipe: Recipe
    versions: dict[str, str]
    machine: str
    seconds: float | None = None

    @staticmethod
    def of_this_machine(
        command: str, seed: int, recipe: Recipe, seconds: float | None = None
    ) -> "Provenance":
        """The provenance of what is computed here and now."""
        versions = {name: _version(name) for name in ("memrnn", "jax", "jaxlib", "equinox")}
        versions["python"] = platform.python_version()
        machine = (
            f"{platform.system()} {platform.machine()}, {cores()} cores, "
            f"JAX on {jax.default_backend()}"
        )
        return Provenance(command, seed, recipe, versions, machine, seconds)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed as a package"
