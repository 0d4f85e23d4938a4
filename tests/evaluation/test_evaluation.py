"""Scores, against loops over single symbols; test sets; precisions; long strings."""

import dataclasses
import json
import math
from pathlib import Path

import jax
import numpy as np
import pytest

import reference_networks
from memrnn.evaluation import Marks, make_test_sets, mark, parse_bin, score, skill
from memrnn.evaluation import test as evaluate
from memrnn.experiment import Experiment, Recipe
from memrnn.languages import Law, get_language
from memrnn.languages._template_language import TemplateLanguage
from memrnn.models import get_model
from memrnn.network import OneHot
from memrnn.padding import padded_lengths
from memrnn.predictors import FLOORS
from memrnn.training import Run, load_run, train

RECIPE = Recipe(
    lengths=(3, 9), batch_size=4, batches=6, validation_batches=5, epochs=2, precision="float64"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "run"
    experiment = Experiment("marked-copy", "jm-3", ("memory",), RECIPE, seed=5)
    train(experiment, folder, restarts=2)
    return load_run(folder)


def dumb_score(network: object, groups: list[np.ndarray], language: str) -> dict[str, float]:
    """By hand: one string, one symbol at a time."""
    nats = right = symbols = known = known_right = exact = strings = 0.0
    law = Law(get_language(language), 0, 200)
    for group in groups:
        for string in group:
            determined = law.determined(string[None])[0]
            losses = reference_networks.losses(network, list(string))  # type: ignore[arg-type]
            every = True
            for t, target in enumerate([*string, 3]):
                # Right if no other symbol is more likely: ask for the loss of each.
                prefix = list(string[:t])
                rivals = [
                    reference_networks.losses(network, [*prefix, s])[t]
                    for s in range(3)  # type: ignore[arg-type]
                ] + [reference_networks.losses(network, prefix)[t]]  # type: ignore[arg-type]
                hit = int(np.argmin(rivals)) == target
                nats, right, symbols = nats + losses[t], right + hit, symbols + 1
                if determined[t]:
                    known, known_right, every = known + 1, known_right + hit, every and hit
            strings, exact = strings + 1, exact + every
    return {
        "strings": strings,
        "perplexity": math.exp(nats / symbols),
        "accuracy": right / symbols,
        "determined_accuracy": known_right / known,
        "exact_strings": exact / strings,
    }


def test_scores_equal_loops_over_symbols(run: Run) -> None:
    result = evaluate(run, [(3, 7), (8, 16)], strings_per_length=2)
    sets = make_test_sets(run.experiment.law, [(3, 7), (8, 16)], 2)
    assert result["best"] == run.best and result["precision"] == "float64"
    for restart, reported in zip(run.restarts, result["runs"], strict=True):
        assert reported["freeze"] == ["memory"] and reported["restart"] == restart.number
        for test_set, found in zip(sets, reported["bins"], strict=True):
            expected = dumb_score(restart.network, test_set.groups, "marked-copy")
            assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-9)
            for group, row in zip(test_set.groups, found["per_length"], strict=True):
                expected = dumb_score(restart.network, [group], "marked-copy")
                assert row["length"] == group.shape[1]
                assert {key: row[key] for key in expected} == pytest.approx(expected, rel=1e-9)
    json.dumps(result, allow_nan=False)


def test_floors_and_ceiling_are_of_the_right_laws(run: Run) -> None:
    result = evaluate(run, [(11, 15)], strings_per_length=3)
    (test_set,) = make_test_sets(run.experiment.law, [(11, 15)], 3)
    (found,) = result["runs"][0]["bins"]
    training = Law(get_language("marked-copy"), 3, 9)
    for floor in FLOORS:
        probabilities = [floor(training).probabilities(group) for group in test_set.groups]
        nats = 0.0
        for group, table in zip(test_set.groups, probabilities, strict=True):
            for string, rows in zip(group, table, strict=True):
                nats -= sum(math.log(row[s]) for row, s in zip(rows, [*string, 3], strict=True))
        symbols = sum(group.shape[0] * (group.shape[1] + 1) for group in test_set.groups)
        assert found["floors"][floor.name]["perplexity"] == pytest.approx(math.exp(nats / symbols))
    bound = Law(get_language("marked-copy"), 11, 15).lower_bound_perplexity(test_set.groups)
    assert found["ceiling"]["perplexity"] == pytest.approx(bound, rel=1e-12)
    best = max(floor["accuracy"] for floor in found["floors"].values())
    expected = (found["accuracy"] - best) / (found["ceiling"]["accuracy"] - best)
    assert found["skill"] == pytest.approx(expected)


