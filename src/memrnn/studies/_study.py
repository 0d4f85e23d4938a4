"""A study: a declared grid of tasks, models, freezing modes and restarts."""

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import msgspec

from memrnn.errors import MemrnnError
from memrnn.nn.components import format_freeze, parse_freeze
from memrnn.nn.models import canonical_name
from memrnn.runtime.digests import digest
from memrnn.runtime.options import to_json
from memrnn.runtime.precision import canonical_precision
from memrnn.tasks import Task, parse_task
from memrnn.training import Experiment, TrainingConfig, load_experiment, start_from

JOB_UPDATES = 20_000
"""Updates that make compiling negligible: a job holds as many, if the study has them."""

LEAST_JOBS = 32
"""A study has at least so many jobs, if it has the runs: workers share evenly."""


@dataclass(frozen=True)
class Block:
    """Runs of a study that come before others.

    Attributes:
        models, freeze: as of the study, of which they are a part.
        restarts: how many of each cell, counted from restart 0; or a list of their numbers.
    """

    models: tuple[str, ...]
    freeze: tuple[str, ...]
    restarts: int | tuple[int, ...]

    @property
    def numbers(self) -> Collection[int]:
        """Of its restarts, in each cell."""
        return range(self.restarts) if isinstance(self.restarts, int) else self.restarts


