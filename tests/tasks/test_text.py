"""Text as a task: batches, loss and scores against plain loops, dropout, resuming, freezing."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import memrnn
from memrnn import Experiment, Network, TrainingConfig, get_model, partition, train
from memrnn.evaluation import baseline_nats, compare_tokens, evaluate, token_nats
from memrnn.explain import explain
from memrnn.nn.rounded import in_precision
from memrnn.runtime.precision import cast, scope
from memrnn.tasks import score_set, total
from memrnn.tasks.text import Segment, Text, choose_streams, dropout
from memrnn.text import lay_out
from memrnn.training import load_run, start_from

LINES = ["the cat sat on the mat", "the dog sat", "a cat and a dog ran", "the mat ran on a dog"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 113 words of training."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("corpus")
    for name, count in (("train", 20), ("valid", 5), ("test", 7)):
        lines = [LINES[i] for i in rng.integers(len(LINES), size=count)]
        (path / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return path


def small(folder: Path, **options: Any) -> Text:
    return Text(str(folder), **({"streams": 3, "segment": 4, "evaluation_streams": 2} | options))


def network_of(task: Text, model: str = "lstm-5+jm-2:depth_limit=3") -> Network:
    return cast(task.build(get_model(model), 0), "float64")


def plain_nats(network: Network, tokens: np.ndarray, eos: int) -> np.ndarray:
    """Of every token of a text, read in one stream, step by step."""

    @eqx.filter_jit
    def step(network: Network, state: Any, before: jax.Array) -> Any:
        state = network.step(state, before)
        return state, jax.nn.log_softmax(network.logits(state.hidden))

    state, nats, before = network.init(1, None), [], eos
    for token in tokens:
        state, odds = step(network, state, jnp.array([before]))
        nats.append(-float(odds[0, token]))
        before = int(token)
    return np.array(nats)


@pytest.mark.parametrize("offset", [0, 17])
@pytest.mark.parametrize("streams", [1, 3, 8])
def test_batches_are_the_text_as_it_is_laid_out(folder: Path, streams: int, offset: int) -> None:
    task = small(folder, streams=streams)
    laid = lay_out(task.text.train, streams, task.segment, offset)
    data = task.data(0)
    assert task.updates == len(laid.inputs)
    for number, expected in enumerate(zip(*laid, strict=True)):
        item = Segment(np.int32(offset), np.int32(number * task.segment), np.array(number == 0))
        batch = task.batch(jax.device_put(data), item, 0)
        for ours, theirs in zip(batch[:3], expected, strict=False):
            np.testing.assert_array_equal(ours, theirs)


def test_offsets_are_new_in_every_pass(folder: Path) -> None:
    task = small(folder, random_offsets=True, updates_per_epoch=4)
    data = task.data(0)
    items = [task.plan(data, 7, epoch)[0] for epoch in range(30)]
    offsets = np.concatenate([item.offset for item in items])
    begins = np.concatenate([item.begins for item in items])
    steps = np.concatenate([item.step for item in items])
    assert np.array_equal(begins, steps == 0)
    assert np.all((np.diff(offsets) == 0) | begins[1:]), "constant within a pass"
    assert len(set(offsets[begins])) > 5
    assert not small(folder).plan(data, 7, 3)[0].offset.any()


@pytest.mark.parametrize("tied", [False, True])
def test_loss_and_gradient_are_those_of_a_plain_loop(folder: Path, tied: bool) -> None:
    """The mean over the words of a segment; the state before it is a constant."""
    with scope("float64"):
        task = small(folder, streams=1, tied=tied, embedding_size=3 if tied else 0)
        network = network_of(task)
        items, _ = task.plan(task.data(0), 0, 0)
        data, tokens = jax.device_put(task.data(0)), task.text.train

        @jax.jit
        def graded(network: Network, carry: Any, item: Any) -> Any:
            batch = task.batch(data, item, 0)
            loss = jax.value_and_grad(task.loss, has_aux=True)
            (value, after), gradient = loss(network, carry, batch, jax.random.key(0))
            return value, after, gradient

        def plain(network: Network, first: int) -> jax.Array:
            state, nats, before = network.init(1, None), [], task.text.eos
            for position, token in enumerate(tokens.tolist()[: first + task.segment]):
                if position == first:
                    state = jax.lax.stop_gradient(state)
                state = network.step(state, jnp.array([before]))
                odds = jax.nn.log_softmax(network.logits(state.hidden))
                nats.append(-odds[0, token])
                before = token
            return jnp.mean(jnp.stack(nats[first:]))

        carry = task.carry(network)
        for number in (0, 1):
            item = jax.tree.map(lambda leaf, n=number: leaf[n], items)
            found, (carry, _), gradient = graded(network, carry, item)
            expected = jax.jit(jax.value_and_grad(plain), static_argnums=1)(
                network, number * task.segment
            )
            both = (found, gradient), expected
            for one, other in zip(*map(jax.tree.leaves, both), strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "model", ["lstm-5", pytest.param("lstm-5+rns-2-2:window=3", marks=pytest.mark.slow)]
)
def test_every_word_is_scored_from_all_before_it(folder: Path, model: str) -> None:
    with scope("float64"):
        expected, scores = None, []
        for segment in (4, 7):
            task = small(folder, evaluation_streams=1, segment=segment)
            network = network_of(task, model)
            part = task.text.test
            nats, counts = score_set(task, network, task.evaluation_set("test"))["perplexity"]
            assert np.all(counts == 1) and len(nats) == len(part)
            expected = plain_nats(network, part, task.text.eos)
            np.testing.assert_allclose(nats, expected, rtol=1e-9)
            scores.append(nats)
        np.testing.assert_allclose(*scores, rtol=1e-9)


@pytest.mark.parametrize("precision", ["memory=e5m2", "controller=e5m2", "memory=e5m2:stochastic"])
def test_states_with_few_bits_are_carried(folder: Path, precision: str) -> None:
    """From segment to segment, with the number of the step from which stochastic rounding draws."""
    task = small(folder, evaluation_streams=1)
    network = in_precision(task.build(get_model("lstm-5+jm-2:depth_limit=3"), 0), precision)
    nats, _ = score_set(task, network, task.evaluation_set("test"))["perplexity"]
    plain = plain_nats(network, task.text.test, task.text.eos)
    np.testing.assert_allclose(nats, plain, rtol=1e-5)


def test_streams_of_evaluation_begin_without_a_state(folder: Path) -> None:
    with scope("float64"):
        task = small(folder, evaluation_streams=2)
        network, part = network_of(task), task.text.validation
        nats, _ = score_set(task, network, task.evaluation_set("validation"))["perplexity"]
        half = len(part) // 2
        for piece in (slice(0, half), slice(half, None)):
            expected = plain_nats(network, part[piece], task.text.eos)
            np.testing.assert_allclose(nats[piece], expected, rtol=1e-9)


def test_dropout_keeps_the_mean_and_is_zero_as_often_as_it_says() -> None:
    values = dropout(jax.random.key(0), 0.3, jnp.full((200, 500), 2.0))
    assert float(jnp.mean(values == 0)) == pytest.approx(0.3, abs=0.01)
    assert float(values.mean()) == pytest.approx(2.0, abs=0.02)
    kept = values[values != 0]
    assert jnp.allclose(kept, 2.0 / 0.7)
    gradient = jax.grad(lambda x: dropout(jax.random.key(0), 0.3, x).sum())(jnp.ones((20, 5)))
    assert jnp.array_equal(gradient, dropout(jax.random.key(0), 0.3, jnp.ones((20, 5))))
    assert dropout(jax.random.key(0), 0.0, values) is values


DROPOUTS = ("input_dropout", "state_dropout", "output_dropout", "state_reset")


@pytest.mark.parametrize("name", DROPOUTS)
def test_each_regulariser_acts_in_training_alone(folder: Path, name: str) -> None:
    with scope("float64"):
        plain, regular = small(folder), small(folder, **{name: 0.5})
        network = network_of(plain)
        items, _ = plain.plan(plain.data(0), 0, 0)
        batch = plain.batch(
            jax.device_put(plain.data(0)), jax.tree.map(lambda leaf: leaf[0], items), 0
        )._replace(begins=jnp.array(False))
        compiled = {task: jax.jit(task.loss) for task in (plain, regular)}
        # A state that is worth keeping.
        _, (carry, _) = compiled[plain](network, plain.carry(network), batch, jax.random.key(9))

        def loss(task: Text, key: int) -> float:
            return float(compiled[task](network, carry, batch, jax.random.key(key))[0])

        assert loss(plain, 0) == loss(plain, 1)
        assert len({loss(regular, key) for key in range(6)}) > 3
        one, other = (
            total(score_set(task, network, task.evaluation_set("test")))
            for task in (plain, regular)
        )
        assert one == other


def test_states_of_some_streams_are_reset(folder: Path) -> None:
    for model in ("lstm-3+jm-2:depth_limit=3", "gru-3"):
        task = small(folder)
        network = task.build(get_model(model), 0)
        zero, hidden = task.carry(network), jax.jit(Network.hidden)
        _, used = hidden(network, jnp.ones((4, 3), int), zero)
        mixed = choose_streams(jnp.array([True, False, True]), zero, used)
        after, _ = hidden(network, jnp.ones((2, 3), int), mixed)
        fresh, _ = hidden(network, jnp.ones((2, 3), int), zero)
        kept, _ = hidden(network, jnp.ones((2, 3), int), used)
        np.testing.assert_allclose(after[:, 1], kept[:, 1], rtol=1e-6)
        np.testing.assert_allclose(after[:, [0, 2]], fresh[:, [0, 2]], rtol=1e-6)


def experiment(
    folder: Path,
    epochs: int,
    averaging_latest: int | None = None,
    formats: dict[str, Any] | None = None,
    **options: Any,
) -> Experiment:
    config = TrainingConfig(
        averaging_latest=averaging_latest,
        **(formats or {}),
        max_epochs=epochs,
        learning_rate_range=(1.0, 1.0),
        max_grad_norm=0.25,
        optimizer="sgd",
        lr_decay=1.0,
        early_stopping_patience=100,
    )
    return Experiment(small(folder, **options), "lstm-5+jm-2:depth_limit=3", (), config)


@pytest.mark.parametrize(
    "formats", [{}, {"precision": "bfloat16"}, {"compute_precision": "bfloat16"}], ids=str
)
def test_training_goes_on_in_the_middle_of_a_pass(
    folder: Path, tmp_path: Path, formats: dict[str, Any]
) -> None:
    """Equal bits whether it was interrupted or not, and however often it is evaluated."""
    assert small(folder).updates % 5, "passes end within an epoch"
    options: dict[str, Any] = {"random_offsets": True, "input_dropout": 0.2, "state_reset": 0.1}
    options |= {"updates_per_epoch": 5, "averaging_latest": 2, "formats": formats}
    whole = train(experiment(folder, 6, **options), tmp_path / "whole", 1)
    for epochs in (1, 3, 6):
        parts = train(experiment(folder, epochs, **options), tmp_path / "parts", 1)
    assert parts.restarts[0].progress == whole.restarts[0].progress
    name = "restart-000.safetensors"
    assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_how_often_it_is_evaluated_changes_nothing(folder: Path, tmp_path: Path) -> None:
    train(experiment(folder, 0), tmp_path / "start", 1)
    begin = start_from(tmp_path / "start")
    last = []
    for epochs in (3, 8):
        one = experiment(folder, epochs, updates_per_epoch=24 // epochs)
        run = train(dataclasses.replace(one, start=begin), tmp_path / f"{epochs}", 1)
        last.append(run.restarts[0].progress.curve[-1].validation["perplexity"].numerator)
    assert last[0] == pytest.approx(last[1], rel=1e-5)


def test_a_tied_matrix_belongs_to_the_embedding(folder: Path) -> None:
    task = small(folder, tied=True, embedding_size=3)
    network = task.build(get_model("lstm-5"), 0)
    trained, _ = partition(network, ("embedding",))
    assert not jax.tree.leaves(trained.embedding)
    assert {leaf.shape for leaf in jax.tree.leaves(trained.output)} == {
        (3, 5),
        (task.text.size,),
    }


def test_freezing_modes_and_memories_begin_with_the_same_words(folder: Path) -> None:
    task = small(folder)
    one, other = (task.build(get_model(name), 0) for name in ("lstm-5", "lstm-5+jm-2"))
    np.testing.assert_array_equal(one.embedding.weight, other.embedding.weight)
    np.testing.assert_array_equal(one.output.weight, other.output.weight)
    values = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(other)])
    assert np.abs(values).max() <= 0.05 and values.std() == pytest.approx(0.05 / 3**0.5, rel=0.05)


@pytest.mark.parametrize(
    ("model", "parameters"),
    [("lstm_capped-1194", 9_997_280), ("lstm_capped-1159+jm-64:depth_limit=35", 9_995_244)],
)
def test_a_memory_can_take_hidden_units_place_at_ten_million_parameters(
    model: str, parameters: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the one-layer net of Melis et al. 2018 has, on a text of 10,000 words."""
    from memrnn.cli import main

    for name, words in (("train", range(9_999)), ("valid", (1, 2)), ("test", (3, 4))):
        (tmp_path / f"{name}.txt").write_text(" ".join(f"w{word}" for word in words))
    out = tmp_path / "run"
    words = ["train", "--text", str(tmp_path), "--model", model, "--config", "strong"]
    words += ["--initialisation", "uniform"]  # in less time
    main([*words, "--freeze", "memory", "--dry-run", "--out", str(out)])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    counts = {name: int(count) for name, count, *_ in rows[1:]}
    assert counts.pop("all") == parameters == sum(counts.values())
    assert counts["embedding"] == 2_680_000
    assert [row[0] for row in rows if row[-1] == "False"] == ["memory"] and not out.exists()


