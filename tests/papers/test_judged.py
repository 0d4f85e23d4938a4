"""Every rule, fed with a perfect and with a trivial network: a reference in a network's place."""

import functools
import math
from collections.abc import Callable, Mapping

import pytest

from memrnn import Strings
from memrnn.evaluation import References, SetScores, reference_scores
from memrnn.papers.das_mali_2024 import JUDGED, Grid, verdict
from memrnn.reports.study import View
from memrnn.studies import Cell, RunRecord, Study, StudyResults
from memrnn.tasks import BAYES, TaskDescription

BINS = ((40, 80), (81, 100), (101, 200), (201, 400))
FREEZE = ((), ("memory",), ("controller",), ("controller", "memory"))
RESTARTS = 12

Network = Callable[[str, References], SetScores]
"""From the name of a set and its references to what the network scores."""


def perfect(_: str, references: References) -> SetScores:
    return references[BAYES]


def trivial(_: str, references: References) -> SetScores:
    return references["bigram"]


def fallen(name: str, references: References) -> SetScores:
    """Perfect just beyond the trained lengths, a baseline further out."""
    return references[BAYES if name in ("40:80", "81:100") else "unigram"]


@functools.cache
def task(language: str) -> tuple[TaskDescription, Mapping[str, References]]:
    strings = Strings(language, length_bins=BINS, samples_per_length=1)
    return strings.describe(), reference_scores(strings)


def run(number: int, scores: Mapping[str, SetScores], excess: float) -> RunRecord:
    return RunRecord(
        id=f"{number}",
        restart=number,
        seed=number,
        status="done",
        reason=None,
        attempts=1,
        epochs=3,
        best_epoch=3,
        learning_rate=0.01,
        selection=1.5,
        reference=1.5,
        excess=excess,
        seconds=1.0,
        device=None,
        versions={},
        folder="",
        curve=(),
        scores={"float32": scores},
    )


def cell(language: str, freeze: tuple[str, ...], network: Network, excess: float) -> Cell:
    description, references = task(language)
    scores = {name: network(name, of_set) for name, of_set in references.items()}
    runs = tuple(run(number, scores, excess) for number in range(RESTARTS))
    return Cell(description, "jm-10", "superposition", {}, freeze, runs, references)


def verdicts(
    networks: Mapping[tuple[str, ...], Network],
    excess: Mapping[tuple[str, ...], float] | None = None,
) -> dict[str, str]:
    languages = ("marked-copy", "count-and-copy", "count-3")
    study = Study(("strings:marked-copy",), ("jm-10",), restarts=RESTARTS)
    cells = tuple(
        cell(language, freeze, network, (excess or {}).get(freeze, 0.0))
        for language in languages
        for freeze, network in networks.items()
    )
    grid = Grid(View(StudyResults(study, cells, {}, ()), "float32"))
    assert {one.task.title for one in grid.cells(())} == {"marked-copy", "count-and-copy"}
    judged = {key: judge(grid) for key, judge in JUDGED.items()}
    assert all(one.cells == 2 for one in judged.values())
    return {key: verdict(one.statistics, one.knowledge) for key, one in judged.items()}


def everywhere(network: Network) -> dict[tuple[str, ...], Network]:
    return dict.fromkeys(FREEZE, network)


def test_a_perfect_network_is_supported_wherever_it_should_be() -> None:
    found = verdicts(everywhere(perfect))
    assert {key for key, one in found.items() if one == "supported"} == {"b", "g", "h", "j"}
    # Nothing is lost, and nothing is gained where nothing is missing.
    assert {found[key] for key in "cdef"} == {"not supported"}
    assert found["i"] == "undecided", "it makes no error that could grow"


def test_a_trivial_network_holds_nothing_but_trivially() -> None:
    found = verdicts(everywhere(trivial))
    assert "supported" not in found.values()
    assert {key for key, one in found.items() if one == "holds, trivially"} == {"b", "g", "h", "j"}
    assert {found[key] for key in "cdef"} == {"not supported"}


def test_a_network_that_falls_is_what_freezing_is_measured_against() -> None:
    found = verdicts(everywhere(fallen) | {("memory",): perfect, ("controller",): trivial})
    assert (found["b"], found["d"], found["j"]) == ("supported",) * 3
    assert found["g"] == "holds, trivially" and found["h"] == "not supported"
    assert found["c"] == "supported", "on count-and-copy a third of the symbols is left"
    assert found["i"] == "undecided", "without an error just beyond there is no exponent"


def test_convergence_is_a_share_of_restarts_near_the_bound() -> None:
    networks = everywhere(perfect)
    assert verdicts(networks, {(): 0.5, ("memory",): 0.01})["f"] == "supported"
    assert verdicts(networks, {(): 0.01, ("memory",): 0.5})["f"] == "not supported"
    assert verdicts(networks, {(): math.inf, ("memory",): 0.01})["f"] == "supported"


@pytest.mark.parametrize("key", list(JUDGED))
def test_without_runs_nothing_is_decided(key: str) -> None:
    study = Study(("strings:marked-copy",), ("jm-10",), restarts=RESTARTS)
    grid = Grid(View(StudyResults(study, (), {}, ()), "float32"))
    judged = JUDGED[key](grid)
    assert judged.cells == 0 and verdict(judged.statistics, judged.knowledge) == "undecided"
