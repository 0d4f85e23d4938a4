"""Restarts of one program, each in a slot, against the same restarts alone."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import jax
import numpy as np
import pytest

from memrnn import PARTS, Experiment, checkpoints, load_run, train
from memrnn.precision import scope
from memrnn.training import Pack, Restart, measure_slots
from memrnn.training._batched import RESERVE, bytes_needed, next_slots, restarts_that_fit
from small_experiments import small

TOLERANCE = {"rtol": 1e-9, "atol": 1e-12}


def tiny(model: str = "jm-3", freeze: tuple[str, ...] = (), **changes: object) -> Experiment:
    return small(model, freeze, **{"max_epochs": 2, "precision": "float64", **changes})


def restarts(experiment: Experiment, folder: Path, count: int = 3) -> list[Restart]:
    """As `train` would lay them out."""
    folder.mkdir(exist_ok=True)
    with scope(experiment.config.precision):
        return [
            Restart(experiment, number, folder / f"restart-{number:03d}.safetensors")
            for number in range(count)
        ]


def train_together(
    experiment: Experiment,
    chosen: Sequence[Restart],
    epochs: int = 1000,
    pack: Pack | None = None,
) -> list[int]:
    """Trains restarts to their end, or for some epochs; returns the slots in each."""
    pack = pack or Pack(experiment)
    slots: list[int] = []
    for _ in range(epochs):
        unfinished = [one for one in chosen if not one.finished]
        if not unfinished:
            break
        for one, outcome in zip(unfinished, pack.compute(unfinished), strict=True):
            one.record(outcome)
        slots.append(pack.slots)
    return slots


def flat(values: object) -> Iterable[float]:
    """The numbers in what JSON holds, in order."""
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list):
        for one in values:
            yield from flat(one)
    else:
        assert isinstance(values, float | int)
        yield values


def agree(folder: Path, expected: Path, count: int = 3) -> None:
    """All that checkpoints hold agrees: parameters, moments, the best network, the curve."""
    for number in range(count):
        name = f"restart-{number:03d}.safetensors"
        (ours, record), (theirs, known) = (
            checkpoints.load(one / name) for one in (folder, expected)
        )
        assert ours.keys() == theirs.keys()
        for key in ours:
            np.testing.assert_allclose(ours[key], theirs[key], **TOLERANCE, err_msg=key)
        progress, other = record["progress"], known["progress"]
        for key in ("seed", "status", "best_epoch"):
            assert progress[key] == other[key]
        numbers, others = (list(flat(one["curve"])) for one in (progress, other))
        assert numbers == pytest.approx(others, rel=1e-9, nan_ok=True)


FREEZES = [(), *((part,) for part in PARTS), ("controller", "memory"), PARTS]
CASES = [("jm-3", freeze) for freeze in FREEZES] + [
    # Every mode is there; of the other memories, whether a gradient goes through them or not.
    (model, freeze)
    for model in ("lstm", "rns-2-2", "strat-3")
    for freeze in ((), ("memory",))
]


@pytest.mark.parametrize(("model", "freeze"), CASES, ids=str)
def test_a_pack_is_its_restarts_alone(model: str, freeze: tuple[str, ...], tmp_path: Path) -> None:
    # Alone, the first is padded to one of two lengths; in a pack, to the longer one.
    longest = 30 if (model, freeze) == CASES[0] else 9
    experiment = tiny(model, freeze, train_lengths=(3, longest))
    train(experiment, tmp_path / "alone", restarts=3, workers=1)
    together = restarts(experiment, tmp_path / "pack")
    starts = [jax.device_get(one.network) for one in together]
    train_together(experiment, together)
    agree(tmp_path / "pack", tmp_path / "alone")
    for one, start in zip(together, starts, strict=True):
        assert one.progress.epochs == (1 if freeze == PARTS else 2)
        for part in freeze:
            before, after = (jax.tree.leaves(getattr(net, part)) for net in (start, one.network))
            assert all(map(np.array_equal, before, after))


def test_groups_of_strings_run_in_packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a cache that holds two strings, a loop over groups lies under the slot axis."""
    experiment = tiny("rns-2-2", batches=2, max_epochs=1)
    memory = Restart(experiment, 0).network.memory
    monkeypatch.setattr("memrnn.groups.CACHE", 2 * sum(memory.footprint(8)))
    train(experiment, tmp_path / "alone", restarts=2, workers=1)
    train_together(experiment, restarts(experiment, tmp_path / "pack", 2))
    agree(tmp_path / "pack", tmp_path / "alone", 2)


