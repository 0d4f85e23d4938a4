"""Strings run in groups: as many at a time as keep what their memory looks at in the cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from memrnn.nn.memories import Memory
from memrnn.runtime.devices import policy


def group_size(memory: Memory, strings: int, updates: int, *, gradient: bool) -> int:
    """How many of `strings` strings to run at a time: a divisor of their number.

    On a CPU, memories that look back over all of a string are fastest while what they look at
    fits into the cache; all others, and GPUs, take every string at once. The choice changes
    results by rounding only.
    """
    each, most = sum(memory.memory_estimate(updates, gradient=gradient)), strings
    limit = policy().group_bytes
    if each and limit is not None:
        most = max(1, min(strings, limit // each))
    return max(size for size in range(1, most + 1) if strings % size == 0)


def split(tree: Any, groups: int, axis: int = 0) -> Any:
    """Cuts the strings, which lie along `axis` of each array, into groups: a new first axis.

    An array may have several rows per string, one string's after another's. Each group gets a
    scalar as it is.
    """

    def cut(leaf: Array) -> Array:
        if groups == 1:
            return leaf[None]
        if leaf.ndim == 0:
            return jnp.broadcast_to(leaf, groups)
        shape = leaf.shape
        leaf = leaf.reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])
        return jnp.moveaxis(leaf, axis, 0)

    return jax.tree.map(cut, tree)


def join(tree: Any, axis: int = 0) -> Any:
    """Undoes `split`."""

    def sew(leaf: Array) -> Array:
        if len(leaf) == 1 or leaf.ndim == 1:
            return leaf[0]
        leaf = jnp.moveaxis(leaf, 0, axis)
        shape = leaf.shape
        return leaf.reshape(*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :])

    return jax.tree.map(sew, tree)


def each_group(function: Callable[[Any], tuple[Any, Any]], groups: Any) -> tuple[Any, Any]:
    """Calls the function with each group in turn.

    Args:
        function: returns something of a group, and something to add up over all groups.
        groups: arrays with groups on their first axis.

    Returns:
        The first with groups on the first axis, and the sum of the second.
    """
    count = len(jax.tree.leaves(groups)[0])
    first = jax.tree.map(lambda leaf: leaf[0], groups)
    if count == 1:
        each, total = function(first)
        return jax.tree.map(lambda leaf: leaf[None], each), total

    # The sum is carried, not stacked: where a part of it is always zero, XLA sees that.
    def add(total: Any, group: Any) -> tuple[Any, Any]:
        each, part = function(group)
        return jax.tree.map(jnp.add, total, part), each

    shapes = jax.eval_shape(lambda group: function(group)[1], first)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    total, each = jax.lax.scan(add, zeros, groups)
    return each, total
