"""Whether a network does bit for bit what a machine does.

**Exact steps.** If the weights of a stack's actions are exactly (1, 0, 0), (0, 1, 0) or (0, 0, 1)
and the pushed vector is exactly one-hot, the new stack is exactly the shifted old one, since
1 x + 0 y + 0 z = x in floating point. If, moreover, every step from an exact state ends in an exact
state, then by induction all states along all strings are exact, at every length that the stack's
array holds. So no stack has to be computed: the tops that the machine has are fed as the reading.
"""

import time
from itertools import product
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Integer

from memrnn.automata import POP, Machine, Trace
from memrnn.errors import MemrnnError
from memrnn.nn.memories import Superposition
from memrnn.nn.network import Network
from memrnn.runtime.precision import cast, scope
from memrnn.stability.golden import stack_coordinates

CHUNK = 1 << 16
"""Steps per call of a compiled loop: what describes them takes a few MB."""
ONE_ROUNDING = 2.0**-8
"""By how much a unit that is on may differ from tanh(1): half a spacing of bfloat16 is 2^-9."""


class Verification(NamedTuple):
    """What a check found.

    Attributes:
        steps: how many were checked.
        inexact: steps whose hidden state, actions, pushed vectors or stack cells are not exactly
            those of the machine.
        wrong: predictions of which the most probable symbol is not legal, or has a logit that is
            not finite.
        determined: predictions with a single legal symbol.
        determined_nats: sum over them.
        illegal_mass: the largest probability of all illegal symbols together, at any prediction.
        seconds: that it took, compiling included.

    Examples:
        >>> import memrnn
        >>> from memrnn.automata import machine_of
        >>> from memrnn.stability import golden_network, verify_transitions
        >>> network = golden_network(memrnn.Strings("marked-reversal"))
        >>> check = verify_transitions(machine_of("marked-reversal"), network, "float32")
        >>> check.determined, check.determined_nats
        (27, 0.0)
    """

    steps: int
    inexact: int
    wrong: int
    determined: int
    determined_nats: float
    illegal_mass: float
    seconds: float


class _Steps(NamedTuple):
    """What should happen, as int32 arrays, on host or device: [steps] or [steps, stacks].

    Attributes:
        symbols: that are read.
        before, after: the rule that fired last, before the step and by it: -1 for none, where the
            machine is dead, and -2 before the first step.
        tops: top symbol of each stack before the step, -1 for an empty one.
        actions: per stack 0 for push, 1 for pop, 2 for none.
        pushed: the symbol pushed on each stack, -1 for none.
        state: number of the machine's state after the step, -1 where it is dead.
    """

    symbols: Any
    before: Any
    after: Any
    tops: Any
    actions: Any
    pushed: Any
    state: Any


def verify_transitions(machine: Machine, network: Network, precision: str) -> Verification:
    """Checks every step that there can be, each from an exact state, and the first prediction.

    That is each rule that may have fired before, or the start, or death, with every symbol and all
    tops. If none is wrong, then along every string of any length no step is.

    Args:
        machine: that the network was constructed from.
        network: with superposition stacks.
        precision: a native number format.

    Raises:
        MemrnnError: if the network cannot hold the machine, or if its memory is not one of
            superposition stacks.

    Examples:
        >>> import memrnn
        >>> from memrnn.automata import machine_of
        >>> from memrnn.stability import golden_network, verify_transitions
        >>> network = golden_network(memrnn.Strings("marked-reversal"))
        >>> check = verify_transitions(machine_of("marked-reversal"), network, "float32")
        >>> check.steps, check.inexact, check.wrong
        (117, 0, 0)
    """
    begin, dead = time.perf_counter(), -1
    tops = [range(-1, size) for size in machine.stack_sizes]
    rows = np.array(
        list(product(range(-2, len(machine.moves)), range(len(machine.symbols)), *tops)), np.int32
    )
    before, symbols, tops = rows[:, 0], rows[:, 1], rows[:, 2:]
    states = np.array([*machine.targets, 0, dead])[before]
    fired = [
        machine.outcome(state, symbol, tuple(row)).rule if state != dead else -1
        for state, symbol, row in zip(states.tolist(), symbols.tolist(), tops.tolist(), strict=True)
    ]
    steps = _steps(machine, symbols, before, Trace(np.array(fired, np.int32), tops))
    with scope(precision):
        expected = _Expected.of(machine, cast(network, precision))
        expected.check_stacks()
        sums = _independent_steps(expected, _on_device(steps)).plus(_first_prediction(expected))
        return _verification(len(rows), sums, begin)


