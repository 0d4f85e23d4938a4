"""Training in bfloat16: all of it, or with parameters and optimiser in float32."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from memrnn import Experiment, MemrnnError, TrainingConfig, load_run, train
from memrnn.nn.components import partition
from memrnn.runtime.precision import cast
from memrnn.training import Pack, Restart
from small_experiments import TASK, leaves, small

ALL = {"precision": "bfloat16"}
MASTER = {"compute_precision": "bfloat16"}
MODES = [ALL, MASTER]


def experiment(mode: dict[str, str], **changes: object) -> Experiment:
    return small(**{"optimizer": "sgd", "max_epochs": 1, **mode, **changes})  # type: ignore[arg-type]


def one_update(mode: dict[str, str], rate: float, **changes: object) -> Experiment:
    """An epoch of one batch at a learning rate, with gradients that are not clipped."""
    bounds = (rate, rate)
    options = {"batches": 1, "learning_rate_range": bounds, "max_grad_norm": 1e9, **changes}
    return experiment(mode, **options)


def moved(one: Experiment) -> tuple[Restart, list[np.ndarray], list[np.ndarray]]:
    """A restart, and its parameters before and after an epoch."""
    restart = Restart(one, 0)
    before = leaves(restart.network)
    restart.advance()
    return restart, before, leaves(restart.network)


@pytest.mark.parametrize(("mode", "kept"), [(ALL, "bfloat16"), (MASTER, "float32")])
def test_formats_of_what_is_kept(mode: dict[str, str], kept: str) -> None:
    one = experiment(mode, optimizer="adam", averaging_latest=1)
    restart, _, after = moved(one)
    floats = [leaf for leaf in jax.tree.leaves(restart.state) if eqx.is_inexact_array(leaf)]
    assert {leaf.dtype.name for leaf in [*floats, *after]} == {kept}
    assert restart.progress.status == "done"
    assert len(floats) > 4 * len(jax.tree.leaves(partition(restart.network, ())[0]))


def test_second_moments_never_shrink_in_bfloat16() -> None:
    """As the documentation says of Optax's Adam: .999 is 1 there."""
    adam = optax.scale_by_adam()
    for precision, shrinks in (("bfloat16", False), ("float32", True)):
        ones = jnp.ones(3, precision)
        with jax.numpy_dtype_promotion("standard"):
            first: Any = adam.update(ones, adam.init(ones))[1]
            last: Any = first
            for _ in range(20):
                last = adam.update(0 * ones, last)[1]
        assert bool(jnp.all(last.nu < first.nu)) == shrinks


@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_those_of_a_network_in_bfloat16(mode: dict[str, str]) -> None:
    """And not those of the network in float32, from which they differ much more."""
    restart, before, after = moved(one_update(mode, 0.5))
    start = Restart(one_update(mode, 0.5), 0).network
    batch = TASK.batch(restart.experiment.task.data(restart.seed), 0, TASK.widths[-1])
    batch = jax.tree.map(jnp.asarray, batch)

    def gradient(precision: str) -> list[np.ndarray]:
        network = cast(start, precision)
        grad = jax.jit(jax.grad(lambda net: TASK.loss(net, (), batch, jax.random.key(0))[0]))
        return [leaf.astype(np.float32) for leaf in leaves(grad(network))]

    def distance(a: list[np.ndarray], b: list[np.ndarray]) -> float:
        return math.sqrt(sum(float(np.sum((x - y) ** 2)) for x, y in zip(a, b, strict=True)))

    rounded, full = gradient("bfloat16"), gradient("float32")
    if mode is MASTER:
        steps = [(a - b) / 0.5 for a, b in zip(before, after, strict=True)]
        assert 10 * distance(steps, rounded) < distance(steps, full)
    for new, old, expected in zip(after, before, rounded, strict=True):
        # What is kept is the nearest number of its format, or a neighbour.
        wanted = old.astype(np.float32) - 0.5 * expected
        spacing = np.abs(wanted) * float(jnp.finfo(new.dtype).eps) + 0.01 * np.abs(expected) + 1e-6
        assert np.all(np.abs(new.astype(np.float32) - wanted) <= spacing)


def test_an_update_below_half_a_spacing_is_lost_in_bfloat16_only() -> None:
    """With a rate at which every update is small; a rate of 1 shows that there are gradients."""
    for mode in MODES:
        _, before, after = moved(one_update(mode, 1.0))
        assert all((a != b).any() for a, b in zip(before, after, strict=True) if a.size)
        _, before, after = moved(one_update(mode, 1e-6))
        large = [np.abs(leaf.astype(np.float32)) > 1e-2 for leaf in before]
        changed = sum(
            int((a != b)[kept].sum()) for a, b, kept in zip(before, after, large, strict=True)
        )
        assert (changed == 0) == (mode is ALL)


@pytest.mark.parametrize("mode", MODES)
def test_a_run_continues_in_equal_bits(mode: dict[str, str], tmp_path: Path) -> None:
    """Also a run whose output layer alone is trained, from hidden states kept in bfloat16."""
    for freeze in ((), ("controller", "memory")):
        whole = experiment(mode, freeze=freeze, optimizer="adam", max_epochs=2)
        broken, unbroken = tmp_path / f"broken{len(freeze)}", tmp_path / f"whole{len(freeze)}"
        shorter = dataclasses.replace(whole.config, max_epochs=1)
        train(dataclasses.replace(whole, config=shorter), broken, 1)
        train(whole, broken, 1)
        train(whole, unbroken, 1)
        first, second = (load_run(folder).restart(0) for folder in (broken, unbroken))
        assert first.progress.curve == second.progress.curve
        for a, b in zip(leaves(first.network), leaves(second.network), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


def test_a_run_that_is_not_finite_diverges() -> None:
    for mode in MODES:
        restart, *_ = moved(one_update(mode, 1e38))
        assert restart.progress.status == "diverged"


def test_what_is_refused_and_what_identities_hold() -> None:
    assert "compute_precision" not in small().identity()["config"]
    assert experiment(MASTER).identity()["config"]["compute_precision"] == "bfloat16"
    with pytest.raises(MemrnnError, match="for parameters in float32, not in bfloat16"):
        TrainingConfig(precision="bfloat16", compute_precision="bfloat16")
    with pytest.raises(MemrnnError, match="not offered; there are float64, float32, bfloat16"):
        TrainingConfig(precision="float16")


@pytest.mark.parametrize("mode", MODES)
def test_a_pack_trains_as_restarts_alone(mode: dict[str, str]) -> None:
    alone, packed = (Restart(one_update(mode, 0.5), 0) for _ in range(2))
    before = leaves(packed.network)
    alone.advance()
    pack = Pack(packed, 2)
    pack.insert(packed)
    pack.advance()
    pack.remove(packed)
    for old, new, expected in zip(
        before, leaves(packed.network), leaves(alone.network), strict=True
    ):
        assert new.dtype == expected.dtype
        step = np.abs((expected - old).astype(np.float32)).max(initial=0)
        error = np.abs((new - expected).astype(np.float32)).max(initial=0)
        assert error <= 0.05 * step
