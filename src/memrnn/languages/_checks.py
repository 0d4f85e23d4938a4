"""Checks of what a language's methods return, and a digest of it.

A result that breaks the contract of `memrnn.Language` is a `MemrnnError` that says which language,
method and length, what is wrong and what is right. Errors that the method itself raises keep their
type.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NoReturn

import numpy as np
from jaxtyping import Int32

from memrnn.errors import MemrnnError
from memrnn.languages._language import Group, Language, LogProbabilities
from memrnn.runtime.digests import coarse, digest

_TOLERANCE = 1e-6
"""By how much sums of probabilities may differ from 1, relatively."""
_KINDS = {"integers": "iu", "floats": "f", "truth values": "b"}
"""Kinds of NumPy's dtypes."""


@dataclass(frozen=True)
class Result:
    """What a method of a language returned for a length."""

    language: Language
    method: str
    length: int
    value: Any

    def fail(self, wrong: str, right: str) -> NoReturn:
        raise MemrnnError(
            f"The language {self.language.name} is wrong: at length {self.length}, "
            f"{self.method} {wrong}; it must give {right}."
        )

    def array(self, what: str, shape: tuple[int, ...]) -> np.ndarray:
        """The value, an array of these numbers and this shape."""
        right = f"a NumPy array of {what} of shape {shape}"
        if not isinstance(self.value, np.ndarray):
            self.fail(f"is of type {type(self.value).__name__}", right)
        if self.value.shape != shape:
            self.fail(f"has shape {self.value.shape}", right)
        if self.value.dtype.kind not in _KINDS[what]:
            self.fail(f"has the dtype {self.value.dtype}", right)
        return self.value

    def weights(
        self, what: str, shape: tuple[int, ...], axis: int | None, total: int
    ) -> np.ndarray:
        """The value, an array of numbers that are not negative, with this sum along an axis."""
        values = self.array("floats", shape).astype(np.float64, copy=False)
        if np.any(wrong := ~((values >= 0) & np.isfinite(values))):
            self.fail(f"has {values[wrong][0]}", "finite numbers that are at least 0")
        sums = np.atleast_1d(values.sum(axis=axis))
        if np.any(wrong := np.abs(sums - total) > _TOLERANCE * total):
            self.fail(f"has {what} that sum to {sums[wrong][0]:.7g}", f"{what} that sum to {total}")
        return values


def sample(
    language: Language, sizes: Sequence[tuple[int, int]], rng: np.random.Generator
) -> list[Int32[np.ndarray, "_ _"]]:
    """Groups of strings, to each of which the language gives a probability above 0.

    Args:
        sizes: length and number of strings of each group. They are drawn in this order.
    """
    groups: list[np.ndarray] = []
    by_length: dict[int, list[np.ndarray]] = {}
    for length, count in sizes:
        result = Result(language, "sample", length, language.sample(length, count, rng))
        groups.append(result.array("integers", (count, length)))
        by_length.setdefault(length, []).append(groups[-1])
    # Once per length, for a check takes longer than to draw a group.
    for length, drawn in by_length.items():
        _check_members(language, length, np.concatenate(drawn))
    return [strings.astype(np.int32, copy=False) for strings in groups]


def _check_members(language: Language, length: int, strings: Group) -> None:
    result = Result(language, "sample", length, strings)
    if np.any(wrong := (strings < 0) | (strings >= language.eos)):
        symbol = int(strings[wrong][0])
        what = "the id of the end-of-string symbol" if symbol == language.eos else "no symbol's id"
        right = f"ids from 0 to {language.eos - 1}"
        result.fail(f"has {symbol} inside a string, which is {what}", right)
    strings = strings.astype(np.int32, copy=False)
    if np.any(outside := np.isneginf(log_probabilities(language, strings))):
        result.fail(
            f"has {_text(language, strings[outside])}, whose log probability is -inf by its own "
            "log_probabilities",
            "strings of the language",
        )


def log_probabilities(language: Language, strings: Group) -> LogProbabilities:
    """`Language.log_probabilities`, at most 0; -inf is allowed."""
    count, length = strings.shape
    returned = language.log_probabilities(strings)
    result = Result(language, "log_probabilities", length, returned)
    values = result.array("floats", (count,))
    if np.any(wrong := ~(values <= _TOLERANCE)):
        text = _text(language, strings[wrong])
        result.fail(f"has {values[wrong][0]} for {text}", "numbers that are at most 0")
    return values.astype(np.float64, copy=False)


def _text(language: Language, strings: Group) -> str:
    """The first string, shortened."""
    text = language.decode(strings[0])
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def language_behaviour(language: Language) -> str:
    """Digest of strings drawn with fixed generators, and of their log probabilities.

    Drawn are 8 strings of the 4 shortest valid lengths and of the first from 40 on, as far as
    there are any below 1,000. The log probabilities enter coarsely (`runtime.digests.coarse`), the
    number of symbols exactly, their display names not at all.

    Raises:
        MemrnnError: if equal generators give different strings, or if a result is wrong.
    """
    observed = _observe(language)
    if observed != _observe(language):
        raise MemrnnError(
            f"The language {language.name} is wrong: sample gives different strings for equal "
            "generators; it must draw from its argument rng alone."
        )
    return digest(observed)


def _observe(language: Language) -> list[object]:
    valid = [length for length in range(1000) if language.valid(length)]
    observed: list[object] = [language.eos, bool(language.has_determined_symbols)]
    for length in [*valid[:4], *islice((n for n in valid[4:] if n >= 40), 1)]:
        (strings,) = sample(language, [(length, 8)], np.random.default_rng(length))
        logarithms = log_probabilities(language, strings)
        observed.append([length, strings.tolist(), coarse(logarithms, places=6)])
    return observed
