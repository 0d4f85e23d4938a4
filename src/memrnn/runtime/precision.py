"""Number formats: which there are, their names, and how a network is cast to one."""

import contextlib
import re
from collections.abc import Generator
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from memrnn.errors import MemrnnError

T = TypeVar("T")

PRECISIONS = ("float64", "float32", "bfloat16", "float16")
"""The formats that the device computes in."""

TRAINING_PRECISIONS = ("float64", "float32", "bfloat16")
"""The formats in which a network can be trained."""


def check_precision(name: str) -> str:
    if name not in PRECISIONS:
        raise MemrnnError(f"There is no precision {name!r}; there are {', '.join(PRECISIONS)}.")
    return name


class Rounding(NamedTuple):
    """A format that is emulated: float32, rounded after every operation.

    Its name is `[memory=|controller=]eEmM[:stochastic]`: `e5m2`, `memory=e5m2`.

    Attributes:
        exponent: bits of the exponent, 2 to 8.
        mantissa: explicit bits of the mantissa, 1 to 23.
        component: what is rounded, memory or controller; None for the whole network.
        stochastic: whether a number is rounded up with a probability equal to its distance from
            the number below, in units of the spacing; else to the nearest number, ties to even.

    Examples:
        >>> from memrnn.runtime.precision import Rounding
        >>> Rounding(5, 2, component="memory").name
        'memory=e5m2'
    """

    exponent: int
    mantissa: int
    component: str | None = None
    stochastic: bool = False

    @property
    def name(self) -> str:
        """The canonical name, by which scores are kept."""
        component = f"{self.component}=" if self.component else ""
        rounding = ":stochastic" if self.stochastic else ""
        return f"{component}e{self.exponent}m{self.mantissa}{rounding}"


def parse_precision(name: str) -> str | Rounding:
    """The native format, or the rounding, that a name stands for.

    Args:
        name: of a native format, float64, float32, bfloat16 or float16; or of a `Rounding`.

    Raises:
        MemrnnError: if it stands for neither.

    Examples:
        >>> from memrnn.runtime.precision import parse_precision
        >>> parse_precision("memory=e5m2")
        Rounding(exponent=5, mantissa=2, component='memory', stochastic=False)
        >>> parse_precision("bfloat16")
        'bfloat16'
    """
    if name in PRECISIONS:
        return name
    if found := re.fullmatch(r"(?:(memory|controller)=)?e(\d+)m(\d+)(:stochastic)?", name):
        component, exponent, mantissa, stochastic = found.groups()
        rounding = Rounding(int(exponent), int(mantissa), component, stochastic is not None)
        if 2 <= rounding.exponent <= 8 and 1 <= rounding.mantissa <= 23:
            return rounding
    raise MemrnnError(
        f"There is no precision {name!r}; there are {', '.join(PRECISIONS)}, and eEmM with E = 2 "
        "to 8 bits of exponent and M = 1 to 23 of mantissa, as in e5m2, memory=e5m2, "
        "controller=e5m2 and e5m2:stochastic."
    )


def canonical_precision(name: str) -> str:
    """The one name of a precision in which a network can be evaluated."""
    parsed = parse_precision(name)
    return parsed.name if isinstance(parsed, Rounding) else parsed


def computed_in(name: str) -> str:
    """The native format in which operations of a precision are computed.

    Args:
        name: as for `parse_precision`.

    Returns:
        The name of a native format: of a rounding float32, of a native format itself.

    Raises:
        MemrnnError: if it stands for no precision.

    Examples:
        >>> from memrnn.runtime.precision import computed_in
        >>> computed_in("e5m2"), computed_in("float64")
        ('float32', 'float64')
    """
    return "float32" if isinstance(parse_precision(name), Rounding) else name


@contextlib.contextmanager
def scope(name: str) -> Generator[None]:
    """The context in which to compute in this format.

    float64 must be switched on, and GPUs must be told not to round the factors of float32
    products to 10 bits (TF32).

    Args:
        name: of a native format; see `computed_in`.

    Raises:
        MemrnnError: if there is no such format.

    Examples:
        >>> import jax.numpy as jnp
        >>> from memrnn.runtime.precision import scope
        >>> with scope("float64"):
        ...     print(jnp.zeros(1).dtype)
        float64
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
