"""Strings run in groups: as many at a time as fit into the cache with their memory."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from memrnn.errors import MemrnnError
from memrnn.nn.memories import Memory
from memrnn.runtime.devices import memory_limit, policy


def group_size(memory: Memory, strings: int, updates: int, *, gradient: bool) -> int:
    """How many of `strings` strings to run at a time: a divisor of their number.

    On a CPU, memories that read all of a string's past in every step are fastest while that fits
    into the cache; all others, and GPUs, take every string at once. The choice changes results by
    rounding only.
    """
    size, largest = sum(memory.memory_estimate(updates, gradient=gradient)), strings
    limit = policy().group_bytes
    if size and limit is not None:
        largest = max(1, min(strings, limit // size))
    return max(number for number in range(1, largest + 1) if strings % number == 0)


class StateBytes(NamedTuple):
    """What the states of a memory take for a batch.

    Attributes:
        working: bytes per sequence while its group runs.
        at_a_time: sequences per group.
        stored: bytes per sequence until its gradient is computed.
        sequences: of the batch.
    """

    working: int
    at_a_time: int
    stored: int
    sequences: int

    @property
    def total(self) -> int:
        return self.working * self.at_a_time + self.stored * self.sequences


def state_bytes(
    memory: Memory, sequences: int, steps: int, horizon: int | None, *, gradient: bool
) -> StateBytes:
    """The bytes that a memory's states take, estimated.

    For a memory without an estimate of its own: a gradient keeps what two states take per step, as
    the differences that the superposition of stacks needs; without one there are the state before
    and after a step.

    Args:
        sequences: of the batch.
        steps: of each sequence.
        horizon: see `Memory.init`; None where a sequence goes on after these steps.
        gradient: whether the batch is differentiated.
    """
    # Nobody reads what the last step of a sequence leaves in the memory.
    updates = steps if horizon is None else max(0, steps - 1)
    working, stored = memory.memory_estimate(updates, gradient=gradient)
    if not working + stored:
        state = tree_bytes(jax.eval_shape(lambda: memory.init(1, horizon)))
        stored = 2 * state * (steps if gradient else 1)
    size = group_size(memory, sequences, updates, gradient=gradient)
    return StateBytes(working, size, stored, sequences)


def check_memory_limit(
    memory: Memory, sequences: int, steps: int, *, gradient: bool, workers: int = 1
) -> int:
    """The bytes that the memory's states of batches need, one batch per worker at a time.

    Args:
        sequences: per batch.
        steps: of each sequence.
        gradient: whether the batch is differentiated.

    Raises:
        MemrnnError: if this machine, or its GPU, has less memory; with the arithmetic.
    """
    states = state_bytes(memory, sequences, steps, steps, gradient=gradient)
    need, limit = states.total * workers, memory_limit()
    if need > limit:
        stored = f" + {_gb(states.stored)} per sequence x {sequences} sequences"
        raise MemrnnError(
            f"Sequences of length {steps} do not fit: ({_gb(states.working)} per sequence x "
            f"{states.at_a_time} at a time{stored if states.stored else ''}) x {workers} workers = "
            f"{_gb(need)}, but this machine has {_gb(limit)}. Take shorter sequences, fewer states "
            "or symbols, fewer workers, or a window."
        )
    return need


def tree_bytes(tree: Any) -> int:
    """Bytes of all arrays, or shapes of arrays, of a tree."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _gb(size: int) -> str:
    return f"{size / 1e9:.3g} GB"


def split(tree: Any, groups: int, axis: int = 0) -> Any:
    """Cuts the strings, which lie along `axis` of each array, into groups: a new first axis.

    An array may have several rows per string, one string's after another's. Each group gets a
    scalar as it is.
    """

    def split_leaf(leaf: Array) -> Array:
        if groups == 1:
            return leaf[None]
        if leaf.ndim == 0:
            return jnp.broadcast_to(leaf, groups)
        shape = leaf.shape
        leaf = leaf.reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])
        return jnp.moveaxis(leaf, axis, 0)

    return jax.tree.map(split_leaf, tree)


def join(tree: Any, axis: int = 0) -> Any:
    """Undoes `split`."""

    def join_leaf(leaf: Array) -> Array:
        if len(leaf) == 1 or leaf.ndim == 1:
            return leaf[0]
        leaf = jnp.moveaxis(leaf, 0, axis)
        shape = leaf.shape
        return leaf.reshape(*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :])

    return jax.tree.map(join_leaf, tree)


def map_and_sum(function: Callable[[Any], tuple[Any, Any]], groups: Any) -> tuple[Any, Any]:
    """Calls the function with each group in turn.

    Args:
        function: returns something to stack and something to add up over all groups.
        groups: arrays with groups on their first axis.

    Returns:
        The first with groups on the first axis, and the sum of the second.
    """
    count = len(jax.tree.leaves(groups)[0])
    first = jax.tree.map(lambda leaf: leaf[0], groups)
    if count == 1:
        values, total = function(first)
        return jax.tree.map(lambda leaf: leaf[None], values), total

    # The sum is carried, not stacked: where a term of it is always zero, XLA sees that.
    def add(total: Any, group: Any) -> tuple[Any, Any]:
        values, term = function(group)
        return jax.tree.map(jnp.add, total, term), values

    shapes = jax.eval_shape(lambda group: function(group)[1], first)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    total, values = jax.lax.scan(add, zeros, groups)
    return values, total
