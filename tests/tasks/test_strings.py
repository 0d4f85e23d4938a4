"""Strings as a task: what is drawn, batches and plans, scores of items against loops."""

import dataclasses
import itertools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import msgspec
import numpy as np
import pytest

import memrnn
import reference_networks
from memrnn import Distribution, Network, Strings, get_language, get_model
from memrnn.languages import TemplateLanguage, register_language
from memrnn.languages.predictors import BASELINES, illegal, table_predictor
from memrnn.runtime.options import parse_range
from memrnn.runtime.precision import cast, scope
from memrnn.tasks import EvaluationSet, ItemScores, TaskDescription, score_set, total

TASK = Strings(
    "marked-copy",
    train_lengths=(4, 12),
    batches=60,
    validation_batches=20,
    length_bins=((3, 7), (8, 16), (20, 60)),
    samples_per_length=2,
)


def network(task: Strings = TASK, model: str = "jm-3") -> Network:
    """A random network in float64, with parameters large enough to make a difference."""
    with scope("float64"):
        built = task.build(get_model(model), 0)
        return jax.tree.map(
            lambda leaf: 3 * leaf if eqx.is_inexact_array(leaf) else leaf, cast(built, "float64")
        )


def scores_of(task: Strings, net: Network, evaluation_set: EvaluationSet) -> ItemScores:
    with scope("float64"):
        return score_set(task, net, evaluation_set)


def strings_of(evaluation_set: EvaluationSet) -> list[list[int]]:
    """The strings of a set in the order of its items."""
    found: dict[int, list[int]] = {}
    for batch, numbers in zip(evaluation_set.batches, evaluation_set.items, strict=True):
        for row, length, number in zip(batch.tokens, batch.lengths, numbers, strict=True):
            if number >= 0:
                assert number not in found
                found[int(number)] = [int(symbol) for symbol in row[:length]]
    assert sorted(found) == list(range(len(evaluation_set.groups)))
    return [found[number] for number in sorted(found)]


def by_hand(net: Any, string: list[int], symbols: int) -> np.ndarray:
    """Probabilities of every symbol, and of end-of-string, after every prefix."""
    nats = []
    for t in range(len(string) + 1):
        prefix = string[:t]
        others = [reference_networks.losses(net, [*prefix, other])[t] for other in range(symbols)]
        nats.append([*others, reference_networks.losses(net, prefix)[t]])
    return np.exp(-np.array(nats))


def members(language: str) -> set[tuple[int, ...]]:
    """All short strings, with end-of-string, spelled out."""
    if language == "marked-copy":
        words = [w for n in range(9) for w in itertools.product((0, 1), repeat=n)]
        return {(*w, 2, *w, 3) for w in words}
    if language == "count-3":
        return {(0,) * n + (1,) * n + (2,) * n + (3,) for n in range(10)}
    assert language == "dyck"
    nested: list[set[tuple[int, ...]]] = [{()}]  # by the number of pairs
    for n in range(1, 7):
        nested.append(
            {
                (kind, *inner, 2 + kind, *rest)
                for m in range(n)
                for kind in (0, 1)
                for inner in nested[m]
                for rest in nested[n - 1 - m]
            }
        )
    return {(*string, 4) for strings in nested for string in strings}


def test_data_is_a_pure_function_of_the_seed() -> None:
    first, again, other = (TASK.data(seed).own for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.tokens, again.tokens)
    assert not np.array_equal(first.tokens, other.tokens)
    first, again, other = (strings_of(TASK.validation(seed)) for seed in (3, 3, 4))
    assert first == again != other
    data = TASK.data(3).own
    trained = [
        row[:n].tolist() for rows, n in zip(data.tokens, data.lengths, strict=True) for row in rows
    ]
    assert trained[: len(first)] != first


def test_data_depends_on_the_options_of_training_only() -> None:
    other = dataclasses.replace(TASK, length_bins=((3, 5),), samples_per_length=9)
    np.testing.assert_array_equal(TASK.data(0).own.tokens, other.data(0).own.tokens)


