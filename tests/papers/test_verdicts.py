"""Verdicts follow from where whole intervals lie."""

import pytest

from memrnn.papers.das_mali_2024 import verdict
from memrnn.reports.study import Estimate, Interval, Statistic


def at(low: float, high: float) -> Estimate:
    return Estimate((low + high) / 2, Interval(low, high))


@pytest.mark.parametrize(
    ("low", "high", "at_least", "at_most"),
    [
        (0.85, 0.9, "holds", "open"),
        (0.86, 0.9, "holds", "fails"),
        (0.7, 0.84, "fails", "holds"),
        (0.7, 0.85, "open", "holds"),
        (0.8, 0.9, "open", "open"),
    ],
)
def test_outcomes(low: float, high: float, at_least: str, at_most: str) -> None:
    assert Statistic("kept", at(low, high), 0.85).outcome == at_least
    assert Statistic("lost", at(low, high), 0.85, at_least=False).outcome == at_most


def test_without_an_interval_nothing_is_decided() -> None:
    assert Statistic("kept", None, 0.85).outcome == "open"
    assert Statistic("kept", Estimate(0.9), 0.85).outcome == "open"


def test_verdicts() -> None:
    holds = Statistic("kept", at(0.9, 1.0), 0.85)
    fails = Statistic("kept", at(0.1, 0.2), 0.85)
    unclear = Statistic("kept", at(0.1, 0.9), 0.85)
    knows = Statistic("d(long)", at(0.5, 0.9), 0.1)
    knows_nothing = Statistic("d(long)", at(-0.1, 0.1), 0.1)
    perhaps, without = Statistic("", at(0.05, 0.9), 0.1), Statistic("", None, 0.1)
    assert verdict([holds, holds], [knows, knows]) == "supported"
    assert verdict([holds, holds], [knows, knows_nothing]) == "holds, trivially"
    assert verdict([holds], [perhaps]) == "holds, trivially", "not wholly above"
    assert verdict([holds], [without]) == "holds, trivially"
    assert verdict([holds, unclear], [knows]) == "undecided"
    assert verdict([unclear, fails], [knows]) == "not supported"
    assert verdict([holds], []) == "supported", "a claim that cannot hold trivially"
    assert verdict([fails], [knows], obstacle="Too few restarts.") == "undecided"
    assert verdict([], []) == "undecided"
