"""States that serve a limited number of steps: how they count, and what they read after that."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from memrnn.errors import MemrnnError

Left = Int[Array, ""] | None
"""How many more updates can be read. Negative: the next reading is NaN. None: no limit."""


def updates_of(horizon: int | None, memory: str, remedy: str = "") -> int:
    """Number of updates that `horizon` steps read.

    Raises:
        MemrnnError: for no horizon.
    """
    if horizon is None:
        raise MemrnnError(
            f"The size of a {memory} depends on the number of steps; give a horizon{remedy}."
        )
    return max(0, horizon - 1)


def left_of(horizon: int | None) -> Left:
    """The count before the first step."""
    return None if horizon is None else jnp.array(horizon - 1, jnp.int32)


def one_less(left: Left) -> Left:
    """The count after an update."""
    return None if left is None else left - 1


def or_nan(left: Left, reading: Float[Array, "batch reading"]) -> Float[Array, "batch reading"]:
    """The reading, NaN beyond the horizon."""
    return reading if left is None else jnp.where(left < 0, jnp.nan, reading)
