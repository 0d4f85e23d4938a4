"""The measures of the claims: of a perfect network, a trivial one, and by a second computation."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import pytest

from memrnn import Strings
from memrnn.evaluation import References, SetScores, reference_scores
from memrnn.papers.das_mali_2024 import Measures, informative, ranges
from memrnn.tasks import Total

BINS = ((40, 80), (81, 100), (101, 200), (201, 400))
SETS = [f"{low}:{high}" for low, high in BINS]
TASK = Strings("marked-copy", length_bins=BINS, samples_per_length=1).describe()
RANGES = ranges(TASK)


@pytest.fixture(scope="module", params=["marked-copy", "count-and-copy", "count-3"])
def references(request: pytest.FixtureRequest) -> Mapping[str, References]:
    return reference_scores(Strings(request.param, length_bins=BINS, samples_per_length=1))


def of(references: Mapping[str, References], predictor: str) -> Measures:
    """A reference as if it were a network."""
    assert RANGES is not None
    return Measures(RANGES, {name: references[name][predictor] for name in SETS}, references)


def with_nats(power: float, noise: float = 0.0) -> Measures:
    """A network whose nats on the determined symbols of a string grow as a power of its length."""
    rng = np.random.default_rng(0)
    groups = {
        str(n): {
            "determined_perplexity": Total(3 * n**power * math.exp(noise * rng.normal()), 3.0 * n),
            "sequence_accuracy": Total(0.0, 3.0),
        }
        for n in range(41, 401, 2)
    }
    assert RANGES is not None
    return Measures(RANGES, {"41:400": SetScores(groups)}, {})


def test_a_perfect_network(references: Mapping[str, References]) -> None:
    perfect = of(references, "bayes")
    for name in SETS:
        assert perfect.accuracy(name) == 1
        assert perfect.normalised_accuracy(name) == pytest.approx(1)
        assert perfect.normalised_nats(name) == pytest.approx(1)
    assert perfect.kept() == 1 and perfect.loss() == pytest.approx(0)
    assert perfect.growth() is None, "it makes no error that could grow"


def test_baselines(references: Mapping[str, References]) -> None:
    """The best is at 0, no other is above; all keep their score."""
    baselines = [of(references, name) for name in references[SETS[0]] if name != "bayes"]
    for name in SETS:
        assert max(one.normalised_accuracy(name) for one in baselines) == pytest.approx(0)
        assert max(one.normalised_nats(name) for one in baselines) == pytest.approx(0)
    for one in baselines:
        assert one.kept() > 0.99
        growth = one.growth()
        assert growth is not None and growth < 1.1, "baselines grow at most linearly, too"


def test_what_is_missing_is_the_worst(references: Mapping[str, References]) -> None:
    whole = of(references, "bayes").sets
    infinite = SetScores({"300": {"perplexity": Total(math.inf, 9.0)}})
    for sets in ({}, {SETS[-1]: infinite}, {SETS[-1]: SetScores({"300": {}})}):
        network = dataclasses.replace(of(references, "bayes"), sets=sets)
        assert network.accuracy("201:400") == 0 and network.kept() == 0
        assert network.normalised_nats("201:400") == -1
        assert network.normalised_accuracy("201:400") == pytest.approx(
            max(-1, 1 - 1 / (1 - best_accuracy(references["201:400"])))
        )
    assert dataclasses.replace(
        of(references, "bayes"), sets={**whole, SETS[-1]: infinite}
    ).loss() == pytest.approx(2)


def best_accuracy(references: References) -> float:
    totals = [
        scores.whole["determined_accuracy"]
        for name, scores in references.items()
        if name != "bayes"
    ]
    return max(total.numerator / total.denominator for total in totals)


def test_a_set_where_baselines_are_nearly_perfect_is_not_informative() -> None:
    for language, expected in (("count-3", False), ("marked-copy", True), ("count-and-copy", True)):
        task = Strings(language, length_bins=BINS, samples_per_length=1)
        assert RANGES is not None and informative(RANGES, reference_scores(task)) == expected


@pytest.mark.parametrize("power", [0.9, 1.0, 1.7, 30.0])
def test_growth_is_the_exponent(power: float) -> None:
    assert with_nats(power).growth() == pytest.approx(power, rel=1e-9)
    assert with_nats(power, noise=0.1).growth() == pytest.approx(power, abs=0.1)


def test_growth_needs_finite_errors_at_every_length() -> None:
    sets = with_nats(1.0).sets["41:400"].groups
    for value in (0.0, math.inf, math.nan):
        changed = dict(sets) | {
            "301": dict(sets["301"]) | {"determined_perplexity": Total(value, 1.0)}
        }
        assert (
            dataclasses.replace(with_nats(1.0), sets={"41:400": SetScores(changed)}).growth()
            is None
        )


def test_ranges_follow_from_the_task() -> None:
    assert RANGES is not None
    assert RANGES == ("40:80", "201:400", "81:100", "201:400", (81, 400))
    longer = Strings("marked-copy", length_bins=(*BINS, (401, 1000)))
    # 401:1000 is more than 5 times 80.
    assert ranges(longer.describe()) == RANGES._replace(longest="401:1000")
    # 40:100 is not within 40:80, but begins there; 100:200 does not begin just beyond.
    paper = Strings("marked-copy")
    assert ranges(paper.describe()) == ("40:100", "200:400", None, "200:400", (81, 400))
    within = Strings("marked-copy", length_bins=((40, 60), (61, 80)))
    assert ranges(within.describe()) is None, "nothing is beyond"
    beyond = Strings("marked-copy", length_bins=((81, 100), (101, 200)))
    assert ranges(beyond.describe()) is None, "nothing is within"


def test_what_is_lacking_is_told() -> None:
    infinite = SetScores({"50": {"perplexity": Total(math.inf, 9.0)}})
    assert RANGES is not None
    assert Measures(RANGES, {}, {}).lacks("40:80")
    assert Measures(RANGES, {"40:80": infinite}, {}).lacks("40:80")
    totals = {"perplexity": Total(1.0, 9.0), "determined_accuracy": Total(1.0, 9.0)}
    assert not Measures(RANGES, {"40:80": SetScores({"50": totals})}, {}).lacks("40:80")
