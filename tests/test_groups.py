"""Strings that run a few at a time: the same numbers as all at once."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import memrnn
from memrnn.nn.groups import group_size, join, map_and_sum, split
from memrnn.nn.network import Network, OneHot
from memrnn.nn.rounded import RoundedMemory
from memrnn.nn.unroll import unroll
from memrnn.runtime.devices import POLICIES
from memrnn.runtime.precision import Rounding, cast, parse_precision, scope
from string_losses import losses

MODELS = ["rns-2-3", "gru-20+vrns-1-2-3:window=4", "elman-4+jm-2.3"]
STRINGS, LENGTH = 6, 9


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_join_undoes_split(axis: int) -> None:
    array = jnp.arange(6 * 6 * 12).reshape(6, 6, 12)
    parts = split(array, 3, axis)
    assert parts.shape[0] == 3
    assert jnp.array_equal(join(parts, axis), array)
    pieces = jnp.split(array, 3, axis)
    assert all(jnp.array_equal(part, piece) for part, piece in zip(parts, pieces, strict=True))


@pytest.mark.parametrize("count", [1, 4])
def test_map_and_sum_maps_and_sums(count: int) -> None:
    array = jnp.arange(count * 3.0).reshape(count, 3)
    each, total = map_and_sum(lambda group: (group**2, {"sum": jnp.sum(group)}), array)
    assert jnp.array_equal(each, array**2)
    assert total["sum"] == jnp.sum(array)


def cache_of(size: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(POLICIES, "cpu", POLICIES["cpu"]._replace(group_bytes=size))


def test_a_group_is_as_large_as_the_cache_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = memrnn.get_model("rns-3-3").build(OneHot(3), 4, seed=0).memory
    each = sum(memory.memory_estimate(40))
    for most, size in ((0, 1), (1, 1), (3, 2), (9, 5), (10, 10), (99, 10)):
        cache_of(most * each, monkeypatch)
        assert group_size(memory, 10, 40, gradient=True) == size
    cache_of(0, monkeypatch)
    cache_of(None, monkeypatch)  # as on a GPU
    assert group_size(memory, 10, 40, gradient=True) == 10
    cache_of(0, monkeypatch)
    stack = memrnn.get_model("jm-10").build(OneHot(3), 4, seed=0).memory
    assert group_size(stack, 10, 40, gradient=True) == 10
    rows = 21 * 10 * 4  # bytes of 21 rows of 10 numbers in float32
    assert stack.memory_estimate(40, gradient=False) == (2 * rows, rows)
    cache_of(5 * 3 * rows, monkeypatch)
    assert group_size(stack, 10, 40, gradient=False) == 5
    # The rule REFERENCE, by which what is rounded runs, takes all strings at a time.
    precision = parse_precision("e5m2")
    assert isinstance(precision, Rounding)
    rounded = RoundedMemory.of(stack, precision)
    assert rounded.memory_estimate(40, gradient=False) == (0, 3 * rows)


def at_a_time(size: int, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on so many strings run at a time, with a gradient and without."""
    most = max(
        sum(network.memory.memory_estimate(n, gradient=gradient))
        for n in (LENGTH - 1, LENGTH)
        for gradient in (True, False)
    )
    monkeypatch.setattr(type(network.memory), "memory_estimate", lambda *_, **__: (most, 0))
    cache_of(size * most, monkeypatch)


@pytest.mark.parametrize("model", MODELS)
def test_groups_change_neither_losses_nor_gradients(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 3, (STRINGS, LENGTH)), jnp.int32)
    lengths = jnp.array([9, 9, 7, 9, 1, 8], jnp.int32)
    with scope("float64"):
        network = cast(memrnn.get_model(model).build(OneHot(3), 4, seed=1), "float64")

        def run() -> Any:
            def loss(network: Network) -> tuple[jax.Array, jax.Array]:
                nats = losses(network, tokens, lengths)[0]
                return jnp.sum(nats), nats

            return eqx.filter_jit(eqx.filter_value_and_grad(loss, has_aux=True))(network)

        expected = run()
        for size in (1, 2):
            at_a_time(size, network, monkeypatch)
            assert group_size(network.memory, STRINGS, LENGTH - 1, gradient=True) == size
            for found, value in zip(jax.tree.leaves(run()), jax.tree.leaves(expected), strict=True):
                np.testing.assert_allclose(found, value, rtol=1e-11, atol=1e-13)


def test_groups_of_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = jnp.asarray(np.random.default_rng(0).normal(size=(2, LENGTH, STRINGS, 3)))
    with scope("float64"):
        network = cast(memrnn.get_model(MODELS[1]).build(OneHot(3), 4, seed=1), "float64")
        parts = network.controller, network.memory

        def run() -> Any:
            def total(parts: Any) -> tuple[jax.Array, Any]:
                first, state = unroll(*parts, inputs[0].astype(jnp.float64))
                state = jax.lax.stop_gradient(state)
                second, state = unroll(*parts, inputs[1].astype(jnp.float64), state)
                return jnp.sum(first**2) + jnp.sum(jnp.sin(second)), state

            return eqx.filter_jit(eqx.filter_value_and_grad(total, has_aux=True))(parts)

        expected = run()
        at_a_time(2, network, monkeypatch)
        for found, value in zip(jax.tree.leaves(run()), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(found, value, rtol=1e-11, atol=1e-13)
