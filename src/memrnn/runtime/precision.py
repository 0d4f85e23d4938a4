"""Number formats: which there are, and how a network is cast to one."""

import contextlib
from collections.abc import Generator
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from memrnn.errors import MemrnnError

T = TypeVar("T")

PRECISIONS = ("float64", "float32", "bfloat16", "float16")
"""The formats in which a network can be evaluated."""

TRAINING_PRECISIONS = ("float64", "float32", "bfloat16")
"""The formats in which a network can be trained."""


def check_precision(name: str) -> str:
    if name not in PRECISIONS:
        raise MemrnnError(f"There is no precision {name!r}; there are {', '.join(PRECISIONS)}.")
    return name


@contextlib.contextmanager
def scope(name: str) -> Generator[None]:
    """The context in which to compute in this format.

    float64 must be switched on, and GPUs must be told not to round the factors of float32
    products to 10 bits (TF32).
    """
    x64 = check_precision(name) == "float64"
    with jax.enable_x64(x64), jax.default_matmul_precision("highest"):
        yield


def cast(tree: T, name: str) -> T:
    """Casts every floating-point array; call it, and use what it returns, inside `scope`."""
    dtype = jnp.dtype(check_precision(name))

    # On the host: converting on the device would compile a program for every shape.
    def convert(leaf: Any) -> Any:
        if not eqx.is_inexact_array(leaf) or leaf.dtype == dtype:
            return leaf
        return jax.device_put(np.asarray(leaf).astype(dtype))

    return jax.tree.map(convert, tree)


def converted(tree: T, name: str) -> T:
    """The same inside a compiled program, with the gradient of the conversion."""
    kind = jnp.finfo(name)

    def convert(leaf: Any) -> Any:
        if not eqx.is_inexact_array(leaf):
            return leaf
        # XLA may compute in more bits than a conversion says; this rounds in any case.
        return jax.lax.reduce_precision(leaf, kind.nexp, kind.nmant).astype(name)

    return jax.tree.map(convert, tree)
