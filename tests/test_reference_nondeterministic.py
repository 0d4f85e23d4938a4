"""The references of the nondeterministic stack agree with each other and with golden numbers."""

import numpy as np
import pytest

from reference_networks import sigmoid
from reference_nondeterministic import (
    Gradient,
    best_run_by_enumeration,
    enumerate_readings,
    enumerate_runs,
    readings_gradient,
    recurrence_readings,
    tables,
)

SIZES = [(2, 2, 4), (1, 2, 5), (2, 1, 5), (1, 1, 7), (2, 3, 3), (3, 2, 3)]  # Q, S, n


def weights(
    states: int, symbols: int, n: int, seed: int = 0, scale: float = 2.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng([states, symbols, n, seed])
    shape = (n, states, symbols, states)
    return (
        scale * rng.normal(size=(*shape, symbols)),
        scale * rng.normal(size=(*shape, symbols)),
        scale * rng.normal(size=shape),
    )


def pushed(n: int, m: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([n, m, seed])
    return rng.uniform(size=(n, m)), rng.uniform(size=m)


def golden_weights(n: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    t, q, x, r, y = np.ix_(np.arange(1, n + 1), *map(np.arange, (2, 3, 2, 3)))
    log_push = np.sin(t + 2 * q + 3 * x + 5 * r + 7 * y)
    log_repl = np.cos(t + q + 2 * x + 3 * r + 4 * y)
    return log_push, log_repl, np.sin(2 * t + q + x + r)[..., 0]


def golden_vectors(n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    t, k = np.ix_(np.arange(1, n + 1), np.arange(2))
    return sigmoid(np.cos(t + k)), sigmoid(np.array([0.5, -0.5]))


def printed(numbers: np.ndarray) -> list[str]:
    return [f"{number:.6f}" for number in numbers]


UNLIMITED = {
    1: "0.214104 0.213106 0.122966 0.067705 0.126607 0.255513 2.936624",
    2: "0.193132 0.144626 0.132107 0.209273 0.159228 0.161634 5.743681",
    3: "0.184109 0.140625 0.156689 0.208760 0.161489 0.148328 8.585579",
    6: "0.174327 0.170042 0.157842 0.163954 0.167525 0.166309 17.087337",
}
LIMITED = {
    1: UNLIMITED[1],
    2: UNLIMITED[2],
    3: "0.164745 0.147551 0.163264 0.187032 0.177490 0.159918 8.348862",
    6: "0.169709 0.169296 0.165716 0.156837 0.166945 0.171497 16.272408",
}
AS_CODED = {
    0: " ".join(6 * ["0.622459 0.377541"]),
    1: "0.315747 0.193255 0.346504 0.212189 0.321383 0.196370 "
    "0.284612 0.173195 0.298872 0.182420 0.333160 0.203946",
    4: "0.139067 0.112888 0.141799 0.118312 0.151968 0.130977 "
    "0.126200 0.111038 0.124103 0.105031 0.126516 0.105373",
}
INTENDED = {
    0: " ".join(["0.622459 0.377541", *10 * ["0.000000"]]),
    1: "0.134430 0.083281 0.133994 0.083295 0.077499 0.048447 "
    "0.042521 0.026359 0.079569 0.049406 0.160292 0.099097",
    4: "0.073674 0.073225 0.066953 0.072915 0.076349 0.085112 "
    "0.070464 0.077232 0.064271 0.068741 0.058830 0.064319",
}


@pytest.mark.parametrize(("window", "golden"), [(None, UNLIMITED), (3, LIMITED)])
def test_golden_readings_and_totals(window: int | None, golden: dict[int, str]) -> None:
    readings = recurrence_readings(*golden_weights(), window=window)
    totals = tables(*golden_weights(), window=window).log_total
    runs = enumerate_readings(*golden_weights(3), window=window)
    for t, line in golden.items():
        assert printed(np.append(readings[t], totals[t])) == line.split()
        if t <= 3:
            assert printed(runs[t]) == line.split()[:-1]


@pytest.mark.parametrize(("scope", "golden"), [("all", AS_CODED), ("bottom", INTENDED)])
def test_golden_readings_of_vectors(scope: str, golden: dict[int, str]) -> None:
    inputs = *golden_weights(), *golden_vectors()
    readings = recurrence_readings(*inputs, bottom_scope=scope)
    for t, line in golden.items():
        assert printed(readings[t]) == line.split()


@pytest.mark.parametrize("window", [None, 1, 2, 3])
@pytest.mark.parametrize(("states", "symbols", "n"), SIZES)
def test_runs_equal_recurrences(states: int, symbols: int, n: int, window: int | None) -> None:
    inputs = weights(states, symbols, n)
    expected = enumerate_readings(*inputs, window=window)
    found = recurrence_readings(*inputs, window=window)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    for scope in ("bottom", "all"):
        expected = enumerate_readings(*inputs, *pushed(n), bottom_scope=scope, window=window)
        found = recurrence_readings(*inputs, *pushed(n), bottom_scope=scope, window=window)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_totals_are_those_of_the_runs() -> None:
    inputs = weights(2, 2, 4)
    for window in (None, 2):
        expected = [
            np.log(sum(np.exp(run.log_weight) for run in at))
            for at in enumerate_runs(*inputs, window)
        ]
        np.testing.assert_allclose(tables(*inputs, window=window).log_total, expected, atol=1e-12)


def test_runs_are_counted() -> None:
    """With one state and symbol: push, replace, pop as on paths that never go below 0."""
    zeros = np.zeros((5, 1, 1, 1, 1)), np.zeros((5, 1, 1, 1, 1)), np.zeros((5, 1, 1, 1))
    motzkin_prefixes = [1, 2, 5, 13, 35, 96]
    assert [len(at) for at in enumerate_runs(*zeros)] == motzkin_prefixes


def test_a_run_that_left_the_window_stays_dead() -> None:
    """At t = 2 with window 2 the bottom, pushed at -1, is too old, whatever happens later."""
    inputs = weights(1, 1, 4)
    for t, at in enumerate(enumerate_runs(*inputs, window=2)):
        for run in at:
            height = 1
            for time, action in enumerate(run.actions, start=1):
                height += {"push": 1, "replace": 0, "pop": -1}[action[0]]
                assert height > 1 or time < 2
        assert at, t


def test_window_as_long_as_the_string_is_none() -> None:
    inputs = *weights(2, 2, 6), *pushed(6)
    np.testing.assert_array_equal(
        recurrence_readings(*inputs, window=7), recurrence_readings(*inputs)
    )
    assert not np.allclose(recurrence_readings(*inputs, window=6), recurrence_readings(*inputs))


def test_readings_do_not_see_a_shift_of_all_logits() -> None:
    log_push, log_repl, log_pop = weights(2, 2, 6)
    shift = 100 * np.arange(6)
    shifted = (
        log_push + shift[:, None, None, None, None],
        log_repl + shift[:, None, None, None, None],
        log_pop + shift[:, None, None, None],
    )
    expected = recurrence_readings(log_push, log_repl, log_pop, *pushed(6))
    np.testing.assert_allclose(recurrence_readings(*shifted, *pushed(6)), expected, rtol=1e-11)


def test_long_strings_with_large_logits_stay_finite() -> None:
    rng = np.random.default_rng(0)
    n = 80
    log_push, log_repl = rng.uniform(-30, 30, (2, n, 2, 2, 2, 2))
    inputs = log_push, log_repl, rng.uniform(-30, 30, (n, 2, 2, 2))
    exact = recurrence_readings(*inputs, dtype=np.longdouble)
    assert exact.dtype == np.longdouble
    assert np.isfinite(exact).all()
    np.testing.assert_allclose(exact.sum(1), 1, rtol=1e-14)
    np.testing.assert_allclose(recurrence_readings(*inputs), exact, rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize("scope", [None, "bottom", "all"])
@pytest.mark.parametrize(
    ("states", "symbols", "n", "window"),
    [(2, 2, 3, None), (2, 2, 3, 2), (1, 2, 4, None), (1, 2, 4, 3), (1, 1, 6, 4), (2, 1, 4, 1)],
)
def test_gradient_equals_differences_of_runs(
    states: int, symbols: int, n: int, window: int | None, scope: str | None
) -> None:
    options: dict = {"window": window}
    inputs = list(weights(states, symbols, n, scale=1.0))
    if scope is not None:
        options["bottom_scope"] = scope
        inputs += pushed(n)
    shape = enumerate_readings(*inputs, **options).shape
    cotangent = np.random.default_rng(3).normal(size=shape)

    def value() -> float:
        return float((cotangent * enumerate_readings(*inputs, **options)).sum())

    found = readings_gradient(cotangent, *inputs, **options)
    step = 1e-5
    rng = np.random.default_rng(4)
    for name, array, gradient in zip(Gradient._fields, inputs, found, strict=False):
        assert gradient.shape == array.shape
        indices = list(np.ndindex(array.shape))
        for index in rng.permutation(indices)[:8]:
            index = tuple(index)
            before = array[index]
            array[index] = before + step
            above = value()
            array[index] = before - step
            below = value()
            array[index] = before
            difference = (above - below) / (2 * step)
            assert gradient[index] == pytest.approx(difference, abs=2e-9), (name, index)


def test_gradient_without_vectors_has_none_for_them() -> None:
    inputs = weights(2, 2, 3)
    cotangent = np.ones_like(recurrence_readings(*inputs))
    gradient = readings_gradient(cotangent, *inputs)
    assert gradient.vectors.shape == (3, 0)
    # The readings of a time sum to one.
    np.testing.assert_allclose(gradient.log_push, 0, atol=1e-15)


def test_best_run_is_followed_by_its_weight() -> None:
    log_push, log_repl, log_pop = inputs = weights(2, 2, 4)
    for window in (None, 2):
        best, actions = best_run_by_enumeration(*inputs, window=window)
        logs = {"push": log_push, "replace": log_repl, "pop": log_pop}
        total = sum(logs[kind][t][tuple(where)] for t, (kind, *where) in enumerate(actions))
        assert best == pytest.approx(total)
        runs = enumerate_runs(*inputs, window)[-1]
        assert all(run.log_weight <= best for run in runs)


def test_best_run_of_a_hard_coded_path() -> None:
    """Push and pop in turns, the state changing with each, where nothing else has weight."""
    n = 4
    log_push, log_repl = np.full((2, n, 2, 2, 2, 2), -50.0)
    log_pop = np.full((n, 2, 2, 2), -50.0)
    log_push[0::2, 0, 0, 1, 1] = 0
    log_pop[1::2, 1, 1, 0] = 0
    once = [("push", 0, 0, 1, 1), ("pop", 1, 1, 0)]
    assert best_run_by_enumeration(log_push, log_repl, log_pop) == (0.0, 2 * once)
