"""Folders that hold networks without what training them further needs: constructed or kept."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from memrnn.nn.network import Network
from memrnn.runtime import checkpoints
from memrnn.runtime.imports import is_file_entry
from memrnn.runtime.locks import hold
from memrnn.runtime.precision import scope
from memrnn.tasks import Task
from memrnn.training._experiment import Experiment, TrainingConfig
from memrnn.training._folder import (
    EXPERIMENT_FILE,
    Origin,
    check_folder,
    checkpoint_path,
    load_origin,
    load_run,
    read_values,
    write_experiment,
)
from memrnn.training._progress import Progress
from memrnn.training._restart import Restart


def save_constructed(
    network: Network,
    task: Task,
    model: str,
    out: str | Path,
    *,
    by: str,
    source: str,
    imports: Sequence[str] = (),
) -> None:
    """Writes a network that was made without training, as a run that can be evaluated.

    It has no configuration and an empty curve. `start_from` accepts it as a start.

    Args:
        network: as `task.build` would make it for this model, with other parameters.
        task: whose network it is.
        model: its name.
        out: the folder of the run.
        by: what made it.
        source: from what.
        imports: as for `train`.

    Raises:
        MemrnnError: if `out` is not empty, or the network is not of this model.

    Examples:
        >>> import memrnn
        >>> from memrnn.training import save_constructed
        >>> task = memrnn.Strings("count-3")
        >>> network = task.build(memrnn.get_model("jm-2"), seed=0)
        >>> save_constructed(network, task, "jm-2", "made", by="nobody", source="random parameters")
        >>> memrnn.load_run("made").origin.by
        'nobody'
    """
    out, precision = Path(out), network.dtype.name
    config = TrainingConfig(max_epochs=0, precision=precision)
    experiment = Experiment(task, model, (), config)
    check_folder(out, experiment)
    restart = Restart(experiment, 0)
    with scope(precision):
        checkpoints.restore(restart.best, checkpoints.arrays_of(network))
    origin = Origin("constructed", by, source)
    _write(experiment, 0, network, restart.progress, out, origin, imports)


def keep_network(
    directory: str | Path, out: str | Path, restart: int | None = None, *, source: str = ""
) -> None:
    """Writes the best network of a run alone, as a run that can be evaluated and started from.

    That is a tenth of the run or less. What training it further needs, and the curve, stay behind.

    Args:
        directory: folder of the run.
        out: a folder that does not exist, or holds what this wrote before.
        restart: which; by default the best one.
        source: where the run is from, for whoever reads `out`.

    Raises:
        MemrnnError: if there is no such run or restart, or `out` holds something else.

    Examples:
        >>> import memrnn
        >>> from memrnn.training import keep_network, save_constructed
        >>> task = memrnn.Strings("count-3")
        >>> network = task.build(memrnn.get_model("jm-2"), seed=0)
        >>> save_constructed(network, task, "jm-2", "first", by="nobody", source="random")
        >>> keep_network("first", "kept", source="an example")
        >>> memrnn.load_run("kept").origin.source
        'an example, restart 0, epoch 0 of 0'
    """
    directory, out = Path(directory), Path(out)
    run = load_run(directory)
    one = run.restart(restart)
    if not (out / EXPERIMENT_FILE).exists() or load_origin(out).kind != "kept":
        check_folder(out, run.experiment)
    parts = [source] if source else []
    parts += [f"restart {one.number}", f"epoch {one.progress.best_epoch} of {one.progress.epochs}"]
    imports = [
        str(directory / name) if is_file_entry(name) else name
        for name in read_values(directory)["imports"]
    ]
    progress = dataclasses.replace(one.progress, curve=(), measured={})
    origin = Origin("kept", "memrnn", ", ".join(parts))
    _write(run.experiment, one.number, one.network, progress, out, origin, imports)


def _write(
    experiment: Experiment,
    number: int,
    network: Network,
    progress: Progress,
    out: Path,
    origin: Origin,
    imports: Sequence[str],
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    arrays = {f"best.{name}": array for name, array in checkpoints.arrays_of(network).items()}
    record = {
        "experiment": experiment.identity(),
        "restart": number,
        "progress": dataclasses.asdict(progress),
    }
    with hold(out, "writing a network"):
        write_experiment(out, experiment, imports, origin)
        path = checkpoint_path(out, number)
        checkpoints.save(path, arrays, record)
        for other in out.glob("restart-*.safetensors"):
            if other != path:  # of a network that was kept here before
                other.unlink()
