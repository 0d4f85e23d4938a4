"""The runs of a nondeterministic stack, away from any network: the best one, and all of them.

The inside recurrences on the host in float64: in (max, +) they find the most likely run, in
(logsumexp, +) how likely each state and top symbol is over all runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64

from memrnn.errors import MemrnnError

_CELLS = 1 << 17
"""Numbers in a temporary array: a megabyte, so that it stays in a core's cache."""

PushWeights = Float64[np.ndarray, "updates states symbols states symbols"]
PopWeights = Float64[np.ndarray, "updates states symbols states"]


class Action(NamedTuple):
    """One update of the stack, in `state` with symbol `top` on top.

    Attributes:
        kind: push, replace or pop.
        state: of the automaton before the update.
        top: the symbol on top before it.
        next_state: of the automaton after it.
        symbol: what is pushed, or replaces the top; None for a pop.

    Examples:
        >>> from memrnn.nn.memories import Action
        >>> Action("push", state=0, top=1, next_state=0, symbol=2).kind
        'push'
    """

    kind: Literal["push", "replace", "pop"]
    state: int
    top: int
    next_state: int
    symbol: int | None


@dataclass(frozen=True)
class BestRun:
    """A run of the stack: its updates, and the stack before the first and after every one.

    Attributes:
        actions: the n updates.
        log_weight: sum of the logarithms of the weights of all updates.
        states: of the automaton; n + 1, as of all that follow.
        tops: the symbol on top.
        heights: number of symbols on the stack, the bottom counted.
        stacks: the symbols on the stack, the bottom first.

    Examples:
        >>> import numpy as np
        >>> from memrnn.nn.memories import best_run
        >>> push = np.zeros((2, 1, 2, 1, 2))
        >>> run = best_run(push, push - 1, push[..., 0] - 1)
        >>> run.heights, run.log_weight
        ((1, 2, 3), 0.0)
    """

    actions: tuple[Action, ...]
    log_weight: float
    states: tuple[int, ...]
    tops: tuple[int, ...]
    heights: tuple[int, ...]
    stacks: tuple[tuple[int, ...], ...]


def best_run(
    log_push: PushWeights, log_repl: PushWeights, log_pop: PopWeights, window: int | None = None
) -> BestRun:
    """The run of largest weight from (state 0, bottom symbol 0) to the last update.

    With times -1, 0 ... n, the best way from the configuration (q, x) at time i, over a push that
    stays, to (r, y) at time t, and the best way to (r, y) at time t at all:

        γ[-1→0][0,0→0,0] = 0
        γ[i→t][q,x→r,y]  = push_t[q,x→r,y]                                          i = t - 1
                         = max( max_{s,z} γ[i→t-1][q,x→s,z] + repl_t[s,z→r,y],
                                max_{i<k<t-1, u} γ[i→k][q,x→u,y] + γ'_t[k][u,y→r] )  i < t - 1
        γ'_t[k][u,y→r]   = max_{s,z} γ[k→t-1][u,y→s,z] + pop_t[s,z→r]
        α[-1][0,0] = 0;  α[t][r,y] = max_{i,q,x} α[i][q,x] + γ[i→t][q,x→r,y]

    Everything else is -inf. The bottom symbol can be replaced and uncovered, never popped. The
    largest terms are searched again backwards: n small searches instead of a pointer per γ.
    Time O(n³), memory O(n²). Of runs of equal weight always the same one is returned.

    Args:
        log_push: log weights, indexed [t-1, q, x, r, y]; -inf forbids an operation.
        log_repl: likewise.
        log_pop: likewise without y.
        window: γ[i→t] exists for t - i <= window only, so that a run ends when its top symbol
            was pushed more than so many updates ago. None for no limit.

    Returns:
        The run, and the logarithm of its weight.

    Raises:
        MemrnnError: if a weight is NaN or infinite, the window is not positive, or no run has a
            positive weight.

    Examples:
        >>> import numpy as np
        >>> from memrnn.nn.memories import best_run
        >>> push = np.full((2, 1, 2, 1, 2), -1.0)  # two updates, one state, two symbols
        >>> replace, pop = push - 2, push[..., 0] + 0.5
        >>> [action.kind for action in best_run(push, replace, pop).actions]
        ['push', 'pop']

    Source: DuSell & Chiang 2020 (arXiv 2010.04674), section 4; 2022 (arXiv 2109.01982), section 3;
    for the bottom symbol and the window 2023 (arXiv 2210.01343).
    """
    inside = _inside(_MAX, log_push, log_repl, log_pop, window)
    forward = _forward(_MAX, inside)
    weight = float(forward[-1].max())
    if weight == -np.inf:
        raise MemrnnError("No run has a positive weight: every one meets a forbidden operation.")
    segments = _segments(inside, forward)
    return _replay(_actions(inside, segments, log_repl, log_pop), weight)


