"""How numbers are written, the same in the terminal and on the page."""

import math
from collections.abc import Sequence

from memrnn.tasks import Metric

MISSING = "–"
"""Stands for a score that does not exist, or is not a number."""


def value(number: float | None, metric: Metric) -> str:
    """A metric's value in at most 8 characters: 0.974, 12.50, 1.2e+07, inf."""
    if metric.scale == "exp":
        return perplexity(number)
    if number is None or math.isnan(number) or 0 <= number <= 1:
        return share(number)
    text = f"{number:.3f}" if abs(number) < 100 else f"{number:.1f}"
    return text if abs(number) < 1e5 else f"{number:.1e}" if math.isfinite(number) else str(number)


def share(value: float | None) -> str:
    """A share: 0.974.

    Rounded towards the middle at both ends, so that 1.000 and 0.000 are only ever exact.
    """
    if value is None or math.isnan(value):
        return MISSING
    text = f"{value:.3f}"
    if text == "1.000" and value < 1:
        return "0.999"
    return "0.001" if text == "0.000" and value > 0 else text


def normalised(value: float | None) -> str:
    """A normalised value in at most 5 characters: 0.97, -2.33, -18.2, -350; never -0.00."""
    if value is None or math.isnan(value):
        return MISSING
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    text = f"{value:.{digits}f}"
    return "0.00" if text == "-0.00" else text


def signed(value: float | None) -> str:
    """A difference: +0.031, −0.002, and 0.000 for what rounds to nothing."""
    if value is None or math.isnan(value):
        return MISSING
    text = f"{value:+.3f}"
    return "0.000" if text in ("+0.000", "-0.000") else text.replace("-", "−")


def per_cent(share: float) -> str:
    """A share in whole per cent: 90 %."""
    return f"{100 * share:.0f} %"


def perplexity(value: float | None) -> str:
    """A perplexity in at most 7 characters: 1.043, 512.3, 1.2e+07, inf."""
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "inf"
    return f"{value:.3f}" if value < 100 else f"{value:.1f}" if value < 1e5 else f"{value:.1e}"


def counted(counts: Sequence[int]) -> str:
    """How many there are of each: 10, or 3–10 where they differ."""
    return "–".join(str(count) for count in dict.fromkeys((min(counts), max(counts))))


def listed(names: Sequence[str], last: str = "and") -> str:
    """Names in a sentence: a, b and c."""
    return f" {last} ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def plural(count: int, name: str) -> str:
    """1 restart, 2 restarts."""
    return f"{count} {name}{'' if count == 1 else 's'}"


def slug(name: str) -> str:
    """A name as part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-._" else "_" for letter in name)
