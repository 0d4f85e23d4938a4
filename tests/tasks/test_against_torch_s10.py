"""The preset `strong` equals the recipe that `benchmarks/torch_s10.py` writes in PyTorch.

Piece by piece in float64, with the same masks.

PyTorch is not among the development packages; without it these tests are skipped.
"""

import dataclasses
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from memrnn import Experiment, Network, TrainingConfig
from memrnn.runtime.precision import scope
from memrnn.tasks import score_set, total
from memrnn.tasks.text import Text, dropout
from memrnn.text import lay_out
from memrnn.training import Restart

torch = pytest.importorskip("torch")

STREAMS, SEGMENT = 3, 4
STRONG = Text.presets["strong"]


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    torch.set_num_threads(1)
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module("torch_s10")


class Both(NamedTuple):
    """A run of ours at its start, and the recipe that means the same."""

    restart: Restart
    recipe: Any
    text: np.ndarray


@pytest.fixture
def both(peer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Both:
    """Every option is the preset's but for the sizes, and a clipping bound that binds at times."""
    # The seed follows from the corpus as it is named: not from where this test runs.
    monkeypatch.chdir(tmp_path)
    Path("corpus").mkdir()
    rng = np.random.default_rng(0)
    for name, count in (("train", 119), ("valid", 31), ("test", 13)):
        words = [f"w{word}" for word in rng.integers(9, size=count)]
        Path(f"corpus/{name}.txt").write_text(" ".join(words))
    sizes = {
        "streams": STREAMS,
        "segment": SEGMENT,
        "embedding_size": 4,
        "updates_per_epoch": 1,
        "state_reset": 0.4,  # so that it happens
        "random_offsets": False,
        "evaluation_streams": 2,
    }
    task = Text("corpus", **{**STRONG.options, **sizes})
    clip, published = 1.2, peer.Recipe(segment=35)
    # As the preset has them, for segments of this length.
    config = STRONG.config | {
        "max_grad_norm": STRONG.config["max_grad_norm"] * 35 / SEGMENT * clip / published.clip,
        "weight_decay": STRONG.config["weight_decay"] * 35 / SEGMENT,
        "precision": "float64",
    }
    with scope("float64"):
        restart = Restart(Experiment(task, "lstm_capped-5", (), TrainingConfig(**config)), 0)
    recipe = dataclasses.replace(
        published, hidden=5, size=4, streams=STREAMS, segment=SEGMENT, clip=clip, reset=0.4
    )
    return Both(restart, dataclasses.replace(recipe, evaluation_streams=2), task.text.train)


def weights(network: Network) -> dict[str, np.ndarray]:
    """By the names of PyTorch's parameters; the order of gates is the same."""
    return {
        "vectors.weight": np.asarray(network.embedding.weight),
        "from_input.weight": np.asarray(network.controller.weight_input),
        "from_input.bias": np.asarray(network.controller.bias_input),
        "from_hidden.weight": np.asarray(network.controller.weight_hidden),
        "project.weight": np.asarray(network.output.projection),
        "bias": np.asarray(network.output.bias),
    }


def module(peer: ModuleType, both: Both) -> Any:
    with_weights = peer.CappedNetwork(both.recipe, both.restart.experiment.task.text.size).double()
    ours = {name: torch.tensor(value) for name, value in weights(both.restart.network).items()}
    with_weights.load_state_dict(ours)
    return with_weights


def masks_of(peer: ModuleType, both: Both, number: int) -> tuple[Any, Any]:
    """What update `number` draws: where a state is kept, and PyTorch's masks."""
    task, plan = both.restart.experiment.task, both.restart.plan()
    run_key = jax.random.wrap_key_data(jnp.asarray(plan.key))
    keys = jax.random.split(jax.random.fold_in(run_key, number), 5)
    shapes = ((SEGMENT, STREAMS, 4), (STREAMS, 5), (SEGMENT, STREAMS, 5), (SEGMENT, STREAMS, 4))
    names = ("input_dropout", "state_dropout", "output_dropout", "output_dropout")
    masks = [
        torch.tensor(np.asarray(dropout(key, getattr(task, name), jnp.ones(shape))))
        for key, name, shape in zip(keys[1:], names, shapes, strict=True)
    ]
    reset = np.asarray(jax.random.bernoulli(keys[0], task.state_reset, (STREAMS,)))
    return torch.tensor(1.0 - reset)[:, None], peer.Masks(*masks)


def test_the_preset_has_the_published_numbers(peer: ModuleType) -> None:
    recipe, options, config = peer.Recipe(), STRONG.options, TrainingConfig(**STRONG.config)
    for ours, theirs in (
        ("embedding_size", "size"),
        ("streams", "streams"),
        ("updates_per_epoch", "updates_per_evaluation"),
        ("input_dropout", "input_dropout"),
        ("state_dropout", "state_dropout"),
        ("output_dropout", "output_dropout"),
        ("output_dropout", "features_dropout"),
        ("state_reset", "reset"),
    ):
        assert options[ours] == getattr(recipe, theirs)
    assert Text("kjv-small").segment == recipe.segment
    assert config.learning_rate_range == (recipe.rate, recipe.rate)
    assert config.max_grad_norm == pytest.approx(recipe.clip / recipe.segment)
    assert config.weight_decay == pytest.approx(recipe.penalty / recipe.segment)
    assert config.lr_patience == recipe.patience


def test_loss_and_gradient_are_equal(peer: ModuleType, both: Both) -> None:
    """Of the first segments, each from the state that the one before it left."""
    restart, recipe, text = both
    task, network = restart.experiment.task, module(peer, both)
    with scope("float64"):
        data, carry = jax.device_put(task.data(restart.seed)), task.carry(restart.network)
        run_key = jax.random.wrap_key_data(jnp.asarray(restart.plan().key))
        theirs, resets = peer.segments(text, STREAMS, SEGMENT), 0
        state = network.start(STREAMS)
        for number in range(4):
            items, _ = task.plan(task.data(restart.seed), restart.seed, number)
            batch = task.batch(data, jax.tree.map(lambda leaf: leaf[0], items), 0)
            key = jax.random.fold_in(run_key, number)
            (loss, (carry, scores)), gradient = jax.value_and_grad(task.loss, has_aux=True)(
                restart.network, carry, batch, key
            )
            kept, masks = masks_of(peer, both, number)
            resets += int((kept == 0).sum()) if number else 0
            inputs, targets = next(theirs)
            np.testing.assert_array_equal(batch.inputs, inputs)
            np.testing.assert_array_equal(batch.targets, targets)
            state = state[0].detach() * kept, state[1].detach() * kept
            logits, state = network(inputs, state, masks)
            network.zero_grad()
            plain = dataclasses.replace(recipe, penalty=0.0)
            objective = peer.objective(network, logits, targets, plain)
            objective.backward()
            # Theirs is the sum over the steps of a segment.
            assert objective.item() == pytest.approx(SEGMENT * float(loss), rel=1e-12)
            for name, one in weights(gradient).items():
                found = network.get_parameter(name).grad.numpy()
                np.testing.assert_allclose(SEGMENT * one, found, rtol=1e-9, atol=1e-13)
            for one, other in zip(carry.controller, state, strict=True):
                np.testing.assert_allclose(one, other.detach(), rtol=1e-12)
            assert np.asarray(scores["perplexity"][0]).mean() == pytest.approx(float(loss))
    assert 0 < resets < 3 * STREAMS


def test_updates_are_equal(peer: ModuleType, both: Both) -> None:
    """Penalty, one norm of all gradients, RMSProp with bias correction: 8 of all weights."""
    restart, recipe, text = both
    network, clipped = module(peer, both), []
    # Their gradient is as many times larger as a segment has steps.
    optimizer = peer.RMSProp(recipe, list(network.parameters()), eps=SEGMENT * 1e-8)
    state = network.start(STREAMS)
    for number, (inputs, targets) in zip(
        range(8), peer.segments(text, STREAMS, SEGMENT), strict=False
    ):
        with scope("float64"):
            kept, masks = masks_of(peer, both, number)
            restart.advance()
        state = state[0].detach() * kept, state[1].detach() * kept
        logits, state = network(inputs, state, masks)
        network.zero_grad()
        peer.objective(network, logits, targets, recipe).backward()
        norm = sum((one.grad**2).sum() for one in network.parameters()) ** 0.5
        clipped.append(float(norm) > recipe.clip)
        optimizer.step(recipe.rate)
        for name, ours in weights(restart.network).items():
            found = network.get_parameter(name).detach().numpy()
            np.testing.assert_allclose(ours, found, rtol=1e-8, atol=1e-10)
    assert set(clipped) == {True, False}


def test_evaluation_is_equal(peer: ModuleType, both: Both) -> None:
    task = both.restart.experiment.task
    with scope("float64"):
        scores = score_set(task, both.restart.network, task.evaluation_set("validation"))
    expected = total(scores)["perplexity"]
    found = peer.evaluate(module(peer, both), task.text.validation, both.recipe)
    assert found == pytest.approx(expected.numerator / expected.denominator, rel=1e-12)


@pytest.mark.parametrize("offset", [0, 17])
def test_each_word_is_a_target_once(peer: ModuleType, both: Both, offset: int) -> None:
    """As `lay_out` has it; streams may differ in which of them are a word longer."""
    laid = lay_out(both.text, STREAMS, SEGMENT, offset)
    for number, (inputs, targets) in enumerate(peer.segments(both.text, STREAMS, SEGMENT, offset)):
        np.testing.assert_array_equal(inputs, laid.inputs[number])
        np.testing.assert_array_equal(targets, laid.targets[number])
    uneven = both.text[2:]
    targets = [targets for _, targets in peer.segments(uneven, STREAMS, SEGMENT, offset)]
    assert torch.any(targets[-1] < 0)
    flat = torch.cat([one.flatten() for one in targets])
    np.testing.assert_array_equal(np.sort(flat[flat >= 0]), np.sort(uneven))
