"""A language of one's own that breaks its contract is refused in one sentence."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from memrnn.languages import Distribution, Language, language_behaviour

RIGHT = np.full((3, 3), 1 / 3)


class Bits(Language):
    """All strings of 0 and 1 of length 3, or what a test makes of it."""

    name = "bits"
    symbols = ("0", "1")
    has_determined_symbols = False

    def __init__(self, **results: Callable[[Any], Any]):
        self.results = results

    def altered(self, method: str, value: Any) -> Any:
        return self.results.get(method, lambda right: right)(value)

    def describe(self) -> str:
        return "bits"

    def valid(self, length: int) -> bool:
        return length == 3

    def sample(self, length: int, count: int, rng: np.random.Generator) -> Any:
        return self.altered("sample", rng.integers(2, size=(count, length), dtype=np.int32))

    def log_probabilities(self, strings: np.ndarray) -> Any:
        return self.altered("log_probabilities", np.full(len(strings), -3 * np.log(2)))

    def entropy(self, length: int) -> Any:
        return self.altered("entropy", 3 * np.log(2))

    def next_symbol_probabilities(self, strings: np.ndarray, lengths: Sequence[int]) -> Any:
        right = np.zeros((len(strings), 4, 3))
        right[:, :3, :2], right[:, 3, 2] = 1 / 2, 1
        return self.altered("next_symbol_probabilities", right)

    def determined(self, strings: np.ndarray) -> Any:
        right = np.zeros((len(strings), 4), bool)
        return self.altered("determined", right)

    def legal(self, strings: np.ndarray) -> Any:
        return self.altered("legal", np.ones((len(strings), 4, 3), bool))

    def transition_counts(self, length: int) -> Any:
        right = np.array([[0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0.5, 0.5, 0]])
        return self.altered("transition_counts", right)


def changed(index: Any, value: Any) -> Callable[[np.ndarray], np.ndarray]:
    def change(right: np.ndarray) -> np.ndarray:
        wrong = right.copy()
        wrong[index] = value
        return wrong

    return change


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


STRINGS = np.array([[0, 1, 0], [1, 1, 1]], np.int32)
ENTRIES: dict[str, list[Callable[[Distribution], object]]] = {
    "sample": [
        lambda distribution: distribution.sample(4, rng()),
        lambda distribution: distribution.sample_groups(2, 4, rng()),
        lambda distribution: distribution.sample_each_length(4, rng()),
        lambda distribution: language_behaviour(distribution.language),
    ],
    "log_probabilities": [
        lambda distribution: distribution.log_probabilities(STRINGS),
        lambda distribution: distribution.log_probability(STRINGS[0]),
        lambda distribution: distribution.lower_bound([STRINGS]),
        lambda distribution: distribution.sample(4, rng()),
        lambda distribution: distribution.sample_groups(2, 4, rng()),
        lambda distribution: distribution.sample_each_length(4, rng()),
    ],
    "entropy": [lambda distribution: distribution.expected_lower_bound()],
    "next_symbol_probabilities": [
        lambda distribution: distribution.next_symbol_probabilities(STRINGS)
    ],
    "determined": [lambda distribution: distribution.determined(STRINGS)],
    "legal": [lambda distribution: distribution.legal(STRINGS)],
    "transition_counts": [lambda distribution: distribution.transition_counts()],
}


def test_the_right_language_is_accepted() -> None:
    distribution = Distribution(Bits(), 3, 3)
    for calls in ENTRIES.values():
        for call in calls:
            call(distribution)


WRONG: list[tuple[str, Callable[[Any], Any], str]] = [
    ("sample", changed((1, 2), 2), "has 2 inside a string, which is the id of the end-of-string"),
    ("sample", changed((0, 0), 7), "has 7 inside a string, which is no symbol's id; it must give"),
    (
        "sample",
        changed((0, 0), -1),
        "has -1 inside a string, which is no symbol's id; it must give",
    ),
    ("sample", lambda right: right[:, 1:], "it must give a NumPy array of integers of shape ("),
    ("sample", lambda right: right[1:], "it must give a NumPy array of integers of shape ("),
    ("sample", lambda right: right[0], "has shape (3,); it must give a NumPy array of integers of"),
    ("sample", lambda right: right.astype(float), "has the dtype float64; it must give a NumPy ar"),
    ("sample", lambda right: right.astype(bool), "has the dtype bool; it must give a NumPy array"),
    ("sample", lambda right: right.tolist(), "is of type list; it must give a NumPy array of int"),
    ("log_probabilities", changed(0, np.nan), "has nan for '"),
    ("log_probabilities", changed(0, 0.01), "has 0.01 for '"),
    ("log_probabilities", changed(0, np.inf), "has inf for '"),
    ("log_probabilities", lambda right: right[:, None], "it must give a NumPy array of floats of"),
    ("log_probabilities", lambda right: right.astype(int), "has the dtype int64; it must give a"),
    ("log_probabilities", lambda right: float(right[0]), "is of type float; it must give a NumPy"),
    ("entropy", lambda right: np.nan, "is nan; it must give a finite number that is at least 0."),
    ("entropy", lambda right: -right, "is -2.07"),
    ("next_symbol_probabilities", lambda right: right[:, 1:], "has shape (2, 3, 3); it must give"),
    ("next_symbol_probabilities", lambda right: 2 * right, "has probabilities that sum to 2; it m"),
    ("next_symbol_probabilities", changed((0, 0), [-1, 1, 1]), "has -1.0; it must give finite num"),
    ("next_symbol_probabilities", changed((0, 0, 0), np.nan), "has nan; it must give finite numb"),
    ("next_symbol_probabilities", changed((1, 3, 2), 1 + 2e-6), "that sum to 1.000002; it must"),
    ("determined", lambda right: right[:, 1:], "has shape (2, 3); it must give a NumPy array of t"),
    ("determined", lambda right: right.astype(int), "has the dtype int64; it must give a NumPy ar"),
    ("legal", lambda right: right[:, 1:], "has shape (2, 3, 3); it must give a NumPy array of tr"),
    ("transition_counts", lambda right: right[:2], "has shape (2, 3); it must give a NumPy array"),
    ("transition_counts", changed((0, 0), np.inf), "has inf; it must give finite numbers that are"),
    ("transition_counts", changed((0, 0), -0.5), "has -0.5; it must give finite numbers that are"),
    ("transition_counts", changed((0, 0), 0.6), "has counts that sum to 4.1; it must give counts"),
]


@pytest.mark.parametrize(("method", "change", "message"), WRONG)
def test_wrong_results_are_refused(method: str, change: Callable[[Any], Any], message: str) -> None:
    distribution = Distribution(Bits(**{method: change}), 3, 3)
    start = f"The language bits is wrong: at length 3, {method} "
    for call in ENTRIES[method]:
        with pytest.raises(
            ValueError, match=f"^{re.escape(start)}.*{re.escape(message)}"
        ) as caught:
            call(distribution)
        assert str(caught.value).endswith(".")


def test_strings_that_the_language_itself_excludes_are_refused() -> None:
    distribution = Distribution(Bits(log_probabilities=changed(0, -np.inf)), 3, 3)
    assert distribution.log_probabilities(STRINGS)[0] == -np.inf, "given strings may lie outside"
    for call in ENTRIES["sample"]:
        with pytest.raises(ValueError, match=r"has '[01]{3}', whose log probability is -inf by"):
            call(distribution)


def test_one_wrong_string_among_many_groups_is_noticed() -> None:
    calls = []

    def once(right: np.ndarray) -> np.ndarray:
        calls.append(1)
        return changed((0, 0), 2)(right) if len(calls) == 50 else right

    with pytest.raises(ValueError, match="end-of-string"):
        Distribution(Bits(sample=once), 3, 3).sample_groups(60, 2, rng())


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_other_integers_are_converted(dtype: type) -> None:
    distribution = Distribution(Bits(sample=lambda right: right.astype(dtype)), 3, 3)
    expected = Distribution(Bits(), 3, 3).sample_groups(2, 4, rng())
    for group, right in zip(distribution.sample_groups(2, 4, rng()), expected, strict=True):
        assert group.dtype == np.int32
        np.testing.assert_array_equal(group, right)


def test_strings_that_do_not_follow_from_the_generator_are_refused() -> None:
    unseeded = np.random.default_rng()
    language = Bits(sample=lambda right: unseeded.integers(2, size=right.shape, dtype=np.int32))
    with pytest.raises(ValueError, match="sample gives different strings for equal generators"):
        language_behaviour(language)
