"""Which parameter belongs to which component, and freezing.

Components are the fields of `Network`, so a parameter's component is the first key of its path.
"""

from collections.abc import Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from memrnn.errors import MemrnnError
from memrnn.nn.network import Network

COMPONENTS = ("embedding", "controller", "memory", "output")
"""The parts of a network that can be frozen on their own."""


def check_freeze(freeze: Iterable[str]) -> tuple[str, ...]:
    """The components to freeze, in the order of `COMPONENTS`, each once.

    Raises:
        MemrnnError: for a name that is not a component.
    """
    names = set(freeze)
    if unknown := sorted(names - set(COMPONENTS)):
        raise MemrnnError(
            f"Cannot freeze {', '.join(unknown)}: the components are {', '.join(COMPONENTS)}."
        )
    return tuple(component for component in COMPONENTS if component in names)


def parse_freeze(text: str) -> tuple[str, ...]:
    """`controller+memory` as its components, `none` as no component."""
    return () if text == "none" else check_freeze(text.split("+"))


def format_freeze(freeze: Iterable[str]) -> str:
    """The components as `parse_freeze` reads them."""
    return "+".join(check_freeze(freeze)) or "none"


def freeze_label(freeze: Iterable[str]) -> str:
    """How a freezing mode is written everywhere: `freeze=none`, `freeze=controller+memory`."""
    return f"freeze={format_freeze(freeze)}"


def partition(network: Network, freeze: Iterable[str]) -> tuple[Network, Network]:
    """Splits a network into (trained, frozen); `equinox.combine` puts it together again.

    Args:
        network: to split.
        freeze: names of the components that are not trained, of `COMPONENTS`.

    Returns:
        Two networks of the same structure; a leaf is an array in one and None in the other.

    Raises:
        MemrnnError: for a name that is not a component.

    Examples:
        >>> import equinox as eqx
        >>> import memrnn
        >>> network = memrnn.get_model("jm-3").build(memrnn.OneHot(2), classes=3, seed=0)
        >>> trained, frozen = memrnn.partition(network, ("controller", "memory"))
        >>> memrnn.parameter_count(trained)
        63
        >>> memrnn.parameter_count(eqx.combine(trained, frozen))
        2349
    """
    frozen = check_freeze(freeze)
    trained = jax.tree_util.tree_map_with_path(
        lambda path, leaf: eqx.is_inexact_array(leaf) and path[0].name not in frozen, network
    )
    return eqx.partition(network, trained)


def by_component(choice: Bool[Array, " components"], yes: Network, no: Network) -> Network:
    """Of each component the leaves of one of two networks, traced; in the order of `COMPONENTS`."""

    def pick(path: Any, yes: Array, no: Array) -> Array:
        return jnp.where(choice[COMPONENTS.index(path[0].name)], yes, no)

    return jax.tree_util.tree_map_with_path(pick, yes, no)


def parameter_count(network: Network, component: str | None = None) -> int:
    """Number of scalar parameters of a network, or of one component.

    Args:
        network: whole, or a part of one as `partition` gives it.
        component: one of `COMPONENTS`; None for all.

    Examples:
        >>> import memrnn
        >>> network = memrnn.get_model("jm-3").build(memrnn.OneHot(2), classes=3, seed=0)
        >>> memrnn.parameter_count(network, "output")  # 3 outputs of 20 hidden units, and biases
        63
    """
    tree = network if component is None else getattr(network, component)
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array)))
