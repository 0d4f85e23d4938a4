"""The scores of every item of a run's evaluation sets, in a file beside its checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from memrnn.errors import MemrnnError
from memrnn.runtime import checkpoints
from memrnn.tasks import ItemScores

_NUMERATOR, _DENOMINATOR = "numerator", "denominator"


class Items(NamedTuple):
    """What `save_items` wrote.

    Attributes:
        scores: by precision and evaluation set.
        record: what they are scores of, and how they were made.

    Examples:
        >>> from memrnn.evaluation import Items
        >>> Items(scores={}, record={"model": "lstm"}).record
        {'model': 'lstm'}
    """

    scores: Mapping[str, Mapping[str, ItemScores]]
    record: Mapping[str, Any]


def items_path(folder: Path, restart: int) -> Path:
    """The file of a restart in the folder of its run.

    Args:
        folder: of the run.
        restart: its number.

    Examples:
        >>> from pathlib import Path
        >>> from memrnn.evaluation import items_path
        >>> items_path(Path("run"), restart=3).parent.name
        'run'
    """
    return folder / f"items-{restart:03d}.safetensors"


def save_items(
    path: Path,
    scores: Mapping[str, Mapping[str, ItemScores]],
    record: Mapping[str, Any],
) -> None:
    """Writes scores by precision and evaluation set as float32, whole or not at all.

    The array `PRECISION/SET/METRIC/numerator` has the items in the order of their set; of a text
    it holds the nats of every word. `PRECISION/SET/METRIC/denominator` is there unless all
    denominators are 1.

    Args:
        path: of the file.
        scores: by precision, evaluation set and metric.
        record: JSON; what they are scores of.

    Examples:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from memrnn.evaluation import load_items, save_items
        >>> scores = {"float32": {"test": {"perplexity": (np.array([2.5, 0.5]), np.ones(2))}}}
        >>> save_items(Path("items.safetensors"), scores, record={"model": "lstm"})
        >>> load_items(Path("items.safetensors")).record["model"]
        'lstm'
    """
    arrays: dict[str, np.ndarray] = {}
    for precision, sets in scores.items():
        for name, metrics in sets.items():
            for metric, (numerators, denominators) in metrics.items():
                key = f"{precision}/{name}/{metric}"
                arrays[f"{key}/{_NUMERATOR}"] = np.asarray(numerators, np.float32)
                if not np.all(denominators == 1):
                    arrays[f"{key}/{_DENOMINATOR}"] = np.asarray(denominators, np.float32)
    checkpoints.save(path, arrays, record)


def load_items(path: Path) -> Items:
    """Reads what `save_items` wrote, as float64.

    Args:
        path: of the file.

    Raises:
        MemrnnError: if the file holds no such scores, or is damaged.
        OSError: if it cannot be read.

    Examples:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from memrnn.evaluation import load_items, save_items
        >>> scores = {"float32": {"test": {"perplexity": (np.array([2.5, 0.5]), np.ones(2))}}}
        >>> save_items(Path("items.safetensors"), scores, record={})
        >>> load_items(Path("items.safetensors")).scores["float32"]["test"]["perplexity"][0]
        array([2.5, 0.5])
    """
    arrays, record = checkpoints.load(path)
    scores: dict[str, dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]] = {}
    for key, values in arrays.items():
        parts = key.split("/")
        if len(parts) < 4:
            raise MemrnnError(f"{path} holds no scores of items.")
        precision, *names, metric, kind = parts
        if kind == _NUMERATOR:
            ones = np.ones_like(values)
            denominators = arrays.get(key.removesuffix(_NUMERATOR) + _DENOMINATOR, ones)
            pair = values.astype(np.float64), denominators.astype(np.float64)
            scores.setdefault(precision, {}).setdefault("/".join(names), {})[metric] = pair
    return Items(scores, record)