SMALL = tiny(max_epochs=4)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four restarts that never met."""
    folder = tmp_path_factory.mktemp("runs") / "alone"
    train(SMALL, folder, restarts=4, workers=1)
    return folder


def reschedule(path: Path, **schedule: float) -> None:
    """Writes something else into the schedule of a checkpoint."""
    arrays, record = checkpoints.load(path)
    record["progress"]["schedule"] |= schedule
    checkpoints.save(path, arrays, record)


def test_who_ends_or_diverges_leaves_the_others_as_they_were(alone: Path, tmp_path: Path) -> None:
    """One of four diverges, two stop early, and the pack shrinks to one slot."""
    assert train_together(SMALL, restarts(SMALL, tmp_path, 4), epochs=1) == [4]
    reschedule(tmp_path / "restart-001.safetensors", rate=1e200)
    reschedule(tmp_path / "restart-002.safetensors", stale=9, best=1e-9)
    reschedule(tmp_path / "restart-003.safetensors", stale=8, best=1e-9)
    together = restarts(SMALL, tmp_path, 4)
    assert train_together(SMALL, together) == [4, 2, 1]
    assert [one.progress.status for one in together] == ["done", "diverged", "done", "done"]
    assert [one.progress.epochs for one in together] == [4, 2, 2, 3]
    agree(tmp_path, alone, 1)
    for number in (2, 3):
        curve = together[number].progress.curve
        expected = load_run(alone).restarts[number].progress.curve[: len(curve)]
        assert [one.validation["perplexity"].numerator for one in curve] == pytest.approx(
            [one.validation["perplexity"].numerator for one in expected], rel=1e-9
        )


def test_begun_together_continued_alone_and_together(alone: Path, tmp_path: Path) -> None:
    """The last pack has restarts that are an epoch ahead of the others."""
    train_together(SMALL, restarts(SMALL, tmp_path, 4), epochs=1)
    first, second, *_ = restarts(SMALL, tmp_path, 4)
    with scope("float64"):
        programs = first.compile()
        first.advance(programs)
        second.advance(programs)
    together = restarts(SMALL, tmp_path, 4)
    assert [one.progress.epochs for one in together] == [2, 2, 1, 1]
    train_together(SMALL, together)
    agree(tmp_path, alone, 4)


def test_restarts_take_the_slots_of_others(alone: Path, tmp_path: Path) -> None:
    together = restarts(SMALL, tmp_path, 4)
    pack = Pack(SMALL)
    for turn in ((0, 1), (0, 2), (2, 3), (3, 1)) * 2:
        train_together(SMALL, [together[number] for number in turn], epochs=1, pack=pack)
    assert pack.slots == 2
    agree(tmp_path, alone, 4)


@pytest.mark.parametrize(
    ("slots", "count", "expected"),
    [
        (0, 10, 10),
        (10, 9, 10),
        (10, 6, 10),
        (10, 5, 5),
        (10, 2, 2),
        (7, 1, 1),
        (1, 1, 1),
        (2, 5, 5),
    ],
)
def test_empty_slots_cost_less_than_used_ones(slots: int, count: int, expected: int) -> None:
    assert next_slots(slots, count) == expected
    assert count <= expected < 2 * count


def test_how_many_restarts_fit() -> None:
    assert restarts_that_fit(one=300, two=400, free=1000, reserve=0.0) == 8
    assert restarts_that_fit(one=300, two=400, free=1000, reserve=0.2) == 6
    assert restarts_that_fit(one=300, two=400, free=1249, reserve=0.2) == 7
    assert restarts_that_fit(one=300, two=400, free=10, reserve=0.2) == 1


@pytest.mark.parametrize("model", ["jm-3", "lstm", "rns-2-2"])
def test_memory_grows_linearly_with_the_pack(model: str) -> None:
    restart = Restart(tiny(model, precision="float32"), 0)
    one, two, many = (bytes_needed(restart, slots) for slots in (1, 2, 6))
    assert many == pytest.approx(one + 5 * (two - one), rel=0.2)


def test_slots_are_measured_where_a_device_says_what_memory_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    experiment = tiny(precision="float32")
    assert measure_slots(experiment) is None
    with scope("float32"):
        one, two = (bytes_needed(Restart(experiment, 0), slots) for slots in (1, 2))
    used, free = 1 << 20, (one + 6.5 * (two - one)) / (1 - RESERVE)
    stats = {"bytes_limit": used + round(free), "bytes_in_use": used}
    monkeypatch.setattr(type(jax.devices()[0]), "memory_stats", lambda self: stats)
    assert measure_slots(experiment) == 7
