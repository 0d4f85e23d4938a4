"""Digests of values: golden numbers, and robustness to the last bits."""

import math

import numpy as np
import pytest

from memrnn.runtime.digests import canonical_json, coarse, digest


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


@pytest.mark.parametrize(("places", "error"), [(6, 1e-15), (3, 1e-7)])
def test_coarse_numbers_do_not_see_last_bits(places: int, error: float) -> None:
    rng = np.random.default_rng(1)
    differ = 0
    for _ in range(1000):
        values = rng.normal(size=40)
        other = values * (1 + error * rng.choice([-1, 1], size=40))
        differ += coarse(values, places) != coarse(other, places)
    assert differ <= (0 if places == 6 else 2)


def test_coarse_numbers_see_changes() -> None:
    values = np.random.default_rng(1).normal(size=40)
    seen = coarse(values, 3)
    assert coarse(values * 1.01, 3) != seen
    assert coarse(values[::-1].copy(), 3) != seen
    assert coarse(-values, 3) != seen
    broken = np.where(np.arange(40) == 7, np.nan, values)
    assert coarse(broken, 3) != seen
    assert coarse(2 * broken, 3) != coarse(broken, 3)
    assert coarse(np.where(np.arange(40) == 7, values + 0.1, values), 3) != seen


def test_zero_is_zero_whatever_its_sign_and_noise() -> None:
    assert coarse(np.zeros(3), 3) == coarse(-np.zeros(3), 3) == coarse(np.full(3, 1e-17), 3)
    assert coarse(np.zeros(3), 3) != coarse(np.zeros(4), 3)
    assert coarse(np.zeros(0), 3) == coarse(np.zeros(0), 3)
