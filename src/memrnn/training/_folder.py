"""The folder of a run: what is trained in it, what it imports and starts from, its restarts."""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from memrnn.errors import MemrnnError
from memrnn.identity import differences
from memrnn.nn.network import Network
from memrnn.runtime import checkpoints
from memrnn.runtime.imports import copy_imports, import_files, is_file_entry
from memrnn.runtime.locks import hold
from memrnn.training._experiment import Experiment, Start
from memrnn.training._progress import Progress
from memrnn.training._restart import Restart

EXPERIMENT_FILE = "experiment.json"
FORMAT = 1
"""Of that file; one without a number has this one."""
START_FILE = "start.safetensors"


@dataclass(frozen=True)
class Origin:
    """Where the networks of a folder come from.

    Attributes:
        kind: trained; kept, the best network of a trained restart alone; or constructed, without
            any training.
        by, source: what wrote or constructed them, and from what; empty for trained ones.
    """

    kind: Literal["trained", "kept", "constructed"] = "trained"
    by: str = ""
    source: str = ""


@dataclass(frozen=True)
class TrainedRestart:
    """A restart as `load_run` returns it: its curve, and its network at the best epoch.

    Attributes:
        number: of the restart.
        progress: its curve, and where it stands.
        network: at the best epoch.

    Examples:
        >>> import memrnn
        >>> from memrnn.stability import golden_network, save_golden
        >>> task, model = memrnn.Strings("marked-reversal"), "lstm-12+jm-2"
        >>> save_golden(golden_network(task, model), task, model, "golden")
        >>> restart = memrnn.load_run("golden").restart(0)
        >>> restart.number, memrnn.parameter_count(restart.network)
        (0, 1029)
    """

    number: int
    progress: Progress
    network: Network


@dataclass(frozen=True)
class Run:
    """An experiment and its restarts so far.

    Attributes:
        experiment: what the restarts have in common.
        restarts: those with a checkpoint, in the order of their numbers.
        origin: whether they were trained, or constructed without training.

    Examples:
        >>> import memrnn
        >>> from memrnn.stability import golden_network, save_golden
        >>> task, model = memrnn.Strings("marked-reversal"), "lstm-12+jm-2"
        >>> save_golden(golden_network(task, model), task, model, "golden")
        >>> run = memrnn.load_run("golden")
        >>> run.best, run.origin.kind
        (0, 'constructed')
    """

    experiment: Experiment
    restarts: tuple[TrainedRestart, ...]
    origin: Origin = field(default_factory=Origin)

    @property
    def best(self) -> int:
        """Index of the restart with the smallest excess on its validation items."""
        excess = [restart.progress.excess for restart in self.restarts]
        return excess.index(min(excess))

    def restart(self, number: int | None) -> TrainedRestart:
        """The restart of this number, the best one for None.

        Args:
            number: of the restart.

        Raises:
            MemrnnError: if there is none.
        """
        if number is None:
            return self.restarts[self.best]
        by_number = {restart.number: restart for restart in self.restarts}
        if number not in by_number:
            raise MemrnnError(
                f"There is no restart {number}; there are {', '.join(map(str, by_number))}."
            )
        return by_number[number]


def load_run(out: str | Path) -> Run:
    """The experiment in this folder and its restarts so far, each at its best epoch.

    Args:
        out: the folder that was trained into, or that a constructed run was written to.

    Raises:
        MemrnnError: if there is none, or a checkpoint is damaged or belongs elsewhere.

    Examples:
        >>> import memrnn
        >>> from memrnn.stability import golden_network, save_golden
        >>> task, model = memrnn.Strings("marked-reversal"), "lstm-12+jm-2"
        >>> save_golden(golden_network(task, model), task, model, "golden")
        >>> run = memrnn.load_run("golden")
        >>> run.experiment.model, len(run.restarts)
        ('lstm-12+jm-2', 1)
    """
    out, experiment = Path(out), load_experiment(out)
    numbers: list[int] = []
    for path in sorted(out.glob("restart-*.safetensors")):
        number = path.stem.removeprefix("restart-")
        if not number.isdecimal() or path != checkpoint_path(out, int(number)):
            raise MemrnnError(f"{path} is no checkpoint that memrnn has written here; remove it.")
        numbers.append(int(number))
    if not numbers:
        raise MemrnnError(f"{out} holds no checkpoint yet; train for at least one epoch first.")
    return load_restarts(out, experiment, numbers)


def load_restarts(out: Path, experiment: Experiment, numbers: Sequence[int]) -> Run:
    """The restarts of these numbers that have a checkpoint."""
    paths = {number: checkpoint_path(out, number) for number in numbers}
    restarts = [Restart(experiment, *item) for item in paths.items() if item[1].exists()]
    return Run(
        experiment,
        tuple(TrainedRestart(one.number, one.progress, one.best) for one in restarts),
        load_origin(out),
    )


