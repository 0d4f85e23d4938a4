"""Noise on the gates of a controller."""

import functools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray


class GateNoise(eqx.Module):
    """Noise from N(0, scale^2) on what the gates of a controller get from the input.

    Attributes:
        scale: its standard deviation.
        key: from which it is drawn; every call with one shape draws the same.
    """

    scale: Float[Array, ""]
    key: PRNGKeyArray

    def draw(self, shape: tuple[int, ...]) -> Float[Array, "..."]:
        """Noise of a shape; nothing is drawn where the scale is 0.

        Each number is one of 2^16 equally likely quantiles of the normal distribution, the largest
        4.3 standard deviations from 0. Two of them come from each random word: on a CPU, words and
        the inverse of the distribution function would be most of what noise adds to a step.
        """
        dtype, count = self.scale.dtype, math.prod(shape)

        def normal() -> Float[Array, "..."]:
            words = jax.random.bits(self.key, (-(-count // 2),), jnp.uint32)
            halves = jnp.concatenate([words >> 16, words & 0xFFFF])[:count].astype(jnp.int32)
            quantiles = jnp.asarray(_quantiles(), dtype).at[halves].get(mode="promise_in_bounds")
            return self.scale * quantiles.reshape(shape)

        return jax.lax.cond(self.scale > 0, normal, lambda: jnp.zeros(shape, dtype))


@functools.cache
def _quantiles() -> Float[np.ndarray, "65536"]:
    from scipy.special import ndtri  # here, since most programs draw no noise

    return ndtri((np.arange(2**16) + 0.5) / 2**16)
