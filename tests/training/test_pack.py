"""Restarts that share a program, each in a slot, against the same restarts alone."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import jax
import numpy as np
import pytest

from memrnn import COMPONENTS, Experiment, Network, TrainingConfig, register_measure
from memrnn.runtime import checkpoints
from memrnn.runtime.devices import POLICIES
from memrnn.runtime.precision import scope
from memrnn.tasks import Text
from memrnn.training import Pack, Restart, Writer, pack_key
from small_experiments import TASK, leaves, small

FREEZES = [(), *((part,) for part in COMPONENTS), ("controller", "memory"), COMPONENTS]


def tiny(model: str = "jm-3", freeze: tuple[str, ...] = (), **changes: object) -> Experiment:
    return small(model, freeze, **{"max_epochs": 2, "precision": "float64", **changes})


def made(experiments: Sequence[Experiment], folder: Path | None = None) -> list[Restart]:
    """A restart of each experiment, numbered from 0."""
    with scope(experiments[0].config.precision):
        return [
            Restart(one, number, folder and folder / f"{number}.safetensors")
            for number, one in enumerate(experiments)
        ]


def finish(restarts: Iterable[Restart], pack: Pack) -> None:
    """Trains those in a pack, and then those that wait for a slot, to their end."""
    waiting = list(restarts)
    while waiting or pack.active:
        while waiting and pack.admits(waiting[0]):
            pack.insert(waiting.pop(0))
        pack.advance()
        for one in [one for one in pack.active if one.finished]:
            pack.remove(one)


def finish_alone(restarts: Iterable[Restart]) -> None:
    for one in restarts:
        with scope(one.experiment.config.precision):
            while not one.finished:
                one.advance()


def agree(found: Restart, expected: Restart, tolerance: float = 1e-9) -> None:
    """Parameters, moments, the best network and the curve."""
    ours, theirs = found.arrays(), expected.arrays()
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        np.testing.assert_allclose(ours[name], array, tolerance, tolerance * 1e-3, err_msg=name)
    one, other = found.progress, expected.progress
    assert (one.seed, one.status, one.best_epoch) == (other.seed, other.status, other.best_epoch)
    assert one.epochs == other.epochs
    for epoch, known in zip(one.curve, other.curve, strict=True):
        for ours, theirs in ((epoch.train, known.train), (epoch.validation, known.validation)):
            assert ours.keys() == theirs.keys()
            for name, total in theirs.items():
                assert tuple(ours[name]) == pytest.approx(tuple(total), rel=max(tolerance, 1e-12))


@pytest.mark.parametrize(
    ("model", "freezes"),
    [
        ("jm-3", FREEZES),
        # Of the other memories, whether a gradient goes through them or not.
        ("lstm", [(), ("memory",)]),
        *(
            pytest.param(model, [(), ("memory",)], marks=pytest.mark.slow)
            for model in ("rns-2-2", "strat-3")
        ),
    ],
)
def test_a_pack_is_its_restarts_alone(model: str, freezes: list[tuple[str, ...]]) -> None:
    """Of two languages, several freezing modes and seeds, in fewer slots than there are runs."""
    # Alone, the first is padded to one of two lengths; in a pack, to the longer one.
    cells = [tiny(model, freeze, train_lengths=(3, 30)) for freeze in freezes]
    cells.append(
        tiny(
            model,
            train_lengths=(3, 30),
            language="marked-reverse-and-copy",
            max_grad_norm_range=(0.1, 1.0),
        )
    )
    alone, together = made(cells), made(cells)
    starts = [jax.device_get(one.network) for one in together]
    finish_alone(alone)
    finish(together, Pack(together[0], len(cells) - 1))
    for one, expected, start in zip(together, alone, starts, strict=True):
        agree(one, expected)
        assert one.progress.epochs == (1 if one.experiment.freeze == COMPONENTS else 2)
        for part in one.experiment.freeze:
            before, after = (leaves(getattr(net, part)) for net in (start, one.network))
            assert all(map(np.array_equal, before, after))


def test_a_pack_of_text_is_its_restarts_alone() -> None:
    """What is carried from segment to segment, and into validation, stays in its slot; with a tied
    output layer, dropout and offsets of their own."""
    task = Text(
        "kjv-small",
        streams=16,
        segment=5,
        evaluation_streams=60,
        updates_per_epoch=4,
        random_offsets=True,
        embedding_size=2,
        tied=True,
        input_dropout=0.3,
        state_dropout=0.2,
        output_dropout=0.3,
        state_reset=0.2,
    )
    config = TrainingConfig(max_epochs=3, precision="float64", max_grad_norm_range=(0.01, 1.0))
    modes = [(), ("memory",), ("embedding", "controller", "output")]
    cells = [Experiment(task, "lstm-3+jm-2:depth_limit=4", freeze, config) for freeze in modes]
    alone, together = made(cells), made(cells)
    finish_alone(alone)
    finish(together, Pack(together[0], 2))
    for one, expected in zip(together, alone, strict=True):
        agree(one, expected)


def test_slots_average_from_epochs_of_their_own(tmp_path: Path) -> None:
    """Of several frozen components, whose decay counts in no norm; one restart enters the pack
    while it averages."""
    cells = [
        tiny(
            max_epochs=4,
            averaging_latest=latest,
            weight_decay=0.1,
            max_grad_norm=0.1,
            freeze=freeze,
        )
        for latest, freeze in ((1, ()), (2, ("memory",)), (4, ("controller",)), (1, COMPONENTS))
    ]
    alone, together = made(cells), made(cells, tmp_path)
    starts = [jax.device_get(one.network) for one in together]
    finish_alone(alone)
    with scope("float64"):
        for _ in range(2):
            together[0].advance()
        together[0].save()
    together[0] = made(cells[:1], tmp_path)[0]
    assert together[0].progress.averaged_from == 1
    finish(together, Pack(together[0], 3))
    for one, expected, start in zip(together, alone, starts, strict=True):
        agree(one, expected)
        assert one.progress.averaged_from == expected.progress.averaged_from
        for part in one.experiment.freeze:
            before, after = (leaves(getattr(net, part)) for net in (start, one.best))
            assert all(map(np.array_equal, before, after))


def test_groups_of_strings_run_in_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a cache that holds two strings, a loop over groups lies under the slot axis."""
    experiment = tiny("rns-2-2", batches=2, max_epochs=1)
    alone, together = made([experiment] * 2), made([experiment] * 2)
    both = sum(alone[0].network.memory.memory_estimate(8)) * 2
    monkeypatch.setitem(POLICIES, "cpu", POLICIES["cpu"]._replace(group_bytes=both))
    finish_alone(alone)
    finish(together, Pack(together[0], 2))
    for one, expected in zip(together, alone, strict=True):
        agree(one, expected)


