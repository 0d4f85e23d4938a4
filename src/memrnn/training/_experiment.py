"""What is trained: a task, a model, frozen components, a configuration and a seed."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from memrnn.errors import MemrnnError
from memrnn.identity import model_identity, restart_seed
from memrnn.nn.components import check_freeze, freeze_label
from memrnn.nn.model import Model
from memrnn.nn.models import continuous_name, get_model
from memrnn.nn.network import Network
from memrnn.runtime import checkpoints
from memrnn.runtime.options import added, from_json, to_json, without_added
from memrnn.runtime.precision import TRAINING_PRECISIONS
from memrnn.tasks import Task, make_task
from memrnn.training._measures import check_measures

Shares = Float[np.ndarray, " updates"]
"""Of all updates, one number per update; and what follows from it."""


@dataclass(frozen=True)
class TrainingConfig:
    """Everything about training that is neither the task nor the network.

    The defaults are the paper's.

    Attributes:
        max_epochs: the largest number of epochs; 0 evaluates the start alone.
        learning_rate_range: bounds between which a restart's rate is drawn, log-uniformly.
        max_grad_norm: largest global L2 norm of the gradient of a batch's loss.
        max_grad_norm_range: bounds between which a restart's largest norm is drawn, log-uniformly,
            instead.
        optimizer: adam; rmsprop, which is Adam with beta1 = 0; or sgd.
        beta2: second decay rate of adam and rmsprop, in [0, 1): they divide by the root of a mean
            of squared gradients over the last 1 / (1 - beta2) updates or so. After small gradients
            a large one moves every parameter by up to about rate / sqrt(1 - beta2).
        weight_decay: times the parameters that are trained, added to the gradient before it is
            clipped: the gradient of a penalty, half the squared norm.
        gate_noise: standard deviation of the noise that training adds to what the controller's
            gates get from the input; 0 for none. Validation has none.
        gate_noise_ramp: shares of all updates between which the noise grows linearly from 0. The
            best epoch is one of those from the end of the ramp on, and early stopping counts those.
        discrete_from: share of all updates, less than 1, before which a network with options such
            as `discrete` and `hard` trains as the one without them, with the same parameters; 0 for
            none. Validation and evaluation are of the discrete network, so validation counts for
            nothing until an epoch has an update of it: not for the best epoch, the rate, averaging,
            nor divergence. The same holds for networks without such options, which train as ever.
            On a GPU, where restarts train side by side, every update computes both gradients.
        lr_anneal: factor by which the rate has fallen at the end of all updates, geometrically.
        lr_anneal_start: share of all updates after which it falls.
        latest_of_equals: whether of epochs with the best validation value the last one is taken.
        lr_decay: factor on the rate when the selection metric stays on a plateau.
        lr_patience: epochs without improvement (relative threshold 1e-4) that are forgiven.
        lr_decay_latest: the epoch after which the rate decays for the first time at the latest;
            None for no such epoch.
        early_stopping_patience: epochs without strict improvement after which training ends.
        averaging_patience: epochs without strict improvement after which iterate averaging begins:
            from then on the mean of the parameters after every update is validated, kept where it
            is the best, and evaluated, while training goes on from the parameters themselves. None
            for no such number.
        averaging_latest: the epoch after which averaging begins at the latest; None for no such
            epoch. With neither, nothing is averaged.
        precision: number format of the parameters, the optimiser's state and of training. In
            bfloat16 nothing is kept in more bits: an update below half a spacing of a parameter,
            2^-9 to 2^-8 of it, is lost, and beta2 = .999 is 1.
        compute_precision: of losses and their gradients in training: same, or bfloat16 with
            parameters, gradients and optimiser's state in float32 (master weights), from which each
            update rounds a copy. Validation and evaluation are in float32.
        matmul_precision: of float32 products in training: float32, or tf32, which GPUs compute
            faster from factors rounded to 10 bits; a CPU always computes in float32. Validation
            and evaluation are in float32.

    Examples:
        >>> import memrnn
        >>> memrnn.TrainingConfig(max_epochs=30, optimizer="sgd").learning_rate_range
        (0.0005, 0.01)

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), section 4 and appendix A.
    """

    max_epochs: int = 200
    learning_rate_range: tuple[float, float] = (5e-4, 1e-2)
    max_grad_norm: float = 5.0
    lr_decay: float = 0.9
    lr_patience: int = 5
    early_stopping_patience: int = 10
    precision: str = "float32"
    matmul_precision: Literal["float32", "tf32"] = "float32"
    max_grad_norm_range: tuple[float, float] | None = added(None)
    optimizer: Literal["adam", "rmsprop", "sgd"] = added("adam")
    weight_decay: float = added(0.0)
    lr_decay_latest: int | None = added(None)
    averaging_patience: int | None = added(None)
    averaging_latest: int | None = added(None)
    gate_noise: float = added(0.0)
    gate_noise_ramp: tuple[float, float] = added((0.3, 0.7))
    lr_anneal: float = added(1.0)
    lr_anneal_start: float = added(0.6)
    latest_of_equals: bool = added(False)
    compute_precision: Literal["same", "bfloat16"] = added("same")
    discrete_from: float = added(0.0)
    beta2: float = added(0.999)

    def __post_init__(self) -> None:
        for name, least in (
            ("max_epochs", 0),
            ("early_stopping_patience", 1),
            ("lr_decay_latest", 1),
            ("averaging_patience", 1),
            ("averaging_latest", 1),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise MemrnnError(f"{name} is {value}, but must be at least {least}.")
        for name in ("learning_rate_range", "max_grad_norm_range"):
            low, high = getattr(self, name) or (1, 1)
            if not 0 < low <= high:
                raise MemrnnError(
                    f"{name} is {low}:{high}, but must be two positive bounds in order."
                )
        for name in ("weight_decay", "gate_noise"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise MemrnnError(f"{name} is {value}, but must be at least 0.")
        begin, end = self.gate_noise_ramp
        if not 0 <= begin <= end <= 1:
            raise MemrnnError(
                f"gate_noise_ramp is {begin}:{end}, but must be two shares in order, 0 to 1."
            )
        for name in ("discrete_from", "beta2"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise MemrnnError(f"{name} is {value}, but must be in [0, 1).")
        if self.optimizer == "sgd" and self.beta2 != TrainingConfig.beta2:
            raise MemrnnError(f"beta2 is {self.beta2}, but sgd has none.")
        if not (0 < self.lr_anneal <= 1 and 0 <= self.lr_anneal_start < 1):
            raise MemrnnError("lr_anneal must be in (0, 1], lr_anneal_start in [0, 1).")
        if not (self.max_grad_norm > 0 and 0 < self.lr_decay <= 1 and self.lr_patience >= 0):
            raise MemrnnError(
                "max_grad_norm must be positive, lr_decay in (0, 1], lr_patience at least 0."
            )
        if (self.averaging_patience or 0) >= self.early_stopping_patience:
            raise MemrnnError(
                f"averaging_patience is {self.averaging_patience}, but must be smaller than "
                f"early_stopping_patience, {self.early_stopping_patience}: training ends then."
            )
        if self.precision not in TRAINING_PRECISIONS:
            raise MemrnnError(
                f"Training in {self.precision!r} is not offered; there are "
                f"{', '.join(TRAINING_PRECISIONS)}."
            )
        if self.compute_precision != "same" and self.precision != "float32":
            raise MemrnnError(
                f"compute_precision {self.compute_precision} is for parameters in float32, not in "
                f"{self.precision}."
            )

    @property
    def averages(self) -> bool:
        """Whether iterates are averaged sooner or later."""
        return self.averaging_patience is not None or self.averaging_latest is not None

    @property
    def scheduled(self) -> bool:
        """Whether what an update does depends on `max_epochs`."""
        return self.gate_noise > 0 or self.lr_anneal < 1 or self.discrete_from > 0

    def noise_after(self, share: Shares) -> Shares:
        """The standard deviation of the gates' noise after a share of all updates."""
        begin, end = self.gate_noise_ramp
        grown = (share - begin) / (end - begin) if end > begin else share >= begin
        return self.gate_noise * np.clip(grown, 0.0, 1.0)

    def rate_factor_after(self, share: Shares) -> Shares:
        """By what the rate is multiplied after a share of all updates, plateaus apart."""
        fallen = (share - self.lr_anneal_start) / (1 - self.lr_anneal_start)
        return self.lr_anneal ** np.clip(fallen, 0.0, 1.0)

    def selectable(self, epochs: int) -> bool:
        """Whether the network after so many epochs may be the best one."""
        calm = not self.gate_noise or epochs >= self.gate_noise_ramp[1] * self.max_epochs
        return calm and self.validation_counts(epochs)

    def validation_counts(self, epochs: int) -> bool:
        """Whether the validated network has been trained by then, see `discrete_from`."""
        return not self.discrete_from or epochs > self.discrete_from * self.max_epochs


