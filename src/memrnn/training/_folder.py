"""The folder of a run: what is trained in it, what it imports, what it starts from."""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from memrnn.errors import MemrnnError
from memrnn.runtime import checkpoints
from memrnn.runtime.imports import copy_imports, import_files
from memrnn.runtime.locks import hold
from memrnn.training._experiment import Experiment

EXPERIMENT_FILE = "experiment.json"
START_FILE = "start.safetensors"


@dataclass(frozen=True)
class Origin:
    """Where the networks of a folder come from.

    Attributes:
        kind: trained; or constructed, without any training.
        by, source: what constructed them, and from what; empty for trained ones.
    """

    kind: Literal["trained", "constructed"] = "trained"
    by: str = ""
    source: str = ""


def checkpoint_path(out: Path, restart: int) -> Path:
    """The checkpoint of a restart."""
    return out / f"restart-{restart:03d}.safetensors"


def load_experiment(out: str | Path) -> Experiment:
    """The experiment that was trained into this folder; what it imports is imported.

    Raises:
        MemrnnError: if none was.
    """
    out = Path(out)
    values = _read(out)
    entries = [str(out / one) if one.endswith(".py") else one for one in values["imports"]]
    import_files(entries)
    experiment = _experiment(out, values)
    if experiment.start is None:
        return experiment
    # The folder may have been moved since it was written.
    return replace(experiment, start=replace(experiment.start, path=str(out / START_FILE)))


def load_origin(out: str | Path) -> Origin:
    """Where the networks in this folder come from."""
    return Origin(**_read(Path(out))["origin"])


def write_experiment(
    out: Path, experiment: Experiment, imports: Sequence[str], origin: Origin
) -> None:
    """Writes what a folder holds, with copies of what it needs."""
    kept = copy_imports(imports, out) if imports else _known_imports(out)
    if experiment.start is not None and not (out / START_FILE).exists():
        checkpoints.write_bytes(out / START_FILE, Path(experiment.start.path).read_bytes())
    values = {"origin": asdict(origin), "imports": list(kept)} | experiment.to_json()
    if origin.kind == "constructed":
        values["config"] = None
    text = json.dumps(values, indent=1) + "\n"
    checkpoints.write_bytes(out / EXPERIMENT_FILE, text.encode())


@contextmanager
def lock(
    out: Path, experiment: Experiment, timeout: float = 0.0, imports: Sequence[str] = ()
) -> Generator[None]:
    """Makes the folder this experiment's, and this process' own while it trains.

    Raises:
        MemrnnError: if it holds something else, or another process trains in it.
    """
    if imports and (out / EXPERIMENT_FILE).exists():
        # Before the folder's copies are imported: of an edited file this says what is wrong.
        copy_imports(imports, out)
    check_folder(out, experiment)
    out.mkdir(parents=True, exist_ok=True)
    with hold(out, "training", timeout):
        checkpoints.remove_partial(out)
        write_experiment(out, experiment, imports, Origin())
        yield


def check_folder(out: Path, experiment: Experiment) -> None:
    """Raises a MemrnnError where a folder holds something else than what is asked for."""
    if out.exists() and not out.is_dir():
        raise MemrnnError(f"{out} is a file; give a folder that does not exist or is empty.")
    if not (out / EXPERIMENT_FILE).exists():
        if out.exists() and any(not checkpoints.is_partial(path) for path in out.iterdir()):
            raise MemrnnError(f"{out} is not empty; give a folder that does not exist or is empty.")
        return
    if load_origin(out).kind == "constructed":
        raise MemrnnError(
            f"{out} holds a constructed network; give another folder, and --start {out}."
        )
    before = load_experiment(out)
    if before.identity() != experiment.identity():
        raise MemrnnError(
            f"{out} holds another experiment; choose another folder, or repeat the command "
            "that began it."
        )
    most = before.config.max_epochs
    if experiment.config.max_epochs < most:
        raise MemrnnError(
            f"{out} was trained with max_epochs {most}, which may grow but not shrink to "
            f"{experiment.config.max_epochs}: restarts would differ in what they were given."
        )


def _read(out: Path) -> dict[str, Any]:
    path = out / EXPERIMENT_FILE
    if not path.is_file():
        raise MemrnnError(f"{out} holds no experiment: there is no {EXPERIMENT_FILE} in it.")
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise MemrnnError(f"{path} is damaged: {error}.") from error
    if not isinstance(values, dict) or "task" not in values:
        raise MemrnnError(f"{path} is of another version of memrnn, which this one does not read.")
    return values


def _experiment(out: Path, values: dict[str, Any]) -> Experiment:
    try:
        return Experiment.from_json(values)
    except (KeyError, TypeError) as error:
        raise MemrnnError(f"{out / EXPERIMENT_FILE} is damaged: {error}.") from error


def _known_imports(out: Path) -> list[str]:
    return _read(out)["imports"] if (out / EXPERIMENT_FILE).exists() else []