def test_languages_without_determined_symbols_say_so(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, epochs=1)
    run = train(Experiment("unmarked-copy", "lstm", (), recipe), tmp_path / "run", restarts=1)
    (found,) = evaluate(run, [(4, 6)])["runs"][0]["bins"]
    assert found["determined_accuracy"] is None and found["exact_strings"] is None


@pytest.mark.parametrize(("precision", "error"), [("float32", 1e-5), ("bfloat16", 0.1)])
def test_precisions_agree_within_their_rounding(run: Run, precision: str, error: float) -> None:
    (test_set,) = make_test_sets(run.experiment.law, [(10, 40)], 2)
    network = run.restarts[0].network
    exact = mark(network, test_set, "float64")
    rounded = mark(network, test_set, precision)
    differences = [np.max(np.abs(a.nats - b.nats)) for a, b in zip(exact, rounded, strict=True)]
    assert 0 < max(differences) < error


def test_strings_of_length_10000() -> None:
    """Exact in float64 to the last symbol; the stack reaches a height of thousands."""
    law = Law(get_language("marked-copy"), 3, 9)
    (test_set,) = make_test_sets(law, [(9999, 10000)], 1)
    network = jax.tree.map(lambda leaf: 3 * leaf, get_model("jm-2").build(OneHot(3), 4, seed=0))
    (found,) = mark(network, test_set, "float64")
    string = [int(symbol) for symbol in test_set.groups[0][0]]
    np.testing.assert_allclose(
        found.nats[0, :2000], reference_networks.losses(network, string[:2000])[:2000], atol=1e-9
    )
    assert found.nats.shape == (1, 10000) and np.all(np.isfinite(found.nats))


def test_score_weighs_every_symbol_the_same() -> None:
    marks = [
        Marks(np.array([[1.0, 2.0]]), np.array([[True, False]])),
        Marks(np.array([[0.0, 0.0, 3.0]] * 2), np.array([[True, True, False], [True] * 3])),
    ]
    masks = [np.array([[False, False]]), np.array([[False, True, True]] * 2)]
    found = score(marks, masks)
    assert found.perplexity == pytest.approx(math.exp(9 / 8))
    assert (found.strings, found.accuracy) == (3, 6 / 8)
    assert (found.determined_accuracy, found.exact_strings) == (3 / 4, 2 / 3)


def test_skill() -> None:
    assert skill(0.8, 0.6, 1.0) == pytest.approx(0.5)
    assert skill(0.5, 0.5, 0.5) is None


def test_test_strings_depend_on_the_bin_only() -> None:
    laws = [Law(get_language("marked-copy"), *lengths) for lengths in ((3, 9), (5, 30))]
    first, second = (make_test_sets(law, [(11, 20)], 4)[0] for law in laws)
    assert all(map(np.array_equal, first.groups, second.groups))


def test_padded_lengths() -> None:
    """They are the same for all languages, but those that no string needs are left out."""
    known = get_language("count-3")
    assert isinstance(known, TemplateLanguage)
    for language in ("unmarked-copy", "count-3"):
        assert padded_lengths(Law(get_language(language), 40, 80)) == (53, 66, 80)
    assert padded_lengths(Law(known, 7, 20)) == (20,)

    class Rare(TemplateLanguage):
        def valid(self, length: int) -> bool:
            return length in (41, 70)

    rare = Rare(known.name, known.symbols, known.template)
    assert padded_lengths(Law(rare, 40, 80)) == (53, 80)


@pytest.mark.parametrize("text", ["40", "40-100", "a:b", "-1:4", "9:3", ""])
def test_wrong_bins_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"bin"):
        parse_bin(text)


def test_a_bin_without_a_valid_length_is_refused(run: Run) -> None:
    with pytest.raises(ValueError, match="nearest valid lengths are 9 and 11"):
        evaluate(run, [(10, 10)])
