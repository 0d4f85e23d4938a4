"""`unroll`: the rules REFERENCE and FAST agree, in every derivative, for everything registered."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import memrnn
from memrnn import FAST, REFERENCE, AffineMemory, Controller, Memory, State
from memrnn.nn.controllers import CONTROLLERS
from memrnn.nn.memories import MEMORIES
from memrnn.nn.unroll import init, step
from memrnn.runtime.precision import cast, scope

# One program instead of one for each operation.
unroll = eqx.filter_jit(memrnn.unroll)
start = eqx.filter_jit(init)

FEATURES, HIDDEN, BATCH, TIME = 2, 3, 2, 5

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "none": [{}],
    "superposition": [
        {"sizes": [2, 1]},
        {"sizes": "hidden"},
        {"sizes": [2], "depth_limit": 2},
    ],
    "stratification": [{"size": 2}],
    "nondeterministic": [
        {"states": 2, "symbols": 2},
        {"states": 1, "symbols": 2, "window": 3},
    ],
    "vector_nondeterministic": [
        {"states": 1, "symbols": 2, "size": 2},
        {"states": 1, "symbols": 1, "size": 1, "bottom_vector": "zero", "window": 2},
        {"states": 1, "symbols": 2, "size": 1, "bottom_vector": "one", "bottom_scope": "all"},
        {"states": 2, "symbols": 1, "size": 1, "bottom_scope": "all", "window": 3},
    ],
}
"""Every option of every memory of memrnn."""


def case(*values: Any, name: str, number: int) -> Any:
    """Nondeterministic stacks take long to compile: of their options the first is quick enough.

    `test_nondeterministic_rules.py` compares the rules for others, in smaller sizes.
    """
    marks = [pytest.mark.slow] if "nondeterministic" in name and number else []
    return pytest.param(*values, marks=marks)


NUMBERED = [
    (name, options, number)
    for name, several in OPTIONS.items()
    for number, options in enumerate(several)
]
EVERY = [case(name, options, name=name, number=n) for name, options, n in NUMBERED]
PAIRS = [case("lstm", name, options, name=name, number=n) for name, options, n in NUMBERED] + [
    case(controller, name, several[0], name=name, number=0)
    for controller in ("elman", "gru", "lstm_capped")
    for name, several in OPTIONS.items()
    # They take long to compile, and which cell is in front changes nothing in them.
    if "nondeterministic" not in name
]
UNLIMITED = {
    "none": [{}],
    "superposition": [OPTIONS["superposition"][2]],
    "nondeterministic": [OPTIONS["nondeterministic"][1]],
    "vector_nondeterministic": [OPTIONS["vector_nondeterministic"][n] for n in (1, 3)],
}
"""Memories whose size does not depend on the number of steps."""


class Parts(eqx.Module):
    controller: Controller
    memory: Memory


def test_every_controller_and_memory_is_covered() -> None:
    cells = {pair.values[0] for pair in PAIRS}
    assert cells == {"elman", "gru", "lstm", "lstm_capped"} <= set(CONTROLLERS)
    built_in = {n for n, kind in MEMORIES.items() if kind.__module__.startswith("memrnn.")}
    assert set(OPTIONS) == built_in


def build(controller: str, memory: str, options: dict[str, Any], scale: float = 8.0) -> Parts:
    """A controller with a memory, with parameters so large that actions are far from uniform."""
    rng = np.random.default_rng(0)
    built = MEMORIES[memory](HIDDEN, rng=rng, **options)
    size = FEATURES + built.reading_size
    cell = CONTROLLERS[controller](size, HIDDEN, scale=0.1, rng=rng)
    return jax.tree.map(
        lambda leaf: jnp.asarray(scale * np.asarray(leaf, np.float64)), Parts(cell, built)
    )


def inputs(time: int = TIME, seed: int = 1) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(time, BATCH, FEATURES)))


def warm(parts: Parts, horizon: int) -> State:
    """A state that is not as `init` makes it."""
    state = start(parts.controller, parts.memory, BATCH, horizon)
    return unroll(parts.controller, parts.memory, inputs(2, seed=5), state, rule=REFERENCE)[1]


def close(found: Any, expected: Any, tolerance: float = 1e-11) -> None:
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@eqx.filter_jit
def later(parts: Parts, state: State) -> jax.Array:
    """What a state means: what it reads now, and the hidden states of two further steps."""
    hidden, _ = memrnn.unroll(
        parts.controller, parts.memory, inputs(2, seed=9), state, rule=REFERENCE
    )
    return jnp.concatenate([parts.memory.read(state.memory).ravel(), hidden.ravel()])


def total(hidden: jax.Array) -> jax.Array:
    weights = jnp.cos(jnp.arange(hidden.size, dtype=hidden.dtype)).reshape(hidden.shape)
    return jnp.sum(weights * hidden) + jnp.sum(jnp.sin(hidden))


REDUNDANT = ("nondeterministic", "vector_nondeterministic")
"""Memories whose state holds some numbers twice. A derivative by one of them alone depends on which
one a formula reads; only derivatives by what made the state are defined."""


@pytest.mark.parametrize(("controller", "memory", "options"), PAIRS)
@pytest.mark.parametrize("fresh", [True, False])
def test_fast_equals_reference(controller: str, memory: str, options: dict, fresh: bool) -> None:
    """States, and gradients of parameters, inputs and the state to start from."""
    with scope("float64"):
        parts = build(controller, memory, options)
        begin = None if fresh or memory in REDUNDANT else warm(parts, TIME + 4)
        arrays, rest = eqx.partition(begin, eqx.is_inexact_array)
        made_inside = not fresh and memory in REDUNDANT

        @eqx.filter_jit
        def run(rule: Any) -> Any:
            def loss(parts: Parts, xs: jax.Array, arrays: Any) -> Any:
                state = warm(parts, TIME + 4) if made_inside else eqx.combine(arrays, rest)
                hidden, state = memrnn.unroll(parts.controller, parts.memory, xs, state, rule=rule)
                return total(hidden), (hidden, state.controller, later(parts, state))

            gradient = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)
            return gradient(parts, inputs(), arrays)

        found, expected = run(FAST), run(REFERENCE)
        (_, (_, _, after)), gradients = expected
        close(found, expected)
        if not fresh and not made_inside:
            assert any(np.any(leaf) for leaf in jax.tree.leaves(gradients[2].memory)) == (
                memory != "none"
            )
        assert np.all(np.isfinite(after)) or fresh


@pytest.mark.parametrize(
    ("controller", "memory"),
    [
        *(("lstm", memory) for memory in OPTIONS),
        ("gru", "none"),
        *(
            pytest.param("gru", memory, marks=pytest.mark.slow)
            for memory in OPTIONS
            if memory != "none"
        ),
    ],
)
def test_a_hidden_mask_is_the_same_under_both_rules(controller: str, memory: str) -> None:
    """States and gradients; and with ones nothing changes."""
    with scope("float64"):
        parts = build(controller, memory, OPTIONS[memory][0])
        mask = jnp.asarray(np.random.default_rng(2).choice([0.0, 1.7], size=(BATCH, HIDDEN)))

        @eqx.filter_jit
        def run(rule: Any, mask: Any) -> Any:
            def loss(parts: Parts, xs: jax.Array) -> Any:
                hidden, state = memrnn.unroll(
                    parts.controller,
                    parts.memory,
                    xs,
                    rule=rule,
                    hidden_mask=mask,
                    horizon=TIME + 4,
                )
                return total(hidden), (hidden, state.controller, later(parts, state))

            return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(parts, inputs())

        masked = run(REFERENCE, mask)
        close(run(FAST, mask), masked)
        plain = run(REFERENCE, None)
        close(run(FAST, jnp.ones_like(mask)), plain)
        assert not np.allclose(masked[0][0], plain[0][0])


def test_a_hidden_mask_multiplies_what_the_weights_see() -> None:
    """The same as other weights, where the mask is one for all strings."""
    with scope("float64"):
        parts = build("elman", "superposition", OPTIONS["superposition"][0])
        factors = jnp.array([0.0, 2.0, 0.5])
        mask = jnp.broadcast_to(factors, (BATCH, HIDDEN))
        found, _ = unroll(parts.controller, parts.memory, inputs(), hidden_mask=mask)
        weight = parts.controller.weight_hidden * factors[None]
        controller = eqx.tree_at(lambda cell: cell.weight_hidden, parts.controller, weight)
        cell, content = start(controller, parts.memory, BATCH, TIME)
        hidden = []
        for x in inputs():
            cell = controller.step(cell, jnp.concatenate([x, parts.memory.read(content)], axis=1))
            # The memory, too, sees the masked state.
            content = parts.memory.step(content, cell[0] * factors[None])
            hidden.append(cell[0])
        close(found, jnp.stack(hidden))


def memory_is_limited(memory: Memory) -> bool:
    """Whether the memory must be told how many steps it serves."""
    try:
        memory.init(1, None)
    except memrnn.errors.MemrnnError:
        return True
    return False


@pytest.mark.parametrize(("memory", "options"), EVERY)
def test_unroll_is_n_steps_and_segments_are_one_pass(memory: str, options: dict) -> None:
    with scope("float64"):
        parts, xs = build("gru", memory, options), inputs()
        state = start(parts.controller, parts.memory, BATCH, TIME + 2)
        whole, last = unroll(parts.controller, parts.memory, xs, state)
        last = later(parts, last)
        assert np.all(np.isfinite(last))
        one_step = eqx.filter_jit(step)
        for t in range(TIME):
            state = one_step(parts.controller, parts.memory, state, xs[t])
            np.testing.assert_allclose(state.hidden, whole[t], rtol=1e-12, atol=1e-14)
        close(later(parts, state), last)
        for rule in (FAST, REFERENCE):
            first, state = unroll(
                parts.controller, parts.memory, xs[:2], horizon=TIME + 2, rule=rule
            )
            second, state = unroll(parts.controller, parts.memory, xs[2:], state, rule=rule)
            close((jnp.concatenate([first, second]), later(parts, state)), (whole, last))


@pytest.mark.parametrize(("memory", "options"), EVERY)
def test_derivatives_of_the_reference(memory: str, options: dict) -> None:
    """Forward mode against finite differences; the Hessian along two directions is symmetric."""
    with scope("float64"):
        parts = build("elman", memory, options, scale=4.0)
        leaves, structure = jax.tree.flatten(parts)
        rng = np.random.default_rng(2)
        u, v = ([jnp.asarray(rng.normal(size=leaf.shape)) for leaf in leaves] for _ in range(2))

        def loss(leaves: list[jax.Array]) -> jax.Array:
            parts = jax.tree.unflatten(structure, leaves)
            hidden, state = memrnn.unroll(
                parts.controller, parts.memory, inputs(4), horizon=5, rule=REFERENCE
            )
            # Through the returned state, too.
            return total(hidden) + jnp.sum(jnp.sin(parts.memory.read(state.memory)))

        def along(direction: list[jax.Array], of: Any) -> Any:
            return lambda leaves: jax.jvp(of, (leaves,), (direction,))[1]

        compiled, size = jax.jit(loss), 1e-6
        slope, gradient, both = jax.jit(
            lambda leaves: (
                along(u, loss)(leaves),
                jax.grad(loss)(leaves),
                [along(a, along(b, loss))(leaves) for a, b in ((u, v), (v, u))],
            )
        )(leaves)
        values = [
            compiled([leaf + sign * size * d for leaf, d in zip(leaves, u, strict=True)])
            for sign in (1, -1)
        ]
        assert float(slope) == pytest.approx(float(values[0] - values[1]) / (2 * size), rel=1e-6)
        dot = sum(jnp.vdot(g, d) for g, d in zip(gradient, u, strict=True))
        assert float(dot) == pytest.approx(float(slope), rel=1e-10)
        assert float(both[0]) == pytest.approx(float(both[1]), rel=1e-8)
        assert float(both[0]) != 0


@pytest.mark.parametrize("memory", [case(name, name=name, number=1) for name in OPTIONS])
def test_a_gradient_through_the_returned_state_is_never_silently_zero(memory: str) -> None:
    with scope("float64"):
        parts = build("lstm", memory, OPTIONS[memory][0])

        @eqx.filter_jit
        @jax.grad
        def gradient(parts: Parts, rule: Any, of: Any, keep: Any) -> jax.Array:
            args = parts.controller, parts.memory
            hidden, state = memrnn.unroll(*args, inputs(), horizon=TIME + 1, rule=rule)
            return jnp.sum(hidden) + total(of(keep(state)))

        ways = (
            lambda state: state.controller[1],
            lambda state: state.hidden,
            lambda state: parts.memory.read(state.memory),
        )[: 2 if memory == "none" else 3]
        for of in ways:
            with pytest.raises(memrnn.errors.MemrnnError, match=r"REFERENCE, or .*stop_gradient"):
                gradient(parts, FAST, of, lambda state: state)

        def every(state: State) -> jax.Array:
            return jnp.concatenate([of(state) for of in ways], axis=1)

        stopped = gradient(parts, FAST, every, jax.lax.stop_gradient)
        close(stopped, gradient(parts, REFERENCE, every, jax.lax.stop_gradient))


def test_a_truncated_gradient_over_segments_can_be_compiled_as_a_scan() -> None:
    """A training loop over segments that carries the state, as for a text."""
    with scope("float64"):
        parts = build("lstm", "superposition", {"sizes": [2], "depth_limit": 3})
        xs = inputs(4 * TIME).reshape(4, TIME, BATCH, FEATURES)

        def run(rule: Any) -> Any:
            def segment(carry: Any, xs: jax.Array) -> Any:
                parts, state = carry

                def loss(parts: Parts) -> Any:
                    hidden, after = memrnn.unroll(
                        parts.controller, parts.memory, xs, state, rule=rule
                    )
                    return total(hidden), after

                gradient, state = jax.grad(loss, has_aux=True)(parts)
                return (jax.tree.map(lambda p, g: p - 0.1 * g, parts, gradient), state), None

            start = State(parts.controller.init(BATCH), parts.memory.init(BATCH, None))
            return jax.lax.scan(segment, (parts, start), xs)[0]

        close(jax.jit(lambda: run(FAST))(), jax.jit(lambda: run(REFERENCE))())


@pytest.mark.parametrize(("memory", "options"), EVERY)
@pytest.mark.parametrize("rule", [FAST, REFERENCE])
def test_beyond_the_horizon_the_reading_is_nan(memory: str, options: dict, rule: Any) -> None:
    with scope("float64"):
        parts, horizon = build("elman", memory, options), 3
        state = start(parts.controller, parts.memory, BATCH, horizon)
        limited = memory_is_limited(parts.memory)
        hidden, state = unroll(parts.controller, parts.memory, inputs(6), state, rule=rule)
        assert np.all(np.isfinite(hidden[:horizon]))
        assert np.all(np.isnan(hidden[horizon:])) == limited
        reading = parts.memory.read(state.memory)
        assert np.all(np.isnan(reading)) if limited else np.all(np.isfinite(reading))
        if not limited:
            state = start(parts.controller, parts.memory, BATCH, None)
            close(unroll(parts.controller, parts.memory, inputs(6), state)[0], hidden)


@pytest.mark.parametrize(("memory", "options"), EVERY)
def test_only_memories_whose_size_depends_on_the_steps_need_a_horizon(
    memory: str, options: dict
) -> None:
    built = build("lstm", memory, options).memory
    if options in UNLIMITED.get(memory, []):
        assert np.all(np.isfinite(built.read(built.init(1, None))))
    else:
        with pytest.raises(memrnn.errors.MemrnnError, match="depends on the number of steps"):
            built.init(1, None)


def test_a_horizon_is_for_a_new_state() -> None:
    parts = build("lstm", "none", {})
    state = State(parts.controller.init(BATCH), parts.memory.init(BATCH, None))
    with pytest.raises(memrnn.errors.MemrnnError, match="for a new state"):
        unroll(parts.controller, parts.memory, cast(inputs(), "float32"), state, horizon=9)


@pytest.mark.parametrize("time", [0, 1])
@pytest.mark.parametrize("memory", ["none", "superposition", "stratification"])
def test_short_inputs(memory: str, time: int) -> None:
    with scope("float64"):
        parts = build("lstm", memory, OPTIONS[memory][0])
        fast, reference = (
            unroll(parts.controller, parts.memory, inputs(time), rule=rule)
            for rule in (FAST, REFERENCE)
        )
        close(fast, reference)
        assert fast[0].shape == (time, BATCH, HIDDEN)


# What is not affine.


class Decay(Controller):
    """h' = h^2 / 2 + sin(sum of the inputs + 0, 1, 2), without weights."""

    size: int = eqx.field(static=True)

    @property
    def input_size(self) -> int:
        return self.size

    @property
    def hidden_size(self) -> int:
        return HIDDEN

    def init(self, batch: int) -> dict[str, jax.Array]:
        return {"h": jnp.zeros((batch, HIDDEN))}

    def step(self, state: dict[str, jax.Array], inputs: jax.Array) -> dict[str, jax.Array]:
        added = jnp.sin(
            jnp.sum(inputs, axis=1, keepdims=True) + jnp.arange(HIDDEN, dtype=inputs.dtype)[None]
        )
        return {"h": state["h"] ** 2 / 2 + added}