def test_initial_parameters_by_fan_in(folder: Path) -> None:
    task = small(folder, tied=True, embedding_size=40, initialisation="fan_in")
    network = task.build(get_model("lstm_capped-300+jm-50"), 0)
    controller = network.controller
    for matrix, columns in (
        (network.embedding.weight, 40),
        (controller.weight_input, 40 + 50),
        (controller.weight_hidden, 300),
        (network.memory.weight_push, 300),
    ):
        values, deviation = np.asarray(matrix), columns**-0.5
        assert matrix.shape[1] == columns
        assert values.std() == pytest.approx(deviation, rel=0.1)
        assert 1.8 < np.abs(values).max() / deviation < 2 / 0.8796 + 1e-3, "cut"
    projection = np.asarray(network.output.projection)
    np.testing.assert_allclose(projection @ projection.T, np.eye(40), atol=1e-5)
    for bias in (controller.bias_input, network.memory.bias_push, network.output.bias):
        assert not np.any(bias)
    assert "initialisation" not in small(folder).identity()["options"]
    assert task.identity()["options"]["initialisation"] == "fan_in"


def test_a_text_is_trained_evaluated_and_compared(folder: Path, tmp_path: Path) -> None:
    run = train(experiment(folder, 2), tmp_path / "run", 2)
    found = evaluate(run)
    assert [one.name for one in found.task.sets] == ["validation", "test"]
    assert set(found.references["test"]) >= {"unigram", "kneser-ney-5"}
    whole = found.runs[0].sets["validation"].whole["perplexity"]
    best = run.restarts[0].progress.best_validation["perplexity"]
    assert tuple(whole) == pytest.approx(tuple(best), rel=1e-6)
    assert list(found.runs[0].sets["test"].groups) == [str(n) for n in range(1, 11)]


