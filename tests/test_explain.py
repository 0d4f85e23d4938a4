"""What a net does along a string: computed, printed within 80 columns, drawn, and by command."""

import io
import itertools
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

import reference_networks
from memrnn import cli
from memrnn.explain import (
    Explanation,
    SoftStack,
    StackRun,
    check_figure_path,
    draw_explanation,
    explain,
    explanation_table,
    save_explanation,
    trace,
)
from memrnn.explain._traces import _strengths
from memrnn.languages import get_language
from memrnn.memories import (
    MEMORIES,
    Memory,
    Nondeterministic,
    Stratification,
    Superposition,
    VectorNondeterministic,
    best_run,
)
from memrnn.models import Model, get_model
from memrnn.network import losses
from memrnn.precision import scope
from reference_networks import ListStack, sigmoid, softmax

SYMBOLS = ("0", "1", "#")
STRING = [0, 1, 1, 2, 0, 1, 1]


def sharpened(network):
    """Larger weights, so that predictions and actions differ from step to step."""
    return jax.tree.map(lambda leaf: 4 * leaf if eqx.is_inexact_array(leaf) else leaf, network)


# What is computed.


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("model", ["jm-3", "gru+jm-2.1", "jm-hidden"])
def test_predictions_are_those_that_are_scored(model: str, precision: str) -> None:
    with scope(precision):
        network = sharpened(get_model(model).build(symbols=3, seed=1))
        nats, right = losses(network, jnp.array([STRING]), jnp.array([len(STRING)]))
        nats, right = np.asarray(nats)[:, 0], np.asarray(right)[:, 0]
    explanation = explain(network, STRING)
    tolerance = 1e-5 if precision == "float32" else 1e-12
    np.testing.assert_allclose(explanation.probability, np.exp(-nats), atol=tolerance)
    assert list(explanation.right) == list(right)
    expected = np.exp(-np.array(reference_networks.losses(network, STRING)))
    np.testing.assert_allclose(explanation.probability, expected, atol=tolerance)
    assert explanation.perplexity == pytest.approx(np.exp(np.mean(nats)), rel=1e-5)
    assert explanation.targets == (*STRING, 3)
    np.testing.assert_allclose(explanation.probabilities.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("sizes", "depth_limit", "updates"), [((2, 1), None, 6), ((3,), 2, 5), ((1,), None, 1)]
)
def test_superposition_is_followed_like_the_list_of_vectors(
    sizes: tuple[int, ...], depth_limit: int | None, updates: int
) -> None:
    rng = np.random.default_rng(0)
    with scope("float64"):
        memory = Superposition(4, sizes=sizes, depth_limit=depth_limit, rng=rng)
        hidden = 3 * rng.normal(size=(updates, 4))
        stacks = trace(memory, jnp.asarray(hidden))
    assert isinstance(stacks, tuple)
    begin = 0
    for k, size in enumerate(sizes):
        rows = ListStack(size, depth_limit)
        counted = ListStack(1, depth_limit)
        assert stacks[k].actions == ("push", "pop", "no-op")
        for t in range(updates + 1):
            contents = [np.sqrt(np.mean(row**2)) for row in rows.rows]
            contents += [0.0] * (stacks[k].contents.shape[1] - len(contents))
            np.testing.assert_allclose(stacks[k].contents[t], contents, atol=1e-12)
            height = sum(row.item() for row in counted.rows)
            assert stacks[k].heights[t] == pytest.approx(height, abs=1e-12)
            if t == updates:
                break
            logits = np.asarray(memory.weight_actions) @ hidden[t]
            actions = softmax(logits[3 * k : 3 * k + 3])
            np.testing.assert_allclose(stacks[k].weights[t], actions, atol=1e-12)
            vectors = sigmoid(np.asarray(memory.weight_push) @ hidden[t])
            rows.update(*actions, vectors[begin : begin + size])
            counted.update(*actions, np.ones(1))
        begin += size


def test_the_height_is_the_mean_over_drawn_actions() -> None:
    rng = np.random.default_rng(1)
    with scope("float64"):
        memory = Superposition(4, sizes=(2,), rng=rng)
        (stack,) = trace(memory, jnp.asarray(3 * rng.normal(size=(5, 4))))
    mean = 0.0
    for actions in itertools.product(range(3), repeat=5):
        height = 0
        for action in actions:
            height = max(0, height + (1, -1, 0)[action])
        mean += height * np.prod([stack.weights[t, action] for t, action in enumerate(actions)])
    assert stack.heights[-1] == pytest.approx(mean)


