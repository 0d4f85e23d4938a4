"""Schedules over all of training, noise on gates, discrete networks that begin continuous."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import memrnn
from memrnn import Strings, evaluate, load_run, train
from memrnn.cli import main
from memrnn.nn.gate_noise import GateNoise
from memrnn.runtime.precision import scope
from memrnn.tasks import score_set, total
from memrnn.training import Pack, Restart, load_experiment
from small_experiments import files, leaves, small

RECIPE: dict[str, Any] = {
    "batches": 4,
    "max_epochs": 4,
    "gate_noise": 0.5,
    "gate_noise_ramp": (0.25, 0.75),
    "discrete_from": 0.5,
    "lr_decay": 1.0,
    "lr_anneal": 0.01,
    "lr_anneal_start": 0.5,
    "latest_of_equals": True,
    "early_stopping_patience": 100,
    "fresh_strings": True,
    "longer_strings": 7,
}


def restart(**changes: Any) -> Restart:
    with scope("float32"):
        return Restart(small(**RECIPE | changes), 0)


def advance(one: Restart, epochs: int) -> Restart:
    for _ in range(epochs):
        one.advance()
    return one


def finish(one: Restart, metric: str, value: float) -> None:
    """Takes over an epoch whose validation gave this value."""
    one.finish_epoch({}, {metric: memrnn.tasks.Total(value, 1.0)}, True, lambda: one.network)


def test_rate_and_noise_follow_shares_of_all_updates() -> None:
    one, rates, noise = restart(), [], []
    for _ in range(4):
        plan = one.plan()
        rates += plan.rate.tolist()
        noise += plan.gate_noise.tolist()
        finish(one, "longer_sequence_accuracy", 0.0)
    first = rates[0]
    for update in range(16):
        share = update / 16
        factor = 1.0 if share < 0.5 else 0.01 ** ((share - 0.5) / 0.5)
        assert rates[update] == pytest.approx(first * factor, rel=1e-6)
        assert noise[update] == pytest.approx(0.5 * min(max(2 * (share - 0.25), 0), 1))
    assert [line.learning_rate for line in one.progress.curve] == pytest.approx(rates[::4])
    assert restart(gate_noise=0.0).plan().gate_noise is None


def test_noise_is_normal_and_depends_on_its_key() -> None:
    draws = [
        np.asarray(GateNoise(jnp.float32(0.3), jax.random.key(seed)).draw((51, 9, 77)))
        for seed in (0, 1, 1)
    ]
    found = np.sort(draws[0].ravel() / 0.3)
    shares = (np.arange(len(found)) + 0.5) / len(found)
    # The test of Kolmogorov and Smirnov, at the level .001.
    assert np.max(np.abs(scipy.stats.norm.cdf(found) - shares)) < 1.95 / np.sqrt(len(found))
    assert np.std(found) == pytest.approx(1.0, abs=0.02) and 3.5 < np.max(np.abs(found)) < 4.4
    for other in (draws[1], np.roll(draws[0], 1, axis=0), np.roll(draws[0], draws[0].size // 2)):
        assert abs(np.corrcoef(draws[0].ravel(), other.ravel())[0, 1]) < 0.02
    np.testing.assert_array_equal(draws[1], draws[2])
    assert not GateNoise(jnp.float32(0.0), jax.random.key(0)).draw((3, 2)).any()


def test_noise_is_in_training_alone() -> None:
    """It changes what updates see from the ramp on; scores are those without it."""
    noisy, calm = (advance(restart(gate_noise=scale), 1) for scale in (0.5, 0.0))
    for ours, theirs in zip(leaves(noisy.network), leaves(calm.network), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)  # the ramp begins after it
    advance(noisy, 1)
    advance(calm, 1)
    train_nats = [one.progress.curve[1].train["perplexity"].numerator for one in (noisy, calm)]
    assert abs(train_nats[0] - train_nats[1]) > 1e-3
    assert noisy.network.gate_noise is None
    with scope("float32"):
        scores = total(score_set(noisy.experiment.task, noisy.network, noisy.validation))
    assert scores == noisy.progress.curve[1].validation


def test_noise_differs_from_update_to_update_and_from_restart_to_restart() -> None:
    """With a rate of almost 0 and one batch, losses differ by the noise alone."""
    options = {"batches": 1, "fresh_strings": False, "learning_rate_range": (1e-12, 1e-12)}
    ramp = {"gate_noise_ramp": (0.0, 0.0), "lr_anneal": 1.0}
    one = advance(restart(**options | ramp), 3)
    nats = [line.train["perplexity"].numerator for line in one.progress.curve]
    assert len(set(nats)) == 3
    calm = advance(restart(**options | ramp | {"gate_noise": 0.0}), 3)
    assert len({line.train["perplexity"].numerator for line in calm.progress.curve}) == 1


def test_noise_reaches_gates_that_do_not_train() -> None:
    """Hidden states are not computed beforehand where they differ in every update."""
    frozen = {
        "freeze": ("controller", "memory"),
        "fresh_strings": False,
        "gate_noise_ramp": (0.0, 0.0),
    }
    noisy, calm = (advance(restart(gate_noise=scale, **frozen), 1) for scale in (0.5, 0.0))
    nats = [one.progress.curve[0].train["perplexity"].numerator for one in (noisy, calm)]
    assert abs(nats[0] - nats[1]) > 1e-3


def test_the_best_epoch_lies_after_the_ramp_and_is_the_last_of_equals() -> None:
    metric = "longer_sequence_accuracy"

    def best_after(*values: float, **changes: Any) -> int:
        one = restart(max_epochs=8, **changes)
        for value in values:
            finish(one, metric, value)
        return one.progress.best_epoch

    assert best_after(1.0, 1.0, 1.0, 1.0, 1.0) == 0
    assert best_after(1.0, 1.0, 1.0, 1.0, 1.0, 0.2) == 6
    assert best_after(1.0, 1.0, 1.0, 1.0, 1.0, 0.2, 0.5, 0.5) == 8
    assert best_after(1.0, 1.0, 1.0, 1.0, 1.0, 0.2, 0.5, 0.5, latest_of_equals=False) == 7
    assert best_after(1.0, 0.9, gate_noise=0.0, discrete_from=0.0) == 1
    assert best_after(1.0, 0.9, 0.8, 0.7, 0.6, gate_noise=0.0) == 5, (
        "epoch 4 had no discrete update"
    )
    assert best_after(*[0.5] * 7, 0.4, discrete_from=0.9) == 8


def test_what_the_discrete_network_scores_before_it_trains_counts_for_nothing() -> None:
    """Neither for the rate, averaging, nor divergence; from then on it does."""
    changes = {"lr_decay": 0.5, "lr_patience": 0, "lr_decay_latest": 1, "averaging_latest": 1}
    one = restart(max_epochs=8, gate_noise=0.0, lr_anneal=1.0, **changes)
    rates = []
    for value in (np.nan, 0.2, 0.1, 0.1):
        finish(one, "longer_sequence_accuracy", value)
        rates.append(one.progress.schedule.rate)
        assert (one.progress.status, one.progress.averaged_from) == ("running", None)
    assert len(set(rates)) == 1 and one.progress.best_epoch == 0
    finish(one, "longer_sequence_accuracy", 0.1)
    assert one.progress.schedule.rate == rates[0] / 2 and one.progress.averaged_from == 5
    finish(one, "longer_sequence_accuracy", np.nan)
    assert one.progress.status == "diverged"


def test_epochs_before_the_end_of_the_ramp_are_not_counted_as_stale() -> None:
    one = restart(max_epochs=8, early_stopping_patience=1)
    for _ in range(5):
        finish(one, "longer_sequence_accuracy", 0.5)
        assert not one.finished


def test_a_schedule_is_part_of_the_identity(tmp_path: Path) -> None:
    plain = {"gate_noise": 0.0, "lr_anneal": 1.0, "discrete_from": 0.0}
    for name in plain:
        one = {other: value for other, value in plain.items() if other != name}
        experiments = [small(**RECIPE | one | {"max_epochs": count}) for count in (4, 5)]
        assert experiments[0].identity() != experiments[1].identity()
    grown = [small(**RECIPE | plain | {"max_epochs": count}) for count in (4, 5)]
    assert grown[0].identity() == grown[1].identity()
    run = small(**RECIPE | {"max_epochs": 1})
    train(run, tmp_path / "run", restarts=1)
    longer = dataclasses.replace(run, config=dataclasses.replace(run.config, max_epochs=2))
    with pytest.raises(memrnn.MemrnnError, match="holds another experiment"):
        train(longer, tmp_path / "run", restarts=1)


def test_options_at_their_defaults_are_in_no_identity() -> None:
    text = json.dumps(small().identity())
    names = RECIPE.keys() - {"batches", "max_epochs", "lr_decay", "early_stopping_patience"}
    assert not any(name in text for name in names)
    text = json.dumps(small(**RECIPE).identity())
    assert all(name in text for name in names)


def test_an_interrupted_recipe_ends_in_the_same_bits(tmp_path: Path) -> None:
    experiment = small("lstm:discrete+jm-3:hard", **RECIPE)
    train(experiment, tmp_path / "calm", restarts=2)

    class StopError(Exception):
        pass

    def stop(number: int, progress: memrnn.Progress) -> None:
        if (number, progress.epochs) == (1, 2):
            raise StopError

    with pytest.raises(StopError):
        train(experiment, tmp_path / "broken", restarts=2, listener=stop)
    train(experiment, tmp_path / "broken", restarts=2)
    assert files(tmp_path / "broken") == files(tmp_path / "calm")
    run = load_run(tmp_path / "calm")
    (name,) = [one.name for one in run.experiment.task.sets][:1]
    whole = evaluate(run).runs[0].sets[name].whole
    assert 0 <= whole["sequence_accuracy"].numerator <= whole["sequence_accuracy"].denominator


def test_a_pack_is_its_restarts_alone() -> None:
    """Rates, noise and fresh strings are those of each restart, and so is what is discrete."""
    changes = {"precision": "float64", "max_epochs": 3}
    experiment = small("lstm:discrete+jm-3:hard", **RECIPE | changes)
    with scope("float64"):
        alone, packed = ([Restart(experiment, n) for n in range(2)] for _ in range(2))
        for one in alone:
            advance(one, 3)
    pack = Pack(packed[0], 2)
    for one in packed:
        pack.insert(one)
    for _ in range(3):
        pack.advance()
    for one, other in zip(list(pack.active), alone, strict=True):
        pack.remove(one)
        assert one.progress.best_epoch == other.progress.best_epoch
        for ours, theirs in zip(leaves(one.network), leaves(other.network), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)


DISCRETE = "lstm:discrete+jm-3:hard"


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_it_first_trains_as_the_continuous_network(precision: str) -> None:
    """From the share on updates are those of the discrete one: one that never was continuous makes
    the same updates from the same arrays."""
    changes = {"precision": precision, "max_epochs": 4}
    options = RECIPE | changes
    with scope(precision):
        one, plain, discrete = (
            Restart(small(model, **options | {"discrete_from": share}), 0)
            for model, share in ((DISCRETE, 0.5), ("jm-3", 0.5), (DISCRETE, 0.0))
        )
        assert (one.seed, one.seed) == (plain.seed, discrete.seed)
        for other in (one, plain, discrete):
            advance(other, 2)
        bound = 1e-5 if precision == "float32" else 1e-12
        for ours, theirs in zip(leaves(one.network), leaves(plain.network), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=bound, atol=bound)
        discrete.replace_arrays(one.arrays())
        for other in (one, plain, discrete):
            advance(other, 1)
        for ours, theirs in zip(leaves(one.network), leaves(discrete.network), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=bound, atol=bound)
        pairs = zip(leaves(one.network), leaves(plain.network), strict=True)
        assert any(not np.allclose(ours, theirs, rtol=1e-3) for ours, theirs in pairs)
        scores = total(score_set(one.experiment.task, one.network, one.validation))
        assert scores == one.progress.curve[-1].validation, "validated is the discrete network"


def test_the_share_counts_updates_not_epochs() -> None:
    """An epoch may begin continuous and end discrete."""
    one = restart(model=DISCRETE, discrete_from=0.375)
    kinds = []
    for _ in range(4):
        kinds += one.plan().discrete.tolist()
        finish(one, "longer_sequence_accuracy", 0.0)
    assert kinds == [False] * 6 + [True] * 10
    assert restart(model=DISCRETE, discrete_from=0.0).plan().discrete is None
    assert restart(discrete_from=0.375).plan().discrete is None, "it has no discrete options"


def test_continuous_hidden_states_of_frozen_components_are_not_those_of_the_discrete_network() -> (
    None
):
    """Where only the output layer trains, too."""
    options = {"freeze": ("controller", "memory"), "gate_noise": 0.0, "fresh_strings": False}
    one, plain = (restart(model=model, **options) for model in (DISCRETE, "jm-3"))
    for other in (one, plain):
        advance(other, 2)
    nats = [other.progress.curve[1].train["perplexity"].numerator for other in (one, plain)]
    assert nats[0] == pytest.approx(nats[1], rel=1e-4)
    advance(one, 1)
    advance(plain, 1)
    nats = [other.progress.curve[2].train["perplexity"].numerator for other in (one, plain)]
    assert nats[0] != pytest.approx(nats[1], rel=1e-3)


def test_a_continuous_network_has_the_same_parameters_and_no_switch_of_its_own() -> None:
    class Loose(memrnn.nn.memories.NoMemory):
        """Its switch is a leaf, which the continuous network would keep."""

        discrete_options = ("hard",)
        hard: bool

        def __init__(self, hidden_size: int, *, hard: bool = False, rng: np.random.Generator):
            super().__init__(hidden_size, rng=rng)
            self.hard = hard

    memrnn.register_memory("loose-test", Loose)
    memrnn.register_model("loose-test-hard", memrnn.Model("lstm", "loose-test", 3, {"hard": True}))
    with pytest.raises(memrnn.MemrnnError, match="discrete_from must be 0"):
        restart(model="loose-test-hard").plan()


WRONG = {
    "gate_noise": -1.0,
    "gate_noise_ramp": (0.7, 0.3),
    "lr_anneal": 0.0,
    "lr_anneal_start": 1.0,
    "longer_strings": -1,
    "growing_epochs": -1,
    "discrete_from": 1.0,
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_are_refused(name: str) -> None:
    with pytest.raises(memrnn.MemrnnError, match=name):
        small(**{name: WRONG[name]})


def test_the_preset_is_the_recipe(tmp_path: Path) -> None:
    words = ["train", "--language", "count-3", "--model", "lstm-3:discrete+jm-2:hard"]
    words += ["--config", "stable", "--restarts", "1", "--max-epochs", "0"]
    main([*words, "--out", str(tmp_path)])
    made = load_experiment(tmp_path)
    config, task = made.config, made.task
    assert isinstance(task, Strings)
    assert (task.train_lengths, task.batch_size, task.fresh_strings) == ((3, 30), 16, True)
    assert (config.gate_noise, config.gate_noise_ramp) == (0.5, (0.3, 0.7))
    assert (config.lr_anneal, config.lr_anneal_start) == (pytest.approx(10**-1.5), 0.6)
    assert config.learning_rate_range == (0.005, 0.012)
    assert config.lr_decay == 1.0 and config.latest_of_equals and task.longer_strings > 0


class Counter(memrnn.Controller):
    """A controller without gates."""

    @property
    def input_size(self) -> int:
        return 3

    @property
    def hidden_size(self) -> int:
        return 1

    def init(self, batch: int) -> jax.Array:
        return jnp.zeros((batch, 1))

    def step(self, state: jax.Array, inputs: jax.Array) -> jax.Array:
        return state + 1.0


def test_noise_needs_gates() -> None:
    network = small("lstm-1").task.build(memrnn.Model("lstm", hidden_size=1), 0)
    noise = GateNoise(jnp.float32(0.1), jax.random.key(0))
    network = dataclasses.replace(network, controller=Counter(), gate_noise=noise)
    with pytest.raises(memrnn.MemrnnError, match="Gate noise needs an AffineController, not Count"):
        network.hidden(jnp.zeros((4, 2), jnp.int32))
