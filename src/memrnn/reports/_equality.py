"""Whether two runs ended in the same parameters, bit for bit."""

from dataclasses import dataclass

import equinox as eqx
import jax
import numpy as np

from memrnn.errors import MemrnnError
from memrnn.network import Network
from memrnn.training import Run


@dataclass(frozen=True)
class Equality:
    """What the comparison of two runs found.

    Attributes:
        title, model: of both runs; the title is the task's.
        first, second: the components that were frozen.
        restarts: pairs of restarts that were compared.
        equal: pairs whose parameters agree to the last bit.
        parameters: scalar parameters of one network.
        reason: why they should agree, if there is one.
    """

    title: str
    model: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    restarts: int
    equal: int
    parameters: int
    reason: str = ""


def compare_parameters(first: Run, second: Run, reason: str = "") -> Equality:
    """Compares the restarts of two runs of one task and model, each at its best epoch.

    Raises:
        MemrnnError: if they are not of one task and model, or have no restart in common.
    """
    one, two = first.experiment, second.experiment
    if (one.task, one.model) != (two.task, two.model):
        raise MemrnnError(
            f"{one.label} and {two.label} are different networks; nothing to compare."
        )
    others = {restart.number: restart.network for restart in second.restarts}
    pairs = [
        (restart.network, others[restart.number])
        for restart in first.restarts
        if restart.number in others
    ]
    if not pairs:
        raise MemrnnError(f"{one.label} and {two.label} have no restart of the same number.")
    return Equality(
        title=one.task.title,
        model=one.model,
        first=one.freeze,
        second=two.freeze,
        restarts=len(pairs),
        equal=sum(_bits(a) == _bits(b) for a, b in pairs),
        parameters=sum(leaf.size for leaf in _leaves(pairs[0][0])),
        reason=reason,
    )


def _leaves(network: Network) -> list[jax.Array]:
    return jax.tree.leaves(eqx.filter(network, eqx.is_array))


def _bits(network: Network) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in _leaves(network)]
