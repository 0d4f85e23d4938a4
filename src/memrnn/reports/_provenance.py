"""Where results come from: versions, machine, configuration and time."""

import importlib.metadata
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import jax

from memrnn.experiment import TrainingConfig
from memrnn.runtime import cores


@dataclass(frozen=True)
class Provenance:
    """What a reader needs to repeat a report.

    Attributes:
        command: the command that made it.
        versions: of memrnn and what its numbers depend on.
        machine: operating system, architecture, cores and the kind of device.
        seconds: from start to results; None if not measured in one go.
        options: of each task, by its `NAME:ARGUMENT`.
    """

    command: str
    seed: int
    config: TrainingConfig
    versions: Mapping[str, str]
    machine: str
    seconds: float | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @staticmethod
    def of_this_machine(
        command: str,
        seed: int,
        config: TrainingConfig,
        seconds: float | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> "Provenance":
        """The provenance of what is computed here and now."""
        versions = {name: _version(name) for name in ("memrnn", "jax", "jaxlib", "equinox")}
        versions["python"] = platform.python_version()
        machine = (
            f"{platform.system()} {platform.machine()}, {cores()} cores, "
            f"JAX on {jax.default_backend()}"
        )
        return Provenance(command, seed, config, versions, machine, seconds, options or {})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def written_options(options: Mapping[str, Any]) -> dict[str, str]:
    """Options or a configuration as a page writes them: names in words, ranges from low to high."""
    return {
        name.replace("_", " "): " to ".join(map(str, value))
        if isinstance(value, list | tuple)
        else str(value)
        for name, value in options.items()
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed as a package"
