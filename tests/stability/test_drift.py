"""What training does to a constructed network: the measure `drift` against plain loops."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from command_line import run
from memrnn import REFERENCE, Experiment, Network, Strings, TrainingConfig, get_language, train
from memrnn.automata import machine_of
from memrnn.stability import drift, golden_network, save_golden
from memrnn.training import Restart, load_run, start_from
from reference_networks import ListStack, lstm, softmax

TASK = Strings(
    "marked-reversal", (3, 9), batch_size=4, batches=6, validation_batches=2, length_bins=((9, 9),)
)
MODEL = "lstm-13+jm-2"  # with a unit that the machine does not need
CONFIG = TrainingConfig(max_epochs=2, learning_rate_range=(3e-2, 3e-2))
GAP = 6.0


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("drift") / "golden"
    save_golden(golden_network(TASK, MODEL, gate=5.0, gap=GAP), TASK, MODEL, out)
    return out


@pytest.fixture(scope="module")
def runs(golden: Path) -> Mapping[tuple[str, ...], Path]:
    """Folders of trained runs by what was frozen."""
    folders = {}
    for freeze in ((), ("controller",)):
        folders[freeze] = golden.parent / "-".join(["trained", *freeze])
        train(experiment(golden, freeze), folders[freeze], 1)
    return folders


def experiment(golden: Path, freeze: tuple[str, ...] = (), **changes: Any) -> Experiment:
    one = Experiment(TASK, MODEL, freeze, CONFIG, 0, start_from(golden), ("drift",))
    return dataclasses.replace(one, **changes)


def along(net: Any, string: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Gates, logits of actions, hidden states and logits of symbols, in NumPy and float64."""
    names = {"ih": "weight_input", "hh": "weight_hidden", "b_ih": "bias_input"}
    weights = {
        short: np.asarray(getattr(net.controller, name), np.float64)
        for short, name in (names | {"b_hh": "bias_hidden"}).items()
    }
    # Else every product of the loop would be an operation of JAX.
    memory = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), net.memory)
    stack, h, c = ListStack(2), np.zeros(13), np.zeros(13)
    gates, actions, hidden = [], [], [h]
    for symbol in string:
        u = np.concatenate([np.eye(3)[symbol], stack.top()])
        gates.append(
            weights["ih"] @ u + weights["b_ih"] + weights["hh"] @ h + weights["b_hh"],
        )
        h, c = lstm(weights, u, (h, c))
        hidden.append(h)
        actions.append(memory.weight_actions @ h + memory.bias_actions)
        pushed = 1 / (1 + np.exp(-(memory.weight_push @ h + memory.bias_push)))
        stack.update(*softmax(actions[-1]), pushed)
    logits = np.array(hidden) @ np.asarray(net.output.weight).T + np.asarray(net.output.bias)
    return np.array(gates), np.array(actions), np.array(hidden[1:]), logits


def strings(length: int) -> np.ndarray:
    """Those that the measure takes, which are those of an evaluation set."""
    task = dataclasses.replace(TASK, length_bins=((length, length),), samples_per_length=10)
    ((batch, items),) = [
        (batch, items)
        for evaluation_set in [task.evaluation_set(f"{length}:{length}")]
        for batch, items in zip(evaluation_set.batches, evaluation_set.items, strict=True)
    ]
    return batch.tokens[items >= 0]


def by_hand(net: Network, start: Network) -> dict[str, float]:
    machine, language = machine_of("marked-reversal"), get_language("marked-reversal")
    numbers: dict[str, float] = {}
    for part in ("controller", "memory", "output"):
        pairs = zip(*(jax.tree.leaves(getattr(each, part)) for each in (net, start)), strict=True)
        numbers[f"change.{part}"] = max(float(np.abs(a - b).max()) for a, b in pairs)
    margins, smallest, gaps = [], math.inf, []
    for string in strings(9):
        (before, first, *_), (now, actions, *_) = along(start, string), along(net, string)
        used = before != 0
        margins.append(np.min((np.sign(before) * now)[used]))
        smallest = min(smallest, np.abs(before[used]).min())
        for row, logits in zip(first, actions, strict=True):
            chosen = int(np.argmax(row))
            gaps.append(logits[chosen] - max(np.delete(logits, chosen)))
    numbers |= {"gate_margin": min(margins) / smallest, "action_gap": min(gaps)}
    numbers["horizon"] = 0.58 * math.exp(min(gaps)) if min(gaps) > 0 else 0.0
    departures = []
    for times, length in ((1, 9), (5, 45), (20, 179)):
        wrong, determined, free = [], [], []
        for string in strings(length):
            legal = language.legal(string[None])
            assert legal is not None
            *_, hidden, logits = along(net, string)
            wrong.append(
                sum(not row[np.argmax(z)] for row, z in zip(legal[0], logits, strict=True))
            )
            logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
            nats = -logs[np.arange(length + 1), np.append(string, 3)]
            single = legal[0].sum(axis=1) == 1
            determined.append(nats[single].sum())
            free.append(nats[~single].sum())
            if times == 20:
                on = [set(np.flatnonzero(row[:12] > math.tanh(1) / 2).tolist()) for row in hidden]
                rules = machine.run(string).rules.tolist()
                departures += [t for t in range(length) if on[t] != {rules[t], 11}][:1]
        numbers[f"wrong_{times}x"] = np.mean(wrong)
        if times == 1:
            numbers |= {"determined_nats": np.mean(determined), "free_nats": np.mean(free)}
    return numbers | {"departure": min(departures) + 1 if departures else math.nan}


