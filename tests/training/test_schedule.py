"""The schedule, against a transcription of PyTorch's ReduceLROnPlateau and of early stopping."""

import dataclasses
import math
from typing import ClassVar, Literal

import numpy as np
import pytest

from memrnn import Experiment, Metric, Strings, TrainingConfig
from memrnn.runtime.precision import scope
from memrnn.tasks import Total
from memrnn.training import Restart
from small_experiments import small

METRICS = {
    "perplexity": Metric("perplexity", "min", "exp"),
    "nats": Metric("nats", "min"),
    "accuracy": Metric("accuracy", "max"),
}


class Chosen(Strings):
    """Strings whose selection metric a test sets."""

    selection: ClassVar[Metric] = METRICS["accuracy"]


class TorchPlateau:
    """threshold_mode rel, threshold 1e-4, cooldown 0, eps 1e-8."""

    def __init__(self, rate: float, factor: float, patience: int, mode: Literal["min", "max"]):
        self.rate, self.factor, self.patience, self.mode = rate, factor, patience, mode
        self.best, self.bad = math.inf if mode == "min" else -math.inf, 0

    def is_better(self, value: float) -> bool:
        if self.mode == "min":
            return value < self.best * (1 - 1e-4)
        return value > self.best * (1 + 1e-4)

    def step(self, value: float) -> None:
        if self.is_better(value):
            self.best, self.bad = value, 0
        else:
            self.bad += 1
        if self.bad > self.patience:
            new = self.rate * self.factor
            if self.rate - new > 1e-8:
                self.rate = new
            self.bad = 0


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch):
    """A restart with this selection metric, not trained; its epochs are what a test says."""

    def start(name: str = "perplexity", **config: object) -> Restart:
        monkeypatch.setattr(Chosen, "selection", METRICS[name])
        task = Chosen("marked-copy", train_lengths=(3, 5), batches=1, validation_batches=1)
        chosen = dataclasses.replace(TrainingConfig(), **config)  # type: ignore[arg-type]
        with scope("float32"):
            return Restart(Experiment(task, "lstm-1", (), chosen), 0)

    return start


def epoch(restart: Restart, *means: float, finite: bool = True) -> None:
    """Takes over epochs whose validation mean of the selection metric is given."""
    for mean in means:
        found = {restart.progress.selection.name: Total(2 * mean, 2.0)}
        restart.finish_epoch({}, found, finite, lambda: restart.network)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("seed", range(8))
def test_equals_torch(seed: int, name: str, start) -> None:
    rng = np.random.default_rng(seed)
    metric, rate = METRICS[name], 10.0 ** rng.uniform(-7.5, -2)
    restart = start(
        name,
        lr_patience=int(rng.integers(0, 6)),
        lr_decay=0.5,
        learning_rate_range=(rate, rate),
        early_stopping_patience=1000,
    )
    rate = restart.progress.schedule.rate
    torch = TorchPlateau(rate, 0.5, restart.experiment.config.lr_patience, metric.goal)
    best, stale = (math.inf if metric.goal == "min" else -math.inf), 0
    rates = []
    for _ in range(80):
        mean = 0.5 + float(rng.integers(0, 4) * 10.0 ** -rng.integers(1, 7))
        value = math.exp(mean) if name == "perplexity" else mean
        rates.append(torch.rate)
        torch.step(value)
        epoch(restart, mean)
        better = value < best if metric.goal == "min" else value > best
        best, stale = (value, 0) if better else (best, stale + 1)
        schedule = restart.progress.schedule
        assert (schedule.rate, schedule.best, schedule.stale) == (torch.rate, best, stale)
        assert restart.progress.best_epoch == restart.progress.epochs - stale
    assert [one.learning_rate for one in restart.progress.curve] == rates


@pytest.mark.parametrize(("name", "sign"), [("perplexity", -1), ("nats", -1), ("accuracy", 1)])
def test_a_tiny_improvement_resets_the_stop_but_not_the_plateau(
    name: str, sign: int, start
) -> None:
    restart = start(name)
    rate = restart.progress.schedule.rate
    epoch(restart, *(0.5 + sign * 1e-6 * number for number in range(7)))
    assert restart.progress.schedule.stale == 0
    # The sixth epoch without improvement exceeds the patience of 5.
    assert restart.progress.schedule.rate == rate * 0.9


