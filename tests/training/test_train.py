"""Training as a whole: Adam against numpy, resuming, freezing, diverging, what is refused."""

import math
import os
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import memrnn
from memrnn import COMPONENTS, Progress, load_run, partition, train
from memrnn.runtime import checkpoints
from memrnn.runtime.precision import scope
from memrnn.training import Restart, epoch_program, start_from
from small_experiments import files, leaves, small


def nats(network: memrnn.Network, tokens: jax.Array) -> jax.Array:
    """Of strings of one length, summed over their symbols and end-of-string."""
    odds = jax.nn.log_softmax(network.prefix_logits(tokens.T))
    end = jnp.full((len(tokens), 1), odds.shape[-1] - 1, tokens.dtype)
    targets = jnp.concatenate([tokens, end], axis=1).T
    return -jnp.sum(jnp.take_along_axis(odds, targets[..., None], axis=2))


@pytest.mark.parametrize(
    ("freeze", "optimizer", "beta2", "decay"),
    [
        ((), "adam", 0.999, 0.0),
        ((), "adam", 0.9, 0.0),
        (("memory",), "adam", 0.999, 0.01),
        (("controller", "memory"), "adam", 0.999, 0.0),
        ((), "rmsprop", 0.999, 0.01),
        (("memory",), "rmsprop", 0.95, 0.01),
        (("memory",), "sgd", 0.999, 0.01),
    ],
    ids=str,
)
def test_an_epoch_equals_the_optimizer_in_numpy(
    freeze: tuple[str, ...], optimizer: str, beta2: float, decay: float, tmp_path: Path
) -> None:
    """Clipping by the global norm, bias-corrected moments, the mean over strings; in float64."""
    experiment = small(
        precision="float64",
        freeze=freeze,
        max_grad_norm=0.5,
        optimizer=optimizer,
        beta2=beta2,
        weight_decay=decay,
    )
    beta = {"adam": 0.9, "rmsprop": 0.0, "sgd": 0.0}[optimizer]
    task = experiment.task
    with scope("float64"):
        restart = Restart(experiment, 0, tmp_path / "checkpoint")
        data, progress = task.data(restart.seed).own, restart.progress
        values, structure = jax.tree.flatten(restart.network)
        values = [np.asarray(value) for value in values]
        first = [np.zeros_like(value) for value in values]
        second = [np.zeros_like(value) for value in values]
        trained = [
            path[0].name not in freeze  # type: ignore[union-attr]
            for path, _ in jax.tree.leaves_with_path(restart.network)
        ]
        total = symbols = 0.0
        clipped = 0
        slope = jax.jit(jax.value_and_grad(lambda network, tokens: nats(network, tokens) / 4))
        order, _ = task.plan(task.data(progress.seed), progress.seed, 0)
        for step, batch in enumerate(order, start=1):
            network = jax.tree.unflatten(structure, [jnp.asarray(value) for value in values])
            tokens = np.asarray(data.tokens)[batch, :, : data.lengths[batch]]
            loss, gradient = slope(network, tokens)
            total += 4 * float(loss)
            symbols += tokens.size + 4
            gradients = [g * on for g, on in zip(leaves(gradient), trained, strict=True)]
            gradients = [
                g + decay * on * value
                for g, on, value in zip(gradients, trained, values, strict=True)
            ]
            norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
            clipped += norm > 0.5
            gradients = [g * min(1.0, 0.5 / norm) for g in gradients]
            for i, g in enumerate(gradients):
                first[i] = beta * first[i] + (1 - beta) * g
                second[i] = beta2 * second[i] + (1 - beta2) * g**2
                mean, square = first[i] / (1 - beta**step), second[i] / (1 - beta2**step)
                rate = progress.schedule.rate
                size = 1.0 if optimizer == "sgd" else np.sqrt(square) + 1e-8
                values[i] = values[i] - rate * mean / size
        restart.advance()
        assert clipped > 0
        for ours, theirs in zip(leaves(restart.network), values, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)
    found = restart.progress.curve[0].train["perplexity"]
    assert found == pytest.approx((total, symbols), rel=1e-9)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"beta2": 1.0}, r"beta2 is 1.0, but must be in \[0, 1\)"),
        ({"beta2": 0.9, "optimizer": "sgd"}, "beta2 is 0.9, but sgd has none"),
    ],
    ids=str,
)
def test_a_wrong_beta2_is_one_sentence(config: dict, complaint: str) -> None:
    with pytest.raises(memrnn.MemrnnError, match=complaint):
        memrnn.TrainingConfig(**config)