def verify_string(
    machine: Machine,
    network: Network,
    string: Integer[np.ndarray, " length"],
    precision: str,
    *,
    dense: bool = False,
) -> Verification:
    """Checks every step along one string, from the network's own states.

    Args:
        machine: that the network was constructed from.
        network: with superposition stacks.
        string: symbol ids.
        precision: a native number format.
        dense: whether the network's own stacks run, and each of their cells is compared after each
            step: in time proportional to the length times the height of the stacks. Otherwise the
            machine's tops are the readings, which suffices (see above), in constant time per step.

    Raises:
        MemrnnError: as `verify_transitions`.

    Examples:
        >>> import numpy as np
        >>> import memrnn
        >>> from memrnn.automata import machine_of, walk
        >>> from memrnn.stability import golden_network, verify_string
        >>> machine = machine_of("marked-reversal")
        >>> string = walk(machine, 301, np.random.default_rng(0))
        >>> network = golden_network(memrnn.Strings("marked-reversal"))
        >>> verify_string(machine, network, string, "float32").inexact
        0
    """
    begin, length = time.perf_counter(), len(string)
    steps = _steps_along(machine, string)
    with scope(precision):
        network = cast(network, precision)
        expected = _Expected.of(machine, network)
        expected.check_stacks()
        state: Any = network.controller.init(1)
        contents = None
        if dense and isinstance(network.memory, Superposition):
            state = network.init(1, length)
            contents = expected.empty_stacks(state)
        carry, total = (state, contents), _first_prediction(expected)
        for first in range(0, length, CHUNK):
            chunk = _on_device(_Steps(*(each[first : first + CHUNK] for each in steps)))
            carry, sums = _chained_steps(expected, carry, chunk)
            total = total.plus(sums)
        return _verification(length, total, begin)


def verify_hidden(
    machine: Machine, network: Network, string: Integer[np.ndarray, " length"], precision: str
) -> Verification:
    """Checks hidden states and predictions along one string, whatever the memory is.

    Args:
        machine: that the network was constructed from.
        network: with any memory that holds the machine's stacks.
        string: symbol ids.
        precision: a native number format.

    Raises:
        MemrnnError: if the network cannot hold the machine.

    Examples:
        >>> import numpy as np
        >>> import memrnn
        >>> from memrnn.automata import machine_of, walk
        >>> from memrnn.stability import golden_network, verify_hidden
        >>> machine = machine_of("marked-reversal")
        >>> string = walk(machine, 21, np.random.default_rng(0))
        >>> network = golden_network(memrnn.Strings("marked-reversal"))
        >>> check = verify_hidden(machine, network, string, "float32")
        >>> check.wrong
        0
    """
    begin = time.perf_counter()
    steps = _steps_along(machine, string)
    with scope(precision):
        expected = _Expected.of(machine, cast(network, precision))
        sums = _hidden_states(expected, _on_device(steps)).plus(_first_prediction(expected))
        return _verification(len(string), sums, begin)


def _steps_along(machine: Machine, string: np.ndarray) -> _Steps:
    trace = machine.run(string)
    before = np.append(np.int32(-2), trace.rules)[: len(string)]
    return _steps(machine, string.astype(np.int32), before, trace)


def _steps(machine: Machine, symbols: np.ndarray, before: np.ndarray, trace: Trace) -> _Steps:
    shape = len(machine.moves) + 1, len(machine.stacks)
    actions, pushed = np.full(shape, 2, np.int32), np.full(shape, -1, np.int32)
    for unit, of_stacks in enumerate(machine.actions):
        for stack, action in enumerate(of_stacks):
            if action == POP:
                actions[unit, stack] = 1
            elif action is not None:
                actions[unit, stack], pushed[unit, stack] = 0, action
    fired = trace.rules  # -1 reads the last row: a dead machine does nothing
    states = np.array([*machine.targets, -1], np.int32)[fired]
    return _Steps(symbols, before, fired, trace.tops, actions[fired], pushed[fired], states)


def _on_device(steps: _Steps) -> _Steps:
    return jax.tree.map(jnp.asarray, steps)


def _verification(steps: int, sums: "_Sums", begin: float) -> Verification:
    counts = [each.item() for each in sums]
    inexact, wrong, determined = map(int, counts[:3])
    seconds = time.perf_counter() - begin
    return Verification(steps, inexact, wrong, determined, counts[3], counts[4], seconds)


class _Sums(NamedTuple):
    """Over steps, as `Verification` has them."""

    inexact: Int[Array, ""]
    wrong: Int[Array, ""]
    determined: Int[Array, ""]
    determined_nats: Float[Array, ""]
    illegal_mass: Float[Array, ""]

    def plus(self, other: "_Sums") -> "_Sums":
        largest = jnp.maximum(self.illegal_mass, other.illegal_mass)
        return jax.tree.map(jnp.add, self, other)._replace(illegal_mass=largest)