def test_what_shares_a_program() -> None:
    first = made([tiny()])[0]

    def shares(experiment: Experiment) -> bool:
        return pack_key(made([experiment])[0]) == pack_key(first)

    assert shares(tiny(freeze=("memory",), seed=5, language="marked-reverse-and-copy"))
    assert shares(tiny(max_epochs=9, learning_rate_range=(0.1, 0.2)))
    assert not shares(tiny("jm-4"))
    assert not shares(tiny("strat-3"))
    assert not shares(tiny(train_lengths=(3, 10)))
    assert not shares(tiny(batch_size=5))
    assert shares(tiny(max_grad_norm=1.0)) and not shares(tiny(optimizer="sgd"))
    assert not shares(tiny(beta2=0.9))
    assert not shares(tiny(precision="float32"))
    assert not shares(tiny(averaging_latest=1))
    assert not shares(tiny(language="unmarked-copy"))  # two symbols


def test_languages_share_their_compiled_program() -> None:
    """The text of the program is the same, so no constant of a language is in it."""
    texts = set[str]()
    for language in ("marked-copy", "count-3"):
        (restart,) = made([tiny(language=language)])
        with scope("float64"):
            task, network = restart.experiment.task, restart.network
            batch = task.batch(jax.device_put(restart.data), 0, TASK.widths[-1])
            loss = jax.jit(
                lambda net, batch, task=task: task.loss(net, (), batch, jax.random.key(0))
            )
            texts.add(loss.lower(network, batch).as_text())
    assert len(texts) == 1


def with_rate(restart: Restart, rate: float) -> Restart:
    schedule = dataclasses.replace(restart.progress.schedule, rate=rate)
    restart.progress = dataclasses.replace(restart.progress, schedule=schedule)
    return restart