def start_from(out: str | Path, restart: int | None = None) -> Start:
    """The best network of a run as a start for others.

    Args:
        out: the folder of the run.
        restart: which; by default the best one.

    Raises:
        MemrnnError: if there is no such run or restart.

    Examples:
        >>> import memrnn
        >>> from memrnn.stability import golden_network, save_golden
        >>> from memrnn.training import start_from
        >>> task, model = memrnn.Strings("marked-reversal"), "lstm-12+jm-2"
        >>> save_golden(golden_network(task, model), task, model, "golden")
        >>> start_from("golden").digest == start_from("golden", restart=0).digest
        True
    """
    return Start.read(checkpoint_path(Path(out), load_run(out).restart(restart).number))


def checkpoint_path(out: Path, restart: int) -> Path:
    return out / f"restart-{restart:03d}.safetensors"


def open_restart(experiment: Experiment, number: int, out: Path) -> Restart:
    """A restart as its checkpoint in the folder `out` has it, for the training loop."""
    restart = Restart(experiment, number, checkpoint_path(out, number))
    if restart.finished and restart.progress.epochs == 0:
        restart.save()
    return restart


def load_experiment(out: str | Path) -> Experiment:
    """The experiment that was trained into this folder; what it imports is imported.

    Args:
        out: the folder that was trained into.

    Raises:
        MemrnnError: if none was.

    Examples:
        >>> import memrnn
        >>> from memrnn.stability import golden_network, save_golden
        >>> from memrnn.training import load_experiment
        >>> task, model = memrnn.Strings("marked-reversal"), "lstm-12+jm-2"
        >>> save_golden(golden_network(task, model), task, model, "golden")
        >>> load_experiment("golden").task.spec
        'strings:marked-reversal'
    """
    out = Path(out)
    values = read_values(out)
    import_files([str(out / name) if is_file_entry(name) else name for name in values["imports"]])
    try:
        experiment = Experiment.from_json(values)
    except (KeyError, TypeError) as error:
        raise MemrnnError(f"{out / EXPERIMENT_FILE} is damaged: {error}.") from error
    if experiment.start is None:
        return experiment
    # The folder may have been moved since it was written.
    return replace(experiment, start=replace(experiment.start, path=str(out / START_FILE)))


def load_origin(out: Path) -> Origin:
    """Where the networks in this folder come from."""
    return Origin(**read_values(out)["origin"])


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
    if (kind := load_origin(out).kind) != "trained":
        raise MemrnnError(f"{out} holds a {kind} network; give another folder, and --start {out}.")
    before = load_experiment(out)
    if changed := differences(before.identity(), experiment.identity()):
        raise MemrnnError(
            f"{out} holds another experiment: they differ in {changed}; choose another folder, or "
            "repeat the command that began it."
        )
    most = before.config.max_epochs
    if experiment.config.max_epochs < most:
        raise MemrnnError(
            f"{out} was trained with max_epochs {most}, which may grow but not shrink to "
            f"{experiment.config.max_epochs}: restarts would differ in what they were given."
        )


def write_experiment(
    out: Path, experiment: Experiment, imports: Sequence[str], origin: Origin
) -> None:
    """Writes what a folder holds, with copies of what it needs."""
    path = out / EXPERIMENT_FILE
    if imports:
        imports = copy_imports(imports, out)
    elif path.exists():
        imports = read_values(out)["imports"]
    if experiment.start is not None and not (out / START_FILE).exists():
        checkpoints.write_bytes(out / START_FILE, Path(experiment.start.path).read_bytes())
    folder = {"format": FORMAT, "origin": asdict(origin), "imports": list(imports)}
    values = folder | experiment.to_json()
    if origin.kind == "constructed":
        # It has no configuration but the number format of its parameters.
        values["config"] = {"precision": experiment.config.precision}
    checkpoints.write_bytes(path, (json.dumps(values, indent=1) + "\n").encode())


def read_values(out: Path) -> dict[str, Any]:
    path = out / EXPERIMENT_FILE
    if not path.is_file():
        text = f"{out} holds no experiment: there is no {EXPERIMENT_FILE} in it"
        pattern = "runs/*/*" if (out / "runs").is_dir() else "*"  # of a study, else of a cell
        if inside := sorted(out.glob(f"{pattern}/{EXPERIMENT_FILE}")):
            text += f"; give the folder of one run, such as {inside[0].parent}"
        raise MemrnnError(f"{text}.")
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise MemrnnError(f"{path} is damaged: {error}.") from error
    if not isinstance(values, dict) or "task" not in values:
        raise MemrnnError(f"{path} is of another version of memrnn, which this one does not read.")
    if (version := values.get("format", FORMAT)) != FORMAT:
        raise MemrnnError(f"{path} has format {version}, but this version reads format {FORMAT}.")
    return values
