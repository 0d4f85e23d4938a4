"""The distribution against the published reference values, enumeration and exact fractions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from languages_reference import CASES, NAMES, bayes_by_fractions, full_name, members, spell

from memrnn.languages import Distribution, Language, get_language

# DuSell & Chiang 2023 (arXiv 2210.01343): first and last valid length and count in [40, 80], count
# in [40, 100], and nats per symbol for a uniform length in [40, 80]. A reversed word has those of a
# copied one.
REFERENCE = {
    "count-3": (42, 78, 13, 20, 0.042048),
    "marked-reverse-and-copy": (41, 80, 14, 20, 0.262690),
    "count-and-copy": (42, 78, 13, 20, 0.269310),
    "marked-copy": (41, 79, 20, 30, 0.384321),
    "unmarked-copy-different-alphabets": (40, 80, 21, 31, 0.390802),
    "unmarked-reverse-and-copy": (42, 78, 13, 20, 0.269310),
    "unmarked-copy": (40, 80, 21, 31, 0.390802),
    "marked-reversal": (41, 79, 20, 30, 0.384321),
}


def chain_rule(distribution: Distribution, strings: np.ndarray) -> np.ndarray:
    """log p(w) as the sum of the logarithms of the Bayes predictions."""
    probabilities = distribution.next_symbol_probabilities(strings)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-12)
    targets = np.pad(strings, ((0, 0), (0, 1)), constant_values=distribution.language.eos)
    return np.log(np.take_along_axis(probabilities, targets[..., None], -1)).sum(axis=(1, 2))


@pytest.mark.parametrize("name", NAMES)
def test_reference_values(name: str) -> None:
    first, last, count, count_to_100, bound = REFERENCE[name]
    distribution = Distribution(get_language(name), 40, 80)
    assert (distribution.lengths[0], distribution.lengths[-1], len(distribution.lengths)) == (
        first,
        last,
        count,
    )
    assert len({b - a for a, b in pairwise(distribution.lengths)}) == 1
    assert len(Distribution(distribution.language, 40, 100).lengths) == count_to_100
    assert distribution.expected_lower_bound() == pytest.approx(bound, abs=5e-7)


@pytest.mark.parametrize(
    ("name", "shortest", "longest"),
    [("marked-copy", 0.0713, 0.0374), ("count-3", 0.0596, 0.0325)],
)
def test_nats_of_the_length(name: str, shortest: float, longest: float) -> None:
    distribution = Distribution(get_language(name), 40, 80)
    rng = np.random.default_rng(0)
    for length, expected in (
        (distribution.lengths[0], shortest),
        (distribution.lengths[-1], longest),
    ):
        groups = [distribution.language.sample(length, 3, rng)]
        difference = distribution.lower_bound(groups) - distribution.lower_bound(
            groups, given_length=True
        )
        assert difference == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("name", "k"), CASES)
def test_bound_on_given_strings(name: str, k: int) -> None:
    distribution = Distribution(get_language(full_name(name, k)), 3, 12)
    groups = [
        distribution.language.sample(n, c, np.random.default_rng(n))
        for n, c in zip(distribution.lengths, (3, 1, 4, 1, 5, 9, 2, 6), strict=False)
    ]
    nats = symbols = 0.0
    for strings in groups:
        per_length = len(members(name, k, 6)[strings.shape[1]])
        nats += len(strings) * (math.log(per_length) + math.log(len(distribution.lengths)))
        symbols += strings.size + len(strings)
    assert distribution.lower_bound(groups) == pytest.approx(nats / symbols)
    chained = sum(-chain_rule(distribution, strings).sum() for strings in groups)
    assert distribution.lower_bound(groups) == pytest.approx(chained / symbols)


def test_expected_bound_is_the_bound_of_all_strings_weighted() -> None:
    distribution = Distribution(get_language("count-and-copy"), 3, 9)
    copies = {3: 4, 6: 2, 9: 1}  # makes every length equally frequent: 2, 4 and 8 strings
    groups = [
        np.array(strings * copies[n]) for n, strings in members("count-and-copy", 2, 3).items() if n
    ]
    assert distribution.lower_bound(groups) == pytest.approx(
        distribution.expected_lower_bound(), rel=1e-12
    )


def test_strings_outside_the_distribution() -> None:
    distribution = Distribution(get_language("marked-copy"), 3, 6)
    inside, outside = distribution.language.encode("01#01"), distribution.language.encode("01#11")
    assert distribution.log_probability(inside) == pytest.approx(math.log(1 / 2 * 1 / 4))
    assert distribution.log_probability(outside) == -math.inf
    assert distribution.log_probability(distribution.language.encode("#")) == -math.inf
    assert distribution.log_probability(distribution.language.encode("010#010")) == -math.inf
    assert distribution.lower_bound([inside[None], outside[None]]) == math.inf
    with pytest.raises(ValueError, match="needs strings; give at least one"):
        distribution.lower_bound([])


def test_bayes_after_a_prefix_of_probability_zero_is_uniform() -> None:
    distribution = Distribution(get_language("marked-copy"), 3, 5)
    string = distribution.language.encode("011#011")
    probabilities = distribution.next_symbol_probabilities(string[None])[0]
    # 01 must be followed by #, so 011 is impossible under the distribution but not in the language.
    np.testing.assert_allclose(probabilities[2], [0, 0, 1, 0])
    np.testing.assert_allclose(probabilities[3:], 0.25)
    assert distribution.determined(string[None])[0].tolist() == [False] * 4 + [True] * 4


def test_one_wrong_symbol_anywhere_is_noticed() -> None:
    distribution = Distribution(get_language("count-and-copy"), 300, 300)
    member = distribution.sample(1, np.random.default_rng(2))[0]
    positions = np.arange(100, 300)
    strings = np.tile(member, (200, 1))
    strings[positions - 100, positions] = (member[positions] + 1) % 3
    dead = np.arange(301) > positions[:, None]
    found = distribution.next_symbol_probabilities(strings)
    np.testing.assert_allclose(found[dead], 0.25)
    right = distribution.next_symbol_probabilities(member[None])
    np.testing.assert_array_equal(found[~dead], np.broadcast_to(right, found.shape)[~dead])
    assert not distribution.determined(strings)[dead & (positions >= 200)[:, None]].any()


@given(
    case=st.sampled_from(CASES),
    size=st.integers(0, 12),
    first=st.integers(0, 10),
    span=st.integers(0, 8),
    seed=st.integers(0, 2**32),
    changes=st.integers(0, 2),
    only_zeros=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_bayes_against_fractions(
    case: tuple[str, int],
    size: int,
    first: int,
    span: int,
    seed: int,
    changes: int,
    only_zeros: bool,
) -> None:
    name, k = case
    language = get_language(full_name(name, k))
    rng = np.random.default_rng(seed)
    word = np.zeros(size, int) if only_zeros else rng.integers(k, size=size)
    string = np.array(spell(name, tuple(word.tolist()), k), dtype=np.int32)
    for _ in range(changes if string.size else 0):
        string[rng.integers(string.size)] = rng.integers(language.eos)
    ends = [len(spell(name, (0,) * n, k)) for n in (first, first + span)]
    distribution = Distribution(language, *ends)
    expected = bayes_by_fractions(name, k, tuple(string.tolist()), range(first, first + span + 1))
    found = distribution.next_symbol_probabilities(string[None])[0]
    np.testing.assert_allclose(found, np.array(expected, dtype=float), rtol=1e-12, atol=1e-300)


@given(st.sampled_from(NAMES), st.integers(1, 40), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_chain_rule(name: str, k: int, seed: int) -> None:
    distribution = Distribution(
        get_language("count-3" if name == "count-3" else f"{name}:k={k}"), 20, 70
    )
    strings = distribution.sample_groups(1, 5, np.random.default_rng(seed))[0]
    np.testing.assert_allclose(
        chain_rule(distribution, strings), distribution.log_probabilities(strings), rtol=1e-9
    )


@pytest.mark.parametrize("name", NAMES)
def test_ten_thousand_symbols(name: str) -> None:
    distribution = Distribution(get_language(name), 9_000, 10_000)
    length = distribution.lengths[-1]
    strings = distribution.language.sample(length, 2, np.random.default_rng(1))
    np.testing.assert_allclose(
        chain_rule(distribution, strings), distribution.log_probabilities(strings), rtol=1e-9
    )
    determined = distribution.determined(strings)
    assert determined.any() == distribution.language.has_determined_symbols


def test_ten_thousand_equal_symbols() -> None:
    # Here every shorter length looks far more probable until it is over.
    distribution = Distribution(get_language("unmarked-copy"), 9_900, 10_000)
    strings = np.zeros((1, 10_000), dtype=np.int32)
    np.testing.assert_allclose(
        chain_rule(distribution, strings), distribution.log_probabilities(strings), rtol=1e-9
    )


def test_lengths_and_strings_follow_the_distribution() -> None:
    distribution = Distribution(get_language("unmarked-copy"), 1, 7)
    drawn = distribution.sample(4200, np.random.default_rng(3))
    by_length = {n: group for n, group in members("unmarked-copy", 2, 3).items() if n}
    counts = {string: 0 for group in by_length.values() for string in group}
    for string in drawn:
        assert string.dtype == np.int32
        counts[tuple(string.tolist())] += 1
    statistic = 0.0
    for group in by_length.values():
        expected = 4200 / 3 / len(group)
        statistic += sum((counts[string] - expected) ** 2 / expected for string in group)
    assert statistic < 34.53  # the 99.9 % point of chi-square with 13 degrees of freedom
    assert len({string.size for string in drawn[:50]}) == 3  # lengths are not sorted


def test_groups_share_a_length() -> None:
    distribution = Distribution(get_language("count-and-copy"), 40, 80)
    rng = np.random.default_rng(5)
    groups = distribution.sample_groups(1300, 2, rng)
    counts = np.bincount([group.shape[1] for group in groups], minlength=79)[
        list(distribution.lengths)
    ]
    assert counts.sum() == 1300
    assert ((counts - 100) ** 2 / 100).sum() < 32.91  # 12 degrees of freedom
    each = distribution.sample_each_length(4, rng)
    assert [group.shape for group in each] == [(4, n) for n in distribution.lengths]
    for group in [*groups, *each]:
        assert (distribution.log_probabilities(group) > -np.inf).all()


def test_the_same_generator_gives_the_same_strings() -> None:
    distribution = Distribution(get_language("marked-copy"), 40, 80)
    one, two = (distribution.sample(20, np.random.default_rng(9)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_transition_counts_weigh_lengths_equally() -> None:
    distribution = Distribution(get_language("count-3"), 0, 3)
    expected = np.zeros((4, 4))
    expected[3, 3] = 0.5  # the empty string
    expected[3, 0] = expected[0, 1] = expected[1, 2] = expected[2, 3] = 0.5
    np.testing.assert_allclose(distribution.transition_counts(), expected)


@pytest.mark.parametrize(
    ("shortest", "longest", "message"),
    [
        (40, 41, "no string with a length from 40 to 41; the nearest valid lengths are 39 and 42."),
        (80, 40, "80 to 40 is not a range of lengths; give 0 <= shortest <= longest."),
        (-3, 40, "-3 to 40 is not a range of lengths"),
    ],
)
def test_ranges_without_strings(shortest: int, longest: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Distribution(get_language("count-3"), shortest, longest)


def test_range_below_the_first_length() -> None:
    with pytest.raises(ValueError, match=r"the nearest valid length is 2\.$"):
        Distribution(get_language("marked-reverse-and-copy"), 0, 1)


@dataclass(frozen=True)
class Weighted(Language):
    """A language outside the family: 0 with 3/4 and 1 with 1/4, and 01; nothing else."""

    name: str = "weighted"
    symbols: tuple[str, ...] = ("0", "1")

    @property
    def has_determined_symbols(self) -> bool:
        return True

    def describe(self) -> str:
        return "0, 1 and 01"

    def valid(self, length: int) -> bool:
        return length in (1, 2)

    def sample(self, length: int, count: int, rng: np.random.Generator) -> np.ndarray:
        if length == 2:
            return np.array([[0, 1]] * count, dtype=np.int32)
        return (rng.random((count, 1)) < 1 / 4).astype(np.int32)

    def log_probabilities(self, strings: np.ndarray) -> np.ndarray:
        table = {(0,): 0.75, (1,): 0.25, (0, 1): 1.0}
        with np.errstate(divide="ignore"):
            return np.log(np.array([table.get(tuple(s), 0.0) for s in strings.tolist()]))

    def entropy(self, length: int) -> float:
        return {1: 2 * math.log(2) - 0.75 * math.log(3), 2: 0.0}[length]

    def next_symbol_probabilities(self, strings: np.ndarray, lengths: Sequence[int]) -> np.ndarray:
        raise NotImplementedError

    def determined(self, strings: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def transition_counts(self, length: int) -> np.ndarray:
        raise NotImplementedError


def test_a_language_outside_the_family() -> None:
    distribution = Distribution(Weighted(), 0, 9)
    assert distribution.lengths == (1, 2)
    strings = [np.array([[0], [0], [0], [1]]), np.array([[0, 1]] * 4)]
    assert distribution.lower_bound(strings) == pytest.approx(distribution.expected_lower_bound())
    assert sum(
        string.tolist() == [0] for string in distribution.sample(800, np.random.default_rng(0))
    ) in (range(250, 350))
    with pytest.raises(ValueError, match=r"the nearest valid length is 2\.$"):
        Distribution(Weighted(), 3, 9)
    with pytest.raises(ValueError, match=r"no valid length is near"):
        Distribution(Nothing(), 3, 9)


class Nothing(Weighted):
    def valid(self, length: int) -> bool:
        return False
