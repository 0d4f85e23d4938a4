"""What a memory did along a string. A memory is explained by one function registered here."""

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64
from scipy.special import softmax

from memrnn.errors import MemrnnError
from memrnn.nn.memories import (
    AffineMemory,
    BestRun,
    Memory,
    NoMemory,
    Nondeterministic,
    Stratification,
    Superposed,
    Superposition,
    forward_weights,
)


@dataclass(frozen=True)
class StackRun:
    """The best run of a nondeterministic stack, and how it stands among all runs.

    Attributes:
        run: the most likely updates.
        share: its weight by the weight of all runs.
        marginals: probability of each state and top symbol over all runs so far, which is what
            the controller reads, before the first update and after every one:
            [updates + 1, states, symbols]. The best run is the best one at the end, so on its
            way it may be where few runs are.

    Examples:
        >>> import memrnn
        >>> from memrnn.explain import explain
        >>> task = memrnn.Strings("marked-copy")
        >>> network = task.build(memrnn.get_model("lstm-6+rns-1-2"), seed=0)
        >>> tokens = task.encode("01#01")
        >>> explanation = explain(network, tokens, task.targets(tokens))
        >>> len(explanation.trace.run.actions), explanation.trace.share <= 1
        (4, True)
    """

    run: BestRun
    share: float
    marginals: Float64[np.ndarray, "updates_plus_1 states symbols"]


@dataclass(frozen=True)
class SoftStack:
    """A stack that does a little of every action: how much of each, and what it then holds.

    Attributes:
        actions: names of the actions.
        weights: how much of each action an update does, from 0 to 1: [updates, actions].
        contents: what is drawn of the stack, from 0 to 1, before the first update and after every
            one: [updates + 1, rows].
        rows: what a row of `contents` is: "depth", from the top, or "push", the update that made
            it.
        contents_name: what is drawn of a row.
        heights: expected height or total strength: [updates + 1].
        heights_name: which of the two.

    Examples:
        >>> import memrnn
        >>> from memrnn.explain import explain
        >>> task = memrnn.Strings("marked-copy")
        >>> network = task.build(memrnn.get_model("lstm-6+jm-2"), seed=0)
        >>> tokens = task.encode("01#01")
        >>> explanation = explain(network, tokens, task.targets(tokens))
        >>> (stack,) = explanation.trace
        >>> stack.weights.shape, stack.rows, stack.heights_name
        ((4, 3), 'depth', 'height')
    """

    actions: tuple[str, ...]
    weights: Float64[np.ndarray, "updates actions"]
    contents: Float64[np.ndarray, "updates_plus_1 rows"]
    rows: str
    contents_name: str
    heights: Float64[np.ndarray, " updates_plus_1"]
    heights_name: str = "height"


Trace = StackRun | tuple[SoftStack, ...]
"""A best run, or one soft stack after another."""


@singledispatch
def trace(memory: Memory, hidden: Float[Array, "updates hidden"]) -> Trace:
    """What a memory did when these hidden states updated it, one after the other.

    `trace.register(MyMemory)` adds a memory that a user has written.

    Args:
        memory: any that is known here.
        hidden: h_1 ... h_{n-1} of one sequence.

    Returns:
        The best run of a nondeterministic stack, or every soft stack.

    Raises:
        MemrnnError: for a memory that nobody registered.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from memrnn.explain import trace
        >>> from memrnn.nn.memories import Superposition
        >>> memory = Superposition(6, sizes=(2,), rng=np.random.default_rng(0))
        >>> (stack,) = trace(memory, jnp.ones((4, 6)))
        >>> stack.actions
        ('push', 'pop', 'no-op')
    """
    del hidden
    known = ", ".join(kind.__name__ for kind in [*trace.registry][1:] if kind is not NoMemory)
    raise MemrnnError(
        f"A memory {type(memory).__name__} cannot be explained; known are {known}. "
        "Register a function for yours with memrnn.explain.trace.register."
    )


@trace.register
def _(memory: NoMemory, hidden: Any) -> Trace:
    del memory, hidden
    raise MemrnnError(
        "This network has no memory to explain; choose a model with one, such as jm-10."
    )


