"""What is trained: a language, a model, frozen parts, a recipe and a seed."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from memrnn.errors import MemrnnError
from memrnn.languages import Law, get_language
from memrnn.models import Model, get_model
from memrnn.parts import check_freeze, freeze_label
from memrnn.precision import check_training_precision


@dataclass(frozen=True)
class Recipe:
    """Everything about training that is not the network; defaults are the paper's.

    Attributes:
        lengths: shortest and longest training and validation length, inclusive.
        batch_size: strings a batch; all strings of a batch have one length.
        batches: training batches, drawn once; an epoch is one pass over them.
        validation_batches: validation batches, drawn once.
        epochs: the largest number of epochs.
        learning_rate: bounds between which a restart's rate is drawn, log-uniformly.
        clip: largest global L2 norm of the gradient of a batch's loss.
        decay: factor on the rate when validation perplexity stays on a plateau.
        decay_patience: non-improving epochs (relative threshold 1e-4) that are forgiven.
        stop_patience: epochs without strict improvement after which training ends.
        precision: number format of the parameters and of training.

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), section 4 and appendix A.
    """

    lengths: tuple[int, int] = (40, 80)
    batch_size: int = 10
    batches: int = 1000
    validation_batches: int = 100
    epochs: int = 200
    learning_rate: tuple[float, float] = (5e-4, 1e-2)
    clip: float = 5.0
    decay: float = 0.9
    decay_patience: int = 5
    stop_patience: int = 10
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name in ("batch_size", "batches", "validation_batches", "epochs", "stop_patience"):
            if getattr(self, name) < 1:
                raise MemrnnError(f"{name} is {getattr(self, name)}, but must be at least 1.")
        low, high = self.learning_rate
        if not 0 < low <= high:
            raise MemrnnError(
                f"learning_rate is {low} to {high}, but must be two positive bounds in order."
            )
        if not (self.clip > 0 and 0 < self.decay <= 1 and self.decay_patience >= 0):
            raise MemrnnError("clip must be positive, decay in (0, 1], decay_patience at least 0.")
        check_training_precision(self.precision)


@dataclass(frozen=True)
class Experiment:
    """One cell of the laboratory's grid; its restarts differ by their seeds only.

    Attributes:
        language: a name for `get_language`.
        model: a name for `get_model`.
        freeze: the parts that keep their random start.
        seed: from which every restart's own seed follows.
    """

    language: str
    model: str
    freeze: tuple[str, ...] = ()
    recipe: Recipe = field(default_factory=Recipe)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise MemrnnError(f"seed is {self.seed}, but must be at least 0.")
        object.__setattr__(self, "freeze", check_freeze(self.freeze))
        _ = self.law, self.definition

    @property
    def law(self) -> Law:
        """The law of training and validation strings."""
        return Law(get_language(self.language), *self.recipe.lengths)

    @property
    def definition(self) -> Model:
        return get_model(self.model)

    @property
    def label(self) -> str:
        return f"{self.language}  {self.model}  {freeze_label(self.freeze)}"

    def restart_seed(self, restart: int) -> int:
        """The seed of a restart: the same for every language, model and freezing mode."""
        return int(np.random.SeedSequence([self.seed, restart]).generate_state(1)[0])

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"definition": dataclasses.asdict(self.definition)}

    def identity(self) -> str:
        """What must agree for two runs to be one: everything but the number of epochs."""
        values = json.loads(json.dumps(self.to_json()))
        del values["recipe"]["epochs"]
        return json.dumps(values, sort_keys=True)

    @staticmethod
    def from_json(values: dict[str, Any]) -> "Experiment":
        """The experiment that `to_json` wrote.

        Raises:
            MemrnnError: if its model now means another network than it did.
        """
        recipe = dict(values["recipe"])
        for name in ("lengths", "learning_rate"):
            recipe[name] = tuple(recipe[name])
        experiment = Experiment(
            values["language"],
            values["model"],
            tuple(values["freeze"]),
            Recipe(**recipe),
            values["seed"],
        )
        if json.loads(json.dumps(experiment.to_json())) != json.loads(json.dumps(values)):
            raise MemrnnError(
                f"The model {experiment.model!r} was registered differently when it was trained; "
                "register it as it was."
            )
        return experiment
