"""Names of models, what registering allows, components, initial distributions."""

from collections.abc import Callable, Generator

import jax
import numpy as np
import pytest

from memrnn.nn.components import COMPONENTS, check_freeze, freeze_label, parameter_count, partition
from memrnn.nn.controllers import CONTROLLERS, GRU, LSTM
from memrnn.nn.memories import MEMORIES, NoMemory, Superposition
from memrnn.nn.model import Model
from memrnn.nn.models import (
    PRESETS,
    canonical_name,
    get_model,
    model_names,
    register_controller,
    register_memory,
    register_model,
)
from memrnn.nn.network import OneHot


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
        ("gru-7:discrete", Model("gru", "none", 7, {}, {"discrete": True})),
        ("jm-3:hard", Model("lstm", "superposition", 20, {"sizes": [3], "hard": True})),
    ],
)
def test_names(name: str, model: Model) -> None:
    assert get_model(name) == model


@pytest.mark.parametrize(
    "name",
    [
        *("", "lstm-0", "jm-", "jm-0", "jm-3.", "jm-10+lstm", "rnn", "lstm+", "x+jm-1", "JM-10"),
        *(
            "lstm:hard",
            "lstm:discrete=1",
            "jm-3:hard=0",
            "jm-3:depth_limit",
            "lstm_capped:discrete",
        ),
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="There is no model"):
        get_model(name)


def test_every_listed_model_can_be_built() -> None:
    for name in model_names():
        get_model(name).build(OneHot(3), 4, seed=0)


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """What a test registers is forgotten after it."""
    monkeypatch.setattr("memrnn.nn.models._REGISTERED", {})
    before = [(registry, dict(registry)) for registry in (MEMORIES, CONTROLLERS)]
    for registry, known in before:
        for name, kind in known.items():
            if not kind.__module__.startswith("memrnn."):  # an example's, from another test
                del registry[name]
    yield
    for registry, known in before:
        registry.clear()
        registry.update(known)


def own(base: type, source: str = "class Own(base): pass") -> type:
    names = {"base": base, "__name__": "__main__"}
    exec(source, names)
    return names["Own"]


def in_file(base: type) -> type:
    class Own(base):
        pass

    return Own


@pytest.mark.usefixtures("registries")
def test_registering_does_not_shadow() -> None:
    with pytest.raises(ValueError, match="a memory 'superposition' already, with another meaning"):
        register_memory("superposition", NoMemory)
    with pytest.raises(ValueError, match="'jm-4' names another model already; choose another"):
        register_model("jm-4", Model())
    with pytest.raises(ValueError, match="There is no memory 'tape'"):
        Model("lstm", "tape")
    register_memory("superposition", Superposition)  # the same again is no harm
    sizes = {"sizes": (4,), "depth_limit": None}
    register_model("jm-4", Model("lstm", "superposition", options=sizes))
    assert set(model_names()) == set(PRESETS)
    for bad in ("", "a b", "a/b", "a,b"):
        with pytest.raises(ValueError, match="cannot name a model; choose a name without comma"):
            register_model(bad, Model())


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize(
    ("register", "base"), [(register_memory, NoMemory), (register_controller, LSTM)]
)
def test_the_same_class_may_be_registered_again(register: Callable, base: type) -> None:
    """A file that is imported twice makes two classes with one definition."""
    first = in_file(base)
    register("own", first)
    register("own", in_file(base))
    registry = MEMORIES if base is NoMemory else CONTROLLERS
    assert registry["own"] is first
    for other in (own(base), base):
        with pytest.raises(ValueError, match="'own' already, with another meaning; choose"):
            register("own", other)


@pytest.mark.usefixtures("registries")
def test_models_of_ones_own() -> None:
    register_model("mine", Model("gru", hidden_size=3))
    register_model("mine", Model("gru", hidden_size=3))
    with pytest.raises(ValueError, match="'mine' names another model already"):
        register_model("mine", Model("gru", hidden_size=4))
    with pytest.raises(ValueError, match="'mine' would mean another model with a controller"):
        register_controller("mine", GRU)
    register_controller("own", GRU)
    assert get_model("own") == Model("own")
    assert get_model("own-7+jm-2") == Model("own", "superposition", 7, {"sizes": [2]})
    assert set(model_names()) == {*PRESETS, "own", "mine"}
    with pytest.raises(ValueError, match=r"There is no model 'other'.*registered: mine, own"):
        get_model("other")
    with pytest.raises(ValueError, match="a controller 'lstm' already, with another meaning"):
        register_controller("lstm", GRU)
    with pytest.raises(ValueError, match="'own-5' names another model already"):
        register_model("own-5", Model("gru", hidden_size=5))
    for bad in ("", "Own", "own-5", "5own", "_own", "jm", "a+b"):
        with pytest.raises(ValueError, match="cannot name a controller; choose a name of lower"):
            register_controller(bad, GRU)


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("lstm-20", "lstm"),
        ("gru-20", "gru"),
        ("gru-21", "gru-21"),
        ("lstm+jm-10", "jm-10"),
        ("lstm-20+jm-hidden", "jm-hidden"),
        ("gru-20+jm-3", "gru+jm-3"),
        ("lstm-40+jm-3.3:depth_limit=07", "lstm-40+jm-3.3:depth_limit=7"),
        ("elman+strat-4", "elman+strat-4"),
        ("lstm-20:discrete+jm-3.3.3:hard", "lstm:discrete+jm-3.3.3:hard"),
        ("jm-3x3", "jm-3.3.3"),
        ("jm-2x1.3x2:hard", "jm-2.3.3:hard"),
        ("gru:discrete+jm-3:hard,depth_limit=2", "gru:discrete+jm-3:depth_limit=2,hard"),
        ("rns-3-3:", "rns-3-3"),
        ("rns-3-3:window=0", "rns-3-3:window=0"),
        ("vrns-3-3-5:bottom_vector=learned,bottom_scope=bottom", "vrns-3-3-5"),
        ("vrns-3-3-5:bottom_vector=zero,window=9", "vrns-3-3-5:window=9,bottom_vector=zero"),
    ],
)
def test_canonical_names(name: str, canonical: str) -> None:
    assert canonical_name(name) == canonical
    assert canonical_name(canonical) == canonical