@dataclass(frozen=True)
class Start:
    """A trained or constructed network from which training starts.

    Attributes:
        path: of its checkpoint; not part of what tells experiments apart.
        digest: of its parameters.

    Examples:
        >>> import memrnn
        >>> from memrnn.stability import golden_network, save_golden
        >>> from memrnn.training import start_from
        >>> task, model = memrnn.Strings("marked-reversal"), "lstm-12+jm-2"
        >>> save_golden(golden_network(task, model), task, model, "golden")
        >>> experiment = memrnn.Experiment(task, model, start=start_from("golden"))
        >>> len(experiment.start.digest)
        12
    """

    path: str = field(compare=False)
    digest: str

    @staticmethod
    def read(path: Path) -> "Start":
        """The best network in a checkpoint."""
        digest = hashlib.sha256()
        for name, array in sorted(_best_network(path).items()):
            digest.update(f"best.{name}".encode() + np.ascontiguousarray(array).tobytes())
        return Start(str(path), digest.hexdigest()[:12])

    def load_into(self, network: Network) -> Network:
        """Its parameters in a network of the same shapes, rounded to the network's number format.

        Raises:
            MemrnnError: if the file is another one than it was, or of another network.
        """
        path = Path(self.path)
        if Start.read(path) != self:
            raise MemrnnError(
                f"{path} holds another network than the one that was to be started from."
            )
        arrays = {
            name: array.astype(network.dtype) if jnp.issubdtype(array.dtype, jnp.inexact) else array
            for name, array in _best_network(path).items()
        }
        return checkpoints.restore(network, arrays)


