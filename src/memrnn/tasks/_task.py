"""The protocol of a task: all that training, evaluation, studies and reports know of it."""

import abc
import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from memrnn.errors import MemrnnError
from memrnn.identity import identity_of, language_identity
from memrnn.nn.model import Model
from memrnn.nn.network import Network
from memrnn.runtime.digests import digest
from memrnn.runtime.options import to_json, without_added
from memrnn.tasks._metrics import Metric, Scores

BAYES = "bayes"
"""The name of the Bayes-optimal predictor among references; every other one is a baseline."""

Relation = Literal["within", "beyond", "across"]
"""How an evaluation set lies to what was trained on: within it, beyond it, or partly both."""


def added(default: Any) -> Any:
    """An option that came after runs were made: where it has its default, no identity holds it."""
    return dataclasses.field(default=default, metadata={"added": True})


class Data(NamedTuple):
    """What a run trains on, as arrays.

    Attributes:
        own: differs from run to run; where many runs share a program, it gets a run axis.
        shared: the same for all runs of the task.

    Examples:
        >>> import numpy as np
        >>> import memrnn
        >>> data = memrnn.Data(own=np.zeros((100, 10, 8)))  # 100 batches of 10 items
        >>> data.shared
        ()
    """

    own: Any
    shared: Any = ()


@dataclass(frozen=True)
class EvaluationSet:
    """Items to score, cut into batches.

    Attributes:
        batches: what `Task.score` takes, one call each. Batches of equal shapes share a program.
        items: per batch, the number of the item in each row; -1 for a row that only fills the
            batch up, whose scores are dropped.
        groups: per item, the name of its group: a length, a part of a file.
        carries: whether the state that `score` returns goes into the next batch.

    Examples:
        >>> import numpy as np
        >>> import memrnn
        >>> batches = [np.zeros((2, 8)), np.zeros((2, 8))]
        >>> items = [np.array([0, 1]), np.array([2, -1])]  # the last row only fills the batch up
        >>> memrnn.EvaluationSet(batches, items, groups=["short", "short", "long"]).carries
        False
    """

    batches: Sequence[Any]
    items: Sequence[Int[np.ndarray, " _"]]
    groups: Sequence[str]
    carries: bool = False


class Partition(NamedTuple):
    """A partition of the items of an evaluation set.

    Attributes:
        names: of the groups, in order; some may be empty.
        numbers: the group of each item.

    Examples:
        >>> import numpy as np
        >>> from memrnn.tasks import Partition
        >>> Partition(("rare", "frequent"), np.array([0, 1, 1])).names
        ('rare', 'frequent')
    """

    names: tuple[str, ...]
    numbers: Int[np.ndarray, " items"]


def whole_set(batch: Any, groups: Sequence[Any] | np.ndarray) -> EvaluationSet:
    """An evaluation set of one batch with one item per row, whose groups are given.

    Args:
        batch: arrays with the items on their first axis.
        groups: of each item, written as text in the set.

    Returns:
        The set; item i is row i.

    Examples:
        >>> import numpy as np
        >>> import memrnn
        >>> memrnn.whole_set(np.zeros((3, 8)), groups=[5, 5, 7]).groups
        ['5', '5', '7']
    """
    return EvaluationSet([batch], [np.arange(len(groups))], [str(group) for group in groups])