@dataclass(frozen=True)
class Study:
    """Everything that a study's results depend on. It is plain data: making one imports nothing.

    Attributes:
        tasks: `NAME:ARGUMENT` each.
        models: names for `get_model`.
        freeze: freezing modes: `none`, or components joined by `+`, as in `controller+memory`.
        restarts: training runs of each cell, numbered from 0.
        seed: from which every restart's own seed follows.
        config: everything about training that is neither the task nor the network.
        options: options of tasks, by the task's name.
        precisions: number formats to evaluate in, see `parse_precision`.
        start: folders of runs; a cell starts from the best network of the one that has its task and
            model, trained or constructed.
        time_limit: seconds after which a run is ended and counts as failed; None for no limit.
        imports: files or modules that register tasks, languages, memories and models of one's
            own; every worker imports them first.
        first: runs that come before all others, block by block.
        distinct_cells: whether cells that repeat another are left out: without a memory, freezing
            it is freezing nothing.

    Examples:
        >>> from memrnn.studies import Study
        >>> study = Study(("strings:count-3",), ("lstm", "jm-3"), ("none", "memory"), restarts=2)
        >>> len(list(study.cells()))
        4
    """

    tasks: tuple[str, ...]
    models: tuple[str, ...]
    freeze: tuple[str, ...] = ("none",)
    restarts: int = 10
    seed: int = 0
    config: TrainingConfig = field(default_factory=TrainingConfig)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    precisions: tuple[str, ...] = ("float32",)
    start: tuple[str, ...] = ()
    time_limit: float | None = None
    imports: tuple[str, ...] = ()
    first: tuple[Block, ...] = ()
    distinct_cells: bool = False

    def __post_init__(self) -> None:
        # One name for one precision.
        names = tuple(map(canonical_precision, self.precisions))
        object.__setattr__(self, "precisions", names)
        for name in ("tasks", "models", "freeze", "precisions"):
            values = getattr(self, name)
            if not values:
                raise MemrnnError(f"{name} is empty, but must name at least one.")
            if len(set(values)) < len(values):
                raise MemrnnError(f"{name} names something twice: {', '.join(values)}.")
        for name, least in (("restarts", 1), ("seed", 0)):
            if (value := getattr(self, name)) < least:
                raise MemrnnError(f"{name} is {value}, but must be at least {least}.")
        if self.time_limit is not None and self.time_limit <= 0:
            raise MemrnnError(f"time_limit is {self.time_limit}, but must be positive.")
        parsed = [parse_freeze(text) for text in self.freeze]
        if len(set(parsed)) < len(parsed):
            raise MemrnnError(f"freeze names a mode twice: {', '.join(self.freeze)}.")
        for block in self.first:
            for name in ("models", "freeze"):
                allowed = getattr(self, name)
                if unknown := [one for one in getattr(block, name) if one not in allowed]:
                    raise MemrnnError(
                        f"first names {unknown[0]!r} in {name}; {name} of the study are "
                        f"{', '.join(allowed)}."
                    )
            if not block.numbers or not set(block.numbers) <= set(range(self.restarts)):
                raise MemrnnError(
                    f"first has restarts = {block.restarts}, but must have 1 to {self.restarts}, "
                    f"or a list of numbers from 0 to {self.restarts - 1}."
                )

    def make_tasks(self) -> list[Task]:
        """The tasks of the grid, in order.

        Raises:
            MemrnnError: if one does not exist, an option is wrong, or two are the same.
        """
        tasks = [
            parse_task(spec, self.options.get(spec.partition(":")[0], {})) for spec in self.tasks
        ]
        _check_duplicates(self.tasks, [task.identity() for task in tasks])
        return tasks

    def cells(self) -> Iterator[Experiment]:
        """The experiments of the grid: tasks, in them models, in them freezing modes.

        Raises:
            MemrnnError: if a task or model does not exist, or two of them are the same, or a cell
                has nothing to start from.
        """
        tasks = self.make_tasks()
        _check_duplicates(self.models, [canonical_name(name) for name in self.models])
        starts: dict[tuple[str, str], str] = {}
        for folder in self.start:
            run = load_experiment(folder)
            key = run.task.spec, canonical_name(run.model)
            if key in starts:
                raise MemrnnError(
                    f"start names two runs of {run.task.spec} with {run.model}, {starts[key]} and "
                    f"{folder}; name one per cell."
                )
            starts[key] = folder
        for task, model, text in itertools.product(tasks, self.models, self.freeze):
            cell = Experiment(task, model, parse_freeze(text), self.config, self.seed)
            if self.distinct_cells and self._repeats(cell):
                continue
            if starts:
                start = starts.get((task.spec, canonical_name(model)))
                if start is None:
                    raise MemrnnError(
                        f"start names no run of {task.spec} with {model}; name one per cell."
                    )
                cell = replace(cell, start=start_from(start))
            yield cell

    def _repeats(self, cell: Experiment) -> bool:
        """Whether another cell of the grid is the same experiment."""
        less = tuple(component for component in cell.freeze if component != "memory")
        modes = map(parse_freeze, self.freeze)
        return cell.definition.memory == "none" and less != cell.freeze and less in modes

    def priority(self, run: "PlannedRun") -> int:
        """The number of the block that a run belongs to; of all others the largest."""
        numbers = (
            number
            for number, block in enumerate(self.first)
            if run.experiment.model in block.models
            and run.experiment.freeze in map(parse_freeze, block.freeze)
            and run.restart in block.numbers
        )
        return next(numbers, len(self.first))

    def to_json(self) -> dict[str, Any]:
        return to_json(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "Study":
        """The study that `to_json` wrote."""
        return msgspec.convert(values, Study)


@dataclass(frozen=True)
class PlannedRun:
    """One restart of one cell.

    Attributes:
        experiment: of the cell.
        restart: its number.

    Examples:
        >>> from memrnn.studies import Study, plan
        >>> ((run, *_), *_) = plan(Study(("strings:count-3",), ("lstm", "jm-3"), restarts=2))
        >>> run.cell, run.restart
        ({'task': 'strings:count-3', 'model': 'lstm', 'freeze': 'none'}, 0)
    """

    experiment: Experiment
    restart: int

    @cached_property
    def id(self) -> str:
        """A digest of all that the trained network depends on but for `max_epochs`.

        That is what task and model mean, what is frozen, the configuration, the seed and the
        restart's number. The ledger knows the run by it.
        """
        return digest([self.experiment.identity(), self.restart])

    @property
    def cell(self) -> dict[str, str]:
        """Task, model and freezing mode, as the ledger names them."""
        experiment = self.experiment
        freeze = format_freeze(experiment.freeze)
        return {"task": experiment.task.spec, "model": experiment.model, "freeze": freeze}

    @property
    def folder(self) -> str:
        """Where its checkpoint is in the study's folder, for `memrnn evaluate` and `explain`."""
        readable = re.sub(r"[^\w.,=+-]", "_", "_".join(self.cell.values()))[:100]
        return f"runs/{readable}/{self.restart:03d}-{self.id}"


PlannedJob = tuple[PlannedRun, ...]
"""Runs of one cell that the plan gives to one worker."""


def plan(study: Study) -> list[PlannedJob]:
    """The runs of a study in jobs: of each job one cell, and only a few restarts.

    What the study names as `first` comes first. Then, and in each of these blocks, the first
    restarts of all cells do, so that a study that ends early is a whole grid of fewer restarts.
    The result of a run does not depend on its job.

    Args:
        study: to be run.

    Returns:
        Jobs, each with its runs, in the order in which they are given out.

    Raises:
        MemrnnError: as `Study.cells` does.

    Examples:
        >>> from memrnn.studies import Study, plan
        >>> jobs = plan(Study(("strings:count-3",), ("lstm", "jm-3"), restarts=2))
        >>> sum(len(job) for job in jobs)
        4
    """
    cells = list(study.cells())
    most = len(cells) * study.restarts // LEAST_JOBS
    jobs: list[PlannedJob] = []
    for cell in cells:
        runs = [PlannedRun(cell, restart) for restart in range(study.restarts)]
        updates = max(1, cell.task.updates * study.config.max_epochs)
        size = max(1, min(-(-JOB_UPDATES // updates), most, study.restarts))
        jobs += [tuple(runs[first : first + size]) for first in range(0, len(runs), size)]
    return sorted(jobs, key=lambda job: (min(map(study.priority, job)), job[0].restart))


def _check_duplicates(names: Sequence[str], meanings: Sequence[Any]) -> None:
    """Two names of one thing would be two cells with the same runs."""
    for number, meaning in enumerate(meanings):
        if (first := meanings.index(meaning)) < number:
            raise MemrnnError(
                f"{names[first]} and {names[number]} are two names of one thing; name it once."
            )