def forward_weights(
    log_push: PushWeights, log_repl: PushWeights, log_pop: PopWeights, window: int | None = None
) -> Float64[np.ndarray, "updates_plus_1 states symbols"]:
    """`log α[t][r,y]`, the weight of all runs that are in state r with y on top after update t.

    The recurrences, errors and source of `best_run`, with the logarithm of a sum instead of each
    maximum. exp(log α[t]) divided by its sum is the reading of the memory after t updates.

    Args:
        log_push: log weights, indexed [t-1, q, x, r, y]; -inf forbids an operation.
        log_repl: likewise.
        log_pop: likewise without y.
        window: as for `best_run`.

    Returns:
        Log weights after 0 ... n updates; -inf where no run is.

    Examples:
        >>> import numpy as np
        >>> from memrnn.nn.memories import forward_weights
        >>> push = np.zeros((1, 1, 2, 1, 2))  # one update, one state, two symbols
        >>> weights = forward_weights(push, push, push[..., 0])
        >>> weights[1, 0].round(3)  # pushed or replaced to the bottom symbol, or to the other one
        array([0.693, 0.693])
    """
    return _forward(_SUM, _inside(_SUM, log_push, log_repl, log_pop, window))[1:]


class _Semiring(NamedTuple):
    """How weights of alternative ways are joined: two arrays, or one over an axis."""

    add: Callable[..., np.ndarray]
    total: Callable[..., np.ndarray]


def _logsumexp(values: np.ndarray, axis: int) -> np.ndarray:
    largest = values.max(axis=axis, keepdims=True)
    largest[largest == -np.inf] = 0
    with np.errstate(divide="ignore"):
        return np.log(np.exp(values - largest).sum(axis=axis)) + largest.squeeze(axis)


_MAX = _Semiring(np.maximum, np.max)
_SUM = _Semiring(np.logaddexp, _logsumexp)


class _Segment(NamedTuple):
    """The best way of one γ[start-1→end][q,x→r,y]; counted from 1 since there is a time -1."""

    start: int
    q: int
    x: int
    end: int
    r: int
    y: int


