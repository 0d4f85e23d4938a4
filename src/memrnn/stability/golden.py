"""Networks whose parameters are computed from a machine, so that they do what it does.

One hidden unit per rule, and one *clock* unit that is on from the first step on. A unit is either
off, h = 0, or on, h = tanh(1) in the network's number format. With u = h / tanh(1), an LSTM has
forget bias -G, cell bias +G and output bias +G without weights, so that its cell holds nothing but
its input gate. The input gate of a rule with n conditions (state, symbol, and the tops that it
tests) is

    G (2 sum of memberships - (2 n - 1))

which is +G where all hold and at most -G elsewhere. A membership is affine in what the controller
sees: one-hot symbols; one-hot tops, 0 for an empty stack; and the rules that fired in the step
before, with 1 - clock for the start. A stack's actions have the logits 0, and D for no operation; a
rule that pushes or pops adds 2 D, so that the gap is D. In floating point sigmoid and softmax are
then exactly 0 and 1, and a stack that moves by whole cells stays exact for ever.

The output layer gives log p(a | state) for the symbols that are legal in a state and -40 for
others, less than float64 can tell from probability 0. A dead machine has no unit on but the clock,
and all logits 0.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64

from memrnn.automata import EMPTY, END, POP, Machine, Rule
from memrnn.errors import MemrnnError
from memrnn.nn.controllers import LSTM
from memrnn.nn.memories import Memory, NoMemory, Nondeterministic, Superposition
from memrnn.nn.network import Network, OutputLayer

STOP = 0.05
"""Probability of the symbol that ends a state's phase."""
ILLEGAL = -40.0
"""Log probability of illegal symbols: exp(-40) is below half the spacing of float64 at 1."""
NONDETERMINISTIC_GAP = 16.0
"""Log weight of a nondeterministic stack's chosen action; that of others is its negative."""

Probabilities = Mapping[str, Mapping[str, float]]
"""By state and symbol, `END` among them; nothing for illegal symbols."""


def smallest_model(machine: Machine, memory: str | None = None) -> str:
    """The name of the smallest model that holds a machine.

    Args:
        machine: any.
        memory: None for superposition stacks, `rns` for a nondeterministic stack.

    Raises:
        MemrnnError: for another memory, or a machine with several stacks and `rns`.

    Examples:
        >>> from memrnn.automata import machine_of
        >>> from memrnn.stability import smallest_model
        >>> smallest_model(machine_of("count-3")), smallest_model(machine_of("dyck"), "rns")
        ('lstm-7+jm-1.1', 'lstm-13+rns-1-3')
    """
    controller, sizes = f"lstm-{len(machine.moves) + 1}", machine.stack_sizes
    if not sizes:
        return controller
    if memory == "rns":
        _check_one_stack(machine)
        return f"{controller}+rns-1-{sizes[0] + 1}"
    return f"{controller}+jm-{'.'.join(map(str, sizes))}"


def next_probabilities(machine: Machine, stop: float = STOP) -> dict[str, dict[str, float]]:
    """p(symbol | state) over the legal symbols of every state.

    The last of `Machine.legal`, which ends the state's phase, has the probability `stop`, and the
    others share the rest equally. A symbol that is alone has 1. A state without rules has nothing.

    Args:
        machine: whose states tell the legal next symbols (`check_machine`).
        stop: probability of the symbol that ends a state's phase, where it is not alone.

    Raises:
        MemrnnError: if `stop` is no probability between 0 and 1.

    Examples:
        >>> from memrnn.automata import machine_of
        >>> from memrnn.stability import next_probabilities
        >>> next_probabilities(machine_of("marked-reversal"), stop=0.1)["P"]
        {'0': 0.45, '1': 0.45, '#': 0.1}
    """
    if not 0 < stop < 1:
        raise MemrnnError(f"stop is {stop}, but must lie between 0 and 1.")
    names = (*machine.symbols, END)
    table: dict[str, dict[str, float]] = {}
    for state, legal in zip(machine.states, machine.legal, strict=True):
        others, last = ([names[symbol] for symbol in part] for part in (legal[:-1], legal[-1:]))
        table[state] = {symbol: (1 - stop) / len(others) for symbol in others}
        table[state] |= dict.fromkeys(last, stop if others else 1.0)
    return table