@pytest.mark.parametrize("window", [None, 3])
def test_the_best_run_of_a_net_and_the_marginals_are_those_of_its_memory(
    window: int | None,
) -> None:
    updates, states, symbols = 7, 2, 3
    rng = np.random.default_rng(2)
    with scope("float64"):
        memory = Nondeterministic(4, states=states, symbols=symbols, window=window, rng=rng)
        hidden = 8 * rng.normal(size=(updates, 4))
        found = trace(memory, jnp.asarray(hidden))
        weight, bias = memory.affine()
        state, readings = memory.initial_state(1, updates), []
        for row in jnp.asarray(hidden):
            readings.append(memory.reading(state)[0])
            state = memory.update(state, (weight @ row + bias)[None])
        readings.append(memory.reading(state)[0])
    assert isinstance(found, StackRun)
    np.testing.assert_allclose(found.marginals.reshape(updates + 1, -1), readings, atol=1e-9)
    cells = states * symbols
    logits = hidden @ np.asarray(memory.weight_actions).T + np.asarray(memory.bias_actions)
    weight = 0.0
    for t, (kind, q, x, r, y) in enumerate(found.run.actions):
        column = {"push": 0, "replace": cells, "pop": 2 * cells}[kind]
        column += r if y is None else r * symbols + y
        weight += logits[t, (q * symbols + x) * (2 * cells + states) + column]
    assert found.run.log_weight == pytest.approx(weight)
    assert 0 < found.share < 1
    final = found.marginals[-1, found.run.states[-1], found.run.tops[-1]]
    assert found.share <= final, "all runs that end like the best one weigh at least as much"


def test_pushed_vectors_change_nothing_about_runs() -> None:
    rng = np.random.default_rng(4)
    size = {"states": 2, "symbols": 2}
    with scope("float64"):
        plain = Nondeterministic(4, **size, rng=rng)
        memory = VectorNondeterministic(4, **size, size=3, bottom_scope="all", rng=rng)
        weights = plain.weight_actions, plain.bias_actions
        memory = eqx.tree_at(lambda m: (m.weight_actions, m.bias_actions), memory, weights)
        hidden = jnp.asarray(8 * rng.normal(size=(5, 4)))
        expected, found = trace(plain, hidden), trace(memory, hidden)
    assert found.run.actions == expected.run.actions
    np.testing.assert_allclose(found.marginals, expected.marginals, rtol=1e-12)


def test_the_strengths_of_a_stratification_stack_give_its_readings() -> None:
    rng = np.random.default_rng(3)
    with scope("float64"):
        memory = Stratification(4, size=2, rng=rng)
        hidden = 4 * rng.normal(size=(9, 4))
        (stack,) = trace(memory, jnp.asarray(hidden))
        weight, bias = memory.affine()
        state = memory.initial_state(1, len(hidden))
        for t, row in enumerate(hidden):
            state = memory.update(state, (weight @ row + bias)[None])
            pushed = sigmoid(np.asarray(memory.weight_actions) @ row)
            np.testing.assert_allclose(stack.weights[t], pushed, atol=1e-12)
            values = np.tanh(hidden[: t + 1] @ np.asarray(memory.weight_push).T)
            reading, left = np.zeros(2), 1.0
            for strength, value in zip(stack.contents[t + 1, t::-1], values[::-1], strict=True):
                reading += min(strength, max(0.0, left)) * value
                left -= strength
            np.testing.assert_allclose(memory.reading(state)[0], reading, atol=1e-9)
            assert stack.heights[t + 1] == pytest.approx(1 - left)


def test_strengths_give_the_golden_readings_of_a_stratification_stack() -> None:
    """Push sigma(sin t), pop sigma(cos t), value tanh(cos(t + k))."""
    t = np.arange(1, 7)
    strengths = _strengths(sigmoid(np.sin(t)), sigmoid(np.cos(t)))
    values = np.tanh(np.cos(t[:, None] + np.arange(2)))
    golden = {1: (0.344648, -0.275093), 2: (-0.139013, -0.652931), 3: (-0.568076, -0.650980)}
    for updates, expected in {**golden, 6: (0.438477, 0.180339)}.items():
        reading, left = np.zeros(2), 1.0
        for strength, value in zip(strengths[updates][::-1], values[::-1], strict=True):
            reading += min(strength, max(0.0, left)) * value
            left -= strength
        np.testing.assert_allclose(reading, expected, atol=1e-6)


