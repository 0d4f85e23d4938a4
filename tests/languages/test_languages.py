"""Every method of the languages of templates against brute force."""

import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from languages_reference import (
    CASES,
    NAMES,
    all_strings,
    alphabet_size,
    belongs,
    full_name,
    members,
    prefix_table,
)

from memrnn.languages import Language, get_language

LONGEST = {1: 9, 2: 9, 3: 8, 4: 6, 6: 5}
"""Longest strings enumerated, by size of the alphabet."""


def language_of(name: str, k: int) -> Language:
    return get_language(full_name(name, k))


@pytest.mark.parametrize(("name", "k"), CASES)
def test_membership_and_lengths(name: str, k: int) -> None:
    language = language_of(name, k)
    symbols = alphabet_size(name, k)
    assert len(language.symbols) == language.eos == symbols
    assert len(set(language.symbols)) == symbols
    for length in range(LONGEST[symbols] + 1):
        strings = all_strings(symbols, length)
        expected = np.array([belongs(name, tuple(s), k) for s in strings.tolist()])
        logs = language.log_probabilities(strings)
        assert np.array_equal(logs > -np.inf, expected)
        assert language.valid(length) == expected.any()
        if expected.any():
            np.testing.assert_allclose(np.exp(logs[expected]), 1 / expected.sum(), rtol=1e-12)
            assert language.entropy(length) == pytest.approx(math.log(expected.sum()))
            member, other = strings[expected][0], np.append(strings[expected][0], 0)
            assert language.contains(member)
            assert language.contains(other) == belongs(name, tuple(other.tolist()), k)


@pytest.mark.parametrize("bad", [-1, 3, 99])
def test_ids_outside_the_alphabet_are_no_members(bad: int) -> None:
    language = get_language("marked-copy")
    string = np.array([bad, 2, bad], dtype=np.int32)
    assert not language.contains(string)
    assert language.next_symbol_probabilities(string[None], [3])[0, 1] == pytest.approx([0.25] * 4)
    assert not language.determined(string[None])[0, 1:].any()


@pytest.mark.parametrize(("name", "k"), CASES)
def test_bayes_by_enumeration(name: str, k: int) -> None:
    language = language_of(name, k)
    symbols = alphabet_size(name, k)
    by_length = {n: group for n, group in members(name, k, 5).items() if n <= 12}
    valid = sorted(by_length)
    for lengths in (valid, valid[1:3], valid[1::2][::-1], valid[-1:]):
        table = prefix_table([by_length[n] for n in lengths], language.eos)
        uniform = [1 / (symbols + 1)] * (symbols + 1)
        for length in range(LONGEST[symbols] + 1):
            strings = all_strings(symbols, length)
            found = language.next_symbol_probabilities(strings, lengths)
            assert found.shape == (len(strings), length + 1, symbols + 1)
            # All positions of the longest strings; of the others the last, which is an edge.
            for t in range(length + 1) if length == LONGEST[symbols] else [length]:
                expected = [table.get(tuple(s[:t]), uniform) for s in strings.tolist()]
                np.testing.assert_allclose(found[:, t], np.array(expected), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("name", "k"), CASES)
def test_determined_and_legal_by_enumeration_of_longer_strings(name: str, k: int) -> None:
    language = language_of(name, k)
    symbols = alphabet_size(name, k)
    length = {1: 9, 2: 6, 3: 5}[k] if name != "count-3" else 8
    groups = members(name, k, length + 4).values()
    nexts: dict[tuple[int, ...], set[int]] = {}
    for string in itertools.chain.from_iterable(groups):
        for t, symbol in enumerate((*string, language.eos)):
            if t > length:
                break
            nexts.setdefault(string[:t], set()).add(symbol)
    strings = all_strings(symbols, min(length, LONGEST[symbols] + 1))
    found, legal = language.determined(strings), language.legal(strings)
    expected = [
        [nexts.get(tuple(s[:t]), set[int]()) for t in range(len(s) + 1)] for s in strings.tolist()
    ]
    single = [[len(symbols) == 1 for symbols in row] for row in expected]
    assert np.array_equal(found, np.array(single))
    assert legal is not None and legal.shape == (*found.shape, symbols + 1)
    listed = [[set(np.flatnonzero(row).tolist()) for row in rows] for rows in legal]
    assert listed == expected
    assert language.has_determined_symbols == found.any()


def test_which_languages_determine_symbols() -> None:
    without = {name for name in NAMES if not get_language(name).has_determined_symbols}
    assert without == {"unmarked-reverse-and-copy", "unmarked-copy"}