def test_every_batch_has_one_valid_length_and_strings_of_the_language() -> None:
    data, language = TASK.data(0).own, get_language("marked-copy")
    assert data.tokens.shape == (60, 10, 12) and data.lengths.shape == (60,)
    assert set(data.lengths.tolist()) == {5, 7, 9, 11}
    for tokens, length in zip(data.tokens, data.lengths, strict=True):
        assert all(language.contains(string) for string in tokens[:, :length])
        assert not np.any(tokens[:, length:])


def test_validation_has_every_string_as_an_item_with_its_length_as_group() -> None:
    validation = TASK.validation(0)
    strings = strings_of(validation)
    assert len(strings) == 200 and not validation.carries
    assert [str(len(string)) for string in strings] == list(validation.groups)
    assert all(get_language("marked-copy").contains(np.array(string)) for string in strings)


def test_the_plan_takes_every_batch_once_in_an_order_of_seed_and_epoch() -> None:
    task = dataclasses.replace(TASK, train_lengths=(4, 60), batches=50)
    assert task.updates == 50 and task.widths == (22, 41, 60)
    items, widths = task.plan(task.data(1), 1, 0)
    assert sorted(items) == list(range(50))
    np.testing.assert_array_equal(items, task.plan(task.data(1), 1, 0)[0])
    assert not np.array_equal(items, task.plan(task.data(1), 1, 1)[0])
    assert not np.array_equal(items, task.plan(task.data(2), 2, 0)[0])
    for length, width in zip(task.data(1).own.lengths[items], widths, strict=True):
        below = task.widths[width - 1] if width else 0
        assert below < length <= task.widths[width]


def test_a_batch_is_cut_to_its_width() -> None:
    task = dataclasses.replace(TASK, train_lengths=(4, 60), batches=50)
    data, (items, widths) = task.data(1), task.plan(task.data(1), 1, 0)
    for item, number in list(zip(items, widths, strict=True))[:5]:
        width = task.widths[number]
        batch = task.batch(data, item, width)
        length = data.own.lengths[item]
        assert batch.tokens.shape == (10, width)
        np.testing.assert_array_equal(batch.lengths, [length] * 10)
        np.testing.assert_array_equal(batch.tokens, data.own.tokens[item][:, :width])


def test_the_loss_is_the_mean_of_strings_and_its_scores_are_those_of_score() -> None:
    net = network()
    data = TASK.data(1)
    with scope("float64"):
        batch = jax.tree.map(jnp.asarray, TASK.batch(data, 5, 12))
        loss, (_, scores) = TASK.loss(net, (), batch, jax.random.key(0))
        _, expected = TASK.score(net, (), batch)
        longer = batch._replace(tokens=jnp.pad(batch.tokens, ((0, 0), (0, 7))))
        padded, _ = TASK.loss(net, (), longer, jax.random.key(0))
        loss, scores, expected, padded = jax.device_get((loss, scores, expected, padded))
    nats, symbols = scores["perplexity"]
    np.testing.assert_allclose(loss, np.mean(nats), rtol=1e-12)
    np.testing.assert_allclose(nats, expected["perplexity"][0], rtol=1e-12)
    np.testing.assert_array_equal(symbols, batch.lengths + 1)
    np.testing.assert_allclose(loss, padded, rtol=1e-12)


