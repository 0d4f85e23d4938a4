"""Identities of languages, memories, controllers and tasks, and the seeds that follow."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from memrnn.identity import (
    identity_of,
    language_identity,
    model_identity,
    module_behaviour,
    restart_seed,
)
from memrnn.nn.controllers import CONTROLLERS, Controller
from memrnn.nn.memories import MEMORIES, Memory, Superposition

OWN = '''
"""Things of one's own."""
import jax
import jax.numpy as jnp
from memrnn import Controller, Memory, Model, register_memory, register_model
from memrnn import languages
from memrnn.nn.models import register_controller
from beside_own import scale


class Sum(Memory):
    weight: jax.Array

    def __init__(self, hidden_size, *, rng, factor=1):
        self.weight = jnp.asarray(factor * rng.normal(size=(2, hidden_size)), jnp.float32)

    reading_size = 2

    def init(self, batch, horizon):
        return jnp.zeros((batch, 2), self.weight.dtype)

    def read(self, state):
        return state

    def step(self, state, hidden):
        return scale * state + hidden @ self.weight.T


class Cell(Controller):
    weight: jax.Array

    def __init__(self, input_size, hidden_size, *, scale, rng):
        self.weight = jnp.asarray(rng.uniform(-scale, scale, (hidden_size, input_size)))

    @property
    def hidden_size(self):
        return self.weight.shape[0]

    @property
    def input_size(self):
        return self.weight.shape[1]

    def init(self, batch):
        return jnp.zeros((batch, self.hidden_size), self.weight.dtype)

    def step(self, state, inputs):
        return jnp.tanh(state + inputs @ self.weight.T)


def runs(k: int = 2):
    segments = (languages.Repeat(0), languages.Marker(1), languages.Repeat(0))
    return languages.TemplateLanguage("runs", ("a", "b"), languages.Template(segments))