def network_after(folder: Path, epochs: int) -> tuple[Restart, Network]:
    restart = Restart(load_run(folder).experiment, 0, folder / "restart-000.safetensors")
    assert restart.progress.epochs == epochs
    return restart, restart.network


@pytest.mark.parametrize("freeze", [(), ("controller",)])
def test_numbers_equal_loops(runs: Mapping[tuple[str, ...], Path], freeze: tuple[str, ...]) -> None:
    restart, network = network_after(runs[freeze], 2)
    found = dict(restart.progress.curve[-1].measured)
    expected = by_hand(network, restart.initial_network())
    data = restart.data.own
    tokens, length = data.tokens[0], int(data.lengths[0])

    def loss(net: Network) -> jax.Array:
        hidden, _ = net.hidden(jnp.asarray(tokens[:, :length]).T, rule=REFERENCE)
        states = jnp.concatenate([jnp.zeros_like(hidden[:1]), hidden])
        logs = jax.nn.log_softmax(net.logits(states))
        total = jnp.zeros(())
        for row, string in enumerate(tokens):
            for t, symbol in enumerate([*string[:length], 3]):
                total -= logs[t, row, int(symbol)]
        return total / len(tokens)

    gradient = jax.jit(jax.grad(loss))(network)
    for part in ("controller", "memory", "output"):
        leaves = jax.tree.leaves(getattr(gradient, part))
        expected[f"gradient.{part}"] = math.sqrt(sum(float((leaf**2).sum()) for leaf in leaves))
    assert found.keys() == {f"drift.{name}" for name in expected}
    for name, value in expected.items():
        assert found[f"drift.{name}"] == pytest.approx(value, rel=2e-3, abs=1e-5, nan_ok=True), name


def test_the_start_is_measured_and_frozen_components_do_not_move(
    runs: Mapping[tuple[str, ...], Path],
) -> None:
    for freeze, folder in runs.items():
        progress = load_run(folder).restart(0).progress
        start, *_, last = [progress.measured, *(epoch.measured for epoch in progress.curve)]
        for part in ("controller", "memory", "output"):
            assert start[f"drift.change.{part}"] == 0
            assert (last[f"drift.change.{part}"] == 0) == (part in freeze)
            assert last[f"drift.gradient.{part}"] > 0
        assert start["drift.gate_margin"] == pytest.approx(1)
        # A unit that is on is a little below tanh(1).
        assert GAP - 0.5 < start["drift.action_gap"] < GAP
        assert start["drift.determined_nats"] == start["drift.wrong_1x"] == 0
        assert start["drift.free_nats"] > 0 and start["drift.departure"] > 45


def test_measuring_changes_nothing_and_can_be_asked_for_later(
    golden: Path, runs: Mapping[tuple[str, ...], Path], tmp_path: Path
) -> None:
    """A number that does not exist is NaN, in the checkpoint, too."""
    plain = experiment(golden, config=dataclasses.replace(CONFIG, max_epochs=1), measure=())
    measured = experiment(golden)
    assert plain.identity() == measured.identity()
    train(plain, tmp_path, 1)
    train(measured, tmp_path, 1)
    first, second = load_run(tmp_path).restart(0).progress.curve
    assert not first.measured and second.measured.keys() > {"drift.departure"}
    _, network = network_after(tmp_path, 2)
    _, other = network_after(runs[()], 2)
    for a, b in zip(*map(jax.tree.leaves, (network, other)), strict=True):
        np.testing.assert_array_equal(a, b)
    exact = golden_network(TASK, MODEL)
    restart = Restart(dataclasses.replace(measured, start=None), 0)
    assert math.isnan(drift(restart, exact)["departure"])


def test_a_start_is_rounded_to_the_format_of_training(golden: Path) -> None:
    one = experiment(golden, config=dataclasses.replace(CONFIG, precision="bfloat16"), measure=())
    start, exact = Restart(one, 0).network, load_run(golden).restart(0).network
    assert start.dtype == jnp.bfloat16
    for found, array in zip(*map(jax.tree.leaves, (start, exact)), strict=True):
        np.testing.assert_array_equal(found, np.asarray(array).astype(jnp.bfloat16))


def test_commands(
    golden: Path,
    runs: Mapping[tuple[str, ...], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, printed, _ = run(capsys, "curve", str(runs["controller",]))
    lines = {line.split()[0]: line.split()[1:] for line in printed.splitlines()[1:] if line.strip()}
    assert status == 0 and lines["drift.change.controller"] == ["0", "0", "0"]
    status, printed, _ = run(capsys, "curve", str(runs[()]), "--json")
    assert status == 0 and '"drift.gate_margin"' in printed and "NaN" not in printed
    arguments = ["train", "--model", MODEL, "--out", str(tmp_path / "run"), "--workers", "1"]
    arguments += ["--language", "marked-reversal", "--start", str(golden), "--measure", "nothing"]
    status, _, error = run(capsys, *arguments)
    assert status == 2
    assert error.startswith("memrnn: There is no measure 'nothing'; there is drift")