@pytest.mark.parametrize(
    ("language", "names"),
    [("marked-copy", ("3:7", "8:16")), ("count-3", ("3:7", "8:16")), ("dyck", ("3:6",))],
)
def test_scores_of_items_equal_loops_over_symbols(language: str, names: tuple[str, ...]) -> None:
    task = dataclasses.replace(TASK, language=language, length_bins=tuple(map(parse_range, names)))
    net, count, strings = network(task), len(get_language(language).symbols), members(language)
    for name in names:
        evaluation_set = task.evaluation_set(name)
        found = scores_of(task, net, evaluation_set)
        for number, string in enumerate(strings_of(evaluation_set)):
            probabilities, targets = by_hand(net, string, count), np.array([*string, count])
            positions = np.arange(len(targets))
            legal = np.array(
                [
                    [any(m[: t + 1] == (*string[:t], a) for m in strings) for a in range(count + 1)]
                    for t in positions
                ]
            )
            nats = -np.log(probabilities[positions, targets])
            best = np.argmax(probabilities, axis=1)
            right, asked = best == targets, legal.sum(axis=1) == 1
            expected: dict[str, tuple[Any, int]] = {
                "perplexity": (sum(nats), len(targets)),
                "accuracy": (sum(right), len(targets)),
                "illegal_mass": (np.sum(probabilities[~legal]), len(targets)),
                "illegal_argmax": (np.sum(~legal[positions, best]), len(targets)),
                "underflow_flagged": (0, 1),
                "not_finite": (0, len(targets)),
            }
            if language != "dyck":
                expected |= {
                    "determined_accuracy": (np.sum(asked & right), np.sum(asked)),
                    "determined_perplexity": (np.sum(nats[asked]), np.sum(asked)),
                    "sequence_accuracy": (float(np.all(right | ~asked)), 1),
                }
            assert found.keys() == expected.keys()
            for metric, parts in expected.items():
                assert [part[number] for part in found[metric]] == pytest.approx(parts, rel=1e-9)
        assert 0 < found["illegal_argmax"][0].sum() < found["illegal_argmax"][1].sum()


def test_a_prediction_that_is_not_finite_is_illegal() -> None:
    with scope("float64"):
        net = network()
        net = eqx.tree_at(lambda n: n.output.bias, net, net.output.bias.at[0].set(jnp.nan))
    found = scores_of(TASK, net, TASK.evaluation_set("3:7"))
    for metric in ("illegal_mass", "illegal_argmax"):
        np.testing.assert_array_equal(*found[metric])


def test_illegal_scores_of_references() -> None:
    """The Bayes-optimal predictor has none; one that knows nothing counts its ties."""
    references = TASK.references("3:7")
    assert not references["bayes"]["illegal_mass"][0].any()
    assert not references["bayes"]["illegal_argmax"][0].any()
    legal = np.array([[[True, False, False, True], [False, True, False, False]]])
    mass, argmax = illegal(np.full((1, 2, 4), 0.25), legal)
    np.testing.assert_allclose([mass[0], argmax[0]], [[0.5, 0.75], [0.5, 0.75]])
    (string,) = [s for s in strings_of(TASK.evaluation_set("3:7")) if len(s) == 3][:1]
    number = strings_of(TASK.evaluation_set("3:7")).index(string)
    counts = Distribution(get_language("marked-copy"), 4, 12).transition_counts()
    (row, *_) = BASELINES["unigram"](counts)
    allowed = [[0, 1, 2], [0, 1, 2], [string[0]], [3]]
    expected = sum(1 - sum(row[a] for a in symbols) for symbols in allowed)
    assert references["unigram"]["illegal_mass"][0][number] == pytest.approx(expected)
    assert references["unigram"]["illegal_mass"][1][number] == 4


def test_languages_without_determined_symbols_have_no_such_scores() -> None:
    task = Strings("unmarked-copy", length_bins=((4, 6),), samples_per_length=2)
    assert not get_language("unmarked-copy").has_determined_symbols
    found = scores_of(task, network(task), task.evaluation_set("4:6"))
    determined = {"determined_accuracy", "determined_perplexity", "sequence_accuracy"}
    assert not determined & found.keys()
    assert "determined_accuracy" not in task.references("4:6")["bayes"]


def test_evaluation_strings_depend_on_bin_and_language_only() -> None:
    other = dataclasses.replace(TASK, train_lengths=(5, 30), batches=7)
    assert strings_of(TASK.evaluation_set("8:16")) == strings_of(other.evaluation_set("8:16"))
    assert strings_of(TASK.evaluation_set("8:16")) != strings_of(TASK.evaluation_set("3:7"))


