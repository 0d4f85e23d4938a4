"""How scores, differences and lists are written, the same in the terminal and on the page."""

import math
from collections.abc import Sequence

from memrnn.runtime.printing import MISSING as MISSING
from memrnn.runtime.printing import decimal as decimal
from memrnn.runtime.printing import share as share
from memrnn.tasks import Metric


def value(number: float | None, metric: Metric) -> str:
    """A metric's value in at most 8 characters: 0.974, 12.50, 1.2e+07, inf."""
    return share(number) if metric.scale == "ratio" else decimal(number)


def normalised(number: float | None) -> str:
    """A normalised value in at most 5 characters: 0.97, -2.33, -18.2, -350; never -0.00."""
    if number is None or math.isnan(number):
        return MISSING
    digits = 2 if abs(number) < 9.995 else 1 if abs(number) < 99.95 else 0
    return f"{number:z.{digits}f}"


def signed(number: float | None) -> str:
    """A difference: +0.031, −0.002, and 0.000 for what rounds to nothing."""
    if number is None or math.isnan(number):
        return MISSING
    text = f"{number:+z.3f}"
    return "0.000" if text == "+0.000" else text.replace("-", "−")


def per_cent(fraction: float) -> str:
    """A share in whole per cent: 90 %."""
    return f"{100 * fraction:.0f} %"


def counted(counts: Sequence[int]) -> str:
    """How many there are of each: 10, or 3–10 where they differ."""
    return "–".join(str(count) for count in dict.fromkeys((min(counts), max(counts))))


def listed(names: Sequence[str], last: str = "and") -> str:
    """Names in a sentence: a, b and c."""
    *names, end = names or [""]
    return f"{', '.join(names)} {last} {end}" if names else end


def plural(count: int, name: str) -> str:
    """1 restart, 2 restarts."""
    return f"{count} {name}{'' if count == 1 else 's'}"


def slug(name: str) -> str:
    """A name as part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-._" else "_" for letter in name)