class Counter(Memory):
    """A memory of a user's own: it sums what the first hidden unit says."""

    weight: jax.Array

    def __init__(self, hidden_size: int, *, rng: np.random.Generator):
        self.weight = jnp.asarray(rng.normal(size=(1, hidden_size)), jnp.float32)

    @property
    def reading_size(self) -> int:
        return 1

    def affine(self):
        return self.weight, jnp.zeros(1, jnp.float32)

    def initial_state(self, batch: int, updates: int):
        return jnp.zeros((batch, 1), jnp.float32)

    def update(self, state, drive):
        return state + jax.nn.sigmoid(drive)

    def reading(self, state):
        return state


def test_a_memory_of_ones_own_is_explained_once_it_is_registered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(MEMORIES, "counter", Counter)
    network = Model("gru", "counter", 5).build(symbols=3, seed=0)
    with pytest.raises(ValueError, match=r"Counter cannot be explained; .*Superposition.*register"):
        explain(network, STRING)

    class Known(Counter):
        pass

    @trace.register
    def _(memory: Known, hidden: jax.Array) -> tuple[SoftStack, ...]:
        adds = np.asarray(jax.nn.sigmoid(hidden @ memory.weight.T), np.float64)
        heights = np.append(0.0, np.cumsum(adds))
        return (SoftStack(("add",), adds, heights[:, None] / 10, "depth", "count", heights),)

    memory = Known(5, rng=np.random.default_rng(0))
    explanation = explain(eqx.tree_at(lambda n: n.memory, network, memory), STRING)
    assert "add" in printed(explanation)
    draw_explanation(explanation, SYMBOLS, "title")


def test_what_cannot_be_explained_is_refused() -> None:
    network = get_model("jm-3").build(symbols=3, seed=0)
    for short in ([], [0]):
        with pytest.raises(ValueError, match="give at least 2"):
            explain(network, short)
    for wrong in ([0, 3], [-1, 0]):
        with pytest.raises(ValueError, match="from 0 to 2"):
            explain(network, wrong)
    with pytest.raises(ValueError, match="no memory to explain"):
        explain(get_model("lstm").build(symbols=3, seed=0), STRING)


# What is printed and drawn.


def string_of(length: int) -> list[int]:
    return [int(token) for token in np.random.default_rng(0).integers(0, 3, length)]


def hand_made(length: int, states: int = 2, symbols: int = 3) -> Explanation:
    """A best run that pushes, replaces and pops, and predictions of which some are right."""
    rng = np.random.default_rng(length)
    shape = (length - 1, states, symbols, states, symbols)
    weights = rng.normal(size=shape), rng.normal(size=shape), 2 + rng.normal(size=shape[:4])
    run = best_run(*weights)
    marginals = rng.dirichlet(np.ones(states * symbols), length).reshape(length, states, symbols)
    probabilities = rng.dirichlet(np.ones(4), length + 1)
    return Explanation(tuple(string_of(length)), probabilities, StackRun(run, 0.02, marginals))


@pytest.fixture(scope="module")
def explained() -> dict[str, Explanation]:
    """Long, short and shortest strings; of each kind of trace, some for each layout."""
    cases = {
        "three stacks, 20": ("gru+jm-3.3.3", 20),
        "three stacks, 80": ("gru+jm-3.3.3", 80),
        "strengths, 20": ("gru+strat-4", 20),
        "best run, 20": ("gru+rns-2-3", 20),
        "best run with vectors, 2": ("gru+vrns-1-2-2", 2),
    }
    found = {f"by hand, {length}": hand_made(length) for length in (2, 20, 80)}
    for name, (model, length) in cases.items():
        network = sharpened(get_model(model).build(symbols=3, seed=0))
        found[name] = explain(network, string_of(length))
    return found