class Gates(NamedTuple):
    """How far from the thresholds a compiled network works.

    Attributes:
        gate: G, of the controller's gates.
        gap: D, between the logits of a stack's actions; of a nondeterministic stack half the
            difference of log weights.

    Examples:
        >>> import memrnn
        >>> from memrnn.automata import machine_of
        >>> from memrnn.stability import Gates, compile_machine
        >>> network = memrnn.get_model("lstm-12+jm-2").build(memrnn.OneHot(3), classes=4, seed=0)
        >>> soft = compile_machine(machine_of("marked-reversal"), network, Gates(gate=5.0, gap=4.0))
        >>> soft.memory.reading_size
        2
    """

    gate: float
    gap: float


def default_gates(network: Network) -> Gates:
    """Those from which on sigmoid and softmax are exactly 0 or 1 in the network's number format.

    128 is a power of two, so that pre-activations are exact, and exp(-128) is 0 in float32,
    bfloat16 and float16. In float64 only exp(-746) is. A nondeterministic stack is never exact; the
    controller clears its readings in each step.

    Args:
        network: to be compiled; its number format counts.

    Examples:
        >>> import memrnn
        >>> from memrnn.stability import default_gates
        >>> network = memrnn.get_model("jm-2").build(memrnn.OneHot(3), classes=4, seed=0)
        >>> default_gates(network)
        Gates(gate=128.0, gap=128.0)
    """
    gate = 1024.0 if network.dtype.name == "float64" else 128.0
    nondeterministic = isinstance(network.memory, Nondeterministic)
    return Gates(gate, NONDETERMINISTIC_GAP if nondeterministic else gate)


def compile_machine(
    machine: Machine,
    network: Network,
    gates: Gates | None = None,
    probabilities: Probabilities | None = None,
) -> Network:
    """The network with parameters that make it do what a machine does.

    Args:
        machine: whose states tell the legal next symbols (`memrnn.automata.check_machine`).
        network: an LSTM with superposition stacks, or with one nondeterministic stack with one
            state and a symbol more than the machine's stack; it may have more units, stacks and
            longer vectors than are needed. Number format and shapes stay, all parameters go.
        gates: by default `default_gates`.
        probabilities: by default `next_probabilities`.

    Returns:
        A network of the same shapes and number format.

    Raises:
        MemrnnError: if the network cannot hold the machine, or a gate is not positive.

    Examples:
        >>> import memrnn
        >>> from memrnn.automata import machine_of
        >>> from memrnn.stability import compile_machine, verify_transitions
        >>> machine = machine_of("marked-reversal")
        >>> network = memrnn.get_model("lstm-12+jm-2").build(memrnn.OneHot(3), classes=4, seed=0)
        >>> golden = compile_machine(machine, network)
        >>> verify_transitions(machine, golden, "float32").inexact  # no step differs
        0
    """
    gates = default_gates(network) if gates is None else gates
    if min(gates) <= 0:
        raise MemrnnError(f"gate {gates.gate} and gap {gates.gap} must be positive.")
    return _Compiler(machine, network, gates).compile(probabilities or next_probabilities(machine))