def test_the_largest_norm_is_drawn_where_there_is_a_range() -> None:
    norms = [
        float(Restart(small(max_grad_norm_range=(0.01, 1.0)), number).plan().max_grad_norm)
        for number in range(8)
    ]
    assert len(set(norms)) == 8 and 0.01 <= min(norms) < 0.1 < max(norms) <= 1.0
    # Freezing modes share the draw, and the learning rate does not depend on it.
    frozen = Restart(small(freeze=("memory",), max_grad_norm_range=(0.01, 1.0)), 0)
    assert float(frozen.plan().max_grad_norm) == norms[0]
    assert np.array_equal(frozen.plan().rate, Restart(small(), 0).plan().rate)


def test_options_that_came_later_change_no_identity_where_they_have_their_default() -> None:
    """So that runs from before can be continued."""
    config = small().identity()["config"]
    added = {"max_grad_norm_range", "optimizer", "weight_decay", "lr_decay_latest", "beta2"}
    assert not (added | {"averaging_patience", "averaging_latest"}) & config.keys()
    assert small(optimizer="sgd").identity()["config"]["optimizer"] == "sgd"


@pytest.mark.parametrize("freeze", [("controller", "memory"), COMPONENTS], ids=str)
def test_states_too_large_to_keep_are_computed_anew(
    freeze: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = small(precision="float64", freeze=freeze)
    kept = train(experiment, tmp_path / "kept", restarts=1)
    monkeypatch.setattr("memrnn.tasks.strings.MAX_STATES", 0)
    anew = train(experiment, tmp_path / "anew", restarts=1)
    for one, two in zip(
        kept.restarts[0].progress.curve, anew.restarts[0].progress.curve, strict=True
    ):
        assert one.validation["perplexity"] == pytest.approx(two.validation["perplexity"], 1e-12)


def test_a_restart_lets_go_of_its_strings_when_it_is_done(tmp_path: Path) -> None:
    experiment = small(max_epochs=2)
    with scope(experiment.config.precision):
        restart = Restart(experiment, 0, tmp_path / "checkpoint")
        restart.advance()
        assert {"data", "validation"} <= vars(restart).keys()
        restart.advance()
    assert restart.finished and not {"data", "validation"} & vars(restart).keys()


def test_restarts_do_not_depend_on_their_neighbours(unbroken: Path, tmp_path: Path) -> None:
    train(small(), tmp_path / "alone", restarts=1, workers=1)
    assert files(tmp_path / "alone").items() <= files(unbroken).items()


def test_chosen_restarts_are_those_of_all(unbroken: Path, tmp_path: Path) -> None:
    run = train(small(), tmp_path / "some", restarts=[2, 0, 2])
    assert [restart.number for restart in run.restarts] == [0, 2]
    train(small(), tmp_path / "some", restarts=[1])
    assert files(tmp_path / "some") == files(unbroken)


def test_more_epochs_continue_in_the_bits_of_an_unbroken_run(
    unbroken: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "resumed"
    for epochs in (0, 1, 3, 4):
        train(small(max_epochs=epochs), folder, restarts=3)
    assert files(folder) == files(unbroken)


def test_fewer_epochs_are_refused(unbroken: Path) -> None:
    """Otherwise restarts of one folder would differ in what they were given."""
    before = files(unbroken), (unbroken / "experiment.json").read_bytes()
    with pytest.raises(
        memrnn.MemrnnError, match="max_epochs 4, which may grow but not shrink to 3"
    ):
        train(small(max_epochs=3), unbroken, restarts=4)
    assert (files(unbroken), (unbroken / "experiment.json").read_bytes()) == before


def test_no_epochs_evaluate_the_start(unbroken: Path, tmp_path: Path) -> None:
    experiment = small(max_epochs=0)
    train(experiment, tmp_path / "run", restarts=2)
    run = load_run(tmp_path / "run")
    for trained in run.restarts:
        progress = trained.progress
        assert (progress.status, progress.epochs, progress.best_epoch) == ("done", 0, 0)
        assert progress.excess == math.inf
        with scope("float32"):
            start = Restart(experiment, trained.number).network
        assert all(map(np.array_equal, leaves(start), leaves(trained.network)))
    found = memrnn.evaluate(run)
    assert [(one.epochs, one.learning_rate) for one in found.runs] == [(0, None)] * 2
    (first, *_) = found.runs[0].sets.values()
    assert 0 < (first.value(found.task.metric("accuracy")) or 0) < 1


@pytest.mark.parametrize("part", COMPONENTS)
def test_a_frozen_component_keeps_its_bits_and_the_others_learn(part: str, tmp_path: Path) -> None:
    run = train(small(freeze=(part,), max_epochs=2), tmp_path / "run", restarts=1)
    start = Restart(small(freeze=(part,)), 0).network
    for other in COMPONENTS:
        before, after = (
            leaves(getattr(start, other)),
            leaves(getattr(run.restarts[0].network, other)),
        )
        same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
        assert all(same) if other == part else not any(same) or not same


def test_a_network_without_memory_does_not_notice_a_frozen_memory(tmp_path: Path) -> None:
    runs = [
        train(small("lstm", freeze), tmp_path / str(len(freeze)), restarts=2)
        for freeze in ((), ("memory",))
    ]
    for free, frozen in zip(runs[0].restarts, runs[1].restarts, strict=True):
        assert free.progress == frozen.progress
        for a, b in zip(leaves(free.network), leaves(frozen.network), strict=True):
            np.testing.assert_array_equal(a, b)


def test_with_everything_frozen_the_random_start_is_scored(tmp_path: Path) -> None:
    run = train(small(freeze=COMPONENTS), tmp_path / "run", restarts=1)
    (restart,) = run.restarts
    assert (restart.progress.status, restart.progress.epochs) == ("done", 1)
    assert restart.progress.curve[0].train == {}
    assert np.isfinite(restart.progress.schedule.best)


def test_products_are_rounded_where_it_was_asked_for() -> None:
    """In the program's text: a CPU computes both in float32."""
    for name, precision, other in (("float32", "HIGHEST", "HIGH]"), ("tf32", "HIGH]", "HIGHEST")):
        restart = Restart(small(matmul_precision=name), 0)
        text = epoch_program().lower(*restart.epoch_arguments()).as_text()
        assert precision in text and other not in text


def test_frozen_components_cost_no_gradient() -> None:
    """With controller and memory frozen no loop over time is left: their states are kept."""

    def loops(freeze: tuple[str, ...]) -> int:
        restart = Restart(small(freeze=freeze, train_lengths=(9, 9)), 0)
        program = epoch_program().lower(*restart.epoch_arguments()).compile()
        return program.as_text().count(" while(")

    trained, frozen = partition(Restart(small(), 0).network, ("memory",))
    assert not jax.tree.leaves(trained.memory) and jax.tree.leaves(frozen.memory)
    assert loops(()) == 3  # batches, forward in time, backward in time
    assert loops(("controller", "memory")) == 1


def test_a_diverging_restart_ends_alone(tmp_path: Path, unbroken: Path) -> None:
    """Restart 1 is given a rate that no network survives; its neighbours are untouched."""
    folder = tmp_path / "run"
    train(small(max_epochs=1), folder, restarts=3)
    path = folder / "restart-001.safetensors"
    arrays, record = checkpoints.load(path)
    record["progress"]["schedule"]["rate"] = 1e38
    checkpoints.save(path, arrays, record)
    run = train(small(), folder, restarts=3)
    assert [r.progress.status for r in run.restarts] == ["done", "diverged", "done"]
    assert run.restarts[1].progress.epochs == 2
    assert run.best in (0, 2)
    good, found = files(unbroken), files(folder)
    for name in ("restart-000.safetensors", "restart-002.safetensors"):
        assert found[name] == good[name]
    again = train(small(max_epochs=6), folder, restarts=3)
    assert again.restarts[1].progress.epochs == 2, "a diverged restart is not taken up again"


def test_what_was_trained_is_loaded(unbroken: Path) -> None:
    run, again = load_run(unbroken), train(small(), unbroken, restarts=3)
    assert run.experiment == small() and run.best == again.best
    for loaded, kept in zip(run.restarts, again.restarts, strict=True):
        assert loaded.progress == kept.progress
        assert all(map(np.array_equal, leaves(loaded.network), leaves(kept.network)))


def test_the_best_epoch_is_kept(unbroken: Path) -> None:
    for restart in load_run(unbroken).restarts:
        progress = restart.progress
        perplexities = [
            math.exp(epoch.validation["perplexity"].numerator / denominator)
            for epoch in progress.curve
            if (denominator := epoch.validation["perplexity"].denominator)
        ]
        assert len(perplexities) == progress.epochs == 4
        assert progress.best_epoch == 1 + int(np.argmin(perplexities))
        assert progress.schedule.best == min(perplexities)


def test_the_best_restart_is_nearest_to_its_own_bound(unbroken: Path) -> None:
    run = load_run(unbroken)
    above = [
        math.log(one.progress.schedule.best / (one.progress.reference or 1)) for one in run.restarts
    ]
    assert run.best == int(np.argmin(above)) and min(above) > 0


def test_an_experiment_survives_json() -> None:
    experiment = small("gru+jm-2", ("memory", "controller"), seed=7, train_lengths=(5, 9))
    assert memrnn.Experiment.from_json(experiment.to_json()) == experiment
    assert experiment.freeze == ("controller", "memory")


def test_what_does_not_change_the_trained_network_is_no_part_of_its_identity() -> None:
    known = small().identity()
    for change in ({"max_epochs": 9}, {"length_bins": ((3, 9),)}, {"samples_per_length": 7}):
        assert small(**change).identity() == known
    for change in ({"batches": 7}, {"train_lengths": (3, 11)}, {"lr_decay": 0.5}, {"seed": 1}):
        assert small(**change).identity() != known
    assert small(freeze=("memory",)).identity() != known


WRONG = {
    "max_epochs": -1,
    "learning_rate_range": (0.1, 0.01),
    "max_grad_norm": 0.0,
    "max_grad_norm_range": (1.0, 0.1),
    "weight_decay": -1.0,
    "averaging_patience": 10,  # as early_stopping_patience
    "averaging_latest": 0,
    "lr_decay_latest": 0,
    "lr_decay": 1.5,
    "lr_patience": -1,
    "early_stopping_patience": 0,
    "precision": "float16",
    "seed": -1,
    "batch_size": 0,
    "batches": 0,
    "validation_batches": 0,
    "samples_per_length": 0,
    "length_bins": ((3, 9), (3, 9)),
    "train_lengths": (4, 4),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_are_refused(name: str) -> None:
    with pytest.raises(memrnn.MemrnnError) as error:
        small(**{name: WRONG[name]})
    text = str(error.value)
    assert text.endswith(".") and "\n" not in text
    assert name in text or name in ("precision", "train_lengths")


def test_foreign_folders_are_refused(unbroken: Path, tmp_path: Path) -> None:
    for other in (small(batches=7), small("lstm"), small(freeze=("memory",)), small(seed=1)):
        with pytest.raises(memrnn.MemrnnError, match="holds another experiment"):
            train(other, unbroken, restarts=1)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(memrnn.MemrnnError, match="is not empty"):
        train(small(), tmp_path, restarts=1)
    with pytest.raises(memrnn.MemrnnError, match="is a file"):
        train(small(), tmp_path / "notes.txt", restarts=1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(memrnn.MemrnnError, match="holds no experiment"):
        load_run(tmp_path)


def test_what_a_killed_write_left_is_removed(tmp_path: Path) -> None:
    """Killed before the first file was whole, the folder still counts as empty."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "tmp1.partial").write_text("half")
    train(small(max_epochs=1), folder, restarts=1)
    assert {path.name for path in folder.iterdir()} == {
        "experiment.json",
        "restart-000.safetensors",
    }


def test_a_folder_is_trained_in_by_one_process_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(small(max_epochs=1), folder, restarts=1)
    refused: list[str] = []

    def intrude(restart: int, progress: Progress) -> None:
        with pytest.raises(memrnn.MemrnnError, match="Another process is training") as error:
            train(small(), folder, restarts=1)
        refused.append(str(error.value))

    train(small(max_epochs=2), folder, restarts=1, listener=intrude)
    assert refused


def test_a_checkpoint_of_another_restart_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(small(max_epochs=1), folder, restarts=2)
    os.replace(folder / "restart-000.safetensors", folder / "restart-001.safetensors")
    with pytest.raises(memrnn.MemrnnError, match="belongs to another restart, 0"):
        load_run(folder)


def test_foreign_files_are_left_alone_or_refused(unbroken: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(unbroken, tmp_path / "run")
    (folder / "notes.txt").write_text("mine")
    assert len(load_run(folder).restarts) == 3
    for name in ("restart-1.safetensors", "restart-001 (copy).safetensors"):
        shutil.copy(folder / "restart-001.safetensors", folder / name)
        with pytest.raises(memrnn.MemrnnError, match="is no checkpoint that memrnn has written"):
            load_run(folder)
        (folder / name).unlink()


def test_a_listener_gets_numbers_by_name(tmp_path: Path) -> None:
    heard: list[Progress] = []
    experiment = small(max_epochs=2)
    train(
        experiment,
        tmp_path / "run",
        restarts=1,
        listener=lambda _, progress: heard.append(progress),
    )
    metrics = experiment.task.metrics
    assert [progress.numbers(metrics)["epoch"] for progress in heard] == [0, 1, 2]
    last, curve = heard[-1], heard[-1].curve
    numbers = last.numbers(metrics)
    total = curve[-1].validation["perplexity"]
    assert numbers["validation/perplexity"] == math.exp(total.numerator / total.denominator)
    right = curve[-1].validation["accuracy"]
    assert numbers["validation/accuracy"] == right.numerator / right.denominator
    assert numbers["learning_rate"] == curve[-1].learning_rate
    assert last.numbers(metrics, 1) == heard[1].numbers(metrics) != numbers
    with pytest.raises(memrnn.MemrnnError, match="There is no epoch 3; there are 0 to 2"):
        last.numbers(metrics, 3)


def test_what_is_refused_at_once_leaves_no_folder(tmp_path: Path) -> None:
    """So that the same command can be given again once a file or a flag is mended."""

    class Mixing(type(memrnn.get_model("jm-3").build(memrnn.OneHot(2), classes=3, seed=0).memory)):
        def read(self, state: Any) -> jax.Array:
            reading = super().read(state)
            return reading + reading.mean(axis=0, keepdims=True)

    memrnn.register_memory("mixing", Mixing)
    memrnn.register_model("mixing-3", memrnn.Model("lstm", "mixing", options={"sizes": [3]}))
    with pytest.raises(ValueError, match="The memory Mixing mixes the strings of a batch"):
        train(small("mixing-3"), tmp_path / "own", restarts=1)
    train(small("lstm-4", max_epochs=1), tmp_path / "start", restarts=1)
    start = start_from(tmp_path / "start")
    with pytest.raises(ValueError, match="The checkpoint belongs to another network"):
        train(small("lstm-5", start=start), tmp_path / "other", restarts=1)
    assert [path.name for path in tmp_path.iterdir()] == ["start"]
