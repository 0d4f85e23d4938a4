"""Digests of values: equal on every machine, in every process, for every version of Python."""

import hashlib
import json
from typing import Any

import numpy as np

from memrnn.errors import MemrnnError


def canonical_json(value: Any) -> str:
    """The one way to write a value as JSON: sorted keys, no spaces, ASCII; tuples are lists.

    >>> canonical_json({"b": (1, 2.5), "a": None})
    '{"a":null,"b":[1,2.5]}'

    Raises:
        MemrnnError: if JSON cannot hold the value, as for NaN or a key that is not a string.
    """
    _check_keys(value)
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise MemrnnError(f"JSON cannot hold {value!r}: {error}.") from error


def digest(value: Any) -> str:
    """The first 12 hexadecimal digits of SHA-256 of `canonical_json`.

    >>> digest({"a": 1})
    '015abd7f5cc5'
    """
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:12]


def coarse(values: np.ndarray) -> list[str]:
    """A few coarse numbers that describe an array, for use in a digest.

    Two machines differ in the last bits of a result, and however coarsely a number is rounded,
    a value next to an edge then rounds to two sides. So the numbers are few, and their steps are
    wide beside the error of the array's format:

        size, number of values that are not finite;  s = mean |x|;  p = sum_i w_i x_i / (n s)

    with the weights w_1 and w_2 drawn once from U(-1, 1). With float64 values p is rounded to
    6 decimals and s to 6 significant digits, with float32 values to 3: where results differ by
    1e-15 or 1e-7 of their size, the chance that a digest differs is about 1e-8 or 1e-3.
    Values below 1e-12 (float64) or 1e-6 (float32) in the mean count as 0.
    """
    places, least = (6, 1e-12) if values.dtype.itemsize >= 8 else (3, 1e-6)
    flat = values.astype(np.float64).ravel()
    finite = np.isfinite(flat)
    flat = np.where(finite, flat, 0.0)
    size = float(np.mean(np.abs(flat))) if flat.size else 0.0
    said = [str(flat.size), str(int(np.sum(~finite)))]
    if size < least:
        return [*said, "0"]
    weights = np.random.default_rng(0).uniform(-1, 1, (2, flat.size))
    means = weights @ flat / (flat.size * size)
    # Adding 0.0 turns -0.0 into 0.0.
    rounded = [f"{round(mean, places) + 0.0:.{places}f}" for mean in means.tolist()]
    return [*said, f"{size:.{places - 1}e}", *rounded]


def _check_keys(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise MemrnnError(f"JSON cannot hold the key {key!r}; use a string.")
            _check_keys(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_keys(item)