class _Compiler:
    def __init__(self, machine: Machine, network: Network, gates: Gates):
        controller, memory, output = network.controller, network.memory, network.output
        if not isinstance(controller, LSTM) or not isinstance(output, OutputLayer):
            raise MemrnnError("A machine is compiled into an LSTM with an output layer of its own.")
        self.clock = len(machine.moves)
        if controller.hidden_size < self.clock + 1:
            raise MemrnnError(
                f"{machine.name} needs {self.clock + 1} hidden units, one per rule and a clock; "
                f"the model has {controller.hidden_size}."
            )
        self.machine, self.network = machine, network
        self.controller, self.memory, self.output = controller, memory, output
        self.coordinates = stack_coordinates(machine, memory)
        self.gates, self.on = gates, math.tanh(1.0)

    def compile(self, probabilities: Probabilities) -> Network:
        weights = {("controller", name): weight for name, weight in self._controller().items()}
        weights |= {("memory", name): weight for name, weight in self._memory().items()}
        weights |= {
            ("output", name): weight for name, weight in self._output(probabilities).items()
        }

        def parameters(network: Network) -> list[Any]:
            return [getattr(getattr(network, part), name) for part, name in weights]

        dtype = self.network.dtype
        arrays = [jnp.asarray(weight.astype(dtype)) for weight in weights.values()]
        assert [a.shape for a in arrays] == [p.shape for p in parameters(self.network)]
        return eqx.tree_at(parameters, self.network, arrays)

    def _controller(self) -> dict[str, np.ndarray]:
        hidden, gate = self.controller.hidden_size, self.gates.gate
        inputs = np.zeros((4, hidden, self.controller.input_size))
        recurrent = np.zeros((4, hidden, hidden))
        bias = np.zeros((4, hidden))
        used = slice(0, self.clock + 1)
        bias[1, used], bias[2, used], bias[3, used] = -gate, gate, gate
        bias[0, self.clock] = gate
        symbols = {symbol: number for number, symbol in enumerate(self.machine.symbols)}
        for unit, each in enumerate(self.machine.moves):
            conditions, constant = 2 + len(each.top), 0
            for symbol in each.symbols:
                inputs[0, unit, symbols[symbol]] += 2 * gate
            for name, tops in each.top.items():
                constant += self._add_tops(inputs[0, unit], name, tops)
            for before, other in enumerate(self.machine.moves):
                if other.target in each.sources:
                    recurrent[0, unit, before] += 2 * gate / self.on
            if self.machine.start in each.sources:
                recurrent[0, unit, self.clock] -= 2 * gate / self.on
                constant += 1
            bias[0, unit] = gate * (2 * constant - (2 * conditions - 1))
        return {
            "weight_input": inputs.reshape(4 * hidden, -1),
            "weight_hidden": recurrent.reshape(4 * hidden, -1),
            "bias_input": bias.reshape(-1),
            "bias_hidden": np.zeros(4 * hidden),
        }

    def _add_tops(self, row: np.ndarray, name: str, tops: tuple[str, ...]) -> int:
        """Adds the condition that a top lies in a set to a row of input weights.

        Returns:
            The constant of the condition: 1 where it is written as 1 minus the other tops.
        """
        known = self.coordinates[name]
        first = len(self.machine.symbols)
        others = EMPTY in tops and EMPTY not in known
        for symbol, place in known.items():
            if (symbol in tops) != others:
                row[first + place] += -2 * self.gates.gate if others else 2 * self.gates.gate
        return int(others)

    def _memory(self) -> dict[str, np.ndarray]:
        if isinstance(self.memory, Superposition):
            return self._superposition(self.memory)
        if isinstance(self.memory, Nondeterministic):
            return self._nondeterministic(self.memory)
        return {}

    def _superposition(self, memory: Superposition) -> dict[str, np.ndarray]:
        gap, hidden = self.gates.gap, self.controller.hidden_size
        actions = np.zeros((len(memory.sizes), 3, hidden))
        bias = np.zeros((len(memory.sizes), 3))
        bias[:, 2] = gap
        push = np.zeros((memory.reading_size, hidden))
        for unit, each in enumerate(self.machine.actions):
            for stack, (name, action) in enumerate(zip(self.machine.stacks, each, strict=True)):
                if action == POP:
                    actions[stack, 1, unit] = 2 * gap / self.on
                elif action is not None:
                    actions[stack, 0, unit] = 2 * gap / self.on
                    symbol = self.machine.stacks[name][action]
                    push[self.coordinates[name][symbol], unit] = 2 * gap / self.on
        return {
            "weight_actions": actions.reshape(-1, hidden),
            "bias_actions": bias.reshape(-1),
            "weight_push": push,
            "bias_push": np.full(memory.reading_size, -gap),
        }

    def _nondeterministic(self, memory: Nondeterministic) -> dict[str, np.ndarray]:
        """Rows per top symbol x: push of each symbol, replacement by each, pop.

        Replacing x by x is no operation.
        """
        hidden, symbols, gap = self.controller.hidden_size, memory.symbols, self.gates.gap
        rows = np.zeros((symbols, 2 * symbols + 1, hidden))
        bias = np.full((symbols, 2 * symbols + 1), -gap)
        tops = np.arange(symbols)
        bias[tops, symbols + tops] = gap
        for unit, (action,) in enumerate(self.machine.actions):
            if action is None:
                continue
            chosen = 2 * symbols if action == POP else action + 1
            rows[:, chosen, unit] = 2 * gap / self.on
            rows[tops, symbols + tops, unit] = -2 * gap / self.on
        return {"weight_actions": rows.reshape(-1, hidden), "bias_actions": bias.reshape(-1)}

    def _output(self, probabilities: Probabilities) -> dict[str, np.ndarray]:
        hidden = self.controller.hidden_size
        bias = self._logits(probabilities, self.machine.start)
        weight = np.zeros((len(bias), hidden))
        weight[:, self.clock] = -bias / self.on
        for unit, each in enumerate(self.machine.moves):
            weight[:, unit] = self._logits(probabilities, each.target) / self.on
        return {"weight": weight, "bias": bias}

    def _logits(self, probabilities: Probabilities, state: str) -> Float64[np.ndarray, " outputs"]:
        given = probabilities[state]
        outputs = (*self.machine.symbols, END)
        return np.array([math.log(given[s]) if s in given else ILLEGAL for s in outputs])