def printed(explanation: Explanation, symbols: tuple[str, ...] = SYMBOLS) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(explanation_table(explanation, symbols, "what it is", ["A note."]))
    return console.file.getvalue()


def test_it_fits_into_80_columns(explained: dict[str, Explanation]) -> None:
    for name, explanation in explained.items():
        text = printed(explanation)
        assert max(map(len, text.splitlines())) <= 80, name
        assert text.startswith("what it is\n")
        assert "…" not in text, "nothing is cut off"
        assert "A note." in text
        right = int(explanation.right.sum())
        assert f"{right} of {len(explanation.tokens) + 1} symbols predicted right" in text


def test_a_short_string_has_a_row_for_each_symbol() -> None:
    explanation = hand_made(20)
    assert isinstance(explanation.trace, StackRun)
    rows = [line for line in printed(explanation).splitlines() if re.match(r" ?\d+ ", line)][:21]
    run = explanation.trace.run
    for t, row in enumerate(rows):
        assert ("✗" in row) == (not explanation.right[t])
        cells = row.replace("✗", "").split()
        assert cells[0] == str(t)
        if t:
            assert cells[1] == SYMBOLS[explanation.tokens[t - 1]]
        assert float(cells[1 + (t > 0)]) == pytest.approx(explanation.probability[t], abs=1e-3)
        if 0 < t < 20:
            action = run.actions[t - 1]
            assert cells[3] == action.kind
            state, top, share, height, bar = cells[-5:]
            assert (int(state), int(top)) == (run.states[t], run.tops[t])
            assert int(height) == run.heights[t]
            assert float(share) == pytest.approx(
                explanation.trace.marginals[t, run.states[t], run.tops[t]], abs=1e-3
            )
            assert set(bar) <= set("▏▎▍▌▋▊▉█")


def test_a_long_string_is_written_in_blocks() -> None:
    explanation = hand_made(80)
    assert isinstance(explanation.trace, StackRun)
    lines = printed(explanation).split("symbols predicted")[0].splitlines()

    def joined(name: str) -> str:
        return "".join(line[12:].ljust(41)[:41] for line in lines if line.startswith(name))

    assert joined("symbol").strip() == "".join(SYMBOLS[token] for token in explanation.tokens)
    signs = {"push": "+", "replace": "=", "pop": "-"}
    actions = "".join(signs[action.kind] for action in explanation.trace.run.actions)
    assert joined("action").strip() == actions
    assert joined("state ").strip() == "".join(map(str, explanation.trace.run.states))
    assert (
        joined("wrong")[:81].rstrip()
        == "".join(" " if right else "✗" for right in explanation.right).rstrip()
    )
    assert "after 0 to 40 symbols" in lines
    assert "after 41 to 80 symbols" in lines


def test_symbols_of_several_characters_and_many_stack_symbols_find_room() -> None:
    symbols = ("zero", "one", "two")
    for length in (20, 80):
        text = printed(hand_made(length, states=2, symbols=12), symbols)
        assert max(map(len, text.splitlines())) <= 80
        assert text.count("zero") == string_of(length).count(0)
        draw_explanation(hand_made(length), symbols, "title")


def test_the_figure_shows_every_symbol_and_action(explained: dict[str, Explanation]) -> None:
    for name, explanation in explained.items():
        figure = draw_explanation(explanation, SYMBOLS, name)
        labels = [label.get_text() for label in figure.axes[-2].get_xticklabels()]
        assert labels == [*(SYMBOLS[token] for token in explanation.tokens), "end"]
        bars = [bar.get_height() for bar in figure.axes[0].patches]
        np.testing.assert_allclose(bars, explanation.probability)
    figure = draw_explanation(hand_made(20), SYMBOLS, "title")
    run = hand_made(20).trace.run
    texts = [text.get_text() for text in figure.axes[1].texts]
    signs = {"push": "+", "replace": "=", "pop": "–"}
    assert texts == [f"{signs[a.kind]}{'' if a.symbol is None else a.symbol}" for a in run.actions]
    assert [text.get_position()[0] for text in figure.axes[1].texts] == list(np.arange(19) + 1.5)
    (heights,) = [patch for patch in figure.axes[3].patches if hasattr(patch, "get_data")]
    assert list(heights.get_data().values) == list(run.heights)