@pytest.mark.usefixtures("registries")
def test_canonical_names_of_registered_models() -> None:
    sizes = {"sizes": (3, 3), "depth_limit": None}
    register_model("in-the-grammar", Model("lstm", "superposition", 20, sizes))
    assert canonical_name("in-the-grammar") == "jm-3.3"
    register_memory("own", in_file(NoMemory))
    register_model("first", Model("lstm", "own"))
    register_model("second", Model("lstm", "own", options={}))
    register_model("third", Model("lstm", "own", hidden_size=21))
    assert [canonical_name(name) for name in ("first", "second", "third")] == [
        "first",
        "first",
        "third",
    ]
    with pytest.raises(ValueError, match="There is no model 'fourth'"):
        canonical_name("fourth")


def test_components_draw_from_streams_of_their_own() -> None:
    """The same seed gives the same controller beside another memory of the same reading."""
    plain, other = (
        get_model("jm-3.3").build(OneHot(3), 4, seed=1),
        get_model("jm-6").build(OneHot(3), 4, seed=1),
    )
    for component in ("controller", "output"):
        pairs = zip(*(jax.tree.leaves(getattr(n, component)) for n in (plain, other)), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)
    first, second = (get_model("lstm").build(OneHot(3), 4, seed=seed) for seed in (1, 2))
    assert not np.array_equal(first.controller.weight_input, second.controller.weight_input)


@pytest.mark.parametrize("name", ["elman", "gru", "lstm"])
def test_controllers_start_uniform_and_the_output_layer_with_xavier(name: str) -> None:
    network = get_model(f"{name}-50").build(OneHot(3), 4, seed=0)
    for leaf in jax.tree.leaves(network.controller):
        assert 0.09 < np.abs(leaf).max() <= 0.1
    bound = np.sqrt(6 / (50 + 4))
    assert 0.95 * bound < np.abs(network.output.weight).max() <= bound
    assert not np.any(network.output.bias)


def test_partition_splits_by_component() -> None:
    network = get_model("jm-10").build(OneHot(3), 4, seed=0)
    total = parameter_count(network)
    assert total == sum(parameter_count(network, component) for component in COMPONENTS)
    for component in COMPONENTS:
        trained, frozen = partition(network, (component,))
        assert parameter_count(frozen) == parameter_count(network, component)
        assert parameter_count(trained) == total - parameter_count(network, component)


def test_freezing_is_spelled_out() -> None:
    assert freeze_label(()) == "freeze=none"
    assert freeze_label(("memory", "controller", "memory")) == "freeze=controller+memory"
    with pytest.raises(ValueError, match="the components are embedding, controller"):
        check_freeze(("m",))
