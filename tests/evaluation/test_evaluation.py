"""Evaluation of a run: every restart on every set, references, precisions, what is refused."""

import dataclasses
import json
import math
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import growing_memory  # noqa: F401  registers the model growing-4
import memrnn
import reference_networks
from memrnn import Evaluation, Run, evaluate, load_run, train
from memrnn.evaluation import SetScores, best_baseline, evaluate_restart, normalised
from memrnn.nn.gate_noise import GateNoise
from memrnn.runtime.precision import cast, scope
from memrnn.tasks import Total, score_set
from small_experiments import small

EXPERIMENT = small(freeze=("memory",), max_epochs=2, precision="float64", seed=5)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(EXPERIMENT, folder, restarts=2)
    return load_run(folder)


@pytest.fixture(scope="module")
def evaluation(run: Run) -> Evaluation:
    return evaluate(run)


def test_totals_of_groups_equal_loops_over_strings(run: Run, evaluation: Evaluation) -> None:
    assert (evaluation.model, evaluation.freeze, evaluation.precision) == (
        "jm-3",
        ("memory",),
        "float64",
    )
    for restart, found in zip(run.restarts, evaluation.runs, strict=True):
        assert (found.restart, found.seed) == (restart.number, restart.progress.seed)
        assert list(found.sets) == ["11:13", "20:30"]
        expected: dict[str, list[float]] = {}
        evaluation_set = EXPERIMENT.task.evaluation_set("11:13")
        for batch, items in zip(evaluation_set.batches, evaluation_set.items, strict=True):
            for row in np.flatnonzero(items >= 0):
                tokens, length = batch.tokens[row], batch.lengths[row]
                nats = reference_networks.losses(restart.network, tokens[:length].tolist())
                expected.setdefault(str(length), []).extend(nats)
        groups = found.sets["11:13"].groups
        assert list(groups) == list(expected) == ["11", "13"]
        for group, nats in expected.items():
            totals = groups[group]["perplexity"]
            assert totals == pytest.approx((sum(nats), len(nats)), rel=1e-9)
        whole = [nat for nats in expected.values() for nat in nats]
        perplexity = found.sets["11:13"].value(evaluation.task.metric("perplexity"))
        assert perplexity == pytest.approx(math.exp(sum(whole) / len(whole)), rel=1e-9)


def test_restarts_stand_where_training_left_them(run: Run, evaluation: Evaluation) -> None:
    assert evaluation.best == run.best
    for restart, found in zip(run.restarts, evaluation.runs, strict=True):
        progress = restart.progress
        assert (found.status, found.epochs, found.best_epoch) == ("done", 2, progress.best_epoch)
        assert found.learning_rate == progress.curve[0].learning_rate
        assert found.selection == progress.schedule.best
        assert found.excess == pytest.approx(math.log(found.selection / (found.reference or 1)))


def test_references_are_those_of_the_task(evaluation: Evaluation) -> None:
    for name, references in evaluation.references.items():
        for predictor, scores in EXPERIMENT.task.references(name).items():
            nats, symbols = scores["perplexity"]
            whole = references[predictor].whole["perplexity"]
            assert whole == pytest.approx((np.sum(nats), np.sum(symbols)), rel=1e-12)
            assert list(references[predictor].groups) == list(evaluation.runs[0].sets[name].groups)


def test_a_run_is_evaluated_with_other_options_of_evaluation(run: Run) -> None:
    task = dataclasses.replace(EXPERIMENT.task, length_bins=((13, 15),), samples_per_length=3)  # type: ignore[type-var]
    found = evaluate(run, task)
    assert [one.name for one in found.task.sets] == ["13:15"]
    accuracy = found.runs[0].sets["13:15"].groups
    assert {group: totals["accuracy"].denominator for group, totals in accuracy.items()} == {
        "13": 3 * 14,
        "15": 3 * 16,
    }
    assert found.task.key != evaluate(run).task.key


def test_another_task_or_precision_is_refused(run: Run) -> None:
    other = dataclasses.replace(EXPERIMENT.task, batches=7)  # type: ignore[type-var]
    with pytest.raises(memrnn.MemrnnError, match="trained on another task"):
        evaluate(run, other)
    with pytest.raises(memrnn.MemrnnError, match="There is no precision 'int8'"):
        evaluate(run, precision="int8")


