"""How numbers, lists, times and sizes are written, the same everywhere."""

import math
from collections.abc import Mapping, Sequence

MISSING = "–"
"""Stands for a score that does not exist, or is not a number."""


def decimal(number: float | None) -> str:
    """A number in at most 8 characters: 1.043, 512.3, 1.2e+07, inf."""
    if number is None or math.isnan(number):
        return MISSING
    size = abs(number)
    return f"{number:.3f}" if size < 100 else f"{number:.1f}" if size < 1e5 else f"{number:.1e}"


def share(number: float | None) -> str:
    """A share: 0.974.

    Rounded towards the middle at both ends, so that 1.000 and 0.000 are only ever exact.
    """
    if number is not None and 0 < number < 1:
        number = min(max(number, 0.001), 0.999)
    return decimal(number)


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


def paired(values: Mapping[str, object]) -> str:
    """Names and values: streams 32; segment 35."""
    return "; ".join(f"{name} {value}" for name, value in values.items())


def plural(count: int, name: str) -> str:
    """1 restart, 2 restarts."""
    return f"{count} {name}{'' if count == 1 else 's'}"


def slug(name: str) -> str:
    """A name as part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-._" else "_" for letter in name)


def duration(seconds: float) -> str:
    """A time: 12 s, 45 min, 3 h 05 min."""
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest:02d} min" if hours else f"{rest} min" if rest else f"{seconds:.0f} s"


def size(count: int) -> str:
    """A number of bytes: 16 kB, 3.2 MB, 25 GB."""
    number = float(count)
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.2g} {unit}" if number < 10 else f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.3g} GB"
