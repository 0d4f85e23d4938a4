"""Calls of a language's methods whose results are checked, so that no wrong language is trained on.

Every function calls the method of its name. A result that breaks the contract of
`memrnn.Language` is a `MemrnnError` that says which language, method and length, what is wrong and
what is right. Errors that the method itself raises keep their type.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int32, Integer

from memrnn.errors import MemrnnError
from memrnn.languages._language import Language

_TOLERANCE = 1e-6
"""By how much sums of probabilities may differ from 1, and counts from their sum per symbol."""


def sample(
    language: Language, sizes: Sequence[tuple[int, int]], rng: np.random.Generator
) -> list[Int32[np.ndarray, "_ _"]]:
    """Groups of strings of symbol ids, to each of which the language gives a probability above 0.

    Args:
        sizes: length and number of strings of each group. They are drawn in this order.
    """
    groups: dict[int, list[np.ndarray]] = {length: [] for length, _ in sizes}
    drawn: list[np.ndarray] = []
    for length, count in sizes:
        strings = language.sample(length, count, rng)
        _Refusal(language, "sample", length).other_array(strings, "iu", "integers", (count, length))
        groups[length].append(strings)
        drawn.append(strings)
    # Once per length, for a check takes longer than to draw a group.
    for length, alike in groups.items():
        _check_drawn(language, length, np.concatenate(alike))
    return [strings.astype(np.int32, copy=False) for strings in drawn]


def _check_drawn(
    language: Language, length: int, strings: Integer[np.ndarray, "count length"]
) -> None:
    refuse = _Refusal(language, "sample", length)
    if np.any(wrong := (strings < 0) | (strings >= language.eos)):
        found = int(strings[wrong][0])
        what = "the id of the end-of-string symbol" if found == language.eos else "no symbol's id"
        refuse(f"has {found} inside a string, which is {what}", f"ids from 0 to {language.eos - 1}")
    strings = strings.astype(np.int32, copy=False)
    if np.any(outside := np.isneginf(log_probabilities(language, strings))):
        text = language.decode(strings[outside][0])
        refuse(
            f"has {_short(text)!r}, whose log probability is -inf by its own log_probabilities",
            "strings of the language",
        )


def log_probabilities(
    language: Language, strings: Integer[np.ndarray, "count length"]
) -> Float64[np.ndarray, " count"]:
    """Logarithms of probabilities: at most 0, -inf allowed."""
    count, length = strings.shape
    values = language.log_probabilities(strings)
    refuse = _Refusal(language, "log_probabilities", length)
    refuse.other_array(values, "f", "floats", (count,))
    if np.any(wrong := ~(values <= _TOLERANCE)):
        text = language.decode(strings[wrong][0])
        refuse(f"has {values[wrong][0]} for {_short(text)!r}", "numbers that are at most 0")
    return values.astype(np.float64, copy=False)


def entropy(language: Language, length: int) -> float:
    """A finite number that is not negative."""
    value = language.entropy(length)
    if not 0 <= value < np.inf:
        refuse = _Refusal(language, "entropy", length)
        refuse(f"is {value}", "a finite number that is at least 0")
    return float(value)


def next_symbol_probabilities(
    language: Language, strings: Integer[np.ndarray, "count length"], lengths: Sequence[int]
) -> Float64[np.ndarray, "count length+1 outputs"]:
    """Probabilities that sum to 1 after each prefix."""
    count, length = strings.shape
    values = language.next_symbol_probabilities(strings, lengths)
    refuse = _Refusal(language, "next_symbol_probabilities", length)
    refuse.other_array(values, "f", "floats", (count, length + 1, language.eos + 1))
    refuse.not_probabilities(values)
    sums = values.sum(axis=-1)
    if np.any(wrong := np.abs(sums - 1) > _TOLERANCE):
        refuse(f"has probabilities that sum to {sums[wrong][0]:.7g}", "probabilities that sum to 1")
    return values.astype(np.float64, copy=False)


def determined(
    language: Language, strings: Integer[np.ndarray, "count length"]
) -> Bool[np.ndarray, "count length+1"]:
    """One truth value per prefix."""
    count, length = strings.shape
    values = language.determined(strings)
    refuse = _Refusal(language, "determined", length)
    refuse.other_array(values, "b", "truth values", (count, length + 1))
    return values


def transition_counts(language: Language, length: int) -> Float64[np.ndarray, "outputs outputs"]:
    """Counts whose sum is the number of predicted symbols, length + 1."""
    values = language.transition_counts(length)
    refuse = _Refusal(language, "transition_counts", length)
    refuse.other_array(values, "f", "floats", (language.eos + 1, language.eos + 1))
    refuse.not_probabilities(values)
    total = float(values.sum())
    if abs(total - (length + 1)) > _TOLERANCE * (length + 1):
        refuse(f"has counts that sum to {total:.7g}", f"counts that sum to {length + 1}")
    return values.astype(np.float64, copy=False)


class _Refusal:
    """The sentence about a wrong result of one call."""

    def __init__(self, language: Language, method: str, length: int):
        self.start = f"The language {language.name} is wrong: at length {length}, {method}"

    def __call__(self, wrong: str, right: str) -> None:
        raise MemrnnError(f"{self.start} {wrong}; it must give {right}.")

    def other_array(self, values: Any, kinds: str, what: str, shape: tuple[int, ...]) -> None:
        """Refuses all but a NumPy array of these kinds of numbers and this shape."""
        right = f"a NumPy array of {what} of shape {shape}"
        if not isinstance(values, np.ndarray):
            self(f"is of type {type(values).__name__}", right)
        if values.shape != shape:
            self(f"has shape {values.shape}", right)
        if values.dtype.kind not in kinds:
            self(f"has the dtype {values.dtype}", right)

    def not_probabilities(self, values: np.ndarray) -> None:
        if np.any(wrong := ~((values >= 0) & np.isfinite(values))):
            self(f"has {values[wrong][0]}", "finite numbers that are at least 0")


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
