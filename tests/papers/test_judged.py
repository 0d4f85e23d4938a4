"""Every rule, fed with a perfect and with a trivial network: a reference in a network's place."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping

import pytest

from memrnn import Strings
from memrnn.evaluation import References, SetScores, reference_scores
from memrnn.papers.das_mali_2024 import JUDGED, Grid, Judged, verdict
from memrnn.reports.study import View
from memrnn.studies import Cell, RunRecord, Study, StudyResults
from memrnn.tasks import BAYES, TaskDescription, Total

BINS = ((40, 80), (81, 100), (101, 200), (201, 400), (401, 500))
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


def judge(
    networks: Mapping[tuple[str, ...], Network],
    excess: Mapping[tuple[str, ...], float] | None = None,
    changed: Callable[[RunRecord], RunRecord] = lambda run: run,
) -> dict[str, Judged]:
    languages = ("marked-copy", "count-and-copy", "count-3")
    study = Study(("strings:marked-copy",), ("jm-10",), restarts=RESTARTS)
    made = [
        cell(language, freeze, network, (excess or {}).get(freeze, 0.0))
        for language in languages
        for freeze, network in networks.items()
    ]
    cells = tuple(dataclasses.replace(one, runs=tuple(map(changed, one.runs))) for one in made)
    grid = Grid(View(StudyResults(study, cells, {}, ()), "float32"))
    assert {one.task.title for one in grid.cells(())} == {"marked-copy", "count-and-copy"}
    return {key: of_claim(grid) for key, of_claim in JUDGED.items()}


def verdicts(
    networks: Mapping[tuple[str, ...], Network],
    excess: Mapping[tuple[str, ...], float] | None = None,
    changed: Callable[[RunRecord], RunRecord] = lambda run: run,
) -> dict[str, str]:
    judged = judge(networks, excess, changed)
    return {key: verdict(*one[:2], one.obstacle) for key, one in judged.items()}


def everywhere(network: Network) -> dict[tuple[str, ...], Network]:
    return dict.fromkeys(FREEZE, network)


def test_a_perfect_network_is_supported_wherever_it_should_be() -> None:
    found = verdicts(everywhere(perfect))
    assert {key for key, one in found.items() if one == "supported"} == {"b", "g", "h", "j"}
    # Nothing is lost, and nothing is gained where nothing is missing.
    assert {found[key] for key in "cdef"} == {"not supported"}
    assert found["i"] == "undecided", "it makes no error that could grow"
    assert found["k"] == "not supported", "it never guesses"


def test_a_trivial_network_holds_nothing_but_trivially() -> None:
    found = verdicts(everywhere(trivial))
    assert "supported" not in found.values()
    assert {key for key, one in found.items() if one == "holds, trivially"} == {"b", "g", "h", "j"}
    assert {found[key] for key in "cdef"} == {"not supported"}
    assert {found[key] for key in "ik"} == {"undecided"}, "it has not learned"


def test_a_network_that_falls_is_what_freezing_is_measured_against() -> None:
    found = verdicts(everywhere(fallen) | {("memory",): perfect, ("controller",): trivial})
    assert (found["b"], found["d"], found["j"]) == ("supported",) * 3
    assert found["g"] == "holds, trivially" and found["h"] == "not supported"
    assert found["c"] == "supported", "on count-and-copy a third of the symbols is left"
    assert found["i"] == "undecided", "without an error just beyond there is no exponent"
    assert found["k"] == "supported", "at the end it is a baseline"


@pytest.mark.parametrize(("power", "expected"), [(1.0, "not supported"), (2.0, "supported")])
def test_errors_that_grow_faster_than_linearly(power: float, expected: str) -> None:
    def growing(name: str, references: References) -> SetScores:
        known = references[BAYES].groups
        return SetScores(
            {
                length: dict(totals)
                | {
                    "determined_perplexity": Total(
                        1e-4 * float(length) ** power * totals["sequence_accuracy"].denominator, 1.0
                    )
                }
                for length, totals in known.items()
            }
        )

    found = verdicts({(): growing, ("controller",): growing})
    assert found["i"] == expected
    judged = judge({(): growing, ("controller",): growing})["e"]
    assert judged.statistics[0].estimate is not None
    assert judged.statistics[0].estimate.value == pytest.approx(power)
    assert judged.statistics[1].outcome == "fails", "both grow alike"
    assert judged.statistics[0].restarts == 2 * RESTARTS and not judged.statistics[0].missing


def test_too_few_restarts_decide_nothing() -> None:
    def planned(run: RunRecord) -> RunRecord:
        return dataclasses.replace(run, status="planned") if run.restart > 8 else run

    found = judge(everywhere(perfect), changed=planned)
    assert all("fewer than 10 restarts that have ended" in one.obstacle for one in found.values())
    assert set(verdicts(everywhere(perfect), changed=planned).values()) == {"undecided"}


@pytest.mark.parametrize(("failed", "obstacle"), [(1, ""), (2, "4 of 24 restarts failed")])
def test_a_tenth_may_fail(failed: int, obstacle: str) -> None:
    """A failed restart has the worst of all scores."""

    def without(run: RunRecord) -> RunRecord:
        if run.restart >= failed:
            return run
        return dataclasses.replace(run, status="failed", scores={})

    # Of 12 restarts one is a twelfth, two are a sixth.
    found = judge(everywhere(perfect), changed=without)["b"]
    assert found.obstacle.startswith(obstacle) and bool(found.obstacle) == bool(obstacle)
    statistic = found.statistics[0]
    assert statistic.estimate is not None
    assert statistic.estimate.value == pytest.approx(1 - failed / RESTARTS)
    assert statistic.missing == 2 * failed and statistic.restarts == 2 * RESTARTS


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
    assert "no such networks" in judged.obstacle
    assert verdict(judged.statistics, judged.knowledge, judged.obstacle) == "undecided"
