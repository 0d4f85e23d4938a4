"""The action logits of a nondeterministic stack: their rows in parameters and in controls."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from memrnn.nn.memories.nondeterministic._shape import Shape


def number_of_actions(shape: Shape) -> int:
    """Number of action logits, Q S (2 Q S + Q)."""
    return shape.cells * (2 * shape.cells + shape.states)


def as_controls(shape: Shape, actions: Float[Array, "actions ..."]) -> Float[Array, "actions ..."]:
    """From the rows of the parameters to those of the controls.

    Parameters: (q, x), in each of them push (r, y), replace (r, y), pop r. Controls: replace
    (y, r), pop r, push (y, r), in each of them (x, q).
    """
    states, symbols, cells = shape.states, shape.symbols, shape.cells
    rest = actions.shape[1:]
    by_cell = actions.reshape(states, symbols, 2 * cells + states, *rest)
    push, replace, pop = jnp.split(by_cell, [cells, 2 * cells], axis=2)
    pairs = (states, symbols, states, symbols, *rest)
    last = range(4, len(pairs))
    push, replace = (each.reshape(pairs).transpose(3, 2, 1, 0, *last) for each in (push, replace))
    pop = pop.transpose(2, 1, 0, *range(3, pop.ndim))
    return jnp.concatenate([each.reshape(-1, *rest) for each in (replace, pop, push)])


def log_weights(
    shape: Shape, controls: Float[np.ndarray, "updates controls"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The logits by name: push and replace [updates, q, x, r, y], pop [updates, q, x, r]."""
    states, symbols, cells = shape.states, shape.symbols, shape.cells
    actions = np.asarray(controls, np.float64)[:, : number_of_actions(shape)]
    replace, pop, push = np.split(actions, [cells**2, cells**2 + cells * states], axis=1)
    named = (-1, symbols, states, symbols, states)
    push, replace = (each.reshape(named).transpose(0, 4, 3, 2, 1) for each in (push, replace))
    return push, replace, pop.reshape(-1, states, symbols, states).transpose(0, 3, 2, 1)
