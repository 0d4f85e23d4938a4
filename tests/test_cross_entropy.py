"""Cross-entropy in chunks of rows, against the plain formula and its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from memrnn.nn.cross_entropy import weighted_nats
from memrnn.runtime.precision import scope

ROWS, HIDDEN, CLASSES = 23, 5, 11
Matrix = tuple[Array, ...]


def plain(output: Matrix, hidden: Array, targets: Array, weights: Array) -> Array:
    odds = jax.nn.log_softmax(hidden @ output[0].T + output[1][None])
    return -jnp.sum(weights * odds[jnp.arange(len(targets)), targets])


def example(scale: float = 1.0) -> tuple[Matrix, Array, Array, Array]:
    rng = np.random.default_rng(0)
    output = tuple(
        jnp.asarray(scale * rng.normal(size=shape)) for shape in ((CLASSES, HIDDEN), (CLASSES,))
    )
    weights = rng.uniform(size=ROWS) * (rng.uniform(size=ROWS) > 0.3)
    targets = jnp.asarray(rng.integers(0, CLASSES, ROWS), jnp.int32)
    return output, jnp.asarray(rng.normal(size=(ROWS, HIDDEN))), targets, jnp.asarray(weights)


@pytest.mark.parametrize("chunk", [1, 4, 23, 100])
def test_value_and_gradients_are_those_of_the_formula(chunk: int) -> None:
    with scope("float64"):
        arguments = example()

        def ours(output: Matrix, hidden: Array, targets: Array, weights: Array) -> Array:
            # Something follows, so that the cotangent is not 1.
            return jnp.sin(weighted_nats(output, hidden, targets, weights, chunk)[0])

        def theirs(output: Matrix, hidden: Array, targets: Array, weights: Array) -> Array:
            return jnp.sin(plain(output, hidden, targets, weights))

        found = jax.value_and_grad(ours, argnums=(0, 1))(*arguments)
        expected = jax.value_and_grad(theirs, argnums=(0, 1))(*arguments)
        for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


def test_the_nats_of_each_row_are_returned_also_of_those_left_out() -> None:
    with scope("float64"):
        output, hidden, targets, weights = example()
        _, nats = weighted_nats(output, hidden, targets, weights, 4)
        for row in range(ROWS):
            alone = np.arange(ROWS) == row
            expected = plain(output, hidden, targets, jnp.asarray(alone, float))
            assert nats[row] == pytest.approx(float(expected), rel=1e-12)


def test_large_logits_neither_overflow_nor_lose_the_gradient() -> None:
    output, hidden, targets, weights = example(300.0)
    total, (of_output, of_hidden) = jax.value_and_grad(
        lambda output, hidden: weighted_nats(output, hidden, targets, weights, 4)[0],
        argnums=(0, 1),
    )(output, hidden)
    for leaf in jax.tree.leaves((total, of_output, of_hidden)):
        assert np.all(np.isfinite(leaf))


def test_rows_of_weight_zero_have_no_gradient() -> None:
    output, hidden, targets, weights = example()
    gradient = jax.grad(lambda h: weighted_nats(output, h, targets, weights, 4)[0])(hidden)
    out = np.asarray(weights) == 0
    assert out.any() and np.all(np.asarray(gradient)[out] == 0)