def random_order(count: int, seed: int, epoch: int) -> Int[np.ndarray, " count"]:
    """A permutation, a pure function of seed and epoch."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3, epoch)))
    return rng.permutation(count).astype(np.int32)


class SetDescription(NamedTuple):
    """An evaluation set as reports name it; without a relation where nobody can say.

    Attributes:
        name: of the set.
        relation: of its items to those of training, `within`, `beyond` or `across` their range.

    Examples:
        >>> import memrnn
        >>> memrnn.SetDescription("longer", "beyond")
        SetDescription(name='longer', relation='beyond')
    """

    name: str
    relation: Relation | None = None


@dataclass(frozen=True)
class TaskDescription:
    """What reports need of a task, as JSON can hold it, so that reading results imports nothing.

    Attributes:
        spec: `NAME:ARGUMENT`, as the command line takes it.
        title: for tables and figures.
        key: digest of everything that the task's numbers depend on.
        metrics: as `Task` has them.
        selection: name of that metric.
        headline: name of that metric.
        sets: as `Task` has them.
        group_axis: as `Task` has it.
        trained_groups: as `Task` has them.
        overview: name of that metric; None where it is the headline metric.
        sample: as `Task` has it.
        protocol: as `Task` has it.

    Examples:
        >>> import memrnn
        >>> description = memrnn.Strings("count-3").describe()
        >>> description.spec, description.group_axis, description.trained_groups
        ('strings:count-3', 'String length', (40.0, 80.0))
    """

    spec: str
    title: str
    key: str
    metrics: tuple[Metric, ...] = dataclasses.field(repr=False)
    selection: str
    headline: str
    sets: tuple[SetDescription, ...] = ()
    group_axis: str | None = None
    trained_groups: tuple[float, float] | None = None
    overview: str | None = None
    sample: str | None = None
    protocol: Mapping[str, str | int] = dataclasses.field(default_factory=dict, hash=False)

    def metric(self, name: str) -> Metric:
        return next(metric for metric in self.metrics if metric.name == name)


class Preset(NamedTuple):
    """Values of options that belong together, as `--config` names them.

    Attributes:
        options: of the task.
        config: of training, fields of `TrainingConfig`.

    Examples:
        >>> import memrnn
        >>> memrnn.Strings.presets["stable"].options["train_lengths"]
        (3, 30)
    """

    options: Mapping[str, Any] = MappingProxyType({})
    config: Mapping[str, Any] = MappingProxyType({})


class Task(abc.ABC):
    """A sequence task. A task is a frozen dataclass whose fields are its options.

    The first field is the argument of `NAME:ARGUMENT`; every other one has a default.

    Methods that take `network`, `carry` or `batch` are traced by JAX. None of them may close over
    arrays that differ from one argument to another: runs whose shapes agree share a program.

    Examples:
        >>> import memrnn
        >>> task = memrnn.Strings("count-3", batches=2, batch_size=4)
        >>> task.metrics[0].name, task.headline.name
        ('perplexity', 'accuracy')
        >>> data = task.data(seed=0)
        >>> data.own.tokens.shape  # [updates, strings per batch, longest]
        (2, 4, 80)
    """

    name: ClassVar[str]
    """Under which the task is registered."""
    revision: ClassVar[int] = 1
    """Grows when the same options mean something else."""
    evaluation_options: ClassVar[tuple[str, ...]] = ()
    """Fields that do not change what is trained."""
    metrics: ClassVar[tuple[Metric, ...]]
    """Every metric of its scores."""
    selection: ClassVar[Metric]
    """Schedules training, stops it, chooses the best epoch and, less its reference, the best
    restart."""
    headline: ClassVar[Metric]
    """What tables and figures show first."""
    overview: ClassVar[Metric | None] = None
    """What the first screen of a study's report judges by, where it is not the headline metric:
    one whose Bayes-optimal value does not depend on the items."""
    sample: ClassVar[str | None] = None
    """The partition whose groups are the sample where two runs are compared on the same items."""
    group_axis: ClassVar[str | None] = None
    """What groups are if they are numbers: the label of an axis."""
    scored_from: ClassVar[int] = 0
    """The first of `targets` that is scored, for `explain`."""
    presets: ClassVar[Mapping[str, Preset]] = MappingProxyType({"paper": Preset()})
    """By name; the first is that of a command line which names none."""

    @property
    @abc.abstractmethod
    def updates(self) -> int:
        """Updates of the parameters per epoch."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Padded widths of batches, ascending; one branch of the epoch's program for each."""
        return (0,)

    @property
    def program(self) -> Any:
        """What its traced methods read of the task itself, as JSON can hold it.

        Runs of tasks whose class and whose value of this agree share a compiled program if their
        arrays have the same shapes. By default everything, so that only equal tasks share one.
        """
        return self.identity()

    @property
    def title(self) -> str:
        """For tables and figures."""
        return self.spec

    @property
    def spec(self) -> str:
        """`NAME:ARGUMENT`."""
        names = self.option_names()
        return f"{self.name}:{getattr(self, names[0])}" if names else self.name

    @property
    def protocol(self) -> Mapping[str, str | int]:
        """How items are scored, where values compare only under one protocol; by default empty."""
        return {}

    @property
    def trained_groups(self) -> tuple[float, float] | None:
        """Smallest and largest group trained on, where groups are numbers."""
        return None

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """The names of all options, the argument's first."""
        return tuple(field.name for field in dataclasses.fields(cls))  # type: ignore[arg-type]

    @classmethod
    def added_options(cls) -> dict[str, Any]:
        """Options that came after runs were made, with their defaults."""
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]
        return {field.name: field.default for field in fields if field.metadata.get("added")}

    @abc.abstractmethod
    def build(self, model: Model, seed: int) -> Network:
        """A network with fresh parameters; embedding and output layer are the task's."""

    @abc.abstractmethod
    def data(self, seed: int) -> Data:
        """What the run of this seed trains on, on the host."""

    def plan(self, data: Data, seed: int, epoch: int) -> tuple[Any, Int[np.ndarray, " updates"]]:
        """What each update of an epoch takes, leaves [updates, ...], and the number of its width.

        A pure function of its arguments, on the host. By default the numbers of all updates in
        random order, and the first width.
        """
        order = random_order(self.updates, seed, epoch)
        return order, np.zeros_like(order)

    def batch(self, data: Data, item: Any, width: int) -> Any:
        """The batch of an update, by default row `item` of `data.own`; `width` is static."""
        return jax.tree.map(lambda leaf: leaf[item], data.own)

    def carry(self, network: Network) -> Any:
        """What is carried from one batch to the next, at the start of a stream."""
        return ()

    def evaluation_carry(self, network: Network) -> Any:
        """The same of evaluation sets, whose batches may have another number of rows."""
        return self.carry(network)

    def continues(self, epoch: int) -> bool:
        """Whether an epoch begins with what the last one carried, and not with `carry`.

        An epoch is what lies between two evaluations, which can be less than a pass over the data.
        """
        return False

    def loss(
        self, network: Network, carry: Any, batch: Any, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], tuple[Any, Scores]]:
        """The loss of a batch, then carry and scores as `score` gives them.

        By default the mean over the items of the numerator of `selection`.
        """
        carry, scores = self.score(network, carry, batch)
        return jnp.mean(scores[self.selection.name][0]), (carry, scores)

    @abc.abstractmethod
    def score(self, network: Network, carry: Any, batch: Any) -> tuple[Any, Scores]:
        """The next carry, and the scores of each item of a batch; nothing random."""

    @abc.abstractmethod
    def validation(self, seed: int) -> EvaluationSet:
        """The validation set of the run of this seed."""

    def validation_reference(self, seed: int) -> Scores:
        """Scores of the exact distribution on the validation set; may be empty.

        Restarts are ranked by how far their `selection` is above it.
        """
        return {}

    @property
    @abc.abstractmethod
    def sets(self) -> tuple[SetDescription, ...]:
        """The evaluation sets, in order. They are the same for every run."""

    @abc.abstractmethod
    def evaluation_set(self, name: str) -> EvaluationSet:
        """The evaluation set of this name."""

    def partitions(self, name: str) -> Mapping[str, Partition]:
        """Partitions of the items of an evaluation set besides its groups, by what they group by.

        A study keeps the scores of every item of a task that has some, and the sums by group of
        each. By default there are none.
        """
        return {}

    def references(self, name: str) -> Mapping[str, Scores]:
        """Scores on an evaluation set of `BAYES` and of baselines, which need no training."""
        return {}

    def precompute(self, network: Network, tree: Any) -> Any:
        """`Data.own` or a batch, prepared for runs that train the output layer alone."""
        return tree

    def check_memory(self, network: Network, *, training: bool, workers: int = 1) -> int:
        """Bytes that states of memories take in training or evaluation; 0 where it is not known.

        Raises:
            MemrnnError: if they do not fit into the memory of the machine.
        """
        return 0

    def options(self) -> dict[str, Any]:
        """All options, from which `make_task` makes the task again."""
        return to_json(self)

    def identity(self) -> dict[str, Any]:
        """What the trained network depends on: the task with its training options, as JSON.

        The identity of the language that an option named `language` names is part of it. A task
        that reads anything else, such as a file, adds a digest of it.
        """
        options = without_added(self, self.options())
        trained = {name: options[name] for name in options if name not in self.evaluation_options}
        identity = identity_of(type(self), self.name, trained)
        if "language" in options:
            identity["language"] = language_identity(options["language"])
        return identity

    def describe(self) -> TaskDescription:
        """What reports need of the task."""
        options = self.options()
        evaluated = {name: options[name] for name in self.evaluation_options}
        return TaskDescription(
            self.spec,
            self.title,
            digest([self.identity(), evaluated]),
            self.metrics,
            self.selection.name,
            self.headline.name,
            self.sets,
            self.group_axis,
            self.trained_groups,
            self.overview and self.overview.name,
            self.sample,
            self.protocol,
        )

    @property
    def labels(self) -> Sequence[str]:
        """Names of the outputs, for `explain`."""
        self._refuse_explain()

    def encode(self, text: str) -> Int[np.ndarray, " length"]:
        """A sequence of inputs from text, for `explain`."""
        self._refuse_explain()

    def targets(self, tokens: Int[np.ndarray, " length"]) -> Int[np.ndarray, " length_plus_1"]:
        """The outputs that are right after 0 ... n inputs of a sequence, for `explain`."""
        self._refuse_explain()

    @property
    def notes(self) -> Sequence[str]:
        """What whoever compares its scores with those of others should know."""
        return ()

    def remarks(self, text: str) -> Sequence[str]:
        """What a reader of `explain` should know of this text."""
        return ()

    def _refuse_explain(self) -> NoReturn:
        raise MemrnnError(f"The task {self.name} does not support `explain`.")


@dataclass(frozen=True)
class Traced:
    """A task as a static argument of compiled programs; compared by its class and `program`."""

    task: Task = dataclasses.field(compare=False)
    kind: type[Task]
    program: str

    @staticmethod
    def of(task: Task) -> "Traced":
        return Traced(task, type(task), json.dumps(task.program, sort_keys=True))
