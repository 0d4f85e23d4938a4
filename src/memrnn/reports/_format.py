"""How numbers are written, the same in the terminal and on the page."""

import math

MISSING = "–"
"""Stands for a score that does not exist."""


def share(value: float | None) -> str:
    """An accuracy: 0.974.

    Rounded towards the middle at both ends, so that 1.000 and 0.000 are only ever exact.
    """
    if value is None:
        return MISSING
    text = f"{value:.3f}"
    if text == "1.000" and value < 1:
        return "0.999"
    return "0.001" if text == "0.000" and value > 0 else text


def skill(value: float | None) -> str:
    """A skill: 0.97, -18.22; never -0.00."""
    if value is None:
        return MISSING
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00")


def perplexity(value: float | None) -> str:
    """A perplexity in at most 7 characters: 1.043, 512.3, 1.2e+07, inf."""
    if value is None or not math.isfinite(value):
        return "inf"
    return f"{value:.3f}" if value < 100 else f"{value:.1f}" if value < 1e5 else f"{value:.1e}"
