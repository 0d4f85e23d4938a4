"""How exact the nondeterministic stack's readings and gradients are in float32 and float64.

3 states, 3 symbols. The logits of all updates are given, open loop, as in the tests. The reference
is the tests' dense recurrence with its gradient by hand, in numpy's longdouble (80 bits on x86).
The same recurrence in float64 says what the reference itself is worth. All take the same logits,
which are rounded to float32 once.

    readings   largest relative error of a reading, those below 1e-6 left out
    gradient   of a fixed random linear function of all readings by all logits: norm of the error
               over norm of the gradient

Logits, all from -M to M:

    uniform      drawn anew for every update
    constant     drawn once
    push, pop    uniform, but all pushes weigh most in the first half and all pops in the second
    adversarial  of one sort each: M for what pays, -M for all else. 2 m updates push symbol 1, in m
                 only pushing symbol 2 pays, in 2 m + 6 only popping symbol 1. A run that let m
                 updates pass has by then a share of exp(-2 M m), and with the last pops it becomes
                 one of the heaviest.

    python benchmarks/nondeterministic_precision.py [--length 200]

The reference takes time n^3: some minutes at 200, about ten at 400.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before any thread pool starts
sys.path.append(str(Path(__file__).parent.parent / "tests"))

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import reference_nondeterministic as reference
from echo_controller import controlled
from memrnn.nn.memories import Nondeterministic
from memrnn.runtime.precision import cast, scope

SHORT = 62
SMALLEST = 1e-6
ADVERSARIAL = ((3, 8), (3, 12), (5, 8), (5, 12), (10, 8), (10, 9), (10, 12))

Case = tuple[str, np.ndarray]


class Result(NamedTuple):
    """The readings after each update, and the gradient by name, of one string."""

    readings: np.ndarray
    gradient: tuple[np.ndarray, ...]


def memory() -> Nondeterministic:
    return Nondeterministic(1, states=3, symbols=3, rng=np.random.default_rng(0))


def size() -> int:
    return len(memory().controls()[1])


def place() -> tuple[np.ndarray, ...]:
    """Where in the controls each push, replace and pop lies."""
    names = memory().log_weights(np.arange(size(), dtype=np.float64)[None])
    return tuple(each[0].astype(int) for each in names)


# The logits [updates, controls] of each case.


def uniform(largest: float, updates: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-largest, largest, (updates, size()))


def push_then_pop(largest: float, updates: int) -> np.ndarray:
    push, _, pop = place()
    controls = uniform(largest, updates)
    controls[: updates // 2, push.ravel()] = largest
    controls[updates // 2 :, pop.ravel()] = largest
    return controls


def adversarial(largest: float, m: int) -> np.ndarray:
    push, _, pop = place()
    controls = np.full((5 * m + 6, size()), -largest)
    controls[: 2 * m, push[..., 1].ravel()] = largest
    controls[2 * m : 3 * m, push[..., 2].ravel()] = largest
    controls[3 * m :, pop[:, 1].ravel()] = largest
    return controls


def short_cases() -> list[Case]:
    cases = [(f"uniform, {largest}", uniform(largest, SHORT)) for largest in (0.1, 3, 10, 30)]
    cases.append(("constant, 10", np.repeat(uniform(10, 1), SHORT, axis=0)))
    cases.append(("push, pop, 10", push_then_pop(10, SHORT)))
    return cases + [(f"adversarial, {M}, m = {m}", adversarial(M, m)) for M, m in ADVERSARIAL]


def long_cases(updates: int) -> list[Case]:
    return [(f"uniform, {largest}", uniform(largest, updates)) for largest in (1, 10)]


# What is compared.


def cotangent(updates: int) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(updates, memory().reading_size))


def by_memrnn(cases: Sequence[Case], precision: str) -> list[Result]:
    """All cases as one batch. What pads a shorter one comes after its end and counts nothing."""
    updates = max(len(controls) for _, controls in cases)
    padded, counted = (np.zeros((updates, len(cases), width)) for width in (size(), 9))
    for case, (_, controls) in enumerate(cases):
        padded[: len(controls), case] = controls
        counted[: len(controls), case] = cotangent(len(controls))

    @eqx.filter_jit
    def run(memory: Nondeterministic, controls: Any, cotangent: Any) -> tuple[Any, Any]:
        readings, pull = jax.vjp(lambda controls: controlled(memory, controls), controls)
        return readings, pull(cotangent)[0]

    with scope(precision):
        arrays = (jnp.asarray(each, precision) for each in (padded, counted))
        readings, gradient = run(cast(memory(), precision), *arrays)
    results = []
    for case, (_, controls) in enumerate(cases):
        found = np.asarray(gradient[: len(controls), case])
        named = tuple(found[:, where] for where in place())
        results.append(Result(np.asarray(readings[: len(controls), case]), named))
    return results


def by_reference(controls: np.ndarray, dtype: Any) -> Result:
    weights = [np.asarray(each, dtype) for each in memory().log_weights(controls)]
    weights[2] = weights[2].reshape(len(controls), 3, 3, 3)
    readings = reference.recurrence_readings(*weights, dtype=dtype)[1:]
    slopes = np.concatenate([np.zeros((1, 9)), cotangent(len(controls))])
    return Result(readings, reference.readings_gradient(slopes, *weights, dtype=dtype)[:3])


def errors(found: Result, exact: Result) -> str:
    counted = exact.readings > SMALLEST
    readings = np.abs(found.readings / np.where(counted, exact.readings, 1) - 1)[counted].max()
    pairs = zip(found.gradient, exact.gradient, strict=True)
    error = sum(((one - other) ** 2).sum() for one, other in pairs)
    norm = sum((each**2).sum() for each in exact.gradient)
    return f"{float(readings):.1e} / {float(np.sqrt(error / norm)):.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, help="only the uniform cases of this many updates")
    length = parser.parse_args().length
    cases = short_cases() if length is None else long_cases(length)
    cases = [(name, controls.astype(np.float32).astype(np.float64)) for name, controls in cases]
    results = {name: by_memrnn(cases, name) for name in ("float64", "float32")}
    print("readings / gradient")
    print()
    print("| logits | updates | reference in float64 | memrnn, float64 | memrnn, float32 |")
    print("|---|---|---|---|---|")
    for case, (name, controls) in enumerate(cases):
        exact = by_reference(controls, np.longdouble)
        found = [by_reference(controls, np.float64), *(each[case] for each in results.values())]
        row = " | ".join(errors(each, exact) for each in found)
        print(f"| {name} | {len(controls)} | {row} |", flush=True)


if __name__ == "__main__":
    main()
