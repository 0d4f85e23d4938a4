"""How numbers are written, the same in the terminal and on the page."""

import math
from collections.abc import Sequence

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
    """A skill in at most 5 characters: 0.97, -2.33, -18.2, -350; never -0.00."""
    if value is None:
        return MISSING
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    text = f"{value:.{digits}f}"
    return "0.00" if text == "-0.00" else text


def signed(value: float | None) -> str:
    """A difference: +0.031, −0.002, and 0.000 for what rounds to nothing."""
    if value is None:
        return MISSING
    text = f"{value:+.3f}"
    return "0.000" if text in ("+0.000", "-0.000") else text.replace("-", "−")


def per_cent(share: float) -> str:
    """A share in whole per cent: 90 %."""
    return f"{100 * share:.0f} %"


def perplexity(value: float | None) -> str:
    """A perplexity in at most 7 characters: 1.043, 512.3, 1.2e+07, inf."""
    if value is None or not math.isfinite(value):
        return "inf"
    return f"{value:.3f}" if value < 100 else f"{value:.1f}" if value < 1e5 else f"{value:.1e}"


def counted(counts: Sequence[int]) -> str:
    """How many there are of each: 10, or 3–10 where they differ."""
    return "–".join(str(count) for count in dict.fromkeys((min(counts), max(counts))))


def duration(seconds: float) -> str:
    """A time: 12 s, 45 min, 3 h 05 min."""
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest:02d} min" if hours else f"{rest} min" if rest else f"{seconds:.0f} s"


def listed(names: Sequence[str], last: str = "and") -> str:
    """Names in a sentence: a, b and c."""
    return f" {last} ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
