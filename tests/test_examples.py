"""The examples run, and do what they say."""

import json
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

import memrnn
import own_controller
import own_memory
import own_stream
import own_task
from command_line import run
from memrnn import cli
from memrnn.runtime.precision import scope
from memrnn.training import Restart
from small_experiments import files, leaves


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
def test_networks_of_ones_own_train_and_are_evaluated(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    quick = ["--train-lengths", "3:9", "--batches", "20", "--max-epochs", "2", "--restarts", "1"]
    bins = ["--length-bins", "11:15"]
    cli.main(["train", "--language", "marked-copy", "--model", model, "--out", out, *quick])
    cli.main(["evaluate", out, *bins, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["model"] == model
    assert list(found["runs"][0]["sets"]) == ["11:15"]


EXAMPLES = Path(__file__).parents[1] / "examples"


def start(*arguments: str) -> subprocess.Popen[str]:
    """A command of memrnn in a process of its own, which shares the compile cache."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-m", "memrnn", *arguments]
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def complete(*arguments: str) -> str:
    """Standard output of a command in a process of its own, which must succeed."""
    with start(*arguments) as process:
        out, told = process.communicate()
        assert process.returncode == 0, told
    return out


def killed_and_resumed(command: list[str], folder: Path) -> None:
    """Runs a command to its end; again, killed after its first checkpoint; and once more.

    Both must leave the same checkpoints, in `folder / "whole"` and `folder / "killed"`. The first
    runs in this process, which saves a start; the others in processes of their own.
    """
    cli.main([*command, "--out", str(folder / "whole")])
    with start(*command, "--out", str(folder / "killed")) as process:
        while not files(folder / "killed") and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    before = files(folder / "killed")
    assert before and before != files(folder / "whole")
    complete(*command, "--out", str(folder / "killed"))
    assert files(folder / "killed") == files(folder / "whole")


RECOGNITION = [
    *("train", "--import", str(EXAMPLES / "own_task.py"), "--task", "recognition:marked-copy"),
    *("--model", "jm-2", "--longest", "9", "--longest-test", "14", "--updates", "15"),
    *("--restarts", "2", "--workers", "2"),
    *("--max-epochs", "60", "--early-stopping-patience", "60"),
]


@pytest.mark.slow
def test_recognition_is_killed_resumed_and_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killed_and_resumed(RECOGNITION, tmp_path)
    trained = memrnn.load_run(tmp_path / "whole")
    assert [one.progress.epochs for one in trained.restarts] == [60, 60]
    found = json.loads(complete("evaluate", str(tmp_path / "killed"), "--json"))
    assert found["task"] == "recognition:marked-copy"
    for entry in found["runs"]:
        assert list(entry["sets"]) == ["seen", "longer"]
        assert entry["selection"] < np.log(2), "better than a coin"
        lengths = [int(length) for length in entry["sets"]["longer"]["groups"]]
        assert set(lengths) == {11, 13}
    capsys.readouterr()
    other = ("evaluate", str(tmp_path / "killed"), "--longest-test", "12", "--json")
    status, printed, _ = run(capsys, *other)
    assert status == 0
    assert set(json.loads(printed)["runs"][0]["sets"]["longer"]["groups"]) == {"11"}


def test_components_are_frozen_in_recognition(tmp_path: Path) -> None:
    task = own_task.Recognition("count-3", longest=9, longest_test=12, updates=5)
    config = memrnn.TrainingConfig(max_epochs=2)
    for freeze in (("controller",), ("memory",), ("controller", "memory", "output")):
        experiment = memrnn.Experiment(task, "jm-2", freeze, config)
        run = memrnn.train(experiment, tmp_path / "-".join(freeze), restarts=1)
        with scope("float32"):
            first = Restart(experiment, 0).network
        for component in ("controller", "memory", "output"):
            before, after = (
                leaves(getattr(one, component)) for one in (first, run.restarts[0].network)
            )
            same = all(map(np.array_equal, before, after))
            assert same == (component in freeze)


def test_scores_of_recognition_are_those_of_the_last_symbol() -> None:
    task = own_task.Recognition("marked-copy", longest=9, longest_test=12, updates=2)
    with scope("float32"):
        network = task.build(memrnn.get_model("jm-2"), 3)
        (batch,) = task.evaluation_set("longer").batches
        _, scores = task.score(network, (), tuple(map(jnp.asarray, batch)))
        found = eqx.filter_jit(memrnn.Network.prefix_logits)(network, jnp.asarray(batch[0][:5].T))
        for row in range(5):
            _, length, member = (part[row] for part in batch)
            logits = np.asarray(found)[length, row]
            odds = logits - np.log(np.sum(np.exp(logits)))
            np.testing.assert_allclose(scores["nats"][0][row], -odds[member], rtol=1e-4)
            assert bool(scores["accuracy"][0][row]) == (np.argmax(logits) == member)
    members = batch[2]
    assert 0.4 < np.mean(members) < 0.7


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A file with two sentences over and over."""
    file = tmp_path / "text.txt"
    file.write_text("one stack is enough. two stacks are a machine. " * 40)
    return file


def test_a_stream_is_killed_resumed_and_evaluated(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--import", str(EXAMPLES / "own_stream.py"), "--task"]
    command += [f"characters:{text}", "--model", "lstm-8", "--streams", "3", "--segment", "16"]
    command += ["--restarts", "1", "--max-epochs", "60", "--early-stopping-patience", "60"]
    killed_and_resumed(command, tmp_path)
    capsys.readouterr()
    status, printed, _ = run(capsys, "evaluate", str(tmp_path / "killed"), "--json")
    assert status == 0
    (entry,) = json.loads(printed)["runs"]
    assert list(entry["sets"]["test"]["groups"]) == ["stream 0", "stream 1", "stream 2"]
    characters = len(set(text.read_text()))
    assert entry["sets"]["test"]["perplexity"] < characters / 2


def test_scores_of_a_stream_equal_one_unbroken_pass(text: Path, tmp_path: Path) -> None:
    """And differ from those of segments that each start from nothing."""
    task = own_stream.Characters(str(text), streams=3, segment=7)
    config = memrnn.TrainingConfig(max_epochs=2, precision="float64")
    run = memrnn.train(memrnn.Experiment(task, "lstm-6", (), config), tmp_path / "run", 1)
    (scored,) = memrnn.evaluate(run).runs
    test = task.part(0.9, 1.0)
    with scope("float64"):
        network = run.restarts[0].network
        states = eqx.filter_jit(memrnn.Network.hidden)
        hidden, _ = states(network, jnp.asarray(test[:, :-1].T))
        odds = np.asarray(jax.nn.log_softmax(network.output(hidden)))
        broken = [
            network.output(states(network, jnp.asarray(test[:, first : first + 7].T))[0])
            for first in range(0, test.shape[1] - 1, 7)
        ]
        anew = np.asarray(jax.nn.log_softmax(jnp.concatenate(broken)))
    targets = test[:, 1:].T
    assert len(targets) >= 14
    for stream in range(3):
        nats, count = scored.sets["test"].groups[f"stream {stream}"]["perplexity"]
        right, _ = scored.sets["test"].groups[f"stream {stream}"]["accuracy"]
        chosen = odds[np.arange(len(targets)), stream, targets[:, stream]]
        assert (nats, count) == pytest.approx((-np.sum(chosen), len(targets)), rel=1e-9)
        assert right == np.sum(np.argmax(odds[:, stream], axis=1) == targets[:, stream])
        other = anew[np.arange(len(targets)), stream, targets[:, stream]]
        assert abs(np.sum(other) - np.sum(chosen)) > 1e-6


def test_state_is_carried_from_segment_to_segment_in_training(text: Path) -> None:
    """The sum of an epoch's training scores is that of one pass, where the rate is 0."""
    task = own_stream.Characters(str(text), streams=3, segment=7)
    rate = (1e-30, 1e-30)
    config = memrnn.TrainingConfig(max_epochs=1, precision="float64", learning_rate_range=rate)
    with scope("float64"):
        restart = Restart(memrnn.Experiment(task, "lstm-6", (), config), 0)
        restart.advance()
        train = task.part(0, 0.8)
        hidden, _ = restart.network.hidden(jnp.asarray(train[:, :-1].T))
        odds = np.asarray(jax.nn.log_softmax(restart.network.output(hidden)))
    nats = -np.take_along_axis(odds, train[:, 1:].T[..., None], axis=2)
    found = restart.progress.curve[0].train["perplexity"]
    assert found == pytest.approx((np.sum(nats), nats.size), rel=1e-9)


def test_another_text_of_the_same_name_is_another_task(text: Path) -> None:
    known = own_stream.Characters(str(text)).identity()
    text.write_text(text.read_text().replace("two", "owt"))
    assert own_stream.Characters(str(text)).identity() != known