class _Expected(eqx.Module):
    """A network with what its states must be, in its number format.

    Attributes:
        on: of a unit that is on, tanh(1) as the network itself computes it.
        places: of each symbol of each stack in the reading, -1 for none; the last column is of -1,
            an empty stack.
        legal: by state, a row of True for a dead machine at the end: nothing is illegal there.
        clock: number of the unit.
    """

    network: Network
    on: Float[Array, ""]
    places: Int[Array, "stacks symbols_plus_1"]
    legal: Bool[Array, "states_plus_1 outputs"]
    clock: int = eqx.field(static=True)

    @staticmethod
    def of(machine: Machine, network: Network) -> "_Expected":
        coordinates = stack_coordinates(machine, network.memory)
        places = np.full((len(machine.stacks), max(machine.stack_sizes, default=0) + 1), -1)
        for row, (name, symbols) in zip(places, machine.stacks.items(), strict=True):
            row[: len(symbols)] = [coordinates[name][symbol] for symbol in symbols]
        legal = np.ones((len(machine.states) + 1, len(machine.symbols) + 1), bool)
        for row, symbols in zip(legal[:-1], machine.legal, strict=True):
            row[:] = np.isin(np.arange(len(row)), symbols)
        clock = len(machine.moves)
        on = _after_one_step(network)[clock]
        places = jnp.asarray(places.astype(np.int32))
        return _Expected(network, on, places, jnp.asarray(legal), clock)

    def check_stacks(self) -> None:
        memory = self.network.memory
        if len(self.places) and not isinstance(memory, Superposition):
            raise MemrnnError(
                f"Steps are checked of superposition stacks, not of {type(memory).__name__}; "
                "check hidden states along strings instead."
            )

    def states(self, rules: Int[Array, " steps"]) -> tuple[Array, Array]:
        """The controller's hidden and cell states after rules fired."""
        units = jnp.arange(self.network.controller.hidden_size, dtype=rules.dtype)[None]
        rules = rules[:, None]
        on = ((units == rules) & (rules >= 0)) | ((units == self.clock) & (rules > -2))
        dtype = self.network.dtype
        return jnp.where(on, self.on, jnp.zeros((), dtype)), on.astype(dtype)

    def readings(self, tops: Int[Array, "steps stacks"]) -> Float[Array, "steps reading"]:
        """The one-hot tops, zeros for an empty stack."""
        stacks = jnp.arange(len(self.places), dtype=tops.dtype)[None]
        places = self.places[stacks, tops]
        size, dtype = self.network.memory.reading_size, self.network.dtype
        return jnp.sum(jax.nn.one_hot(places, size, dtype=dtype), axis=1)

    def per_stack(self, values: Int[Array, "steps stacks"], unused: int) -> Int[Array, "steps _"]:
        """Values per stack of the network, which may have more than the machine."""
        assert isinstance(self.network.memory, Superposition)
        more = len(self.network.memory.sizes) - values.shape[1]
        return jnp.pad(values, ((0, 0), (0, more)), constant_values=unused)

    def exact_actions(self, steps: _Steps, hidden: Array) -> Bool[Array, " steps"]:
        """Whether actions and pushed vectors are exactly those of the machine."""
        memory = self.network.memory
        if not isinstance(memory, Superposition):
            return jnp.ones(len(hidden), bool)
        weight, bias = memory.controls()
        logits, vectors = memory.actions(hidden @ weight.T + bias[None])
        kinds = self.per_stack(steps.actions, 2).reshape(-1)
        symbols = self.per_stack(steps.pushed, -1).reshape(-1)
        right = jnp.all(
            jax.nn.softmax(logits) == jax.nn.one_hot(kinds, 3, dtype=logits.dtype), axis=1
        )
        pushed = jax.nn.one_hot(symbols, vectors.shape[1], dtype=vectors.dtype)
        right &= jnp.all(vectors == pushed, axis=1)
        return jnp.all(right.reshape(len(hidden), -1), axis=1)

    def exact_states(self, steps: _Steps, hidden: Array) -> Bool[Array, " steps"]:
        near = jnp.abs(self.on.astype(jnp.float32) - np.float32(np.tanh(1))) < ONE_ROUNDING
        return jnp.all(hidden == self.states(steps.after)[0], axis=1) & near

    def sums(self, steps: _Steps, hidden: Array, exact: Bool[Array, " steps"]) -> _Sums:
        """What is exact, and what the network predicts."""
        logits = _at_least_float32(self.network.logits(hidden))
        legal, live = self.legal[steps.state], steps.state >= 0
        best = jax.nn.one_hot(jnp.argmax(logits, axis=1), legal.shape[1], dtype=bool)
        right = jnp.any(best & legal, axis=1) & jnp.all(jnp.isfinite(logits), axis=1)
        logs = jax.nn.log_softmax(logits)
        single = (jnp.sum(legal, axis=1, dtype=jnp.int32) == 1) & live
        zero = jnp.zeros((), logs.dtype)
        return _Sums(
            jnp.sum(~exact, dtype=jnp.int32),
            jnp.sum(~right & live, dtype=jnp.int32),
            jnp.sum(single, dtype=jnp.int32),
            jnp.sum(jnp.where(single[:, None] & legal, zero - logs, zero)),
            jnp.max(jnp.sum(jnp.where(legal, zero, jnp.exp(logs)), axis=1)),
        )

    def empty_stacks(self, state: Any) -> Int[Array, "stacks height"]:
        """What the machine's stacks hold at the start, as high as the network's."""
        memory = self.network.memory
        assert isinstance(memory, Superposition)
        height = state.memory.cells.shape[1] // max(memory.sizes)
        return jnp.full((len(memory.sizes), height), -1, jnp.int32)

    def exact_cells(self, state: Any, contents: Array) -> Bool[Array, ""]:
        memory = self.network.memory
        assert isinstance(memory, Superposition)
        cells = state.memory.cells.reshape(*contents.shape, -1)
        return jnp.all(cells == jax.nn.one_hot(contents, max(memory.sizes), dtype=cells.dtype))