def _inside(
    semiring: _Semiring,
    log_push: PushWeights,
    log_repl: PushWeights,
    log_pop: PopWeights,
    window: int | None,
) -> Float64[np.ndarray, "start q x y end r"]:
    """All γ[start-1→end][q,x→r,y]. The axes over which pops are joined, k and u, come last."""
    if window is not None and window < 1:
        raise MemrnnError(f"window is {window}, but must be at least 1, or None.")
    if any(np.isnan(w).any() or np.isposinf(w).any() for w in (log_push, log_repl, log_pop)):
        raise MemrnnError("The weights of a run must be numbers; some are NaN or infinite.")
    updates, states, symbols, _ = log_pop.shape
    shape = (updates + 1, states, symbols, symbols, updates + 1, states)
    inside = np.full(shape, -np.inf)
    inside[0, 0, 0, 0, 0, 0] = 0
    for t in range(1, updates + 1):
        first = 0 if window is None else max(0, t - window + 1)
        inside[t, :, :, :, t] = log_push[t - 1].swapaxes(2, 3)
        # Indexed [start, q, x, z, s] and [z, s, y, r], as all that follows.
        before = inside[first:t, :, :, :, t - 1]
        replace = log_repl[t - 1].transpose(1, 0, 3, 2)
        inside[first:t, :, :, :, t] = _join(semiring, before, replace)
        # [y, r, k, u]; k + 1 is the start of what is popped.
        popped = _join(semiring, before[1:], log_pop[t - 1].swapaxes(0, 1))
        popped = np.ascontiguousarray(popped.transpose(2, 3, 0, 1))
        begin = first
        while begin < t - 1:
            # k > i leaves fewer and fewer k as i grows, which halves the work.
            cells = states**3 * symbols**2 * (t - 1 - begin)
            end = min(t - 1, begin + max(1, _CELLS // cells))
            below = inside[begin:end, :, :, :, None, begin : t - 1]
            ways = below + popped[:, :, begin - first :]
            joined = semiring.total(ways.reshape(*ways.shape[:5], -1), axis=-1)
            now = inside[begin:end, :, :, :, t]
            semiring.add(now, joined, out=now)
            begin = end
    return inside


def _join(semiring: _Semiring, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The matrix product over the last two axes of `left` and the first two of `right`."""
    rest = right.shape[2:]
    inner = right.shape[0] * right.shape[1]
    sums = left.reshape(-1, inner, 1) + right.reshape(inner, -1)
    return semiring.total(sums, axis=1).reshape(*left.shape[:-2], *rest)


def _forward(semiring: _Semiring, inside: np.ndarray) -> Float64[np.ndarray, "time_plus_1 r y"]:
    """All α[t], t = -1 ... n."""
    updates, states, symbols = inside.shape[0] - 1, inside.shape[1], inside.shape[2]
    forward = np.full((updates + 2, states, symbols), -np.inf)
    forward[0, 0, 0] = 0
    for t in range(updates + 1):
        ways = forward[: t + 1, :, :, None, None] + inside[: t + 1, :, :, :, t]
        forward[t + 1] = semiring.total(ways.reshape(-1, symbols, states), axis=0).T
    return forward


def _segments(inside: np.ndarray, forward: np.ndarray) -> list[_Segment]:
    """The γ that make up the best run, one for each symbol that is on the stack at its end."""
    t, (r, y) = len(inside) - 1, _largest(forward[-1])
    segments: list[_Segment] = []
    while t >= 0:
        start, q, x = _largest(forward[: t + 1] + inside[: t + 1, :, :, y, t, r])
        segments.append(_Segment(start, q, x, t, r, y))
        t, r, y = start - 1, q, x
    return segments


def _actions(
    inside: np.ndarray, segments: list[_Segment], log_repl: np.ndarray, log_pop: np.ndarray
) -> list[Action]:
    """The updates of these segments: the last one of each, then those of what came before it."""
    actions: dict[int, Action] = {}
    waiting = [segment for segment in segments if segment.end > 0]
    while waiting:
        start, q, x, t, r, y = segment = waiting.pop()
        if start == t:
            actions[t] = Action("push", q, x, r, y)
            continue
        replaced = inside[start, q, x, :, t - 1] + log_repl[t - 1, :, :, r, y].T
        # [k, u, z, s], k from `start`.
        below = inside[start, q, x, y, start : t - 1]
        popped = inside[start + 1 : t, :, y, :, t - 1] + log_pop[t - 1, :, :, r].T
        popped = below[:, :, None, None] + popped
        if popped.size and popped.max() > replaced.max():
            k, u, z, s = _largest(popped)
            k += start
            actions[t] = Action("pop", s, z, r, None)
            segments = [_Segment(start, q, x, k, u, y), _Segment(k + 1, u, y, t - 1, s, z)]
        else:
            z, s = _largest(replaced)
            actions[t] = Action("replace", s, z, r, y)
            segments = [segment._replace(end=t - 1, r=s, y=z)]
        waiting += [segment for segment in segments if segment.end > 0]
    return [actions[t] for t in sorted(actions)]


def _largest(values: np.ndarray) -> tuple[int, ...]:
    """The first index of the largest value."""
    return tuple(int(i) for i in np.unravel_index(np.argmax(values), values.shape))


def _replay(actions: list[Action], log_weight: float) -> BestRun:
    stacks: list[tuple[int, ...]] = [(0,)]
    states = [0]
    for action in actions:
        stack = stacks[-1]
        rest = stack if action.kind == "push" else stack[:-1]
        stacks.append(rest if action.symbol is None else (*rest, action.symbol))
        states.append(action.next_state)
    return BestRun(
        tuple(actions),
        log_weight,
        tuple(states),
        tuple(stack[-1] for stack in stacks),
        tuple(len(stack) for stack in stacks),
        tuple(stacks),
    )
