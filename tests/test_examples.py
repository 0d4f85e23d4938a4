"""The examples run, and do what they say."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import own_controller
import own_memory
from memrnn import cli


def test_the_soft_queue_gives_back_what_came_in_first() -> None:
    memory = own_memory.Queue(4, size=2, rng=np.random.default_rng(0))
    vectors = [np.array([0.25, 0.75]), np.array([0.5, 0.1]), np.array([0.9, 0.2])]
    state, queue = memory.init(1, horizon=9), []
    moves = ["in", "in", "out", "in", "out", "keep", "out", "out"]
    for step, move in enumerate(moves):
        vector = vectors[step % 3]
        controls = np.concatenate([20.0 * np.eye(3)[["in", "out", "keep"].index(move)], vector])
        controls[3:] = np.log(vector / (1 - vector))  # what the sigmoid undoes
        state = memory.update(state, jnp.asarray(controls[None], jnp.float32))
        queue = [*queue, vector] if move == "in" else queue[1:] if move == "out" else queue
        expected = queue[0] if queue else np.zeros(2)
        np.testing.assert_allclose(memory.read(state)[0], expected, atol=1e-5)
    assert jax.tree.map(jnp.shape, state) == ((1, 9, 2), (1, 9), ())
    assert np.all(np.isnan(memory.read(memory.update(state, 0 * state[0][:, 0, :1].repeat(5, 1)))))


def test_the_minimal_gated_unit_equals_its_formula() -> None:
    rng = np.random.default_rng(0)
    cell = own_controller.MinimalGatedUnit(3, 2, scale=1.0, rng=rng)
    assert (cell.input_size, cell.hidden_size) == (3, 2)
    x, h = rng.normal(size=3), rng.normal(size=2)
    forget = 1 / (1 + np.exp(-(np.asarray(cell.gate) @ np.concatenate([x, h]))))
    new = np.tanh(np.asarray(cell.new) @ np.concatenate([x, forget * h]))
    found = cell.step(jnp.asarray(h[None], jnp.float32), jnp.asarray(x[None], jnp.float32))
    np.testing.assert_allclose(found[0], (1 - forget) * h + forget * new, atol=1e-6)


@pytest.mark.parametrize("model", ["queue-5", "mgu-8", "mgu-8+jm-2"])
def test_networks_of_ones_own_train_and_are_tested(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    quick = ["--lengths", "3", "9", "--batches", "20", "--epochs", "2", "--restarts", "1"]
    cli.main(["train", "--language", "marked-copy", "--model", model, "--out", out, *quick])
    cli.main(["test", out, "--bins", "11:15", "--json"])
    (entry,) = json.loads(capsys.readouterr().out)["runs"]
    assert entry["model"] == model
    assert entry["bins"][0]["strings"] == 30
