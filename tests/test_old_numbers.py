"""Version 0.1 gave these numbers; with its seeds, training and evaluation still do.

`old_numbers.json` was written by memrnn 0.1 (commit 49f0d0d) on a CPU.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memrnn import Evaluation, Experiment, Run, Strings, TrainingConfig, evaluate, train

KNOWN = json.loads((Path(__file__).parent / "old_numbers.json").read_text())
CELLS = list(dict.fromkeys((old["language"], old["model"], *old["freeze"]) for old in KNOWN))
CONFIG = TrainingConfig(max_epochs=3, learning_rate_range=(5e-3, 1.5e-2))
RELATIVE = 1e-5


def old_seed(experiment: Experiment, restart: int) -> int:
    return int(np.random.SeedSequence([experiment.seed, restart]).generate_state(1)[0])


@pytest.fixture(scope="module", params=CELLS, ids=lambda cell: "-".join(cell))
def cell(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Run, Evaluation, list[dict[str, Any]]]]:
    language, model, *freeze = request.param
    known = [old for old in KNOWN if (old["language"], old["model"]) == (language, model)]
    task = Strings(
        language,
        train_lengths=(5, 24),
        batch_size=5,
        batches=20,
        validation_batches=6,
        length_bins=((5, 24), (25, 48)),
        samples_per_length=3,
    )
    experiment = Experiment(task, model, tuple(freeze), CONFIG, seed=7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("memrnn.training.Experiment.restart_seed", old_seed)
        numbers = [old["restart"] for old in known]
        run = train(experiment, tmp_path_factory.mktemp("old") / "run", numbers, workers=1)
        yield run, evaluate(run), known


def test_training_gives_the_old_numbers(cell) -> None:
    run, _, known = cell
    for trained, old in zip(run.restarts, known, strict=True):
        progress = trained.progress
        assert (trained.number, progress.seed) == (old["restart"], old["seed"])
        assert progress.best_epoch == old["best_epoch"]
        assert progress.reference == pytest.approx(old["bound"], rel=RELATIVE)
        rates = [epoch.learning_rate for epoch in progress.curve]
        assert rates == pytest.approx(old["learning_rate"], rel=1e-12)
        for name in ("train", "validation"):
            totals = [getattr(epoch, name)["perplexity"] for epoch in progress.curve]
            found = [math.exp(total.numerator / total.denominator) for total in totals]
            assert found == pytest.approx(old[name], rel=RELATIVE)


def test_evaluation_gives_the_old_numbers(cell) -> None:
    _, evaluation, known = cell
    accuracy, perplexity = (evaluation.task.metric(name) for name in ("accuracy", "perplexity"))
    for run, old in zip(evaluation.runs, known, strict=True):
        assert list(run.sets) == list(old["sets"])
        for name, expected in old["sets"].items():
            found = run.sets[name]
            assert found.value(perplexity) == pytest.approx(expected["perplexity"], rel=RELATIVE)
            # Rounding may decide between two symbols that are about equally likely.
            right, symbols = found.whole["accuracy"]
            assert right == pytest.approx(expected["accuracy"] * symbols, abs=1.01)
            assert list(found.groups) == list(expected["groups"])
            for group, totals in found.groups.items():
                right, symbols = totals["accuracy"]
                assert right == pytest.approx(expected["groups"][group] * symbols, abs=1.01)
            references = evaluation.references[name]
            for baseline, value in expected["baselines"].items():
                assert references[baseline].value(accuracy) == pytest.approx(value, rel=1e-12)
            for metric in (accuracy, perplexity):
                value = expected["bayes"][metric.name]
                assert references["bayes"].value(metric) == pytest.approx(value, rel=1e-9)