def test_noise_on_the_gates_is_that_of_its_definition(run: Run, evaluation: Evaluation) -> None:
    scale = 0.3
    noisy = evaluate(run, gate_noise=scale)
    assert noisy == evaluate(run, gate_noise=scale) != evaluate(run, gate_noise=0.2)
    assert evaluate(run, gate_noise=0.0) == evaluation
    assert (noisy.gate_noise, noisy.to_json()["gate_noise"]) == (scale, scale)
    restart, task = run.restarts[0], EXPERIMENT.task
    batch = task.evaluation_set("11:13").batches[0]
    key = jax.random.key(np.uint32(restart.progress.seed % 2**32))
    key = jax.random.fold_in(key, np.uint32(0))  # the first batch
    with scope("float64"):
        noise = GateNoise(jnp.float64(scale), key)
        network, strings = restart.network, len(batch.tokens)
        xs = network.embedding(jnp.asarray(batch.tokens.T), network.dtype)
        draws = noise.draw((len(xs), strings, 80))
        hidden, _ = memrnn.unroll(
            network.controller, network.memory, xs, rule=memrnn.REFERENCE, gate_noise=draws
        )
        logits = network.logits(jnp.concatenate([jnp.zeros((1, *hidden.shape[1:])), hidden]))
    nats = -np.asarray(logits) + np.log(np.exp(np.asarray(logits)).sum(axis=-1, keepdims=True))
    expected = sum(
        nats[step, row, target]
        for row in np.flatnonzero(task.evaluation_set("11:13").items[0] >= 0)
        for step, target in enumerate([*batch.tokens[row, : batch.lengths[row]], 3])
    )
    assert len(task.evaluation_set("11:13").batches) == 1
    found = noisy.runs[0].sets["11:13"].whole["perplexity"].numerator
    assert found == pytest.approx(expected, rel=1e-9)


def test_without_its_memory_a_network_reads_zeros(run: Run, evaluation: Evaluation) -> None:
    found = evaluate(run, without_memory=True)
    assert found.without_memory and found.to_json()["without_memory"]
    assert found.runs[0].sets != evaluation.runs[0].sets
    # The weights of the reading, which joins the input last, could as well be 0.
    restart = run.restarts[0]
    network, size = restart.network, restart.network.memory.reading_size
    with scope("float64"):
        deaf = network.controller.weight_input.at[:, -size:].set(0)
    network = eqx.tree_at(lambda one: one.controller.weight_input, network, deaf)
    expected = evaluate_restart(EXPERIMENT.task, network, "float64")["11:13"]
    for name, total in expected.whole.items():
        assert found.runs[0].sets["11:13"].whole[name] == pytest.approx(total, rel=1e-9)


def test_a_model_without_memory_has_none_to_do_without(tmp_path: Path) -> None:
    experiment = dataclasses.replace(EXPERIMENT, model="lstm")
    run = memrnn.train(experiment, tmp_path / "run", restarts=1)
    with pytest.raises(memrnn.MemrnnError, match="lstm has no memory that it could do without"):
        evaluate(run, without_memory=True)


def test_wrong_noise_is_refused(run: Run) -> None:
    with pytest.raises(memrnn.MemrnnError, match=r"gate_noise is -1\.0, but must be at least 0"):
        evaluate(run, gate_noise=-1.0)
    for precision in ("e5m10", "controller=e5m10"):
        with pytest.raises(memrnn.MemrnnError, match="Gate noise is for a controller in a native"):
            evaluate(run, gate_noise=0.1, precision=precision)
    plain, noisy = (evaluate(run, gate_noise=x, precision="memory=e5m10") for x in (0.0, 0.5))
    assert plain.runs[0].sets != noisy.runs[0].sets


def test_batches_have_noise_of_their_own(run: Run) -> None:
    """Two batches of the same strings do not score the same."""
    restart, task = run.restarts[0], EXPERIMENT.task
    one = task.evaluation_set("11:13")
    twice = dataclasses.replace(
        one,
        batches=[*one.batches, *one.batches],
        items=[one.items[0], np.where(one.items[0] >= 0, one.items[0] + len(one.groups), -1)],
        groups=[*one.groups, *one.groups],
    )
    with scope("float64"):
        noise = GateNoise(jnp.float64(0.3), jax.random.key(0))
        network = dataclasses.replace(restart.network, gate_noise=noise)
        nats, _ = score_set(task, network, twice)["perplexity"]
    first, second = nats[: len(one.groups)], nats[len(one.groups) :]
    assert not np.isclose(first, second).any()


def test_what_is_printed_as_json(run: Run, evaluation: Evaluation) -> None:
    found = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))
    assert found["task"] == "strings:marked-copy" and found["freeze"] == ["memory"]
    accuracy = evaluation.task.metric("accuracy")
    for entry, one in zip(found["runs"], evaluation.runs, strict=True):
        values = entry["sets"]["20:30"]
        assert values["accuracy"] == one.sets["20:30"].value(accuracy)
        assert {group: value["accuracy"] for group, value in values["groups"].items()} == one.sets[
            "20:30"
        ].by_group(accuracy)
    assert found["references"]["11:13"]["bayes"]["perplexity"] > 1


