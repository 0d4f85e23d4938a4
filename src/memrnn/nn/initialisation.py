"""Initial parameters, drawn on the host: the same bits on every device, and nothing to compile."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import ndtr, ndtri

SCALE = 0.1
"""Parameters start in U(-0.1, 0.1) where nothing else is said (DuSell & Chiang 2023, app. A)."""


def uniform(rng: np.random.Generator, shape: tuple[int, ...], bound: float) -> Float[Array, "..."]:
    """Draws from U(-bound, bound), in the default float type (float64 where that is enabled)."""
    return _on_device(rng.uniform(-bound, bound, shape))


def xavier(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    fan_out: int | None = None,
    gain: float = 1.0,
) -> Float[Array, "out in"]:
    """Draws an (out, in) weight from U(-bound, bound), `bound = gain*sqrt(6/(in + fan_out))`.

    `fan_out` is not the number of rows where several small layers are stacked into one.

    Source: Glorot & Bengio (2010).
    """
    rows, columns = shape
    return uniform(rng, shape, gain * math.sqrt(6 / (columns + (fan_out or rows))))


def truncated_normal(
    rng: np.random.Generator, shape: tuple[int, ...], deviation: float
) -> Float[Array, "..."]:
    """Draws from the normal distribution around 0, cut at two standard deviations of the whole.

    What is left has the standard deviation `deviation`.
    """
    cut = 2.0
    density = math.exp(-(cut**2) / 2) / math.sqrt(2 * math.pi)
    left = math.sqrt(1 - 2 * cut * density / (1 - 2 * ndtr(-cut)))  # 0.8796
    values = ndtri(rng.uniform(ndtr(-cut), ndtr(cut), shape))
    return _on_device(values * (deviation / left))


def orthonormal(rng: np.random.Generator, shape: tuple[int, int]) -> Float[Array, "out in"]:
    """A matrix with orthonormal rows, or columns if these are fewer, drawn uniformly.

    Source: Saxe et al. 2014 (arXiv 1312.6120).
    """
    rows, columns = shape
    q, r = np.linalg.qr(rng.normal(size=(max(shape), min(shape))))
    q = q * np.sign(np.diagonal(r))  # else not uniform
    return _on_device(q.T if rows < columns else q)


def zeros(*shape: int) -> Float[Array, "..."]:
    """Zeros in the default float type."""
    return _on_device(np.zeros(shape))


def _on_device(values: np.ndarray) -> Float[Array, "..."]:
    # Converted before, for a conversion on the device is a program to compile for every shape.
    return jax.device_put(values.astype(jnp.result_type(float)))
