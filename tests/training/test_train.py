"""Training as a whole: Adam against numpy, resuming, freezing, diverging, what is refused."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from memrnn.training._data import epoch_order

import memrnn
from memrnn import checkpoints
from memrnn.experiment import Experiment, Recipe
from memrnn.network import OneHot, losses
from memrnn.parts import PARTS, partition
from memrnn.precision import scope
from memrnn.training import Progress, Restart, load_run, train

TINY = Recipe(
    lengths=(3, 9),
    batch_size=4,
    batches=6,
    validation_batches=5,
    epochs=4,
    learning_rate=(1e-2, 3e-2),
)


def tiny(model: str = "jm-3", freeze: tuple[str, ...] = (), **changes: object) -> Experiment:
    return Experiment("marked-copy", model, freeze, dataclasses.replace(TINY, **changes))  # type: ignore[arg-type]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}


def leaves(network: memrnn.Network) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(network)]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "unbroken"
    train(tiny(), folder, restarts=3)
    return folder


@pytest.mark.parametrize("freeze", [(), ("memory",), ("controller", "memory")], ids=str)
def test_an_epoch_equals_adam_in_numpy(freeze: tuple[str, ...], tmp_path: Path) -> None:
    """Clipping by the global norm, bias-corrected moments, the loss of the recipe; in float64."""
    experiment = tiny(precision="float64", freeze=freeze, clip=0.5)
    with scope("float64"):
        restart = Restart(experiment, 0, tmp_path / "checkpoint")
        batches, progress = restart.batches["train"], restart.progress
        values, structure = jax.tree.flatten(restart.network)
        values = [np.asarray(value) for value in values]
        first = [np.zeros_like(value) for value in values]
        second = [np.zeros_like(value) for value in values]
        trained = [
            path[0].name not in freeze  # type: ignore[union-attr]
            for path, _ in jax.tree.leaves_with_path(restart.network)
        ]
        total = 0.0
        clipped = 0
        slope = eqx.filter_jit(
            jax.value_and_grad(lambda net, tokens, n: jnp.sum(losses(net, tokens, n)[0]) / 4)
        )
        for step, batch in enumerate(epoch_order(6, progress.seed, 0), start=1):
            network = jax.tree.unflatten(structure, [jnp.asarray(value) for value in values])
            lengths = jnp.full(4, batches.lengths[batch])
            loss, gradient = slope(network, jnp.asarray(batches.tokens[batch]), lengths)
            total += 4 * float(loss)
            gradients = [g * on for g, on in zip(leaves(gradient), trained, strict=True)]
            norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
            clipped += norm > 0.5
            gradients = [g * min(1.0, 0.5 / norm) for g in gradients]
            for i, g in enumerate(gradients):
                first[i] = 0.9 * first[i] + 0.1 * g
                second[i] = 0.999 * second[i] + 0.001 * g**2
                mean, square = first[i] / (1 - 0.9**step), second[i] / (1 - 0.999**step)
                rate = progress.schedule.rate
                values[i] = values[i] - rate * mean / (np.sqrt(square) + 1e-8)
        restart.advance(restart.compile())
        assert clipped > 0
        for ours, theirs in zip(leaves(restart.network), values, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)
    curve = restart.progress.curve[0]
    assert curve.train_perplexity == pytest.approx(np.exp(total / batches.symbols), rel=1e-9)


@pytest.mark.parametrize("freeze", [("controller", "memory"), PARTS], ids=str)
def test_states_too_large_to_keep_are_computed_anew(
    freeze: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = tiny(precision="float64", freeze=freeze)
    kept = train(experiment, tmp_path / "kept", restarts=1)
    monkeypatch.setattr("memrnn.training._programs.MOST_KEPT", 0)
    anew = train(experiment, tmp_path / "anew", restarts=1)
    for one, two in zip(
        kept.restarts[0].progress.curve, anew.restarts[0].progress.curve, strict=True
    ):
        assert one.validation_perplexity == pytest.approx(two.validation_perplexity, rel=1e-12)


def test_a_restart_lets_go_of_its_strings_when_it_is_done(tmp_path: Path) -> None:
    experiment = tiny(epochs=2)
    with scope(experiment.recipe.precision):
        restart = Restart(experiment, 0, tmp_path / "checkpoint")
        programs = restart.compile()
        restart.advance(programs)
        assert "strings" in vars(restart)
        restart.advance(programs)
    assert restart.finished and "strings" not in vars(restart)


def test_restarts_do_not_depend_on_their_neighbours(unbroken: Path, tmp_path: Path) -> None:
    train(tiny(), tmp_path / "alone", restarts=1, workers=1)
    assert files(tmp_path / "alone").items() <= files(unbroken).items()


def test_chosen_restarts_are_those_of_all(unbroken: Path, tmp_path: Path) -> None:
    run = train(tiny(), tmp_path / "some", restarts=[2, 0, 2])
    assert [restart.number for restart in run.restarts] == [0, 2]
    train(tiny(), tmp_path / "some", restarts=[1])
    assert files(tmp_path / "some") == files(unbroken)


def test_a_run_stopped_between_epochs_ends_in_the_same_bits(unbroken: Path, tmp_path: Path) -> None:
    folder = tmp_path / "resumed"
    for epochs in (1, 3, 4):
        train(tiny(epochs=epochs), folder, restarts=3)
    assert files(folder) == files(unbroken)


KILLED = """
import dataclasses, sys
from memrnn.experiment import Experiment, Recipe
from memrnn.training import train
from memrnn.cache import use_compile_cache
use_compile_cache()
experiment = Experiment("marked-copy", "jm-3", (), Recipe(**{recipe!r}))
print("begin", flush=True)
train(experiment, {folder!r}, restarts=3)
"""


def test_a_run_killed_at_random_moments_ends_in_the_same_bits(tmp_path: Path) -> None:
    # Long enough that no machine is done before the kill, and none stops early.
    recipe = dataclasses.asdict(dataclasses.replace(TINY, epochs=300, stop_patience=300))
    expected, folder = tmp_path / "expected", tmp_path / "killed"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "MEMRNN_CACHE": str(tmp_path / "cache"),
    }

    def start(target: Path) -> subprocess.Popen[str]:
        code = KILLED.format(recipe=recipe, folder=str(target))
        return subprocess.Popen(
            [sys.executable, "-c", code], env=environment, text=True, stdout=subprocess.PIPE
        )

    with start(expected) as process:
        process.communicate()
        assert process.returncode == 0
    rng = np.random.default_rng(0)
    kills = 0
    for _ in range(4):
        with start(folder) as process:
            assert process.stdout is not None and process.stdout.readline() == "begin\n"
            time.sleep(rng.uniform(0.2, 2))
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
    assert kills > 0
    with start(folder) as process:
        process.communicate()
        assert process.returncode == 0
    assert files(folder) == files(expected)


@pytest.mark.parametrize("part", PARTS)
def test_a_frozen_part_keeps_its_bits_and_the_others_learn(part: str, tmp_path: Path) -> None:
    run = train(tiny(freeze=(part,), epochs=2), tmp_path / "run", restarts=1)
    start = Restart(tiny(freeze=(part,)), 0, tmp_path / "none").network
    for other in PARTS:
        before, after = (
            leaves(getattr(start, other)),
            leaves(getattr(run.restarts[0].network, other)),
        )
        same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
        assert all(same) if other == part else not any(same) or not same


def test_a_network_without_memory_does_not_notice_a_frozen_memory(tmp_path: Path) -> None:
    runs = [
        train(tiny("lstm", freeze), tmp_path / str(len(freeze)), restarts=2)
        for freeze in ((), ("memory",))
    ]
    for free, frozen in zip(runs[0].restarts, runs[1].restarts, strict=True):
        assert free.progress == frozen.progress
        for a, b in zip(leaves(free.network), leaves(frozen.network), strict=True):
            np.testing.assert_array_equal(a, b)


def test_with_everything_frozen_the_random_start_is_scored(tmp_path: Path) -> None:
    run = train(tiny(freeze=PARTS), tmp_path / "run", restarts=1)
    (restart,) = run.restarts
    assert (restart.progress.status, restart.progress.epochs) == ("done", 1)
    assert np.isfinite(restart.progress.schedule.best)


def test_frozen_parts_cost_no_gradient(tmp_path: Path) -> None:
    """With controller and memory frozen no loop over time is left: their states are kept."""

    def loops(freeze: tuple[str, ...]) -> int:
        restart = Restart(tiny(freeze=freeze, lengths=(9, 9)), 0, tmp_path / "none")
        return restart.compile().epoch.as_text().count(" while(")  # type: ignore[attr-defined]

    trained, frozen = partition(tiny().definition.build(OneHot(3), 4, 0), ("memory",))
    assert not jax.tree.leaves(trained.memory) and jax.tree.leaves(frozen.memory)
    assert loops(()) == 3  # batches, forward in time, backward in time
    assert loops(("controller", "memory")) == 1


def test_a_diverging_restart_ends_alone(tmp_path: Path, unbroken: Path) -> None:
    """Restart 1 is given a rate that no network survives; its neighbours are untouched."""
    folder = tmp_path / "run"
    train(tiny(epochs=1), folder, restarts=3)
    path = folder / "restart-001.safetensors"
    arrays, record = checkpoints.load(path)
    record["progress"]["schedule"]["rate"] = 1e38
    checkpoints.save(path, arrays, record)
    run = train(tiny(), folder, restarts=3)
    assert [r.progress.status for r in run.restarts] == ["done", "diverged", "done"]
    assert run.restarts[1].progress.epochs == 2
    assert run.best in (0, 2)
    good, found = files(unbroken), files(folder)
    for name in ("restart-000.safetensors", "restart-002.safetensors"):
        assert found[name] == good[name]
    again = train(tiny(epochs=6), folder, restarts=3)
    assert again.restarts[1].progress.epochs == 2, "a diverged restart is not taken up again"


def test_what_was_trained_is_loaded(unbroken: Path) -> None:
    run, again = load_run(unbroken), train(tiny(), unbroken, restarts=3)
    assert run.experiment == tiny() and run.best == again.best
    for loaded, kept in zip(run.restarts, again.restarts, strict=True):
        assert loaded.progress == kept.progress
        assert all(map(np.array_equal, leaves(loaded.network), leaves(kept.network)))


def test_the_best_epoch_is_kept(unbroken: Path) -> None:
    for restart in load_run(unbroken).restarts:
        progress = restart.progress
        perplexities = [epoch.validation_perplexity for epoch in progress.curve]
        assert progress.best_epoch == 1 + int(np.argmin(perplexities))
        assert progress.schedule.best == min(perplexities)


def test_foreign_folders_are_refused(unbroken: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds another experiment"):
        train(tiny(batches=7), unbroken, restarts=1)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty"):
        train(tiny(), tmp_path, restarts=1)
    with pytest.raises(ValueError, match="is a file"):
        train(tiny(), tmp_path / "notes.txt", restarts=1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(ValueError, match="holds no experiment"):
        load_run(tmp_path)


def test_what_a_killed_write_left_is_removed(tmp_path: Path) -> None:
    """Killed before the first file was whole, the folder still counts as empty."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "tmp1.partial").write_text("half")
    train(tiny(epochs=1), folder, restarts=1)
    assert {path.name for path in folder.iterdir()} == {
        "experiment.json",
        "restart-000.safetensors",
    }


def test_a_folder_is_trained_in_by_one_process_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(tiny(epochs=1), folder, restarts=1)
    refused: list[str] = []

    def intrude(restart: int, progress: Progress) -> None:
        with pytest.raises(ValueError, match="Another process is training") as error:
            train(tiny(), folder, restarts=1)
        refused.append(str(error.value))

    train(tiny(epochs=2), folder, restarts=1, listener=intrude)
    assert refused


def test_a_checkpoint_of_another_restart_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(tiny(epochs=1), folder, restarts=2)
    os.replace(folder / "restart-000.safetensors", folder / "restart-001.safetensors")
    with pytest.raises(ValueError, match="belongs to another experiment or restart"):
        load_run(folder)


def test_a_full_disk_ends_training_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    train(tiny(epochs=1), folder, restarts=1)
    before = files(folder)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="the disk is full"):
            train(tiny(), folder, restarts=1)
    assert files(folder) == before
    assert len(list(folder.iterdir())) == 2
    train(tiny(), folder, restarts=1)