class Product(Memory):
    """It multiplies what the hidden states say, with no weights."""

    @property
    def reading_size(self) -> int:
        return 1

    def init(self, batch: int, horizon: int | None) -> jax.Array:
        return jnp.ones((batch, 1))

    def read(self, state: jax.Array) -> jax.Array:
        return state

    def step(self, state: jax.Array, hidden: jax.Array) -> jax.Array:
        return state * jnp.cos(hidden[:, :1])


@pytest.mark.parametrize("own", ["controller", "memory", "both"])
def test_what_is_not_affine_runs_by_the_reference(own: str) -> None:
    with scope("float64"):
        parts = build("lstm", "superposition", {"sizes": [1]})
        controller = parts.controller if own == "memory" else Decay(FEATURES + 1)
        memory = parts.memory if own == "controller" else Product()
        hidden, state = unroll(controller, memory, inputs())
        expected, end = unroll(controller, memory, inputs(), rule=REFERENCE)
        close((hidden, state), (expected, end), 0)

        @eqx.filter_jit
        def one_step(h: Any, remembered: Any, x: jax.Array) -> Any:
            h = controller.step(h, jnp.concatenate([x, memory.read(remembered)], axis=1))
            return h, memory.step(remembered, jax.tree.leaves(h)[0])

        h, remembered = controller.init(BATCH), memory.init(BATCH, TIME)
        for t in range(TIME):
            h, remembered = one_step(h, remembered, inputs()[t])
            np.testing.assert_allclose(jax.tree.leaves(h)[0], hidden[t], rtol=1e-12)
        with pytest.raises(memrnn.errors.MemrnnError, match="FAST needs an AffineController"):
            unroll(controller, memory, inputs(), rule=FAST)


