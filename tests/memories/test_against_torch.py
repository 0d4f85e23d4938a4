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
    leaves = [torch.tensor(x) for x in (operations, np.log(vectors), np.log(bottom))]
    for leaf in leaves:
        leaf.requires_grad_()
    readings = peer.stack_readings(*leaves, states, symbols, scope)
    cotangent = rng.normal(size=readings.shape)
    (torch.tensor(cotangent) * readings).sum().backward()

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
        found = readings[row].detach().numpy()
        np.testing.assert_allclose(found, expected, atol=1e-13)

        gradient = readings_gradient(cotangent[row], *inputs, bottom_scope=scope)
        by_operations = np.concatenate([x.reshape(n, pairs, -1) for x in gradient[:3]], axis=2)
        np.testing.assert_allclose(leaves[0].grad[row].numpy(), by_operations, atol=1e-12)
        by_vectors = gradient.vectors * vectors[row]
        np.testing.assert_allclose(leaves[1].grad[row].numpy(), by_vectors, atol=1e-12)
        by_bottom += gradient.bottom * bottom
    if size:
        np.testing.assert_allclose(leaves[2].grad.numpy(), by_bottom, atol=1e-12)
