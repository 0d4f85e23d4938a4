"""Dyck languages against brute force over all strings."""

import itertools
import math

import numpy as np
import pytest
from languages_reference import all_strings, prefix_table

from memrnn.errors import MemrnnError
from memrnn.languages import get_language

CASES = [(1, 0), (2, 0), (2, 1), (2, 2), (3, 2)]


def belongs(string: tuple[int, ...], k: int, depth: int) -> bool:
    open_brackets: list[int] = []
    for symbol in string:
        if symbol < k:
            open_brackets.append(symbol)
        elif not open_brackets or open_brackets.pop() != symbol - k:
            return False
        if depth and len(open_brackets) > depth:
            return False
    return not open_brackets


def members(k: int, depth: int, length: int) -> list[tuple[int, ...]]:
    strings = itertools.product(range(2 * k), repeat=length)
    return [string for string in strings if belongs(string, k, depth)]


@pytest.mark.parametrize(("k", "depth"), CASES)
def test_probabilities_by_enumeration(k: int, depth: int) -> None:
    language = get_language(f"dyck:k={k},depth={depth}")
    for length in (0, 2, 4, 6):
        strings, expected = all_strings(2 * k, length), members(k, depth, length)
        logs = language.log_probabilities(strings)
        assert set(map(tuple, strings[logs > -np.inf].tolist())) == set(expected)
        np.testing.assert_allclose(np.exp(logs[logs > -np.inf]), 1 / len(expected), rtol=1e-12)
        assert language.entropy(length) == pytest.approx(math.log(len(expected)))
        counts = np.zeros((2 * k + 1, 2 * k + 1))
        for string in expected:
            for a, b in itertools.pairwise((2 * k, *string, 2 * k)):
                counts[a, b] += 1 / len(expected)
        np.testing.assert_allclose(language.transition_counts(length), counts, atol=1e-12)
    table = prefix_table([members(k, depth, n) for n in (2, 4, 6)], 2 * k)
    strings, uniform = all_strings(2 * k, 4), [1 / (2 * k + 1)] * (2 * k + 1)
    found = language.next_symbol_probabilities(strings, [2, 4, 6])
    for t in range(5):
        expected = [table.get(tuple(string[:t]), uniform) for string in strings.tolist()]
        np.testing.assert_allclose(found[:, t], expected, atol=1e-12)


@pytest.mark.parametrize(("k", "depth"), CASES)
def test_determined_and_legal_by_enumeration(k: int, depth: int) -> None:
    language = get_language(f"dyck:k={k},depth={depth}")
    nexts: dict[tuple[int, ...], set[int]] = {}
    # What is open after 3 symbols is closed after 6.
    for length in (0, 2, 4, 6):
        for string in members(k, depth, length):
            for t, symbol in enumerate((*string, 2 * k)):
                nexts.setdefault(string[:t], set()).add(symbol)
    strings = all_strings(2 * k, 2)
    expected = [[nexts.get(tuple(s[:t]), set()) for t in range(3)] for s in strings.tolist()]
    found, legal = language.determined(strings), language.legal(strings)
    assert found.tolist() == [[len(symbols) == 1 for symbols in row] for row in expected]
    assert legal is not None
    assert [[set(np.flatnonzero(row).tolist()) for row in rows] for rows in legal] == expected
    assert language.has_determined_symbols == found.any() == (depth in (1, 2))


def test_samples_are_uniform_given_the_length() -> None:
    language, expected = get_language("dyck:depth=2"), members(2, 2, 6)
    drawn = language.sample(6, 200 * len(expected), np.random.default_rng(7))
    counts = dict.fromkeys(expected, 0)
    for string in drawn.tolist():
        counts[tuple(string)] += 1
    # The 99.9 % point of chi-square for 31 degrees of freedom is 61.1.
    assert len(expected) == 32
    assert sum((count - 200) ** 2 / 200 for count in counts.values()) < 61.1


def test_long_strings() -> None:
    for name in ("dyck", "dyck:depth=5"):
        language = get_language(name)
        (string,) = language.sample(600, 1, np.random.default_rng(0))
        assert language.contains(string) and not language.contains(string[1:])
        found = language.next_symbol_probabilities(string[None], [598, 600, 602])
        assert np.isfinite(found).all()


def test_wrong_parameters_and_lengths_are_refused() -> None:
    with pytest.raises(MemrnnError, match="give k >= 1 and depth >= 0"):
        get_language("dyck:k=0")
    with pytest.raises(MemrnnError, match="dyck:k=3 has no string of length 3; its lengths are 2N"):
        get_language("dyck:k=3").sample(3, 1, np.random.default_rng(0))
