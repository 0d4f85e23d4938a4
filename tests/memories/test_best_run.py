"""The best run against enumeration, against Viterbi over whole stacks, and made by hand."""

import numpy as np
import pytest

from memrnn.nn.memories import Action, BestRun, best_run, forward_weights
from reference_nondeterministic import best_run_by_enumeration, enumerate_runs

Weights = tuple[np.ndarray, np.ndarray, np.ndarray]


def random_weights(updates: int, states: int, symbols: int, seed: int = 0) -> Weights:
    rng = np.random.default_rng(seed)
    shape = (updates, states, symbols, states, symbols)
    return rng.normal(size=shape), rng.normal(size=shape), 1 + rng.normal(size=shape[:4])


def forbidden(updates: int, states: int, symbols: int) -> Weights:
    shape = (updates, states, symbols, states, symbols)
    return np.full(shape, -np.inf), np.full(shape, -np.inf), np.full(shape[:4], -np.inf)


def weight_of(run: BestRun, weights: Weights) -> float:
    log_push, log_repl, log_pop = weights
    total = 0.0
    for t, (kind, q, x, r, y) in enumerate(run.actions):
        if kind == "pop":
            total += log_pop[t, q, x, r]
        else:
            total += (log_push if kind == "push" else log_repl)[t, q, x, r, y]
    return total


def check(run: BestRun, weights: Weights, window: int | None = None) -> None:
    """Replays the run with a stack of its own: everything in it agrees, and it is allowed."""
    updates = len(weights[0])
    assert len(run.actions) == updates
    lengths = {len(part) for part in (run.states, run.tops, run.heights, run.stacks)}
    assert lengths == {updates + 1}
    state, stack = 0, [(0, -1)]
    for t in range(updates + 1):
        assert run.states[t] == state
        assert run.stacks[t] == tuple(symbol for symbol, _ in stack)
        assert run.tops[t] == stack[-1][0]
        assert run.heights[t] == len(stack)
        assert window is None or t - stack[-1][1] <= window
        if t == updates:
            break
        action = run.actions[t]
        assert (action.state, action.top) == (state, stack[-1][0])
        if action.kind == "push":
            stack.append((action.symbol, t))
        elif action.kind == "replace":
            stack[-1] = (action.symbol, stack[-1][1])
        else:
            assert action.symbol is None
            stack.pop()
            assert stack, "the bottom is never popped"
        state = action.next_state
    assert run.log_weight == pytest.approx(weight_of(run, weights), abs=1e-9)


def best_over_configurations(weights: Weights) -> float:
    """Viterbi over (state, whole stack), which needs no recurrence over what is inside."""
    log_push, log_repl, log_pop = weights
    states, symbols = log_push.shape[1:3]
    best = {(0, (0,)): 0.0}
    for push, repl, pop in zip(log_push, log_repl, log_pop, strict=True):
        after: dict[tuple[int, tuple[int, ...]], float] = {}
        for (q, stack), weight in best.items():
            x, below = stack[-1], stack[:-1]
            ways = {
                **{(r, (*stack, y)): push[q, x, r, y] for r, y in np.ndindex(states, symbols)},
                **{(r, (*below, y)): repl[q, x, r, y] for r, y in np.ndindex(states, symbols)},
                **({(r, below): pop[q, x, r] for r in range(states)} if below else {}),
            }
            for target, gain in ways.items():
                after[target] = max(after.get(target, -np.inf), weight + gain)
        best = after
    return max(best.values())


@pytest.mark.parametrize("window", [None, 1, 2, 3])
@pytest.mark.parametrize(
    ("states", "symbols", "updates"),
    [(1, 1, 5), (1, 2, 5), (2, 1, 5), (1, 3, 4), (3, 1, 5), (2, 2, 4), (3, 2, 3), (3, 3, 3)],
)
def test_it_is_the_best_of_all_runs(
    states: int, symbols: int, updates: int, window: int | None
) -> None:
    for length in range(updates + 1):
        weights = random_weights(length, states, symbols, seed=length)
        weight, actions = best_run_by_enumeration(*weights, window=window)
        run = best_run(*weights, window=window)
        check(run, weights, window)
        assert run.log_weight == pytest.approx(weight, abs=1e-12)
        found = [tuple(part for part in action if part is not None) for action in run.actions]
        assert found == actions


@pytest.mark.parametrize(
    ("states", "symbols", "updates"), [(1, 1, 60), (3, 1, 40), (2, 2, 8), (1, 3, 7)]
)
def test_it_is_the_best_of_long_runs(states: int, symbols: int, updates: int) -> None:
    weights = random_weights(updates, states, symbols)
    run = best_run(*weights)
    check(run, weights)
    assert run.log_weight == pytest.approx(best_over_configurations(weights), abs=1e-9)
    assert {action.kind for action in run.actions} == {"push", "replace", "pop"}