@pytest.mark.parametrize(("name", "k"), CASES)
def test_transition_counts_by_averaging(name: str, k: int) -> None:
    language = language_of(name, k)
    for length, group in members(name, k, 4).items():
        expected = np.zeros((language.eos + 1, language.eos + 1))
        for string in group:
            # START has the row, and EOS the column, after the last symbol.
            pairs = itertools.pairwise((language.eos, *string, language.eos))
            for a, b in pairs:
                expected[a, b] += 1 / len(group)
        np.testing.assert_allclose(language.transition_counts(length), expected, atol=1e-12)


CRITICAL = {1: 10.83, 3: 16.27, 7: 24.32, 8: 26.12, 15: 37.70, 26: 54.05}
"""The 99.9 % points of chi-square, by degrees of freedom."""


@pytest.mark.parametrize(("name", "k"), [c for c in CASES if c[1] > 1])
def test_samples_are_uniform_given_the_length(name: str, k: int) -> None:
    language = language_of(name, k)
    rng = np.random.default_rng(20221001)
    length, group = sorted(members(name, k, 3).items())[-1]
    strings = language.sample(length, 200 * len(group), rng)
    assert strings.dtype == np.int32
    assert strings.shape == (200 * len(group), length)
    counts = dict.fromkeys(group, 0)
    for string in strings.tolist():
        counts[tuple(string)] += 1
    statistic = sum((n - 200) ** 2 / 200 for n in counts.values())
    assert statistic < CRITICAL[len(group) - 1]


def test_samples_of_a_language_with_one_string_a_length() -> None:
    rng = np.random.default_rng(0)
    assert get_language("count-3").sample(6, 2, rng).tolist() == [[0, 0, 1, 1, 2, 2]] * 2
    assert get_language("unmarked-copy").sample(0, 2, rng).shape == (2, 0)


@given(st.sampled_from(NAMES), st.integers(0, 30), st.integers(1, 12), st.randoms())
@settings(max_examples=50, deadline=None)
def test_text_and_back(name: str, size: int, k: int, random) -> None:
    language = get_language(full_name(name, k))
    ids = np.array([random.randrange(language.eos) for _ in range(size)], dtype=np.int32)
    text = language.decode(ids)
    assert np.array_equal(language.encode(text), ids)
    if all(len(symbol) == 1 for symbol in language.symbols):
        assert len(text) == size


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("count-3", "aabbcc"),
        ("marked-reverse-and-copy", "001#100#001"),
        ("count-and-copy", "01##01"),
        ("marked-copy", "01#01"),
        ("marked-copy:k=11", "10 0 # 10 0"),
        ("unmarked-copy-different-alphabets", "0123"),
        ("unmarked-reverse-and-copy", "011001"),
        ("unmarked-copy", "0101"),
        ("marked-copy", "#"),
        ("count-3", ""),
    ],
)
def test_examples(name: str, text: str) -> None:
    language = get_language(name)
    assert language.contains(language.encode(text))
    assert language.decode(language.encode(text)) == text
    assert "\n" not in language.describe()


def test_unknown_text_and_ids() -> None:
    language = get_language("marked-copy")
    with pytest.raises(ValueError, match=r"'2' is not a symbol of marked-copy; .*'01#'"):
        language.encode("0#2")
    with pytest.raises(ValueError, match="3 is not a symbol id of marked-copy; use ids from 0 to"):
        language.decode(np.array([0, 3], dtype=np.int32))


def test_invalid_lengths_are_refused_everywhere() -> None:
    language = get_language("marked-reverse-and-copy")
    message = r"has no string of length 6; its lengths are 3N \+ 2 with N >= 0\."
    strings = np.zeros((1, 4), dtype=np.int32)
    for call in (
        lambda: language.sample(6, 1, np.random.default_rng(0)),
        lambda: language.entropy(6),
        lambda: language.transition_counts(6),
        lambda: language.next_symbol_probabilities(strings, [5, 6]),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert not language.valid(-1)


def test_description() -> None:
    described = get_language("marked-reverse-and-copy:k=5").describe()
    assert described == "w # w^R # w, N >= 0; lengths 3N + 2; w in {0, 1, ..., 4}^N"
    assert get_language("count-3").describe() == "a^N b^N c^N, N >= 0; lengths 3N"


def test_languages_are_values() -> None:
    language = get_language("count-and-copy:k=3")
    assert pickle.loads(pickle.dumps(language)) == language
    assert hash(get_language(language.name)) == hash(language)
    assert get_language("count-and-copy:k=2").name == "count-and-copy"