def test_who_diverges_or_leaves_changes_no_bit_of_the_others() -> None:
    """On the same program: slots are not mixed by anything."""
    experiment = tiny(max_epochs=4)
    calm, rough = made([experiment] * 4), made([experiment] * 4)
    for restarts in (calm, rough):
        pack = Pack(restarts[0], 4)
        if restarts is rough:
            with_rate(restarts[1], 1e200)
        for one in restarts:
            pack.insert(one)
        pack.advance()
        if restarts is rough:
            pack.remove(restarts[2])  # cancelled
        while pack.active:
            for one in [one for one in pack.active if one.finished]:
                pack.remove(one)
            if pack.active:
                pack.advance()
    assert [one.progress.status for one in rough] == ["done", "diverged", "running", "done"]
    assert [one.progress.epochs for one in rough] == [4, 1, 1, 4]
    for number in (0, 3):
        ours, theirs = rough[number].arrays(), calm[number].arrays()
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
        assert rough[number].progress == calm[number].progress


def test_a_pack_is_halved_and_refilled() -> None:
    experiment = tiny(max_epochs=3)
    alone, together = made([experiment] * 5), made([experiment] * 5)
    finish_alone(alone)
    pack = Pack(together[0], 4)
    for one in together[:4]:
        pack.insert(one)
    pack.advance()
    for number in (0, 2):
        pack.remove(together[number])
    pack.halve()
    assert len(pack.restarts) == 2
    finish([together[0], together[4], together[2]], pack)
    for one, expected in zip(together, alone, strict=True):
        agree(one, expected)


def test_checkpoints_of_a_pack_continue_alone_and_in_a_pack(tmp_path: Path) -> None:
    cells = [tiny(max_epochs=4), tiny(max_epochs=4, freeze=("controller",))]
    alone, first = made(cells), made(cells, tmp_path)
    finish_alone(alone)
    pack, writer = Pack(first[0], 2), Writer()
    for one in first:
        pack.insert(one)
    for _ in range(2):
        pack.advance()
        writer.write(pack.checkpoints())
    writer.wait()
    writer.close()
    one, other = made(cells, tmp_path)
    assert [one.progress.epochs, other.progress.epochs] == [2, 2]
    finish_alone([one])
    finish([other], Pack(other, 1))
    agree(one, alone[0])
    agree(other, alone[1])


def test_a_full_disk_is_reported_by_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (restart,) = made([tiny()], tmp_path)
    pack, writer = Pack(restart, 1), Writer()
    pack.insert(restart)

    def full(*_: object) -> None:
        raise OSError(28, "Could not write x: the disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_bytes", full)
        writer.write(pack.checkpoints())
        with pytest.raises(OSError, match="the disk is full"):
            writer.wait()
    writer.write(pack.checkpoints())
    writer.wait()
    writer.close()
    (again,) = made([tiny()], tmp_path)
    assert restart.path is not None and restart.path.exists() and again.progress.epochs == 0


def test_measures_in_a_pack_are_those_of_restarts_alone() -> None:
    """Of the network that was validated; NaN stays."""

    def measure(restart: Restart, network: Network) -> dict[str, float]:
        weights = sum(float(np.abs(leaf).sum()) for leaf in leaves(network))
        return {"weights": weights, "epochs": float(restart.progress.epochs), "nothing": np.nan}

    register_measure("pack-test", measure)
    experiments = [dataclasses.replace(tiny(seed=seed), measure=("pack-test",)) for seed in (0, 1)]
    together, alone = made(experiments), made(experiments)
    finish(together, Pack(together[0], 2))
    finish_alone(alone)
    for ours, theirs in zip(together, alone, strict=True):
        for number, (one, other) in enumerate(
            zip(ours.progress.curve, theirs.progress.curve, strict=True)
        ):
            assert one.measured == pytest.approx(other.measured, rel=1e-9, nan_ok=True)
            assert one.measured["pack-test.epochs"] == number
        first, last = (epoch.measured["pack-test.weights"] for epoch in ours.progress.curve)
        assert ours.progress.measured["pack-test.weights"] != first != last
        assert last == pytest.approx(sum(float(np.abs(one).sum()) for one in leaves(ours.network)))