@pytest.mark.parametrize("window", [None, 1, 2, 3])
@pytest.mark.parametrize(("states", "symbols"), [(1, 1), (1, 3), (3, 1), (2, 2)])
def test_forward_weights_are_sums_over_all_runs(
    states: int, symbols: int, window: int | None
) -> None:
    weights = random_weights(4, states, symbols)
    expected = np.zeros((5, states, symbols))
    for t, runs in enumerate(enumerate_runs(*weights, window=window)):
        for run in runs:
            expected[t, run.state, run.stack[-1][0]] += np.exp(run.log_weight)
    found = forward_weights(*weights, window=window)
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-12)


def test_many_starts_are_joined_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = random_weights(20, 2, 2)
    whole = best_run(*weights)
    monkeypatch.setattr("memrnn.nn.memories.nondeterministic._best_run._CELLS", 1)
    assert best_run(*weights) == whole


def test_w_then_its_reverse() -> None:
    """State 0 pushes what it reads, 0 or 1 as symbol 1 or 2; the mark leads to state 1, which
    pops what it reads and, back at the bottom, replaces it."""
    string = [0, 1, 1, None, 1, 1, 0]
    log_push, log_repl, log_pop = weights = forbidden(len(string) + 1, 2, 3)
    for t, bit in enumerate(string):
        if bit is None:
            for top in range(3):
                log_repl[t, 0, top, 1, top] = -1
        else:
            log_push[t, 0, :, 0, 1 + bit] = -2
            log_pop[t, 1, 1 + bit, 1] = -3
    log_repl[-1, 1, 0, 0, 2] = -4
    run = best_run(*weights)
    check(run, weights)
    assert run.log_weight == -1 - 3 * 2 - 3 * 3 - 4
    assert [action.kind for action in run.actions] == ["push"] * 3 + ["replace"] + ["pop"] * 3 + [
        "replace"
    ]
    assert run.actions[0] == Action("push", 0, 0, 0, 1)
    assert run.actions[-1] == Action("replace", 1, 0, 0, 2)
    assert run.states == (0, 0, 0, 0, 1, 1, 1, 1, 0)
    assert run.tops == (0, 1, 2, 2, 2, 2, 1, 0, 2)
    assert run.heights == (1, 2, 3, 4, 4, 3, 2, 1, 1)
    assert run.stacks[3] == (0, 1, 2, 2)


def test_what_is_best_now_is_left_for_what_is_best_at_the_end() -> None:
    log_push, log_repl, _ = weights = forbidden(2, 1, 2)
    log_push[0, 0, 0, 0, 1] = 5.0
    log_repl[0, 0, 0, 0, 0] = 0.0
    log_repl[1, 0, 1, 0, 1] = -9.0
    log_repl[1, 0, 0, 0, 1] = -3.0
    run = best_run(*weights)
    assert (run.log_weight, run.stacks) == (-3.0, ((0,), (0,), (1,)))


def test_a_window_forgets_what_lies_too_deep() -> None:
    """Only pops have a gain. One uncovers what was pushed 3 updates ago or more, the bottom 5."""
    log_push, _, log_pop = weights = forbidden(4, 1, 1)
    log_push[:] = 0.0
    log_pop[:] = 1.0
    found = {w: best_run(*weights, window=w).log_weight for w in (None, 5, 4, 3, 2, 1)}
    assert found == {None: 2, 5: 2, 4: 1, 3: 1, 2: 0, 1: 0}
    assert best_run(*weights, window=1).heights == (1, 2, 3, 4, 5)
    log_push[1:] = -np.inf
    with pytest.raises(ValueError, match="No run has a positive weight"):
        best_run(*weights, window=1)


def test_of_equal_runs_the_same_one_is_found() -> None:
    zeros = tuple(np.zeros_like(w) for w in forbidden(5, 2, 2))
    run = best_run(*zeros)
    check(run, zeros)
    assert run.log_weight == 0
    assert best_run(*zeros) == run
    # Up and down with whole numbers: many runs share the largest weight exactly.
    rng = np.random.default_rng(0)
    for _ in range(20):
        weights = tuple(rng.integers(-1, 2, w.shape).astype(float) for w in zeros)
        run = best_run(*weights)
        check(run, weights)
        assert run.log_weight == best_over_configurations(weights)


def test_no_update_is_a_run_too() -> None:
    run = best_run(*random_weights(0, 2, 3))
    assert run == BestRun((), 0.0, (0,), (0,), (1,), ((0,),))


def test_what_is_no_weight_is_refused() -> None:
    weights = random_weights(3, 2, 2)
    for wrong in (np.nan, np.inf):
        spoilt = weights[0].copy()
        spoilt[1, 0, 0, 0, 0] = wrong
        with pytest.raises(ValueError, match="NaN or infinite"):
            best_run(spoilt, *weights[1:])
    with pytest.raises(ValueError, match="window is 0"):
        best_run(*weights, window=0)
