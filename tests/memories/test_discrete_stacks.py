"""Hard superposition stacks where no derivative is taken: the same readings, in constant time."""

import equinox as eqx
import jax
import numpy as np
import pytest

import memrnn
from memrnn.nn.memories import Memory, Superposition
from memrnn.nn.models import get_model
from memrnn.runtime.precision import cast, scope
from memrnn.tasks import score_set


def readings(memory: Memory, hidden: np.ndarray, horizon: int | None) -> np.ndarray:
    """After each update by the hidden states, [time, batch, reading]."""

    def step(state: object, h: jax.Array) -> tuple[object, jax.Array]:
        state = memory.step(state, h)
        return state, memory.read(state)

    return np.asarray(jax.lax.scan(step, memory.init(hidden.shape[1], horizon), hidden)[1])


def stacks_of(sizes: tuple[int, ...] | str, depth_limit: int | None) -> Superposition:
    rng = np.random.default_rng(3)
    memory = Superposition(5, sizes=sizes, depth_limit=depth_limit, hard=True, rng=rng)
    return eqx.tree_at(lambda memory: memory.weight_actions, memory, memory.weight_actions * 4)


@pytest.mark.parametrize("sizes", [(2, 2), (1, 3, 2), "hidden"], ids=str)
@pytest.mark.parametrize("depth_limit", [None, 1, 3])
@pytest.mark.parametrize("horizon", [12, 30])
def test_readings_are_those_of_the_rows_and_of_lists(
    sizes: tuple[int, ...] | str, depth_limit: int | None, horizon: int
) -> None:
    memory, rng = stacks_of(sizes, depth_limit), np.random.default_rng(1)
    hidden = rng.normal(size=(29, 40, 5)).astype(np.float32)
    # The first half pushes more often, so that stacks grow beyond a limit, the second pops.
    slope = np.asarray(memory.weight_actions)
    hidden[:14] += slope[0]
    hidden[14:] += slope[1]
    found = readings(memory.without_gradient(), hidden, horizon)
    np.testing.assert_array_equal(found, readings(memory, hidden, horizon))
    assert np.isnan(found).any() == (depth_limit is None and horizon == 12)

    weight, _ = memory.controls()
    moves, pushed = [], []
    for row in hidden:
        logits, vectors = memory.actions(row @ weight.T)
        moves.append(np.argmax(np.asarray(logits), axis=-1))
        pushed.append(np.asarray(vectors))
    lists: list[list[np.ndarray]] = [[] for _ in moves[0]]
    for time, expected in enumerate(found):
        for stack, move, vector in zip(lists, moves[time], pushed[time], strict=True):
            if move == 0:
                stack.append(vector)
                del stack[: max(0, len(stack) - (depth_limit or 100))]
            elif move == 1 and stack:
                stack.pop()
        if time < horizon - 1:
            tops = [stack[-1] if stack else 0 * pushed[0][0] for stack in lists]
            of_string = np.stack(tops).reshape(40, len(memory.sizes), -1)
            plain = [of_string[:, k, :size] for k, size in enumerate(memory.sizes)]
            np.testing.assert_array_equal(expected, np.concatenate(plain, axis=-1))


def test_a_depth_limit_serves_any_number_of_steps() -> None:
    memory = stacks_of((2,), 3)
    hidden = np.random.default_rng(2).normal(size=(50, 4, 5)).astype(np.float32)
    found = readings(memory.without_gradient(), hidden, None)
    np.testing.assert_array_equal(found, readings(memory, hidden, None))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_stays(wrong: float) -> None:
    """Also after pops, and in the string that it comes from alone."""
    memory = stacks_of((2,), None)
    hidden = np.random.default_rng(2).normal(size=(20, 2, 5)).astype(np.float32)
    hidden[7, 1] = wrong
    found = readings(memory.without_gradient(), hidden, 21)
    assert np.isnan(found[7:, 1]).all() and np.isfinite(found[:, 0]).all()
    assert np.isfinite(found[:7]).all()
    np.testing.assert_array_equal(found, readings(memory, hidden, 21))


def test_others_are_themselves() -> None:
    rng = np.random.default_rng(0)
    soft = Superposition(4, sizes=(2,), rng=rng)
    assert soft.without_gradient() is soft
    other = memrnn.MEMORIES["stratification"](4, size=2, rng=rng)
    assert other.without_gradient() is other


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16", "float16"])
def test_scores_are_those_of_the_rows(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = memrnn.Strings("marked-reversal", length_bins=((3, 9), (41, 45)), samples_per_length=3)
    model = get_model("elman-6:discrete+jm-2.3:hard")
    with scope(precision):
        network = cast(task.build(model, 0), precision)
        found = [score_set(task, network, task.evaluation_set(name)) for name in ("3:9", "41:45")]
        monkeypatch.setattr(Superposition, "without_gradient", lambda self: self)
        jax.clear_caches()
        other = [score_set(task, network, task.evaluation_set(name)) for name in ("3:9", "41:45")]
    for one, two in zip(found, other, strict=True):
        assert one.keys() == two.keys()
        for metric in one:
            for mine, theirs in zip(one[metric], two[metric], strict=True):
                np.testing.assert_allclose(mine, theirs, rtol=1e-5)