def test_an_evaluation_set_has_every_valid_length_equally_often() -> None:
    """More strings than a batch holds; batches of one width have one shape."""
    task = dataclasses.replace(TASK, samples_per_length=31, length_bins=((3, 50),))
    evaluation_set = task.evaluation_set("3:50")
    strings = strings_of(evaluation_set)
    counts = dict.fromkeys(range(3, 51, 2), 31)
    lengths = [len(string) for string in strings]
    assert {length: lengths.count(length) for length in set(lengths)} == counts
    assert list(evaluation_set.groups) == [str(length) for length in lengths]
    shapes = {batch.tokens.shape for batch in evaluation_set.batches}
    assert len(shapes) == 3 < len(evaluation_set.batches)
    filler = sum(int(np.sum(numbers < 0)) for numbers in evaluation_set.items)
    assert filler == sum(len(numbers) for numbers in evaluation_set.items) - len(strings) > 0


def test_filled_up_batches_score_every_item_once() -> None:
    task = dataclasses.replace(TASK, samples_per_length=31, length_bins=((3, 50),))
    evaluation_set, net = task.evaluation_set("3:50"), network()
    found = scores_of(task, net, evaluation_set)
    lengths = np.array([int(group) for group in evaluation_set.groups])
    np.testing.assert_array_equal(found["accuracy"][1], lengths + 1)
    strings = strings_of(evaluation_set)
    for number in (0, 99, 100, 300, len(strings) - 1):
        expected = sum(reference_networks.losses(net, strings[number]))
        assert found["perplexity"][0][number] == pytest.approx(expected, rel=1e-9)


def test_references_of_an_evaluation_set_equal_loops() -> None:
    strings = strings_of(TASK.evaluation_set("8:16"))
    references = TASK.references("8:16")
    assert list(references) == [*BASELINES, "bayes"]
    training = Distribution(get_language("marked-copy"), 4, 12)
    distribution = Distribution(get_language("marked-copy"), 8, 16)
    counts = training.transition_counts()
    predictors = {name: table_predictor(fit(counts)) for name, fit in BASELINES.items()}
    predictors["bayes"] = distribution.next_symbol_probabilities
    for name, predictor in predictors.items():
        for number, string in enumerate(strings):
            (rows,) = predictor(np.array([string], np.int32))
            targets = [*string, 3]
            nats = [-math.log(row[symbol]) for row, symbol in zip(rows, targets, strict=True)]
            found = references[name]
            assert found["perplexity"][0][number] == pytest.approx(sum(nats), rel=1e-9)
            determined = np.array(nats)[distribution.determined(np.array([string], np.int32))[0]]
            asked, size = found["determined_perplexity"]
            assert asked[number] == pytest.approx(np.sum(determined), rel=1e-9, abs=1e-12)
            assert size[number] == len(determined)
            assert found["perplexity"][1][number] == len(targets)
            right = [row[s] >= max(row) * (1 - 1e-9) for row, s in zip(rows, targets, strict=True)]
            assert found["accuracy"][0][number] <= sum(right)
    groups = [np.array([string], np.int32) for string in strings]
    bayes = total(references["bayes"])["perplexity"]
    bound = distribution.lower_bound(groups)
    assert bayes.numerator / bayes.denominator == pytest.approx(bound, rel=1e-12)
    assert np.all(references["bayes"]["determined_accuracy"][0] > 0)


def test_the_validation_reference_is_the_bound_of_the_training_distribution() -> None:
    reference = total(TASK.validation_reference(0))["perplexity"]
    distribution = Distribution(get_language("marked-copy"), 4, 12)
    groups = [np.array([string], np.int32) for string in strings_of(TASK.validation(0))]
    bound = distribution.lower_bound(groups)
    assert reference.numerator / reference.denominator == pytest.approx(bound, rel=1e-12)


@pytest.mark.parametrize("fields", [{}, {"length_bins": ((40, 100),)}, {"batches": 5}], ids=str)
def test_options_survive_json(fields: dict[str, Any]) -> None:
    task = dataclasses.replace(TASK, **fields)
    assert memrnn.make_task("strings", task.options()) == task
    assert task.spec == "strings:marked-copy"


