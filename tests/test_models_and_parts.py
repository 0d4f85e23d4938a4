"""Names of models, what registering allows, parts, initial laws."""

import jax
import numpy as np
import pytest

from memrnn.controllers import CONTROLLERS, GRU
from memrnn.memories import NoMemory, Superposition
from memrnn.models import (
    Model,
    get_model,
    model_names,
    register_controller,
    register_memory,
    register_model,
)
from memrnn.parts import PARTS, check_freeze, freeze_label, parameter_count, partition


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("elman", Model("elman")),
        ("gru-7", Model("gru", hidden_size=7)),
        ("lstm-256", Model("lstm", hidden_size=256)),
        ("jm-10", Model("lstm", "superposition", 20, {"sizes": [10]})),
        ("jm-3.3.3", Model("lstm", "superposition", 20, {"sizes": [3, 3, 3]})),
        ("jm-hidden", Model("lstm", "superposition", 20, {"sizes": "hidden"})),
        ("gru+jm-2.1", Model("gru", "superposition", 20, {"sizes": [2, 1]})),
        ("lstm-40+jm-hidden", Model("lstm", "superposition", 40, {"sizes": "hidden"})),
    ],
)
def test_names(name: str, model: Model) -> None:
    assert get_model(name) == model


@pytest.mark.parametrize(
    "name", ["", "lstm-0", "jm-", "jm-0", "jm-3.", "jm-10+lstm", "rnn", "lstm+", "x+jm-1", "JM-10"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="There is no model"):
        get_model(name)


def test_every_listed_model_can_be_built() -> None:
    for name in model_names():
        get_model(name).build(symbols=3, seed=0)


def test_registering_does_not_shadow() -> None:
    with pytest.raises(ValueError, match="already"):
        register_memory("superposition", NoMemory)
    with pytest.raises(ValueError, match="preset already"):
        register_model("jm-10", Model())
    with pytest.raises(ValueError, match="There is no memory 'tape'"):
        Model("lstm", "tape")
    register_memory("superposition", Superposition)  # the same again is no harm


def test_a_registered_controller_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(CONTROLLERS, "cell2", raising=False)
    register_controller("cell2", GRU)
    assert get_model("cell2") == Model("cell2")
    assert get_model("cell2-32") == Model("cell2", hidden_size=32)
    assert get_model("cell2-32+jm-10") == Model("cell2", "superposition", 32, {"sizes": [10]})
    assert "cell2" in model_names()
    with pytest.raises(ValueError, match=r"There is no model 'cell3'.*registered: .*cell2"):
        get_model("cell3")
    for taken in ("lstm", "jm", "rns"):
        with pytest.raises(ValueError, match="already; choose another name"):
            register_controller(taken, GRU)
    for wrong in ("", "My", "a-b", "2nd", "a+b"):
        with pytest.raises(ValueError, match="small letters, digits"):
            register_controller(wrong, GRU)
    del CONTROLLERS["cell2"]


def test_parts_draw_from_streams_of_their_own() -> None:
    """The same seed gives the same controller beside another memory of the same reading."""
    plain, other = get_model("jm-3.3").build(3, seed=1), get_model("jm-6").build(3, seed=1)
    for part in ("controller", "output"):
        pairs = zip(*(jax.tree.leaves(getattr(n, part)) for n in (plain, other)), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)
    first, second = (get_model("lstm").build(3, seed=seed) for seed in (1, 2))
    assert not np.array_equal(first.controller.weight_input, second.controller.weight_input)


@pytest.mark.parametrize("name", CONTROLLERS)
def test_controllers_start_uniform_and_the_classifier_with_xavier(name: str) -> None:
    network = get_model(f"{name}-50").build(symbols=3, seed=0)
    for leaf in jax.tree.leaves(network.controller):
        assert 0.09 < np.abs(leaf).max() <= 0.1
    bound = np.sqrt(6 / (50 + 4))
    assert 0.95 * bound < np.abs(network.output.weight).max() <= bound
    assert not np.any(network.output.bias)


def test_partition_splits_by_part() -> None:
    network = get_model("jm-10").build(3, seed=0)
    total = parameter_count(network)
    assert total == sum(parameter_count(network, part) for part in PARTS)
    for part in PARTS:
        trained, frozen = partition(network, (part,))
        assert parameter_count(frozen) == parameter_count(network, part)
        assert parameter_count(trained) == total - parameter_count(network, part)


def test_freezing_is_spelled_out() -> None:
    assert freeze_label(()) == "freeze=none"
    assert freeze_label(("memory", "controller", "memory")) == "freeze=controller+memory"
    with pytest.raises(ValueError, match="the parts are embedding, controller"):
        check_freeze(("m",))