@trace.register
def _(memory: Superposition, hidden: Any) -> Trace:
    """Contents are the root mean square of each row's vector.

    The stack is the mean over independent draws of the actions, a pop of an empty stack doing
    nothing. The height is the mean height of these draws: what a stack holds that pushes a 1
    instead of a vector, summed over its rows. A hard stack does the most probable action wholly.
    """
    controls = _controls(memory, hidden)
    stacks, height = len(memory.sizes), max(len(controls), 1)
    if memory.depth_limit is not None:
        height = min(height, memory.depth_limit)
    rows = np.asarray(_superpositions(memory, controls), np.float64)
    rows = rows.reshape(len(controls) + 1, stacks, -1, max(memory.sizes))[:, :, :height]
    logits = np.asarray(controls, np.float64)[:, : 3 * stacks].reshape(-1, stacks, 3)
    weights = np.eye(3)[logits.argmax(axis=2)] if memory.hard else softmax(logits, axis=2)
    return tuple(
        SoftStack(
            ("push", "pop", "no-op"),
            weights[:, k],
            np.sqrt(np.mean(rows[:, k, :, :size] ** 2, axis=2)),
            "depth",
            "root mean square of the vector in each row",
            _occupied(weights[:, k], height).sum(axis=1),
        )
        for k, size in enumerate(memory.sizes)
    )


@trace.register
def _(memory: Stratification, hidden: Any) -> Trace:
    """Contents are the strengths of the values, and the height is their sum."""
    logits = np.asarray(_controls(memory, hidden), np.float64)[:, :2]
    weights = 0.5 * (1 + np.tanh(0.5 * logits))
    strengths = _strengths(*weights.T)
    heights = strengths.sum(axis=1)
    actions = ("push", "pop")
    return (SoftStack(actions, weights, strengths, "push", "strength", heights, "strength"),)


@trace.register
def _(memory: Nondeterministic, hidden: Any) -> Trace:
    controls = np.asarray(_controls(memory, hidden), np.float64)
    run = memory.best_run(controls)
    forward = forward_weights(*memory.log_weights(controls), memory.window)
    totals = np.logaddexp.reduce(forward, axis=(1, 2), keepdims=True)
    share = np.exp(run.log_weight - totals[-1].item())
    return StackRun(run, float(share), np.exp(forward - totals))


def _controls(
    memory: AffineMemory, hidden: Float[Array, "updates hidden"]
) -> Float[Array, "updates controls"]:
    weight, bias = memory.controls()
    return hidden @ weight.T + bias[None]


@eqx.filter_jit
def _superpositions(memory: Superposition, controls: Array) -> Array:
    """The state before the first update and after every one."""

    def step(state: Superposed, controls: Array) -> tuple[Superposed, Array]:
        state = memory.update(state, controls[None])
        return state, state.cells

    # For twice as many updates the memory keeps every row and not only those that can come back
    # to the top.
    state = memory.init(1, 2 * len(controls) + 1)
    return jnp.concatenate([state.cells[None], jax.lax.scan(step, state, controls)[1]])


def _occupied(
    weights: Float64[np.ndarray, "updates 3"], height: int
) -> Float64[np.ndarray, "updates_plus_1 rows"]:
    """The probability that a row is filled when the actions are drawn independently."""
    filled = [np.zeros(height)]
    for push, pop, keep in weights:
        above = np.concatenate([[1.0], filled[-1][:-1]])
        below = np.concatenate([filled[-1][1:], [0.0]])
        filled.append(push * above + pop * below + keep * filled[-1])
    return np.array(filled)


def _strengths(
    push: Float64[np.ndarray, " updates"], pop: Float64[np.ndarray, " updates"]
) -> Float64[np.ndarray, "updates_plus_1 updates"]:
    """What is left of each value, by the update that pushed it: pop first, then push.

    s_t[i] = max(0, s_{t-1}[i] - max(0, pop_t - sum_{i<j<t} s_{t-1}[j])) for i < t;  s_t[t] = push_t
    """
    updates = len(push)
    strengths = np.zeros((updates + 1, updates))
    for t in range(updates):
        before = strengths[t, :t]
        above = np.append(np.cumsum(before[:0:-1])[::-1], 0)[:t]
        strengths[t + 1, :t] = np.maximum(0, before - np.maximum(0, pop[t] - above))
        strengths[t + 1, t] = push[t]
    return strengths
