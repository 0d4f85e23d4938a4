"""Digests of values: golden numbers, and robustness to the last bits."""

import math

import numpy as np
import pytest

from memrnn.digests import canonical_json, coarse, digest


def test_canonical_json_and_its_digest_are_golden() -> None:
    value = {"b": [1, 2.5, "é"], "a": {"z": None, "y": True}}
    assert canonical_json(value) == '{"a":{"y":true,"z":null},"b":[1,2.5,"\\u00e9"]}'
    assert digest(value) == digest(dict(reversed(value.items())))
    assert digest((1, 2)) == digest([1, 2])
    assert digest({"a": 1}) == "015abd7f5cc5"


@pytest.mark.parametrize("value", [math.nan, {1: 2}, [{"a": {2: 3}}], object(), {"a": math.inf}])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="JSON cannot hold"):
        canonical_json(value)


@pytest.mark.parametrize(("dtype", "error"), [(np.float64, 1e-15), (np.float32, 1e-7)])
def test_coarse_numbers_do_not_see_last_bits(dtype: type, error: float) -> None:
    rng = np.random.default_rng(1)
    differ = 0
    for _ in range(300):
        values = rng.normal(size=40)
        other = values * (1 + error * rng.choice([-1, 1], size=40))
        differ += coarse(values.astype(dtype)) != coarse(other.astype(dtype))
    assert differ <= (0 if dtype is np.float64 else 3)


def test_coarse_numbers_see_changes() -> None:
    values = np.random.default_rng(1).normal(size=40)
    seen = coarse(values)
    assert coarse(values * 1.001) != seen
    assert coarse(values[::-1].copy()) != seen
    assert coarse(-values) != seen
    assert coarse(np.where(np.arange(40) == 7, np.nan, values)) != seen
    assert coarse(np.where(np.arange(40) == 7, values + 0.01, values)) != seen


def test_zero_is_zero_whatever_its_sign_and_noise() -> None:
    assert coarse(np.zeros(3)) == coarse(-np.zeros(3)) == coarse(np.full(3, 1e-17))
    assert coarse(np.zeros(3)) != coarse(np.zeros(4))
    assert coarse(np.zeros(0)) == coarse(np.zeros(0))