def test_sets_say_how_they_lie_to_what_was_trained_on() -> None:
    task = dataclasses.replace(TASK, length_bins=((3, 12), (5, 13), (13, 20)))
    assert [tuple(one) for one in task.sets] == [
        ("3:12", "within"),
        ("5:13", "across"),
        ("13:20", "beyond"),
    ]
    assert task.describe().trained_groups == (4, 12)


def test_a_bin_without_a_valid_length_is_refused() -> None:
    with pytest.raises(memrnn.MemrnnError, match="nearest valid lengths are 9 and 11"):
        dataclasses.replace(TASK, length_bins=((10, 10),))


def test_text_is_encoded_with_or_without_spaces() -> None:
    np.testing.assert_array_equal(TASK.encode("01 # 01"), TASK.encode("01#01"))
    assert TASK.remarks("01#01") == ()
    (remark,) = TASK.remarks("01#11")
    assert "marked-copy" in remark
    assert TASK.labels == ("0", "1", "#", "end")


@pytest.mark.slow
def test_strings_of_length_10000() -> None:
    """Exact in float64 to the last symbol; the stack reaches a height of thousands."""
    task = dataclasses.replace(TASK, length_bins=((9999, 10000),), samples_per_length=1)
    net, evaluation_set = network(task, "jm-2"), task.evaluation_set("9999:10000")
    (string,) = strings_of(evaluation_set)
    found = scores_of(task, net, evaluation_set)
    assert np.isfinite(found["perplexity"][0][0]) and found["perplexity"][1][0] == 10000
    assert found["not_finite"][0][0] == 0
    with scope("float64"):
        odds = jax.nn.log_softmax(net.prefix_logits(jnp.array(string)[:, None])[:, 0])
    nats = -np.asarray(odds)[np.arange(2000), string[:2000]]
    expected = reference_networks.losses(net, string[:2000])[:2000]
    np.testing.assert_allclose(nats, expected, atol=1e-9)


def test_padded_lengths() -> None:
    """They are the same for all languages, but those that no string needs are left out."""
    for language in ("unmarked-copy", "count-3"):
        assert Strings(language, train_lengths=(40, 80)).widths == (53, 66, 80)
    assert Strings("count-3", train_lengths=(7, 20)).widths == (20,)
    # Where all are nearly as long as the longest, one.
    assert Strings("count-3", train_lengths=(81, 100)).widths == (100,)
    assert Strings("count-3", train_lengths=(200, 300)).widths == (250, 300)

    class Rare(TemplateLanguage):
        def valid(self, length: int) -> bool:
            return length in (41, 70)

    known = get_language("count-3")
    assert isinstance(known, TemplateLanguage)
    register_language("rare", lambda: Rare(known.name, known.symbols, known.template))
    task = Strings("rare", train_lengths=(40, 80), length_bins=((40, 80),))
    assert task.widths == (53, 80)


def test_batches_of_an_evaluation_set() -> None:
    """Short ones have rows for all lengths, long ones for the strings that there are."""

    def rows(language: str, bounds: tuple[int, int], samples: int) -> list[int]:
        task = Strings(language, length_bins=(bounds,), samples_per_length=samples)
        return [len(items) for items in task.evaluation_set(f"{bounds[0]}:{bounds[1]}").items]

    assert rows("count-3", (21, 30), 2) == rows("marked-reversal", (21, 30), 2) == [20]
    assert rows("count-3", (721, 800), 1) == [26]
    assert rows("marked-reversal", (721, 800), 1) == [40]
    assert rows("marked-reversal", (721, 800), 3) == [60, 60]  # of at most 100


def test_what_reports_show_first_is_no_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    described = TASK.describe()
    assert described.overview == "determined_accuracy"
    # A ledger of before knows no overview.
    text = msgspec.json.encode(described).replace(b',"overview":"determined_accuracy"', b"")
    old = msgspec.json.decode(text, type=TaskDescription)
    assert old == dataclasses.replace(described, overview=None)
    monkeypatch.setattr(Strings, "overview", None)
    assert TASK.describe() == old and old.key == described.key
