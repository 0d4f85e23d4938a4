"""What the tests of explanations share."""

import io

import equinox as eqx
import jax
from rich.console import Console

from memrnn.explain import Explanation, explanation_table

SYMBOLS = ("0", "1", "#", "end")
STRING = [0, 1, 1, 2, 0, 1, 1]
TARGETS = [*STRING, 3]


def sharpened(network):
    """Larger weights, so that predictions and actions differ from step to step."""
    return jax.tree.map(lambda leaf: 4 * leaf if eqx.is_inexact_array(leaf) else leaf, network)


def printed(explanation: Explanation, symbols: tuple[str, ...] = SYMBOLS) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(explanation_table(explanation, symbols, "what it is", ["A note."]))
    return console.file.getvalue()