def stack_coordinates(machine: Machine, memory: Memory) -> dict[str, dict[str, int]]:
    """By stack, the place of each symbol in the reading; of `EMPTY` only where it has one.

    Raises:
        MemrnnError: if the memory cannot hold the machine's stacks.
    """
    stacks = list(machine.stacks.items())
    if isinstance(memory, NoMemory) and not stacks:
        return {}
    if isinstance(memory, Superposition) and memory.weight_push is not None:
        fits = len(stacks) <= len(memory.sizes) and all(
            len(symbols) <= size for (_, symbols), size in zip(stacks, memory.sizes, strict=False)
        )
        if fits:
            begins = np.cumsum([0, *memory.sizes]).tolist()
            return {
                name: {symbol: begin + n for n, symbol in enumerate(symbols)}
                for (name, symbols), begin in zip(stacks, begins, strict=False)
            }
    if isinstance(memory, Nondeterministic) and memory.states == 1 and memory.size == 0:
        _check_one_stack(machine)
        ((name, symbols),) = stacks
        if len(symbols) < memory.symbols:
            places = {EMPTY: 0} | {symbol: n for n, symbol in enumerate(symbols, 1)}
            return {name: places}
    needed = smallest_model(machine)
    raise MemrnnError(
        f"The model has no stacks for {machine.name}, whose stacks have "
        f"{', '.join(map(str, machine.stack_sizes)) or 'no'} symbols, in this order; the smallest "
        f"model that has is {needed}."
    )


def _check_one_stack(machine: Machine) -> None:
    """Raises a MemrnnError where a nondeterministic stack cannot be the machine's."""

    def wrong(each: Rule) -> bool:
        return any(name not in each.top or EMPTY in each.top[name] for name in each.pop)

    if len(machine.stacks) != 1 or any(wrong(each) for each in machine.moves):
        raise MemrnnError(
            f"{machine.name} has {len(machine.stacks)} stacks; a nondeterministic stack serves a "
            "machine with one stack, whose rules never pop it where it may be empty."
        )
