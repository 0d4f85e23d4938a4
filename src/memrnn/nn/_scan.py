"""`jax.lax.scan` whose cost is linear in the length in every number format."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    xs: Any,
    *,
    reverse: bool = False,
    unroll: int = 1,
) -> tuple[Any, Any]:
    """`jax.lax.scan` that stacks outputs of 16 bits as float32 and converts them afterwards.

    XLA's CPU backend writes into an array of 16-bit numbers by converting the whole array, so
    that stacking n outputs of that type takes time n^2.

    Args:
        unroll: steps per iteration, as for `jax.lax.scan`.
    """
    narrow: Any = None

    def wide_step(carry: Any, x: Any) -> tuple[Any, Any]:
        nonlocal narrow
        carry, outputs = step(carry, x)
        narrow = jax.tree.map(lambda leaf: leaf.dtype, outputs)
        return carry, jax.tree.map(_widen, outputs)

    carry, outputs = jax.lax.scan(wide_step, carry, xs, reverse=reverse, unroll=unroll)
    return carry, jax.tree.map(lambda leaf, dtype: leaf.astype(dtype), outputs, narrow)


def _widen(leaf: Array) -> Array:
    narrow = jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.dtype.itemsize < 4
    return leaf.astype(jnp.float32) if narrow else leaf
