"""Iterate averaging, against a plain loop in float64."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from memrnn import load_run, train
from memrnn.runtime.precision import scope
from memrnn.tasks import score_set, total
from memrnn.training import Restart
from small_experiments import leaves, small


@pytest.mark.parametrize("freeze", [(), ("memory",)], ids=str)
def test_the_mean_of_all_iterates_since_the_trigger_is_validated_and_kept(
    freeze: tuple[str, ...], tmp_path: Path
) -> None:
    """Descent without clipping, every iterate written down; the mean is NumPy's."""
    experiment = small(
        freeze=freeze,
        precision="float64",
        optimizer="sgd",
        max_grad_norm=1e9,
        learning_rate_range=(0.05, 0.05),
        max_epochs=4,
        averaging_latest=2,
    )
    task = experiment.task
    train(experiment, tmp_path / "run", restarts=1)
    (found,) = load_run(tmp_path / "run").restarts
    with scope("float64"):
        network = Restart(experiment, 0).network
        data = jax.device_put(task.data(found.progress.seed))
        values, structure = jax.tree.flatten(network)
        values = [np.asarray(value) for value in values]
        trains = [
            path[0].name not in freeze  # type: ignore[union-attr]
            for path, _ in jax.tree.leaves_with_path(network)
        ]

        key = jax.random.key(0)

        def loss(network, item):
            return task.loss(network, (), task.batch(data, item, task.widths[-1]), key)[0]

        slope, iterates, means = jax.jit(jax.grad(loss)), [], []
        for epoch in range(4):
            order, _ = task.plan(task.data(found.progress.seed), found.progress.seed, epoch)
            for item in order:
                network = jax.tree.unflatten(structure, [jnp.asarray(value) for value in values])
                gradients = leaves(slope(network, item))
                values = [
                    value - 0.05 * gradient if on else value
                    for value, gradient, on in zip(values, gradients, trains, strict=True)
                ]
                if epoch >= 2:
                    iterates.append(values)
            mean = [np.mean(column, axis=0) for column in zip(*iterates, strict=True)]
            means.append(mean if iterates else values)
            validated = jax.tree.unflatten(structure, [jnp.asarray(value) for value in means[-1]])
            known = total(score_set(task, validated, task.validation(found.progress.seed)))
            for name, one in known.items():
                ours = found.progress.curve[epoch].validation[name]
                assert tuple(ours) == pytest.approx(tuple(one), rel=1e-9)
    assert len(iterates) == 2 * task.updates and found.progress.averaged_from == 2
    assert found.progress.best_epoch > 2, "the mean is what is kept"
    best = means[found.progress.best_epoch - 1]
    for ours, mean, value, on in zip(leaves(found.network), best, values, trains, strict=True):
        np.testing.assert_allclose(ours, mean, rtol=1e-9, atol=1e-12)
        assert on or np.array_equal(ours, value)


def test_training_itself_does_not_notice_the_mean(tmp_path: Path) -> None:
    """The iterates go on from each other; before averaging begins nothing differs."""
    plain, averaging = (
        Restart(small(precision="float64", seed=3, **changes), 0)
        for changes in ({}, {"averaging_latest": 2})
    )
    with scope("float64"):
        for epoch in range(4):
            for one in (plain, averaging):
                one.advance()
            for a, b in zip(leaves(plain.network), leaves(averaging.network), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-12)
            curves = [one.progress.curve[-1] for one in (plain, averaging)]
            same = curves[0].validation["perplexity"] == pytest.approx(
                curves[1].validation["perplexity"], rel=1e-12
            )
            assert same == (epoch < 2)
            assert curves[0].train["perplexity"] == pytest.approx(
                curves[1].train["perplexity"], rel=1e-12
            )