languages.register_language("runs", runs)
register_memory("sum", Sum)
register_controller("cell", Cell)
register_model("own", Model("cell", "sum", hidden_size=3, options={"factor": 2}))
'''

SAY = """
import json, sys
from memrnn.identity import language_identity, model_identity
from memrnn.runtime.imports import import_files
import_files(sys.argv[1:])
print(json.dumps([language_identity("runs:k=2"), model_identity("own")]))
"""


def identities_in(folder: Path, own: str = OWN, beside: str = "scale = 0.5\n") -> dict[str, Any]:
    """The identities that a process of its own gives in a folder of its own."""
    folder.mkdir()
    (folder / "own.py").write_text(own)
    (folder / "beside_own.py").write_text(beside)
    environment = os.environ | {"PYTHONHASHSEED": str(len(str(folder)))}
    done = subprocess.run(
        [sys.executable, "-c", SAY, str(folder / "own.py")],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    language, model = json.loads(done.stdout)
    return {"language": language, "memory": model["memory"], "controller": model["controller"]}


def test_identities_of_ones_own(tmp_path: Path) -> None:
    first = identities_in(tmp_path / "a")
    assert first["language"]["name"] == "runs"
    assert first["memory"]["options"] == {"factor": 2}
    remarked = OWN.replace("class Sum", "# Adds.\nclass  Sum").replace("Things", "Two things")
    assert identities_in(tmp_path / "another_place", remarked, "scale = .5  # half\n") == first

    edited = identities_in(
        tmp_path / "edited",
        OWN.replace("Marker(1), ", "Marker(1), languages.Marker(1), "),
        "scale = 0.25\n",
    )
    for thing in ("language", "memory"):
        assert edited[thing]["definition"] != first[thing]["definition"]
        assert edited[thing]["behaviour"] != first[thing]["behaviour"]
    assert edited["controller"]["behaviour"] == first["controller"]["behaviour"]


def test_identities_of_what_memrnn_defines() -> None:
    assert model_identity("gru-20+jm-3:depth_limit=4") == {
        "controller": {"name": "gru", "options": {}, "revision": 1},
        "memory": {
            "name": "superposition",
            "options": {"sizes": [3], "depth_limit": 4},
            "revision": 1,
        },
        "hidden_size": 20,
    }
    assert language_identity("marked-copy:k=2") == {
        "name": "marked-copy",
        "options": {},
        "revision": 1,
    }
    assert language_identity("count-3")["revision"] == 1


class Plain(Memory):
    """A sum of hidden states, altered in what a test asks for."""

    weight: jax.Array

    def __init__(self, hidden_size: int, *, rng: np.random.Generator):
        self.weight = jnp.asarray(rng.normal(size=(2, hidden_size)), jnp.float32)

    @property
    def reading_size(self) -> int:
        return 2

    def init(self, batch: int, horizon: int | None) -> Any:
        return jnp.zeros((batch, 2), self.weight.dtype)

    def read(self, state: Any) -> Any:
        return state

    def step(self, state: Any, hidden: Any) -> Any:
        return state + hidden @ self.weight.T


def without_source(step: str) -> Any:
    """A class as a notebook without sources has it."""
    names = {"Plain": Plain, "jnp": jnp, "eqx": eqx, "__name__": "a_module_of_no_file"}
    exec(f"class Own(Plain):\n    def step(self, state, hidden): return {step}", names)
    return names["Own"]


def test_without_a_source_the_behaviour_alone_counts() -> None:
    sums = "state + hidden @ self.weight.T"
    identities = [
        identity_of(without_source(step), "own", {})
        for step in (sums, f"{sums} + 0", f"2 * ({sums})")
    ]
    assert all(identity["definition"] is None for identity in identities)
    assert identities[0] == identities[1] != identities[2]


def test_a_memory_that_refuses_float64_is_observed_in_float32() -> None:
    class Strict(Plain):
        def step(self, state: Any, hidden: Any) -> Any:
            if state.dtype != jnp.float32:
                raise TypeError("float32 only")
            return super().step(state, hidden)

    assert module_behaviour(Strict, {}) == module_behaviour(Plain, {})


def test_errors_of_ones_own_keep_their_type() -> None:
    class Broken(Plain):
        def step(self, state: Any, hidden: Any) -> Any:
            raise KeyError("broken")

    with pytest.raises(KeyError, match="broken") as raised:
        identity_of(Broken, "broken", {})
    told = f"The memory Broken fails on small input ({__file__}, line "
    assert any(note.startswith(told) for note in raised.value.__notes__)


def test_a_memory_that_draws_elsewhere_is_refused() -> None:
    unseeded = np.random.default_rng()

    class Unseeded(Plain):
        def __init__(self, hidden_size: int, *, rng: np.random.Generator):
            super().__init__(hidden_size, rng=unseeded)

    with pytest.raises(ValueError, match="The memory Unseeded gives different results for equal g"):
        identity_of(Unseeded, "unseeded", {})


ADD = "state + hidden @ self.weight.T"


@pytest.mark.parametrize(
    ("method", "body", "told"),
    [
        ("step", f"{ADD} + hidden.mean()", "mixes the strings of a batch"),
        ("init", "jnp.full((batch, 2), float(batch))", "mixes the strings of a batch"),
        ("init", "jnp.full((batch, 2), 1 / horizon)", "gives readings that depend on the hori"),
        (
            "init",
            "jnp.zeros(2)",
            r"a reading that is float32\[2\] for a batch of 2, but",
        ),
        ("read", "state[:, :1]", r"a reading that is float32\[2, 1\] .* of shape \[2, 2\]"),
        ("read", "state.astype(int)", r"a reading that is int32\[2, 2\] for a batch of 2"),
        ("read", "None", "a reading that is NoneType for a batch of 2"),
        ("step", f"({ADD}).astype(jnp.float16)", r"of a state float32\[2, 2\] a state float16"),
        (
            "step",
            f"({ADD}, state)",
            r"makes of a state float32\[2, 2\] a state \(float32\[",
        ),
    ],
)
def test_a_memory_that_breaks_a_rule_is_refused(method: str, body: str, told: str) -> None:
    parameters = {"init": "batch, horizon", "read": "state", "step": "state, hidden"}[method]
    names = {"Plain": Plain, "jnp": jnp, "__name__": "a_module_of_no_file"}
    exec(f"class Own(Plain):\n    def {method}(self, {parameters}): return {body}", names)
    with pytest.raises(ValueError, match=f"The memory Own .*{told}"):
        module_behaviour(cast("Any", names["Own"]))


class Cell(Controller):
    weight: jax.Array

    def __init__(
        self, input_size: int, hidden_size: int, *, scale: float, rng: np.random.Generator
    ):
        shape = hidden_size, input_size
        self.weight = jnp.asarray(rng.uniform(-scale, scale, shape), jnp.float32)

    @property
    def input_size(self) -> int:
        return self.weight.shape[1]

    @property
    def hidden_size(self) -> int:
        return self.weight.shape[0]

    def init(self, batch: int) -> Any:
        return jnp.zeros((batch, self.hidden_size), self.weight.dtype)

    def step(self, state: Any, inputs: Any) -> Any:
        return jnp.tanh(state + inputs @ self.weight.T)


@pytest.mark.parametrize(
    ("method", "body", "told"),
    [
        (
            "step(self, state, inputs)",
            "state + inputs.mean(0)[None] @ self.weight.T",
            "mixes the string",
        ),
        (
            "init(self, batch)",
            "jnp.zeros((batch, 3))",
            r"hidden state, is float32\[2, 3\] for",
        ),
        (
            "step(self, state, inputs)",
            "(state, state)",
            r"of a state float32\[2, 20\]",
        ),
        ("hidden_size(self)", "7", "built for input_size 5 and hidden_size 20, but says 5 and 7"),
    ],
)
def test_a_controller_that_breaks_a_rule_is_refused(method: str, body: str, told: str) -> None:
    names = {"Cell": Cell, "jnp": jnp, "__name__": "a_module_of_no_file"}
    decorator = "    @property\n" if method.startswith("hidden") else ""
    exec(f"class Own(Cell):\n{decorator}    def {method}: return {body}", names)
    assert module_behaviour(Cell)
    with pytest.raises(ValueError, match=f"The controller Own .*{told}"):
        module_behaviour(cast("Any", names["Own"]))


def test_the_revision_and_the_options_are_part_of_the_identity() -> None:
    class Revised(Plain):
        revision = 2

    class Task:
        revision = 3

    assert identity_of(Revised, "own", {})["revision"] == 2
    task = identity_of(Task, "task", {"width": 3})
    assert (task["revision"], task["options"], task["behaviour"]) == (3, {"width": 3}, None)
    assert task["definition"] is not None
    one, other = (module_behaviour(Superposition, {"sizes": [n]}) for n in (2, 3))
    assert one != other


def test_restart_seeds_are_golden_and_differ() -> None:
    task = {"name": "strings", "language": "marked-copy", "train_lengths": [40, 80]}
    seed = restart_seed(0, task, "jm-10", 3)
    assert seed == 71281806166425122
    assert seed == restart_seed(0, dict(reversed(task.items())), "jm-10", 3)
    others = [
        restart_seed(number, other, model, restart)
        for number, other, model, restart in itertools.product(
            (0, 1), (task, {"name": "text"}), ("jm-10", "lstm"), range(50)
        )
    ]
    assert len(set(others)) == len(others) == 400
    assert all(0 <= other < 2**63 for other in others)
    np.random.SeedSequence(seed, spawn_key=(2,))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((kind, {}) for kind in CONTROLLERS.values()),
        (Superposition, {"sizes": (2, 1)}),
        (Superposition, {"sizes": "hidden", "hard": True}),
        (MEMORIES["none"], {}),
        (MEMORIES["stratification"], {"size": 2}),
        (MEMORIES["nondeterministic"], {"states": 2, "symbols": 2}),
        (MEMORIES["nondeterministic"], {"states": 2, "symbols": 2, "size": 2, "hard": True}),
    ],
    ids=str,
)
def test_the_components_of_memrnn_break_no_rule(kind: Any, options: dict[str, Any]) -> None:
    """A subclass elsewhere is checked like any component of a user's."""
    module_behaviour(type(kind.__name__, (kind,), {"__module__": __name__}), options)
