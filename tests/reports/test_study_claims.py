"""What the page says of a paper's claims, of cells beside each other, and of baselines."""

import hashlib
from importlib import resources

import pytest

from memrnn.papers import das_mali_2024 as paper
from memrnn.papers.das_mali_2024 import PAPER, judge, published, without_memory
from memrnn.reports.study import View, compare
from memrnn.reports.study.scores import standing
from reports.study_synthetic import BAYES_OPTIMAL, FLOOR, VERSIONS, make_study

WIGGLE = (0.0, 0.004, -0.004, 0.002, -0.002, 0.001, -0.001, 0.003)


def view_of(by_mode, *, wiggle=1.0, **study):
    """A study whose accuracies depend on the freezing mode, and a little on the restart."""

    def made(language, model, freeze, restart):
        value = by_mode[freeze]
        shift = wiggle * WIGGLE[restart % len(WIGGLE)]
        if isinstance(value, dict):
            accuracies = tuple(a + shift for a in value["accuracies"])
            return value | {"accuracies": accuracies}
        return tuple(a + shift for a in value)

    languages = ["count-3", "marked-copy", "count-and-copy"]
    results = make_study(made, **({"languages": languages, "models": ("lstm", "jm-10")} | study))
    return View(results, "float32")


def claims_of(view):
    return {claim.key: claim for claim in judge(view)}


FLAT = (0.85, 0.84, 0.83)
"""Above the floor at every length, and nearly all of it kept."""

FALLEN = (0.85, 0.5, 0.3)
ON_FLOOR = (FLOOR, FLOOR, FLOOR)

HOLDS = {"none": FALLEN, "memory": FLAT, "controller": FLAT, "controller+memory": FLAT}


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        # Of the way from floor to Bayes, .3, a tenth is near.
        ([FLOOR + 0.04] * 5, "above"),
        ([FLOOR + 0.02, FLOOR - 0.02, FLOOR, FLOOR, FLOOR], "equal"),
        ([FLOOR - 0.04] * 5, "below"),
        ([FLOOR - 0.04, FLOOR, FLOOR - 0.04, FLOOR, FLOOR], "open"),
        ([FLOOR, FLOOR + 0.1, FLOOR + 0.1, FLOOR, FLOOR], "open"),
    ],
)
def test_standings_are_told_by_the_whole_interval(accuracies, expected):
    results = make_study(lambda *name: (0.8, 0.7, accuracies[name[3]]), restarts=5)
    view = View(results, "float32")
    found = standing(view, results.cells[0], "200:400")
    assert found.place == expected
    assert found.text == (expected if expected == "open" else f"{expected} (94 %)")


@pytest.mark.parametrize(("restarts", "text"), [(3, "above (75 %)"), (6, "above")])
def test_the_coverage_of_few_restarts_stands_beside_the_word(restarts, text):
    results = make_study(lambda *name: (0.8, 0.8, 0.8), restarts=restarts)
    assert standing(View(results, "float32"), results.cells[0], "200:400").text == text


def test_where_floor_and_bayes_nearly_meet_nothing_stands_anywhere():
    results = make_study(lambda *name: (0.8, 0.7, 0.1), ceilings=lambda *name: FLOOR + 0.04)
    found = standing(View(results, "float32"), results.cells[0], "200:400")
    assert found.place == found.text == "uninformative"


def test_the_page_of_a_perfect_and_of_a_fallen_network():
    # Ten restarts of 12 are enough; the rest is still to come.
    found = claims_of(view_of(HOLDS, restarts=12))
    assert list(found) == list("abcdefghijk")
    assert found["a"].verdict == "undecided"
    assert found["b"].verdict == found["h"].verdict == "supported"
    assert found["b"].statistics[0].estimate.value == pytest.approx(0.83 / 0.85, abs=2e-3)
    assert "the whole interval is above 0.8" in found["b"].why
    fallen = dict.fromkeys(HOLDS, FALLEN)
    found = claims_of(view_of(fallen, restarts=12))
    assert found["b"].verdict == "not supported" and "below 0.8" in found["b"].why


def test_a_score_on_the_floor_holds_trivially():
    on_floor = HOLDS | {"memory": ON_FLOOR, "controller": ON_FLOOR}
    found = claims_of(view_of(on_floor, restarts=12))
    for key in "bg":
        assert found[key].verdict == "holds, trivially"
        assert "nothing shows that the networks are better than a baseline: d(" in found[key].why
        assert found[key].statistics[0].estimate.value == pytest.approx(1, abs=0.01)


def test_claims_are_read_from_the_rules():
    found = claims_of(view_of(HOLDS))
    assert found["b"].source == "abstract" and "mean K" in found["b"].rule
    assert found["j"].source == "Appendix C, criterion 3"
    assert found["j"].claim.startswith("the loss on strings")
    assert all(claim.rule and claim.source for claim in found.values())


def test_the_rules_have_two_dates():
    view = view_of(HOLDS)
    rules = PAPER.read(view).rules
    assert rules.written == "2026-11-26" and rules.begun.startswith("2025-01-01")
    text = resources.files("memrnn.papers.das_mali_2024").joinpath("claims.md").read_bytes()
    assert rules.digest == hashlib.sha256(text).hexdigest()[:12]
    assert "began" not in rules.exploratory
    assert "144 before there were rules" in rules.exploratory
    assert not rules.preliminary


@pytest.mark.parametrize(("digest", "exploratory"), [(None, False), ("0" * 12, True)])
def test_a_study_under_other_rules_is_exploratory(digest, exploratory):
    kept = digest or PAPER.read(view_of(HOLDS)).rules.digest
    versions = VERSIONS | {"rules of das_mali_2024": kept}
    modes = {mode: {"accuracies": FLAT, "versions": versions} for mode in HOLDS}
    text = PAPER.read(view_of(modes)).rules.exploratory
    assert bool(text) == exploratory
    assert ("began under other rules" in text) == exploratory