def test_figures_are_written_in_three_formats_and_repeatable(tmp_path: Path) -> None:
    begins = {".svg": b"<?xml", ".pdf": b"%PDF", ".png": b"\x89PNG"}
    for suffix, begin in begins.items():
        contents = []
        for name in ("a", "b"):
            path = tmp_path / f"{name}{suffix}"
            save_explanation(draw_explanation(hand_made(9), SYMBOLS, "$x_1"), path, "$x_1")
            contents.append(path.read_bytes())
        assert contents[0] == contents[1]
        assert contents[0].startswith(begin)
    text = (tmp_path / "a.svg").read_text()
    ElementTree.fromstring(text)
    assert "$x_1" in text
    with pytest.raises(ValueError, match=r"\.svg, \.pdf or \.png"):
        check_figure_path(Path("figure.gif"))


# The command.

QUICK = [
    *("--lengths", "3", "9", "--batch-size", "4", "--batches", "6"),
    *("--validation-batches", "5", "--epochs", "1", "--restarts", "2"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = str(tmp_path_factory.mktemp("runs") / "run")
    cli.main(["train", "--language", "marked-copy", "--model", "gru+jm-3", "--out", out, *QUICK])
    return out


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    status = 0
    try:
        cli.main(["explain", *arguments])
    except SystemExit as exit:
        status = int(exit.code or 0)
    return status, *capsys.readouterr()


def test_explain_prints_and_draws(
    trained: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    string = ("--string", "0 1 1 # 0 1 1")
    status, table, told = run(capsys, trained, *string)
    assert (status, told) == (0, "")
    assert "marked-copy  gru+jm-3  freeze=none, restart" in table
    assert "no string of" not in table
    assert not list(tmp_path.iterdir()), "a figure is written only where one is asked for"
    out = tmp_path / "figure.svg"
    status, again, _ = run(capsys, trained, "--string", "011#011", "--out", str(out))
    assert (status, again) == (0, table)
    ElementTree.fromstring(out.read_text())
    restarts = []
    for number in ("0", "1"):
        status, text, _ = run(capsys, trained, *string, "--restart", number, "--json")
        assert status == 0
        restarts.append(json.loads(text))
    assert [found["restart"] for found in restarts] == [0, 1]
    assert restarts[0]["probability"] != restarts[1]["probability"]
    found = restarts[0]
    assert found["string"] == ["0", "1", "1", "#", "0", "1", "1"]
    assert found["outputs"] == ["0", "1", "#", "end"]
    assert len(found["probability"]) == len(found["right"]) == len(found["predicted"]) == 8
    (stack,) = found["memory"]["stacks"]
    assert np.shape(stack["weights"]) == (6, 3)
    assert len(stack["heights"]) == len(stack["contents"]) == 7
    status, text, _ = run(capsys, trained, "--string", "01##")
    assert status == 0
    assert "This is no string of marked-copy." in text


def test_symbols_of_several_characters_need_spaces() -> None:
    language = get_language("marked-copy:k=12")
    assert list(cli._encode(language, " 10 11  # 10 11")) == [10, 11, 12, 10, 11]
    with pytest.raises(ValueError, match="'1011' is not a symbol"):
        cli._encode(language, "1011")


WRONG = {
    "symbol": (("RUN", "--string", "0x1"), "'01#'"),
    "one symbol": (("RUN", "--string", "0"), "at least 2"),
    "no symbol": (("RUN", "--string", " "), "at least 2"),
    "restart": (("RUN", "--string", "011", "--restart", "7"), "there are 0, 1"),
    "suffix": (("RUN", "--string", "011", "--out", "figure.gif"), ".svg, .pdf or .png"),
    "folder": (("RUN", "--string", "011", "--out", "no/figure.svg"), "No such file"),
    "nothing trained": (("nowhere", "--string", "011"), "holds no experiment"),
    "no string": (("RUN",), "--string"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_and_status_2(
    case: str,
    trained: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    capsys.readouterr()
    monkeypatch.chdir(tmp_path)
    arguments, allowed = WRONG[case]
    status, printed, told = run(
        capsys, *(trained if argument == "RUN" else argument for argument in arguments)
    )
    assert (status, printed) == (2, "")
    assert told.count("\n") == 1
    assert told.startswith("memrnn: ")
    assert allowed in told
    assert not list(tmp_path.iterdir())
