"""Discrete values in the forward pass with the gradient of what was made discrete."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def straight_through(value: Float[Array, "..."], of: Float[Array, "..."]) -> Float[Array, "..."]:
    """`value` exactly, with the gradient of `of`; not a number where `of` is none.

    Source: Zeng, Goodman & Smyth 1994 (IEEE Trans. Neural Networks 5:320), who call it a pseudo
    gradient; Bengio et al. 2013 (arXiv 1308.3432).
    """
    # The difference is 0. `of + stop_gradient(value - of)` would miss `value` by rounding.
    return jax.lax.stop_gradient(value) + (of - jax.lax.stop_gradient(of))


def ternary(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The nearest of -1, 0 and 1, ties to 0; the gradient is that of `clip(x, -1, 1)`."""
    clipped = jnp.clip(x, -1, 1)
    return straight_through(jnp.round(clipped), clipped)
