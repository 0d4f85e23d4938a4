"""Experiments that train in a moment, and what their files and networks hold."""

import dataclasses
from pathlib import Path

import jax
import numpy as np

from memrnn import Experiment, Network, Strings, TrainingConfig

TASK = Strings(
    "marked-copy",
    train_lengths=(3, 9),
    batch_size=4,
    batches=6,
    validation_batches=5,
    length_bins=((11, 13), (20, 30)),
    samples_per_length=2,
)
CONFIG = TrainingConfig(max_epochs=4, learning_rate_range=(1e-2, 3e-2))


def small(model: str = "jm-3", freeze: tuple[str, ...] = (), **changes: object) -> Experiment:
    """An experiment; changes are options of the task, of the configuration, or the seed."""
    options = {key: value for key, value in changes.items() if hasattr(TASK, key)}
    config = {key: value for key, value in changes.items() if hasattr(CONFIG, key)}
    return Experiment(
        dataclasses.replace(TASK, **options),  # type: ignore[arg-type]
        model,
        freeze,
        dataclasses.replace(CONFIG, **config),  # type: ignore[arg-type]
        **{key: changes[key] for key in changes.keys() - options.keys() - config.keys()},  # type: ignore[arg-type]
    )


def files(folder: Path) -> dict[str, bytes]:
    """The checkpoints in a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}


def leaves(tree: Network) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
