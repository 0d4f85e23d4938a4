"""Digests of values: equal on every machine, in every process, for every version of Python."""

import hashlib
import json
import math
from typing import Any

import numpy as np

from memrnn.errors import MemrnnError


def canonical_json(value: Any) -> str:
    """The one way to write a value as JSON: sorted keys, no spaces, ASCII; tuples are lists.

    >>> from memrnn.runtime.digests import canonical_json
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

    >>> from memrnn.runtime.digests import digest
    >>> digest({"a": 1})
    '015abd7f5cc5'
    """
    return text_digest(canonical_json(value))


def text_digest(text: str) -> str:
    """The first 12 hexadecimal digits of SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def array_digest(array: np.ndarray) -> str:
    """The first 12 hexadecimal digits of SHA-256 of an array's bytes, whatever its shape."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:12]


def coarse(values: np.ndarray, places: int) -> list[str]:
    """A few coarse numbers that describe an array, for use in a digest.

    Two machines differ in the last bits of a result, and however coarsely a number is rounded,
    a value next to an edge then rounds to two sides. So the numbers are few, and the steps of the
    rounding are wide beside the error:

        n;  number of values that are not finite;  s = sqrt(mean x^2);
        p_k = sum_i w_ki x_i / (s sqrt(n))

    with the weights w_1 and w_2 drawn once from U(-1, 1). s is rounded to `places` significant
    digits, p_k to `places` decimals. A relative error e changes a digest with a probability of
    about 6 e 10^places: 1e-8 for float64 and 6 places, 1e-3 for float32 and 3 places.

    s below 1e-6 counts as 0.
    """
    flat = values.astype(np.float64).ravel()
    finite = np.isfinite(flat)
    flat = np.where(finite, flat, 0.0)
    size = math.sqrt(np.mean(flat**2)) if flat.size else 0.0
    counts = [str(flat.size), str(int(np.sum(~finite)))]
    if size < 1e-6:
        return [*counts, "0"]
    weights = np.random.default_rng(0).uniform(-1, 1, (2, flat.size))
    sums = weights @ flat / (size * math.sqrt(flat.size))
    # Adding 0.0 turns -0.0 into 0.0.
    rounded = [f"{round(p, places) + 0.0:.{places}f}" for p in sums.tolist()]
    return [*counts, f"{size:.{places - 1}e}", *rounded]


def _check_keys(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise MemrnnError(f"JSON cannot hold the key {key!r}; use a string.")
            _check_keys(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_keys(item)