@pytest.mark.parametrize(("precision", "error"), [("float32", 1e-5), ("bfloat16", 0.1)])
def test_precisions_agree_within_their_rounding(run: Run, precision: str, error: float) -> None:
    found = [
        evaluate_restart(run.experiment.task, run.restarts[0].network, one, ["20:30"])["20:30"]
        for one in ("float64", precision)
    ]
    nats, rounded = ([t["perplexity"].numerator for t in one.groups.values()] for one in found)
    difference = np.abs(np.array(nats) - rounded) / 30
    assert 0 < np.max(difference) < error


def test_a_low_precision_is_in_the_network_and_not_in_the_sums(run: Run) -> None:
    """A sum of a thousand nats in bfloat16 would be a multiple of 4."""
    found = evaluate(run, precision="bfloat16").runs[0].sets["20:30"].whole["perplexity"]
    assert found.denominator == sum(2 * (length + 1) for length in range(21, 31, 2))
    assert found.numerator % 1 != 0


def test_logits_that_are_not_finite_are_never_right_and_are_counted(tmp_path: Path) -> None:
    """argmax of NaN is 0: every first symbol of the alphabet would be right."""
    experiment = small("growing-4", max_epochs=0, length_bins=((149, 151),), samples_per_length=5)
    run = train(experiment, tmp_path / "run", restarts=3)
    evaluation = evaluate(run, precision="float16")
    evaluation_set = experiment.task.evaluation_set("149:151")
    ((batch,), (items,)) = evaluation_set.batches, evaluation_set.items
    for restart, found in zip(run.restarts, evaluation.runs, strict=True):
        with scope("float16"):
            network = cast(restart.network, "float16")
            logits = np.asarray(network.prefix_logits(jnp.asarray(batch.tokens).T))
        naive = right = not_finite = symbols = 0
        for row in np.flatnonzero(items >= 0):
            tokens, length = batch.tokens[row], batch.lengths[row]
            for t, target in enumerate([*tokens[:length], 3]):
                finite = bool(np.all(np.isfinite(logits[t, row])))
                hit = int(np.argmax(logits[t, row])) == target
                naive, right = naive + hit, right + (hit and finite)
                not_finite, symbols = not_finite + (not finite), symbols + 1
        whole = found.sets["149:151"].whole
        assert whole["accuracy"] == (right, symbols)
        assert whole["not_finite"] == (not_finite, symbols)
        assert not_finite > symbols / 2 and naive > right
        assert found.sets["149:151"].value(evaluation.task.metric("sequence_accuracy")) == 0
    json.dumps(evaluation.to_json(), allow_nan=False)


def test_finite_logits_are_counted_as_such(evaluation: Evaluation) -> None:
    for run in evaluation.runs:
        assert all(one.whole["not_finite"].numerator == 0 for one in run.sets.values())


def test_the_best_baseline_has_the_best_value_and_is_not_bayes() -> None:
    def scores(value: float) -> SetScores:
        return SetScores({"all": {"accuracy": Total(value, 1.0), "nats": Total(value, 1.0)}})

    references = {
        "bayes": scores(0.9),
        "one": scores(0.3),
        "two": scores(0.5),
        "three": scores(0.5),
    }
    accuracy, nats = memrnn.Metric("accuracy", "max"), memrnn.Metric("nats", "min")
    assert best_baseline(references, accuracy) == ("two", 0.5)
    assert best_baseline(references, nats) == ("one", 0.3)
    assert best_baseline({"bayes": scores(0.9)}, accuracy) is None
    assert best_baseline(references, memrnn.Metric("other", "max")) is None


def test_normalised() -> None:
    assert normalised(0.8, 0.6, 1.0) == pytest.approx(0.5)
    assert normalised(0.5, 0.5, 0.5) is None


def test_a_metric_without_denominator_has_no_value() -> None:
    metric = memrnn.Metric("x", "max")
    scores = SetScores({"3": {"x": Total(0.0, 0.0)}, "5": {"x": Total(1.0, 2.0)}})
    assert scores.by_group(metric) == {"5": 0.5} and scores.value(metric) == 0.5
    assert SetScores({}).value(metric) is None


def test_networks_are_evaluated_as_they_are(run: Run) -> None:
    """Evaluation in another precision leaves the run's networks alone."""
    evaluate(run, precision="bfloat16")
    for restart in run.restarts:
        assert {str(leaf.dtype) for leaf in jax.tree.leaves(restart.network)} == {"float64"}
