"""The benchmarks' nondeterministic stack in PyTorch does what it is timed for.

PyTorch is not among the development packages; without it these tests are skipped.
"""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from reference_nondeterministic import readings_gradient, recurrence_readings

torch = pytest.importorskip("torch")


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    torch.set_num_threads(1)  # several threads wait for each other longer than they compute
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module("torch_nondeterministic")


@pytest.mark.parametrize("magnitude", [1, 10, 30])
@pytest.mark.parametrize("scope", ["bottom", "all"])
@pytest.mark.parametrize(
    ("states", "symbols", "size", "n"),
    [(3, 3, 0, 20), (2, 3, 2, 12), (1, 2, 3, 12), (1, 1, 1, 5), (3, 2, 0, 1)],
)
def test_readings_and_gradients_equal_the_recurrences(
    peer: ModuleType, states: int, symbols: int, size: int, n: int, scope: str, magnitude: int
) -> None:
    rng = np.random.default_rng([states, symbols, size, n, magnitude])
    pairs, batch = states * symbols, 2
    operations = rng.uniform(-magnitude, magnitude, (batch, n, pairs, 2 * pairs + states))
    vectors, bottom = rng.uniform(0.1, 0.9, (batch, n, size)), rng.uniform(0.1, 0.9, size)
    found = {form: [] for form in peer.FORMS}
    for form, results in found.items():
        leaves = [torch.tensor(x) for x in (operations, np.log(vectors), np.log(bottom))]
        for leaf in leaves:
            leaf.requires_grad_()
        readings = peer.stack_readings(*leaves, states, symbols, scope, form)
        cotangent = np.random.default_rng(0).normal(size=readings.shape)
        (torch.tensor(cotangent) * readings).sum().backward()
        gradients = [leaf.grad if leaf.numel() else leaf for leaf in leaves]
        results += [x.detach().numpy() for x in (readings, *gradients)]

    by_bottom = np.zeros(size)
    for row in range(batch):
        push, repl, pop = np.split(operations[row], [pairs, 2 * pairs], axis=2)
        inputs = [
            push.reshape(n, states, symbols, states, symbols),
            repl.reshape(n, states, symbols, states, symbols),
            pop.reshape(n, states, symbols, states),
        ]
        if size:
            inputs += [vectors[row], bottom]
        expected = recurrence_readings(*inputs, bottom_scope=scope)
        gradient = readings_gradient(cotangent[row], *inputs, bottom_scope=scope)
        by_operations = np.concatenate([x.reshape(n, pairs, -1) for x in gradient[:3]], axis=2)
        by_vectors = gradient.vectors * vectors[row]
        by_bottom += gradient.bottom * bottom
        for readings, d_operations, d_vectors, _ in found.values():
            np.testing.assert_allclose(readings[row], expected, atol=1e-13)
            np.testing.assert_allclose(d_operations[row], by_operations, atol=1e-12)
            np.testing.assert_allclose(d_vectors[row], by_vectors, atol=1e-12)
    if size:
        for *_, d_bottom in found.values():
            np.testing.assert_allclose(d_bottom, by_bottom, atol=1e-12)


def test_both_forms_are_the_same_network(peer: ModuleType) -> None:
    tokens = torch.tensor([[0, 1, 2, 2, 1, 0], [2, 2, 0, 1, 1, 0]])
    losses = {}
    for form in peer.FORMS:
        model = peer.build_model("vrns-2-3-2", dtype=torch.float64, form=form)
        loss = peer.string_losses(model, tokens).sum()
        loss.backward()
        losses[form] = loss, [parameter.grad for parameter in model.parameters()]
    (loss, gradients), (other, others) = losses.values()
    torch.testing.assert_close(loss, other, rtol=1e-13, atol=0)
    torch.testing.assert_close(gradients, others, rtol=0, atol=1e-13)


def test_an_unknown_form_is_refused(peer: ModuleType) -> None:
    with pytest.raises(ValueError, match="unknown form 'sum'; allowed: products, logsumexp"):
        peer.build_model("rns-1-1", form="sum")