@pytest.mark.parametrize("name", METRICS)
def test_the_plateau_threshold_is_relative_to_the_value(name: str, start) -> None:
    """A perplexity of exp(0.5) must fall by 1.6e-4; a mean of 0.5 nats by 5e-5."""
    sign = 1 if METRICS[name].goal == "max" else -1
    for change, counted in ((0.6e-4, name != "perplexity"), (1.1e-4, True)):
        restart = start(name, lr_patience=0, lr_decay=0.5)
        rate = restart.progress.schedule.rate
        epoch(restart, 0.5, 0.5 + sign * change)
        assert (restart.progress.schedule.rate == rate) == counted


def test_training_stops_after_epochs_without_strict_improvement(start) -> None:
    restart = start("accuracy", early_stopping_patience=3)
    epoch(restart, 0.5, 0.6, 0.6, 0.6)
    assert not restart.finished
    epoch(restart, 0.6)
    assert restart.finished and restart.progress.status == "done"
    assert (restart.progress.best_epoch, restart.progress.schedule.best) == (2, 0.6)


@pytest.mark.parametrize("seed", range(6))
def test_a_late_decay_equals_the_published_scheduler(seed: int, start) -> None:
    """Of Melis et al. 2018: the code of their `LearningRateScheduler`, transcribed."""
    rng = np.random.default_rng(seed)
    patience, latest = int(rng.integers(1, 5)), int(rng.integers(5, 30))
    restart = start(
        lr_patience=patience,
        lr_decay=0.1,
        lr_decay_latest=latest,
        learning_rate_range=(1.0, 1.0),
        early_stopping_patience=1000,
    )
    best, best_turn, last_drop, multiplier = math.inf, 0, -1, 1.0
    drops = []
    for turn in range(1, 41):
        # Steps far from the relative threshold, which theirs has not.
        mean = 2 - 0.5 * turn / 40 + float(rng.choice([0.0, 0.1, 0.2]))
        if mean < best:
            best, best_turn = mean, turn
        epoch(restart, mean)
        if max(best_turn, last_drop) + patience < turn or (last_drop == -1 and latest <= turn):
            multiplier, last_drop = multiplier * 0.1, turn
            drops.append(turn)
        # Ours goes no lower than PyTorch's.
        assert restart.progress.schedule.rate == pytest.approx(max(multiplier, 1e-8), rel=1e-9)
    assert drops


def test_averaging_begins_after_a_plateau_or_at_the_latest(start) -> None:
    means = [0.5, 0.6, 0.55, 0.4, 0.4, 0.4, 0.3, 0.3, 0.3, 0.3]
    for patience, latest, expected in (
        (2, None, 3),
        (3, None, 10),
        (4, None, None),
        (3, 5, 5),
        (None, 4, 4),
        (2, 7, 3),
    ):
        restart = start(averaging_patience=patience, averaging_latest=latest)
        epoch(restart, *means)
        assert restart.progress.averaged_from == expected
        assert restart.progress.schedule.stale == 3, "averaging resets no count"


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_no_improvement(name: str, value: float, start) -> None:
    restart = start(name)
    value = -value if METRICS[name].goal == "max" else value
    epoch(restart, 0.5, value)
    progress = restart.progress
    assert (progress.status, progress.best_epoch, progress.schedule.stale) == ("diverged", 1, 1)
    assert restart.finished


def test_a_parameter_that_is_not_finite_ends_the_restart(start) -> None:
    restart = start()
    epoch(restart, 0.5)
    epoch(restart, 0.4, finite=False)
    assert restart.progress.status == "diverged"


def test_excess_is_what_lies_above_the_reference(start) -> None:
    restart = start("perplexity")
    assert restart.progress.excess == math.inf
    assert restart.progress.reference is not None
    epoch(restart, 0.5, 0.7)
    above = 0.5 - math.log(restart.progress.reference)
    assert restart.progress.excess == pytest.approx(above)
    assert restart.progress.excess_text == f"{above:.4f} nats above its reference"
    restart = start("accuracy")
    assert restart.progress.reference is None
    epoch(restart, 0.5, 0.7, 0.6)
    assert restart.progress.excess == -0.7 and restart.progress.excess_text == ""
    known = dataclasses.replace(restart.progress, reference=1.0)
    assert known.excess_text == "0.3000 below its reference"


def test_learning_rates_are_log_uniform() -> None:
    low, high = np.log(5e-4), np.log(1e-2)
    with scope("float32"):
        rates = [
            Restart(
                small("lstm-1", batches=1, validation_batches=1, learning_rate_range=(5e-4, 1e-2)),
                number,
            ).progress.schedule.rate
            for number in range(100)
        ]
    logarithms = np.sort(np.log(rates))
    assert low <= logarithms[0] and logarithms[-1] <= high
    expected = (logarithms - low) / (high - low)
    assert np.max(np.abs(expected - np.arange(100) / 100)) < 1.63 / np.sqrt(100)  # p = 0.01
