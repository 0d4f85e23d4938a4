"""What an engine gives a worker to do, and what the worker tells of it."""

import errno
import functools
import hashlib
import importlib.metadata
import os
import platform
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax

from memrnn.cache import use_compile_cache
from memrnn.evaluation import Bin, TestSet, make_test_sets, test_restart
from memrnn.experiment import Experiment
from memrnn.languages import Law, get_language
from memrnn.studies._study import import_all
from memrnn.training import Progress, Trained, Trainer

ORPHAN_SECONDS = 120.0
"""How long to wait for a worker whose driver was killed and which still trains the same run."""


@dataclass(frozen=True)
class Job:
    """Runs of one cell that a worker trains and tests one after another.

    Attributes:
        runs: id, number and folder of each restart.
        experiment: as `Experiment.to_json` writes it.
    """

    number: int
    experiment: dict[str, Any]
    runs: tuple[tuple[str, int, str], ...]
    bins: tuple[Bin, ...]
    precisions: tuple[str, ...]
    strings_per_length: int
    imports: tuple[str, ...] = ()


Fault = Literal["error", "memory", "disk"]


@dataclass(frozen=True)
class Began:
    """A run was taken up, at the state of its checkpoint."""

    run: str
    progress: Progress
    worker: str


@dataclass(frozen=True)
class Advanced:
    """A run has finished an epoch, and its checkpoint is written."""

    run: str
    progress: Progress


@dataclass(frozen=True)
class Finished:
    """A run is trained and tested."""

    run: str
    progress: Progress
    scores: dict[str, list[dict[str, Any]]]
    about: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """A run cannot go on: a fault of the run (`error`), or of the machine (`memory`, `disk`)."""

    run: str
    reason: str
    fault: Fault


Event = Began | Advanced | Finished | Failed


def run_job(job: Job) -> Iterator[Event]:
    """Trains and tests the runs of a job; every step of it is told as it happens.

    A run that fails ends alone, unless memory or disk are full: then the job ends, too.
    """
    use_compile_cache()
    import_all(job.imports)
    for run, number, folder in job.runs:
        try:
            # Made here, so that what is wrong with the cell is told of each of its runs.
            trainer = _trainer(Experiment.from_json(job.experiment))
            yield from _train_and_test(job, trainer, run, number, folder)
        except Exception as error:
            fault = _fault(error)
            yield Failed(run, _reason(error), fault)
            if fault != "error":
                return


def _train_and_test(
    job: Job, trainer: Trainer, run: str, number: int, folder: str
) -> Iterator[Event]:
    lives = trainer.lives(number, folder, patience=ORPHAN_SECONDS)
    life = next(lives)
    yield Began(run, life.progress, f"{platform.node()}:{os.getpid()}")
    for life in lives:
        yield Advanced(run, life.progress)
    trained = Trained(number, life.progress, life.best)
    experiment = trainer.experiment
    test_sets = _test_sets(
        experiment.language, experiment.recipe.lengths, job.bins, job.strings_per_length
    )
    scores = {
        precision: test_restart(experiment, trained, test_sets, precision)["bins"]
        for precision in job.precisions
    }
    yield Finished(run, life.progress, scores, about_worker())


@functools.lru_cache(maxsize=4)
def _trainer(experiment: Experiment) -> Trainer:
    """The programs of the last cells, for the packs of a small grid come back to them."""
    return Trainer(experiment)


@functools.lru_cache(maxsize=8)
def _test_sets(
    language: str, training: Bin, bins: tuple[Bin, ...], strings_per_length: int
) -> list[TestSet]:
    """The test sets of a language, whose floors and ceiling take seconds to compute."""
    return make_test_sets(Law(get_language(language), *training), bins, strings_per_length)


@functools.cache
def about_worker() -> dict[str, Any]:
    """On what, and with which versions, this process computes."""
    device = jax.devices()[0]
    cores = os.environ.get("NPROC") or os.cpu_count()
    kind = f"{_processor()}, {cores} core" if device.platform == "cpu" else device.device_kind
    return {"device": f"{device.platform}: {kind}", "versions": versions()}


@functools.cache
def versions() -> dict[str, str]:
    """Versions of all that the numbers depend on; `source` is a digest of memrnn's own files."""
    names = ("memrnn", "jax", "jaxlib", "equinox", "optax", "numpy")
    digest = hashlib.sha256()
    folder = Path(__file__).parents[1]
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}".encode() + path.read_bytes())
    return {
        **{name: importlib.metadata.version(name) for name in names},
        "python": platform.python_version(),
        "source": digest.hexdigest()[:12],
    }


def _processor() -> str:
    """The processor's name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _fault(error: Exception) -> Fault:
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return "memory"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "disk"
    return "error"


def _reason(error: Exception) -> str:
    """One line: our own sentences as they are, anything else with its kind and place."""
    text = " ".join(str(error.args[-1] if isinstance(error, OSError) else error).split())
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, ValueError | OSError) and text.endswith("."):
        return text
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text[:500]}{place}"