@eqx.filter_jit
def _after_one_step(network: Network) -> Float[Array, " hidden"]:
    return network.step(network.init(1, 1), jnp.zeros(1, jnp.int32)).hidden[0]


@eqx.filter_jit
def _first_prediction(expected: _Expected) -> _Sums:
    """Of what is predicted before the first symbol, after no step."""
    start = jnp.zeros(1, jnp.int32)
    hidden = expected.network.controller.init(1)[0]
    return expected.sums(_Steps(*[start] * 7), hidden, start == 0)


@eqx.filter_jit
def _independent_steps(expected: _Expected, steps: _Steps) -> _Sums:
    """Of steps from exact states."""
    network = expected.network
    hidden, cell = _controller_step(expected, expected.states(steps.before), steps)
    exact = expected.exact_states(steps, hidden) & expected.exact_actions(steps, hidden)
    exact &= jnp.all(cell == expected.states(steps.after)[1].astype(network.dtype), axis=1)
    return expected.sums(steps, hidden, exact)


@eqx.filter_jit
def _hidden_states(expected: _Expected, steps: _Steps) -> _Sums:
    hidden = expected.network.hidden(steps.symbols[:, None])[0][:, 0]
    return expected.sums(steps, hidden, expected.exact_states(steps, hidden))


@eqx.filter_jit
def _chained_steps(expected: _Expected, carry: Any, steps: _Steps) -> tuple[Any, _Sums]:
    """Of steps each from the state that the one before ended in.

    The carry is the state, of the controller alone where `contents` is None, and what the machine's
    stacks hold.
    """

    def one(carry: Any, now: _Steps) -> tuple[Any, tuple[Array, Array]]:
        state, contents = carry
        step = jax.tree.map(lambda leaf: leaf[None], now)
        if contents is None:
            state = _controller_step(expected, state, step)
            hidden, exact = state[0], jnp.ones((), bool)
        else:
            state = expected.network.step(state, step.symbols)
            actions = expected.per_stack(step.actions, 2)[0]
            contents = _shift(contents, actions, expected.per_stack(step.pushed, -1)[0])
            hidden, exact = state.hidden, expected.exact_cells(state, contents)
        # In float32 at least: stacked as 16 bits they would take time n^2 on a CPU.
        return (state, contents), (_at_least_float32(hidden[0]), exact)

    carry, (hidden, exact) = jax.lax.scan(one, carry, steps)
    hidden = hidden.astype(expected.network.dtype)
    exact &= expected.exact_states(steps, hidden) & expected.exact_actions(steps, hidden)
    return carry, expected.sums(steps, hidden, exact)


def _controller_step(expected: _Expected, state: Any, steps: _Steps) -> Any:
    """With the machine's tops as the readings."""
    network = expected.network
    vectors = network.embedding(steps.symbols, network.dtype)
    return network.controller.step(
        state, jnp.concatenate([vectors, expected.readings(steps.tops)], axis=1)
    )


def _at_least_float32(array: Array) -> Array:
    return array if array.dtype == jnp.float64 else array.astype(jnp.float32)


def _shift(contents: Array, actions: Array, pushed: Array) -> Array:
    """What stacks hold after their actions, the top first."""
    nothing = jnp.full((len(contents), 1), -1, contents.dtype)
    after_push = jnp.concatenate([pushed[:, None], contents[:, :-1]], axis=1)
    after_pop = jnp.concatenate([contents[:, 1:], nothing], axis=1)
    actions = actions[:, None]
    return jnp.where(actions == 0, after_push, jnp.where(actions == 1, after_pop, contents))