class Fixed(AffineMemory):
    """It keeps its state in float32, whatever its parameters are."""

    weight: jax.Array

    @property
    def reading_size(self) -> int:
        return 1

    def controls(self) -> tuple[jax.Array, jax.Array]:
        return self.weight, jnp.zeros_like(self.weight[:, 0])

    def init(self, batch: int, horizon: int | None) -> jax.Array:
        return jnp.zeros((batch, 1), jnp.float32)

    def read(self, state: jax.Array) -> jax.Array:
        return state

    def update(self, state: jax.Array, controls: jax.Array) -> jax.Array:
        return state + jnp.tanh(controls)


@pytest.mark.parametrize("rule", [FAST, REFERENCE])
def test_a_component_with_a_type_of_its_own_is_refused(rule: Any) -> None:
    parts = build("lstm", "superposition", {"sizes": [1]})
    controller = cast(parts.controller, "bfloat16")
    xs = jnp.ones((TIME, BATCH, FEATURES), jnp.bfloat16)
    memory = Fixed(jnp.ones((1, HIDDEN), jnp.bfloat16))
    with pytest.raises(ValueError, match="memory Fixed computes in float32, but its input is bfl"):
        unroll(controller, memory, xs, rule=rule)
    with pytest.raises(ValueError, match="controller Decay computes in float32, but its input is"):
        unroll(Decay(FEATURES + 1), memory, xs)
