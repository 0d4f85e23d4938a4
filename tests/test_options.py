"""Options from JSON and TOML, and what is said of wrong ones."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from memrnn import MemrnnError
from memrnn.runtime.options import format_range, from_json, parse_range, to_json


@dataclass(frozen=True)
class Options:
    count: int
    rates: tuple[float, float] = (0.1, 0.2)
    bins: tuple[tuple[int, int], ...] = ()
    names: tuple[str, ...] = ()
    further: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise MemrnnError(f"count is {self.count}, but must be at least 1.")


@pytest.mark.parametrize(
    "values",
    [
        {"count": 3, "rates": "0.5:1", "bins": ["5:24", "30:40"]},
        {"count": 3, "rates": [0.5, 1.0], "bins": [[5, 24], [30, 40]]},
        {"count": 3, "rates": (0.5, 1), "bins": (("5:24"), [30, 40])},
    ],
    ids=["texts", "lists", "mixed"],
)
def test_ranges_are_texts_or_pairs(values: dict[str, Any]) -> None:
    found = from_json(Options, values, "[options]")
    assert found == Options(3, (0.5, 1.0), ((5, 24), (30, 40)))
    assert isinstance(found.rates[1], float)


def test_options_survive_json() -> None:
    options = Options(2, (0.5, 1.0), ((5, 24),), ("a", "b"), {"x": 1})
    assert from_json(Options, to_json(options), "[options]") == options
    assert to_json(options)["bins"] == [[5, 24]]


WRONG: dict[str, tuple[Any, str]] = {
    "unknown key": (
        {"count": 1, "counts": 2},
        "[options] has no key 'counts'; its keys are count, rates, bins, names, further.",
    ),
    "missing key": ({"bins": []}, "[options] needs a value for count."),
    "no table": ([1], "[options] must be a table of keys and values."),
    "wrong kind": ({"count": "3"}, "[options]: Expected `int`, got `str` in count."),
    "true is no number": ({"count": True}, "[options]: Expected `int`, got `bool` in count."),
    "a fraction": ({"count": 1.5}, "[options]: Expected `int`, got `float` in count."),
    "wrong kind inside": (
        {"count": 1, "names": ["a", 2]},
        "[options]: Expected `str`, got `int` in names[1].",
    ),
    "three bounds": ({"count": 1, "bins": [[1, 2, 3]]}, "bins[0]"),
    "no range": ({"count": 1, "bins": ["5-24"]}, "'5-24' is not a range; write LOW:HIGH"),
    "no numbers": ({"count": 1, "rates": "a:b"}, "'a:b' is not a range; write LOW:HIGH"),
    "empty range": ({"count": 1, "bins": ["24:5"]}, "The range 24:5 is empty"),
    "refused by the class": ({"count": 0}, "count is 0, but must be at least 1."),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_options_are_one_sentence(case: str) -> None:
    values, said = WRONG[case]
    with pytest.raises(MemrnnError) as error:
        from_json(Options, values, "[options]")
    text = str(error.value)
    assert said in text and text.endswith(".") and "\n" not in text


@pytest.mark.parametrize("text", ["40", "40-100", "a:b", "9:3", "", ":", "1:", "1.5:2", "1:2:3"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(MemrnnError, match="range"):
        parse_range(text)


def test_ranges_are_inclusive_pairs() -> None:
    assert parse_range("40:80") == (40, 80) and parse_range("7:7") == (7, 7)
    assert parse_range("0.0005:0.01", float) == (0.0005, 0.01)
    assert format_range((40, 80)) == "40:80"
