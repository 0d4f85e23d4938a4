"""The examples run, and do what they say."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import own_memory
from memrnn import cli


def test_the_soft_queue_gives_back_what_came_in_first() -> None:
    memory = own_memory.Queue(4, size=2, rng=np.random.default_rng(0))
    vectors = [np.array([0.25, 0.75]), np.array([0.5, 0.1]), np.array([0.9, 0.2])]
    state, queue = memory.initial_state(1, updates=8), []
    moves = ["in", "in", "out", "in", "out", "keep", "out", "out"]
    for step, move in enumerate(moves):
        vector = vectors[step % 3]
        drive = np.concatenate([20.0 * np.eye(3)[["in", "out", "keep"].index(move)], vector])
        drive[3:] = np.log(vector / (1 - vector))  # what the sigmoid undoes
        state = memory.update(state, jnp.asarray(drive[None], jnp.float32))
        queue = [*queue, vector] if move == "in" else queue[1:] if move == "out" else queue
        expected = queue[0] if queue else np.zeros(2)
        np.testing.assert_allclose(memory.reading(state)[0], expected, atol=1e-5)
    assert jax.tree.map(jnp.shape, state) == ((1, 9, 2), (1, 9))


def test_a_memory_of_ones_own_trains_and_tests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    quick = ["--lengths", "3", "9", "--batches", "20", "--epochs", "2", "--restarts", "1"]
    cli.main(["train", "--language", "marked-copy", "--model", "queue-5", "--out", out, *quick])
    cli.main(["test", out, "--bins", "11:15", "--json"])
    (entry,) = json.loads(capsys.readouterr().out)["runs"]
    assert entry["model"] == "queue-5"
    assert entry["bins"][0]["strings"] == 30