def _best_network(checkpoint: Path) -> dict[str, np.ndarray]:
    return best_arrays(checkpoints.load(checkpoint)[0])


def best_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The parameters of the best network among the arrays of a checkpoint."""
    prefix = "best."
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


@dataclass(frozen=True)
class Experiment:
    """What restarts have in common; they differ by their seeds only.

    Attributes:
        task: what is learned.
        model: a name for `get_model`.
        freeze: the components that keep their random start.
        config: everything else about training.
        seed: from which every restart's own seed follows.
        start: what training starts from; None for random parameters.
        measure: names of measures whose numbers the curve keeps (`register_measure`). They do not
            change what is trained and are no part of the identity.

    Examples:
        >>> import memrnn
        >>> experiment = memrnn.Experiment(memrnn.Strings("count-3"), "jm-5", freeze=("memory",))
        >>> experiment.label
        'count-3  jm-5  freeze=memory'
        >>> experiment.restart_seed(0) == experiment.restart_seed(1)
        False
    """

    task: Task
    model: str
    freeze: tuple[str, ...] = ()
    config: TrainingConfig = field(default_factory=TrainingConfig)
    seed: int = 0
    start: Start | None = None
    measure: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise MemrnnError(f"seed is {self.seed}, but must be at least 0.")
        object.__setattr__(self, "freeze", check_freeze(self.freeze))
        object.__setattr__(self, "measure", check_measures(self.measure))
        _ = self.definition

    @cached_property
    def definition(self) -> Model:
        return get_model(self.model)

    @property
    def label(self) -> str:
        return f"{self.task.title}  {self.model}  {freeze_label(self.freeze)}"

    def restart_seed(self, restart: int) -> int:
        """The seed of a restart, a function of `seed`, task, model and number.

        Freezing modes share it, and so do models that differ only in whether their values are
        discrete: their restarts with the same number are paired. Nothing else does.

        Args:
            restart: its number.
        """
        model = continuous_name(self.model)
        return restart_seed(self.seed, self.task.identity(), model, restart)

    def to_json(self) -> dict[str, Any]:
        """Everything from which `from_json` makes the experiment again."""
        return {
            "task": {"name": self.task.name, "options": self.task.options()},
            "model": self.model,
            "definition": to_json(self.definition),
            "freeze": list(self.freeze),
            "config": to_json(self.config),
            "seed": self.seed,
            "start": None if self.start is None else to_json(self.start),
            "measure": list(self.measure),
        }

    def identity(self) -> dict[str, Any]:
        """What must agree for two runs to be one.

        All but `max_epochs`, evaluation options and measures.

        Where what an update does depends on its share of all updates, `max_epochs` must agree, too.
        Names stand there with what they mean (`memrnn.identity`).
        """
        return self._identity

    @cached_property
    def _identity(self) -> dict[str, Any]:
        values = self.to_json() | {
            "task": self.task.identity(),
            "model": model_identity(self.model),
            "start": None if self.start is None else self.start.digest,
        }
        del values["definition"], values["measure"]
        if not self.config.scheduled:
            del values["config"]["max_epochs"]
        return values | {"config": without_added(self.config, values["config"])}

    @staticmethod
    def from_json(values: dict[str, Any]) -> "Experiment":
        """The experiment that `to_json` wrote."""
        # A constructed network has no configuration but a number format.
        config = {"max_epochs": 0} | (values["config"] or {})
        start = values["start"]
        return Experiment(
            make_task(values["task"]["name"], values["task"]["options"]),
            values["model"],
            tuple(values["freeze"]),
            from_json(TrainingConfig, config, "[config]"),
            values["seed"],
            None if start is None else Start(**start),
            tuple(values.get("measure", ())),  # a folder of before has none
        )
