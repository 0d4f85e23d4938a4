"""The nondeterministic stack three times more: run by run, by its recurrences, by its adjoint.

One string, numpy, straight from the definitions. Nothing here knows of batches, chunks or of the
shortcuts that make the memory fast.

Arrays run over the updates t = 1..n: `log_push[t - 1, q, x, r, y]`, `log_repl` likewise,
`log_pop[t - 1, q, x, r]`, where q, x are state and top before the update, r, y after it (a pop
uncovers its y). Without `vectors` a reading is the distribution of state and top, [Q S], r major.
With `vectors[t - 1]`, pushed at update t, and `bottom`, the vector under everything, it is that
distribution times the top's vector, [Q S m]. Readings are given for t = 0..n.

A symbol pushed at update t has the time i = t - 1, the bottom has i = -1. A `window` D drops a run
for good as soon as its top has t - i > D.

`bottom_scope` says where the bottom's vector stands: "bottom" is meant, only (q0, bottom) has it;
"all" is what the published code does, every state and symbol has it at the start.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[np.floating[Any]]]


# One run at a time.


class Run(NamedTuple):
    """A state, a stack of (symbol, time pushed) with the top last, and what led there."""

    state: int
    stack: list[tuple[int, int]]
    log_weight: float
    actions: list[tuple]


def successors(
    run: Run, t: int, log_push: list, log_repl: list, log_pop: list, window: int | None
) -> list[Run]:
    """All that update t can make of a run, by its weights as lists of lists."""
    q, (x, pushed) = run.state, run.stack[-1]
    after = []
    for r, row in enumerate(log_push[q][x]):
        for y in range(len(row)):
            weight = run.log_weight + log_push[q][x][r][y]
            stack = [*run.stack, (y, t - 1)]
            after.append(Run(r, stack, weight, [*run.actions, ("push", q, x, r, y)]))
            weight = run.log_weight + log_repl[q][x][r][y]
            stack = [*run.stack[:-1], (y, pushed)]
            after.append(Run(r, stack, weight, [*run.actions, ("replace", q, x, r, y)]))
        if len(run.stack) > 1:  # the bottom is never popped
            weight = run.log_weight + log_pop[q][x][r]
            after.append(Run(r, run.stack[:-1], weight, [*run.actions, ("pop", q, x, r)]))
    if window is not None:
        after = [run for run in after if t - run.stack[-1][1] <= window]
    return after


def enumerate_runs(
    log_push: Array,
    log_repl: Array,
    log_pop: Array,
    window: int | None = None,
    start: tuple[int, int] = (0, 0),
) -> list[list[Run]]:
    """For t = 0..n, all runs of t updates from a start of (state, bottom symbol)."""
    state, symbol = start
    runs = [[Run(state, [(symbol, -1)], 0.0, [])]]
    for t in range(1, len(log_push) + 1):
        weights = [log[t - 1].tolist() for log in (log_push, log_repl, log_pop)]
        runs.append([new for run in runs[-1] for new in successors(run, t, *weights, window)])
    return runs


def enumerate_readings(
    log_push: Array,
    log_repl: Array,
    log_pop: Array,
    vectors: Array | None = None,
    bottom: Array | None = None,
    *,
    bottom_scope: str = "bottom",
    window: int | None = None,
) -> Array:
    """The readings [n + 1, ...] as sums over every run.

    With bottom_scope "all" there is a second kind of run. It begins in any state with any bottom
    symbol, and it counts in the numerator only, and only while its bottom is on top: what it pushes
    is weighed by true runs, which begin at (q0, bottom).
    """
    n, states, symbols = log_push.shape[:3]
    runs = enumerate_runs(log_push, log_repl, log_pop, window)
    totals = [sum(math.exp(run.log_weight) for run in at) for at in runs]
    if vectors is None:
        readings = np.zeros((n + 1, states, symbols))
        for t, at in enumerate(runs):
            for run in at:
                readings[t, run.state, run.stack[-1][0]] += math.exp(run.log_weight) / totals[t]
        return readings.reshape(n + 1, -1)

    assert bottom is not None
    vector_of = {-1: bottom, **dict(enumerate(vectors))}
    readings = np.zeros((n + 1, states, symbols, len(bottom)))

    def add(t: int, run: Run) -> None:
        symbol, pushed = run.stack[-1]
        readings[t, run.state, symbol] += math.exp(run.log_weight) / totals[t] * vector_of[pushed]

    for t, at in enumerate(runs):
        for run in at:
            add(t, run)
    if bottom_scope == "all":
        for start in np.ndindex(states, symbols):
            if start == (0, 0):
                continue  # these are the true runs
            for t, at in enumerate(enumerate_runs(log_push, log_repl, log_pop, window, start)):
                for run in at:
                    if len(run.stack) == 1:
                        add(t, run)
    return readings.reshape(n + 1, -1)


def best_run_by_enumeration(
    log_push: Array, log_repl: Array, log_pop: Array, window: int | None = None
) -> tuple[float, list[tuple]]:
    """Log weight and actions of the heaviest run of n updates, whatever it ends in.

    Actions are ("push", q, x, r, y), ("replace", q, x, r, y) and ("pop", q, x, r).
    """
    runs = enumerate_runs(log_push, log_repl, log_pop, window)[-1]
    best = max(runs, key=lambda run: run.log_weight)
    return float(best.log_weight), best.actions


# By the recurrences.


@dataclass
class Tables:
    """The recurrences' tables, indexed by what follows first: `gamma[t, r, y, i + 1, q, x]`.

    Column t of gamma and zeta, alpha and eta at t share a factor that makes alpha sum to one; it
    leaves readings as they are. `log_total[t]` is the logarithm of alpha's sum without the factor.
    """

    push: Array  # [n, q, x, r, y], each update's largest weight is one
    repl: Array
    pop: Array
    vectors: Array
    gamma: Array
    zeta: Array  # [m, t, r, y, i + 1, q, x]
    alpha: Array  # [i + 1, q, x]
    eta: Array  # [m, t, r, y]
    scale: Array  # [t]
    popped: list[Array]  # at t - 1 the weights [k, u, y, r] of what was pushed on (u, y) and popped
    log_total: Array


def tables(
    log_push: Array,
    log_repl: Array,
    log_pop: Array,
    vectors: Array | None = None,
    bottom: Array | None = None,
    *,
    bottom_scope: str = "bottom",
    window: int | None = None,
    dtype: Any = np.float64,
) -> Tables:
    """All tables for all times. Weights are real numbers, scaled so that none overflows."""
    n, states, symbols = log_push.shape[:3]
    logs = [np.asarray(log, dtype) for log in (log_push, log_repl, log_pop)]
    shift = np.array([max(log[t].max() for log in logs) for t in range(n)], dtype)
    push, repl, pop = (np.exp(log - shift.reshape(n, *[1] * (log.ndim - 1))) for log in logs)
    if vectors is None or bottom is None:
        vectors, bottom = np.zeros((n, 0)), np.zeros(0)
    vectors, bottom = np.asarray(vectors, dtype), np.asarray(bottom, dtype)

    shape = (states, symbols, n + 1, states, symbols)
    gamma = np.zeros((n + 1, *shape), dtype)
    zeta = np.zeros((len(bottom), n + 1, *shape), dtype)
    alpha = np.zeros((n + 2, states, symbols), dtype)
    eta = np.zeros((len(bottom), n + 1, states, symbols), dtype)
    scale, log_total = np.ones(n + 1, dtype), np.zeros(n + 1, dtype)
    popped = []

    gamma[0, 0, 0, 0, 0, 0] = 1
    alpha[0, 0, 0] = alpha[1, 0, 0] = 1
    if bottom_scope == "all":
        zeta[:, 0, :, :, 0, :, :] = bottom[:, None, None, None, None]
    else:
        zeta[:, 0, 0, 0, 0, 0, 0] = bottom
    eta[:, 0] = zeta[:, 0, :, :, 0, 0, 0]

    for t in range(1, n + 1):
        w_push, w_repl, w_pop = push[t - 1], repl[t - 1], pop[t - 1]
        # Row i = -1 cannot be what was popped; rows i = 0..t-2 can.
        g = np.tensordot(gamma[t - 1, :, :, 1:t], w_pop, ([0, 1], [0, 1]))
        popped.append(g)
        for table in (gamma, *zeta):
            new = np.tensordot(w_repl, table[t - 1, :, :, : t + 1], ([0, 1], [0, 1]))
            # k = 0..t-2 and u; what was never pushed is zero in the table.
            new += np.einsum("kuyr,kuyiqx->ryiqx", g, table[: t - 1, :, :, : t + 1])
            table[t, :, :, : t + 1] = new
        from_push = w_push.transpose(2, 3, 0, 1)
        gamma[t, :, :, t] = from_push
        for component, table in enumerate(zeta):
            table[t, :, :, t] = from_push * vectors[t - 1, component]
        if window is not None:
            first = max(0, t - window + 1)  # row of i = t - window
            gamma[t, :, :, :first] = 0
            zeta[:, t, :, :, :first] = 0
        total = np.tensordot(gamma[t, :, :, : t + 1], alpha[: t + 1], 3).sum()
        scale[t] = 1 / total
        log_total[t] = log_total[t - 1] + np.log(total) + shift[t - 1]
        gamma[t] *= scale[t]
        zeta[:, t] *= scale[t]
        alpha[t + 1] = np.tensordot(gamma[t, :, :, : t + 1], alpha[: t + 1], 3)
        eta[:, t] = np.tensordot(zeta[:, t, :, :, : t + 1], alpha[: t + 1], 3)
    return Tables(push, repl, pop, vectors, gamma, zeta, alpha, eta, scale, popped, log_total)


def recurrence_readings(
    log_push: Array,
    log_repl: Array,
    log_pop: Array,
    vectors: Array | None = None,
    bottom: Array | None = None,
    *,
    bottom_scope: str = "bottom",
    window: int | None = None,
    dtype: Any = np.float64,
) -> Array:
    """The readings [n + 1, ...] by the recurrences."""
    found = tables(
        log_push,
        log_repl,
        log_pop,
        vectors,
        bottom,
        bottom_scope=bottom_scope,
        window=window,
        dtype=dtype,
    )
    return readings_of(found, vectors is not None)


def readings_of(found: Tables, with_vectors: bool) -> Array:
    alpha = found.alpha[1:]
    totals = alpha.sum((1, 2))
    numerators = np.moveaxis(found.eta, 0, -1) if with_vectors else alpha
    flat = numerators.reshape(len(alpha), -1)
    return flat / totals[:, None]


# By hand: the gradient of the recurrences.


class Gradient(NamedTuple):
    """The derivatives by all that goes into the readings, shaped like it."""

    log_push: Array
    log_repl: Array
    log_pop: Array
    vectors: Array
    bottom: Array


def readings_gradient(
    cotangent: Array,
    log_push: Array,
    log_repl: Array,
    log_pop: Array,
    vectors: Array | None = None,
    bottom: Array | None = None,
    *,
    bottom_scope: str = "bottom",
    window: int | None = None,
    dtype: Any = np.float64,
) -> Gradient:
    """The gradient of sum(cotangent * readings), cotangent [n + 1, ...] as the readings are.

    Without vectors their gradients have no columns. The factors of the columns leave readings as
    they are, so they count as constants.
    """
    has_vectors = vectors is not None
    f = tables(
        log_push,
        log_repl,
        log_pop,
        vectors,
        bottom,
        bottom_scope=bottom_scope,
        window=window,
        dtype=dtype,
    )
    n, states, symbols = log_push.shape[:3]
    components = len(f.zeta)
    cotangent = np.asarray(cotangent, dtype)
    readings = readings_of(f, has_vectors)
    d_total = -(cotangent * readings).sum(1)  # alpha's sum is one
    d_alpha = np.zeros_like(f.alpha)
    d_alpha[1:] = d_total[:, None, None]
    d_eta = np.zeros_like(f.eta)
    if has_vectors:
        split = cotangent.reshape(n + 1, states, symbols, components)
        d_eta[:] = np.moveaxis(split, -1, 0)
    else:
        d_alpha[1:] += cotangent.reshape(n + 1, states, symbols)

    d_gamma, d_zeta = np.zeros_like(f.gamma), np.zeros_like(f.zeta)
    d_push, d_repl, d_pop = (np.zeros_like(w) for w in (f.push, f.repl, f.pop))
    d_vectors = np.zeros_like(f.vectors)
    pairs = [(f.gamma, d_gamma), *zip(f.zeta, d_zeta, strict=True)]

    for t in range(n, 0, -1):
        rows = slice(0, t + 1)
        # alpha[t] and eta[t] are sums of alpha[i] times column t.
        ends = [d_alpha[t + 1], *d_eta[:, t]]
        for (table, d_table), end in zip(pairs, ends, strict=True):
            d_table[t, :, :, rows] += end[:, :, None, None, None] * f.alpha[rows]
            d_alpha[rows] += np.tensordot(end, table[t, :, :, rows], 2)
            if window is not None:
                d_table[t, :, :, : max(0, t - window + 1)] = 0
            d_table[t] *= f.scale[t]

        # The new row.
        new = d_gamma[t, :, :, t].transpose(2, 3, 0, 1).copy()
        for component in range(components):
            row = d_zeta[component, t, :, :, t].transpose(2, 3, 0, 1)
            new += row * f.vectors[t - 1, component]
            d_vectors[t - 1, component] = (row * f.push[t - 1]).sum()
        d_push[t - 1] = new

        # The rows before it: replaced tops, then uncovered ones.
        rows = slice(0, t)
        g, d_g = f.popped[t - 1], np.zeros_like(f.popped[t - 1])
        for table, d_table in pairs:
            d_new, old = d_table[t, :, :, rows], table[t - 1, :, :, rows]
            d_repl[t - 1] += np.tensordot(old, d_new, ([2, 3, 4], [2, 3, 4]))
            d_table[t - 1, :, :, rows] += np.tensordot(f.repl[t - 1], d_new, 2)
            d_g += np.einsum("kuyiqx,ryiqx->kuyr", table[: t - 1, :, :, rows], d_new)
            d_table[: t - 1, :, :, rows] += np.einsum("kuyr,ryiqx->kuyiqx", g, d_new)
        column = f.gamma[t - 1, :, :, 1:t]
        d_pop[t - 1] = np.tensordot(column, d_g, ([2, 3, 4], [0, 1, 2]))
        d_gamma[t - 1, :, :, 1:t] += np.tensordot(f.pop[t - 1], d_g, ([2], [3]))

    d_zeta[:, 0, :, :, 0, 0, 0] += d_eta[:, 0]
    if bottom_scope == "all":
        d_bottom = d_zeta[:, 0, :, :, 0].sum((1, 2, 3, 4))
    else:
        d_bottom = d_zeta[:, 0, 0, 0, 0, 0, 0]
    # By the logarithms.
    return Gradient(f.push * d_push, f.repl * d_repl, f.pop * d_pop, d_vectors, d_bottom)