def test_another_text_under_the_same_name_is_another_task(folder: Path, tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        text = (folder / f"{name}.txt").read_text()
        (tmp_path / f"{name}.txt").write_text(text.replace("dog", "hen"))
    one, other = small(folder), small(tmp_path)
    assert one.identity()["text"] != other.identity()["text"]
    assert one.describe().key != dataclasses.replace(one, evaluation_streams=1).describe().key
    assert one.identity() == dataclasses.replace(one, evaluation_streams=1).identity()


@pytest.mark.parametrize(
    "wrong", [{"streams": 0}, {"input_dropout": 1.0}, {"bound": 0.0}, {"embedding_size": -1}]
)
def test_wrong_options_are_refused(folder: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(memrnn.MemrnnError, match=next(iter(wrong))):
        small(folder, **wrong)


def test_runs_are_compared_word_by_word(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from memrnn.cli import main

    run = train(experiment(folder, 2), tmp_path / "one", 1)
    train(experiment(folder, 1), tmp_path / "other", 1)
    nats = token_nats(run)
    task = small(folder)
    (scores,) = evaluate(run).runs
    assert nats.sum() == pytest.approx(scores.sets["test"].whole["perplexity"].numerator, rel=1e-6)
    kneser_ney = baseline_nats(task.text, "kneser-ney-5", "test")
    found = compare_tokens(task.text, "test", nats, kneser_ney)
    assert found.difference.nats == pytest.approx(nats.mean() - kneser_ney.mean())
    for groups in found.groups.values():
        counts = np.array([count for _, _, count in groups.values()])
        means = np.array([one for one, _, _ in groups.values()])
        assert counts.sum() == len(nats) and means @ counts == pytest.approx(nats.sum())
    with pytest.raises(memrnn.MemrnnError, match="cannot be compared"):
        compare_tokens(task.text, "test", nats[:-1], kneser_ney)

    out = tmp_path / "nats.npz"
    main(["text", "compare", str(tmp_path / "one"), str(tmp_path / "other"), "--out", str(out)])
    said = capsys.readouterr().out
    protocol = "streams 2; segment 4; first target from <eos> and zero state; <eos> counted; "
    assert protocol in " ".join(said.split()) and "paired bootstrap over 7 sentences" in said
    main(["text", "compare", str(tmp_path / "one"), "unigram", "--json"])
    said = json.loads(capsys.readouterr().out)["protocol"]
    assert (said["streams"], said["dropped tokens"], said["<eos>"]) == (2, 0, "counted")
    main(["evaluate", str(tmp_path / "one")])
    assert protocol in " ".join(capsys.readouterr().out.split())
    main(["evaluate", str(tmp_path / "one"), "--evaluation-streams", "1", "--json"])
    assert json.loads(capsys.readouterr().out)["protocol"]["streams"] == 1
    np.testing.assert_allclose(np.load(out)["first"], nats, rtol=1e-6)
    single = Experiment(small(folder, evaluation_streams=1), "lstm-4", (), run.experiment.config)
    train(single, tmp_path / "single", 1)
    with pytest.raises(SystemExit):
        main(["text", "compare", str(tmp_path / "one"), str(tmp_path / "single")])
    said = " ".join(capsys.readouterr().err.split())
    assert "evaluated in 2 streams and" in said and "--evaluation-streams N" in said
    with pytest.raises(SystemExit):
        main(["text", "compare", str(tmp_path / "one"), "nothing"])
    assert "neither a folder nor a baseline" in capsys.readouterr().err


def test_restarts_are_compared_under_another_protocol(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from memrnn.cli import main

    first, second = tmp_path / "first", tmp_path / "second"
    run = train(experiment(folder, 1), first, 2)
    single = Experiment(small(folder, evaluation_streams=1), "lstm-4", (), run.experiment.config)
    train(single, second, 2)

    def compared(*words: str | Path) -> dict[str, Any]:
        main(["text", "compare", *map(str, words), "--json"])
        return json.loads(capsys.readouterr().out)

    found = compared(first, second, "--evaluation-streams", "1", "--restart", "1")
    assert found["protocol"]["streams"] == 1
    for name, path, trained in (("first", first, run), ("second", second, load_run(second))):
        nats = token_nats(trained, restart=1, evaluation_streams=1)
        perplexity = found[name].pop("perplexity")
        assert perplexity == pytest.approx(math.exp(nats.mean()))
        label = trained.experiment.label
        assert found[name] == {"folder": str(path), "experiment": label, "restart": 1}
    in_two, in_one = token_nats(run), token_nats(run, evaluation_streams=1)
    assert abs(in_two - in_one).max() > 1e-6

    found = compared(first, first, "--restart", "1", "--second-restart", "0")
    assert [found[name]["restart"] for name in ("first", "second")] == [1, 0]
    words = found["groups"]["segment"].values()
    means = [[one[name] for one in words] for name in ("words", "first", "second")]
    counts, one, other = map(np.array, means)
    assert counts @ (one - other) / counts.sum() == pytest.approx(found["difference"]["nats"])
    assert "restart" not in compared(first, "unigram", "--restart", "0")["second"]

    main(["text", "compare", str(first), str(first), "--second-restart", "1", "--restart", "0"])
    said = capsys.readouterr().out
    for number in (0, 1):
        assert f": {run.experiment.label}, restart {number} of {first}" in said
    for words, message in (
        (["unigram", "--second-restart", "1"], "unigram is a baseline, which has no restarts."),
        ([str(first), "--second-restart", "7"], "7"),
        ([str(first), "--evaluation-streams", "0"], "evaluation_streams is 0"),
    ):
        with pytest.raises(SystemExit):
            main(["text", "compare", str(first), *words])
        assert message in " ".join(capsys.readouterr().err.split())


def test_memory_is_that_of_states_activations_and_logits(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, cells = small(folder), 3 * 2  # of a stack of 3 vectors of 2 numbers
    plain, stack = (
        task.check_memory(task.build(get_model(f"lstm-5{memory}"), 0), training=True)
        for memory in ("", "+jm-2:depth_limit=3")
    )
    # Per stream and step two states, and the reading with its cotangent; what is carried six times.
    assert stack - plain == 4 * 3 * 4 * (2 * cells + 2 * 2) + 6 * 3 * 4 * cells
    wide = small(folder, streams=6)
    network = wide.build(get_model("lstm-5+jm-2:depth_limit=3"), 0)
    more = wide.check_memory(network, training=True, workers=2)
    logits = 3 * 224 * task.text.size * 4
    assert more == 2 * (2 * (stack - logits) + logits)
    assert task.check_memory(network, training=False) < stack
    monkeypatch.setattr("memrnn.tasks.text.memory_limit", lambda: more - 1)
    with pytest.raises(memrnn.MemrnnError, match="6 streams of 4 words x 2 workers take"):
        wide.check_memory(network, training=True, workers=2)


def test_a_command_line_has_presets(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from memrnn.cli import main
    from memrnn.training import load_experiment

    words = ["train", "--text", str(folder), "--model", "lstm-4", "--restarts", "1"]
    words += ["--max-epochs", "0", "--embedding-size", "3"]
    for name, optimizer, tied in (
        ("paper", "sgd", False),
        ("strong", "rmsprop", True),
        ("strong-averaged", "rmsprop", True),
    ):
        main([*words, "--config", name, "--out", str(tmp_path / name)])
        made = load_experiment(tmp_path / name)
        assert made.config.optimizer == optimizer and made.config.max_epochs == 0
        assert made.config.averages == (name == "strong-averaged")
        assert (made.config.lr_decay == 1) == made.config.averages
        assert isinstance(made.task, Text) and made.task.tied == tied
        assert made.task.embedding_size == 3, "what is given comes first"
    with pytest.raises(SystemExit):
        main([*words, "--config", "weak", "--out", str(tmp_path / "weak")])
    assert "there is paper, strong or strong-averaged." in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*words, "--language", "count-3", "--out", str(tmp_path / "two")])
    assert "Give one of" in capsys.readouterr().err


def test_a_sentence_is_explained_from_its_beginning(folder: Path) -> None:
    task = small(folder)
    tokens = task.encode("the cat ran")
    assert [task.labels[token] for token in tokens] == ["<eos>", "the", "cat", "ran"]
    with scope("float64"):
        network = network_of(task)
        found = explain(network, tokens, task.targets(tokens))
        nats = plain_nats(network, np.append(tokens[1:], task.text.eos), task.text.eos)
    assert found.targets == (*tokens.tolist(), task.text.eos)
    np.testing.assert_allclose(-np.log(found.probability[1:]), nats, rtol=1e-9)