def test_while_runs_are_to_come_verdicts_are_preliminary():
    def made(language, model, freeze, restart):
        return {"status": "planned"} if restart == 5 else HOLDS[freeze]

    rules = PAPER.read(View(make_study(made), "float32")).rules
    assert "16 runs are still to come: verdicts are preliminary" in rules.preliminary


def test_tasks_that_count_in_no_claim_are_named():
    def floors(language, number):
        return 0.97 if language == "count-3" else FLOOR

    view = View(make_study(lambda *name: FLAT, floors=floors), "float32")
    notes = PAPER.read(view).rules.notes
    assert any(note.startswith("count-3 counts in no claim") for note in notes)


def test_a_network_without_memory_is_the_same_experiment_twice():
    text = without_memory(view_of(HOLDS | {"memory": FALLEN}), ["lstm"])
    assert "lstm has no memory" in text and "In 18 of 18 pairs" in text
    other = without_memory(view_of(HOLDS), ["lstm", "gru"])
    assert "lstm and gru have no memory" in other and "In 0 of 18 pairs" in other
    # What is not a number is not equal to itself, but is the same outcome.
    nan = make_study(
        lambda *name: {"accuracies": (0.8, 0.7, 0.65), "selection": float("nan"), "excess": 1.0}
    )
    assert "In 12 of 12 pairs" in without_memory(View(nan, "float32"), ["lstm"])
    # Whatever such a network does, no claim is about it.
    with_memory = view_of(HOLDS, models=("jm-10",))
    both = [[c.statistics for c in judge(view)] for view in (view_of(HOLDS), with_memory)]
    assert both[0] == both[1]


def test_cells_beside_each_other_have_intervals():
    comparisons = compare(view_of(HOLDS, restarts=8), PAPER.read(view_of(HOLDS)).questions)
    # Of one network with a memory on three languages: two measures and three.
    assert len(comparisons) == 3 * 5
    known = [one for one in comparisons if one.name != "growth exponent"]
    assert {one.pairs for one in known} == {8}
    of_accuracy = [one for one in known if one.name == "d(long)"]
    assert {one.difference for one in of_accuracy} == {"higher"}
    none = [one for one in comparisons if one.name == "growth exponent"]
    assert {(one.pairs, one.difference) for one in none} == {(0, "open")}


def test_the_interval_of_a_comparison_is_students():
    gains = (0.0, 0.1, 0.05)

    def made(language, model, freeze, restart):
        return (0.8, 0.7, 0.5 + (gains[restart] if freeze == "memory" else 0.0))

    view = View(make_study(made, restarts=3, freeze=("none", "memory")), "float32")
    found = next(one for one in compare(view) if one.name == "accuracy")
    # Mean .05, standard error .05 / sqrt(3), t of 2 degrees of freedom 4.3027.
    half = 4.302653 * 0.05 / 3**0.5
    assert found.estimate.value == pytest.approx(0.05)
    assert found.estimate.interval == pytest.approx((0.05 - half, 0.05 + half))
    assert found.difference == "open"


def test_published_statistics_are_those_of_the_same_cells():
    view = view_of(HOLDS)
    claims = claims_of(view)
    treebank = claims["a"]
    assert "123.5 to 120.5" in treebank.claim
    assert treebank.published[0].paper == pytest.approx(3.0)
    assert "vrns-3-3-5 with nothing frozen and rns-4-5" in treebank.notes[0]
    assert "119.8 with nothing frozen and 129.8 with memory frozen" in treebank.notes[1]
    assert "10.0 apart" in treebank.notes[1] and "119.8 is better" in treebank.notes[2]
    loss, worst = paper.worst_loss()
    assert (worst.language, worst.model) == ("marked-reverse-and-copy", "jm-3.3.3")
    assert loss == pytest.approx(1 - 0.31 / 0.80)
    (kept,) = claims["b"].published
    languages = ["count-3", "marked-copy", "count-and-copy"]
    theirs = [published().find(name, "jm-10", ("memory",)) for name in languages]
    assert kept.paper == pytest.approx(sum(c.accuracies[2] / c.accuracies[0] for c in theirs) / 3)
    assert kept.here == pytest.approx(0.83 / 0.85, abs=0.01)
    assert "best of 6 restarts" in kept.remark and "same 3 cells" in kept.remark
    assert claims["f"].published == ()
    other = claims_of(view_of(HOLDS, trained=(40, 90)))["b"].published[0]
    assert other.here is None and other.paper is None and "no cell" in other.remark


def test_published_cells_are_judged_by_the_floors_of_this_study():
    flat = view_of(HOLDS)
    bounds = paper.last_bounds(flat)
    assert set(bounds) == {"count-3", "marked-copy", "count-and-copy"}
    assert set(bounds.values()) == {(FLOOR, BAYES_OPTIMAL)}
    cells = [c for c in published().with_memory(("controller",)) if c.language in bounds]
    # A tenth of the way from floor to Bayes, and what two digits hide.
    low = sum(cell.accuracies[-1] <= FLOOR + 0.03 + 0.005 + 1e-9 for cell in cells)
    assert paper.on_baseline(("controller",), bounds) == (low, len(cells))
    assert paper.last_bounds(view_of(HOLDS, sets=((40, 100), (100, 200), (200, 300)))) == {}


def test_the_letters_are_read_as_what_is_frozen():
    count = published().find("count-3", "lstm", ("controller",))
    assert count.accuracies == (0.96, 0.98, 0.99)
    assert published().find("marked-copy", "jm-10", ("controller", "memory")) is None
    assert published().treebank["rns-4-5"][("memory",)] == 120.5
