"""Whether a discrete network predicts as a machine does, at all lengths: by their product.

The network and the machine read the same legal symbols side by side. Together they are one finite
control with the stacks of both. Its configurations are infinitely many; those explored here are
abstract: they hold the code, the machine's state, and of each stack only the cells next to the top.

**What lies below.** A step that pushes is an *event*. All cells that it pushes, on whatever stacks
of either, belong to it, so the top of a stack is an event or the bottom, and what a stack holds
follows from it: the event's cell, and what was on top of that stack just before the event. An
abstract configuration knows, of its events, a *label* (the cells that were pushed, and how much is
remembered of the moment) and, as far as it has not forgotten, what was on top of every stack just
before. For each label all abstract configurations are kept in which an event with it happened.
Where a pop uncovers what was forgotten, each of those is tried that agrees with what is still
known. So what network and machine pushed together is uncovered together, also if one of them pops
later than the other.

**Why this is a proof.** By induction, each configuration that a string of legal symbols reaches is
described by an abstract one that is explored: the start is, and whatever was on top before an event
was described by a configuration that is kept with its label, and is tried. So if no abstract
configuration has a wrong prediction, no string of any length has one. The reverse does not hold:
an abstract configuration may belong to no string. So where one has a wrong prediction, the network
is run on the string that leads there. If it does not show the error, more is remembered, and in the
end the answer is that nothing was proved.

**What is taken for granted.** That the machine's language is the language, and that every prefix
that the machine reads has a completion (`memrnn.automata.check_machine` looks at 2,000
configurations). That a rule of the machine fires at every symbol that its state calls legal is part
of the proof.

Source: abstract interpretation (Cousot & Cousot 1977) of the product automaton. Reachability is
decidable with one stack (Bouajjani, Esparza & Maler 1997) and not with two, as where network and
machine have one each.
"""

import math
import time
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int32

from memrnn.automata import POP, Machine
from memrnn.errors import MemrnnError
from memrnn.nn.network import Network
from memrnn.runtime.precision import scope
from memrnn.stability._abstract_stacks import BOTTOM, UNKNOWN, Known, cut, joined
from memrnn.stability.discrete import Key, Table

STATES = 100_000
"""How many abstract configurations are explored before a memory is given up."""


class Memory(NamedTuple):
    """How much abstract configurations remember.

    Attributes:
        label: of an event besides its cells: 0 nothing, 1 the machine's state after it, 2 the
            network's code too.
        depth: how many cells of each stack are known between two steps.
    """

    label: int
    depth: int


MEMORIES = (Memory(0, 1), Memory(1, 1), Memory(2, 1), Memory(2, 2), Memory(2, 3))
"""Tried one after another, until one is enough."""


class Equality(NamedTuple):
    """What the product of a network and a machine says.

    Attributes:
        answer: "proved" if after every prefix of every string of the machine's language that leaves
            no choice the most probable symbol is the only legal one; "refuted" if a prefix is known
            after which it is not; "open" if neither. Strings that are too short do not count.
        prefix: such a prefix, as symbol ids; empty unless refuted.
        states: abstract configurations explored.
        codes: of the network, in them.
        memory: the last that was tried.
        least_legal: the smallest probability of a legal symbol in any of them, if proved.
        most_illegal: the largest of an illegal one. If it is less, a threshold between the two
            separates legal from illegal symbols after every prefix, free choices included. Symbols
            after which the string is too short to count are neither.

    Examples:
        >>> import memrnn
        >>> from memrnn.automata import machine_of
        >>> from memrnn.stability import Table, compare, compile_machine
        >>> model = memrnn.get_model("lstm-12:discrete+jm-2:hard")
        >>> machine = machine_of("marked-reversal")
        >>> network = compile_machine(machine, model.build(memrnn.OneHot(3), classes=4, seed=0))
        >>> table = Table(network, "float32")
        >>> equality = compare(table, machine)
        >>> equality.prefix, equality.least_legal > equality.most_illegal
        ((), True)
    """

    answer: Literal["proved", "refuted", "open"]
    prefix: tuple[int, ...]
    states: int
    codes: int
    memory: Memory
    least_legal: float = math.nan
    most_illegal: float = math.nan


class Abstract(NamedTuple):
    """An abstract configuration.

    Attributes:
        code: of the network.
        state: of the machine.
        read: symbols so far, as many as make the string count.
        wrong: whether a prediction was wrong on the way.
        known: of all stacks.
    """

    code: int
    state: int
    read: int
    wrong: bool
    known: Known


def compare(
    table: Table,
    machine: Machine,
    shortest: int = 0,
    memories: Sequence[Memory] = MEMORIES,
    seconds: float = math.inf,
) -> Equality:
    """Whether a discrete network predicts what a machine allows, after all prefixes.

    Args:
        table: of a discrete network.
        machine: whose states tell the legal next symbols (`memrnn.automata.check_machine`).
        shortest: strings with fewer symbols do not count, on which a network was not trained.
        memories: tried in this order.
        seconds: after which the search ends, and the question is open.

    Returns:
        The answer of the first that gives one.

    Raises:
        MemrnnError: if network and machine do not have the same number of symbols, and as `Table`.

    Examples:
        >>> import memrnn
        >>> from memrnn.automata import machine_of
        >>> from memrnn.stability import Table, compare, compile_machine
        >>> model = memrnn.get_model("lstm-12:discrete+jm-2:hard")
        >>> machine = machine_of("marked-reversal")
        >>> network = compile_machine(machine, model.build(memrnn.OneHot(3), classes=4, seed=0))
        >>> table = Table(network, "float32")
        >>> compare(table, machine).answer
        'proved'
    """
    if table.symbols != len(machine.symbols):
        raise MemrnnError(
            f"{machine.name} has {len(machine.symbols)} symbols, and the network {table.symbols}; "
            "give a machine with as many."
        )
    found = Equality("open", (), 0, 0, memories[0])
    deadline = time.perf_counter() + seconds
    for memory in memories:
        exploration = _Exploration(table, machine, shortest, memory, deadline)
        wrong = exploration.run()
        codes = len({each.code for each in exploration.before})
        found = Equality("open", (), len(exploration.before), codes, memory)
        if exploration.closed:
            least, most = exploration.probabilities()
            return found._replace(answer="proved", least_legal=least, most_illegal=most)
        if wrong is not None:
            prefix = _first_wrong(table, machine, shortest, exploration.path(wrong))
            if prefix is not None:
                return found._replace(answer="refuted", prefix=prefix)
        if time.perf_counter() > deadline:
            break
    return found


def _first_wrong(
    table: Table, machine: Machine, shortest: int, string: Int32[np.ndarray, " length"]
) -> tuple[int, ...] | None:
    """The shortest prefix of a string after which the only legal symbol is not predicted.

    It is the network that is run, not its table. None, too, where the machine reads too few symbols
    of the string for it to count.
    """
    states = machine.state_numbers(machine.run(string)).tolist()
    if states[shortest] < 0:
        return None
    with scope(table.precision):
        logits = _prefix_logits(table.network, jnp.asarray(string)[:, None])
    for length, (state, scores) in enumerate(zip(states, np.asarray(logits)[:, 0], strict=True)):
        legal = machine.legal[state] if state >= 0 else ()
        if len(legal) == 1 and not (np.isfinite(scores).all() and scores.argmax() == legal[0]):
            return tuple(string[:length].tolist())
    return None


_prefix_logits = eqx.filter_jit(Network.prefix_logits)


class _Exploration:
    """All abstract configurations that are reached, and how.

    Attributes:
        before: by configuration, the one that it was reached from first, and the symbol.
        closed: whether all were explored, without a wrong prediction.
    """

    def __init__(
        self, table: Table, machine: Machine, shortest: int, memory: Memory, deadline: float
    ):
        self.table, self.machine, self.shortest, self.memory = table, machine, shortest, memory
        self._deadline = deadline
        self.before: dict[Abstract, tuple[Abstract, int] | None] = {}
        self.closed = False
        self._network_stacks = len(table.stacks)
        self._labels: dict[tuple, int] = {}
        self._cells: list[dict[int, int]] = []  # by label: what was pushed, by stack
        self._below: dict[int, dict[Known, None]] = {}  # by label; a dict keeps the order
        self._readers: dict[int, dict[Abstract, None]] = {}
        self._pending: dict[Abstract, None] = {}

    def run(self) -> Abstract | None:
        """Explores until nothing is new, there are too many, or the time has come.

        Returns:
            A configuration with a wrong prediction, at which exploring ended.
        """
        stacks = self._network_stacks + len(self.machine.stacks)
        start = self._judged(0, 0, 0, False, Known((BOTTOM,) * stacks, (), ()))
        self._reach(start, None)
        if self._counts(start):
            return start
        while self._pending:
            batch, self._pending = self._pending, {}
            steps = [(each, symbol) for each in batch for symbol in self._legal(each)]
            self.table.fill(self._key(*step) for step in steps)
            for each, symbol in steps:
                if time.perf_counter() > self._deadline or len(self.before) > STATES:
                    return None
                for after in self._after(each, symbol):
                    if after not in self.before:
                        self._reach(after, (each, symbol))
                        if self._counts(after):
                            return after
        self.closed = True
        return None

    def path(self, abstract: Abstract) -> Int32[np.ndarray, " length"]:
        """The symbols by which a configuration was reached first."""
        symbols: list[int] = []
        step = self.before[abstract]
        while step is not None:
            abstract, symbol = step
            symbols.append(symbol)
            step = self.before[abstract]
        return np.array(symbols[::-1], np.int32)

    def probabilities(self) -> tuple[float, float]:
        """The smallest of a legal symbol and the largest of an illegal one."""
        least, most, end = math.inf, -math.inf, len(self.machine.symbols)
        counted = self._counted()
        longer = {(each.code, each.state) for each in self.before if each.read == self.shortest}
        found = {(code, state, self.machine.legal[state]) for code, state in longer}
        found |= {
            (each.code, each.state, tuple(symbols)) for each, symbols in counted.items() if symbols
        }
        for code, state, symbols in found:
            logs = self.table.outputs[code].log_probabilities
            if self.table.outputs[code].best < 0:
                return 0.0, 1.0
            illegal = ~np.isin(np.arange(end + 1), self.machine.legal[state])
            least = min(least, float(logs[list(symbols)].min(initial=math.inf)))
            most = max(most, float(logs[illegal].max(initial=-math.inf)))
        return math.exp(min(least, 0)), math.exp(most)

    def _counted(self) -> dict[Abstract, list[int]]:
        """By configuration of a string that is too short so far, symbols that can lengthen it.

        Only those after which the string can become long enough to count.
        """
        counted: dict[Abstract, list[int]] = {}
        layers = [[each for each in self.before if each.read == n] for n in range(self.shortest)]
        for layer in reversed(layers):
            for each in layer:
                counted[each] = [
                    symbol
                    for symbol in self._legal(each)
                    if any(counted.get(after, True) for after in self._after(each, symbol))
                ]
        return counted

    def _legal(self, each: Abstract) -> list[int]:
        """The legal symbols without the end."""
        end = len(self.machine.symbols)
        return [symbol for symbol in self.machine.legal[each.state] if symbol != end]

    def _judged(self, code: int, state: int, read: int, wrong: bool, known: Known) -> Abstract:
        """The configuration, wrong if its prediction is, or if a legal symbol has no rule."""
        legal = self.machine.legal[state]
        other = self._tops(known)[1]
        right = all(self.machine.outcome(state, symbol, other).rule >= 0 for symbol in legal)
        right = right and (len(legal) != 1 or self.table.outputs[code].best == legal[0])
        return Abstract(code, state, read, wrong or not right, known)

    def _counts(self, each: Abstract) -> bool:
        """Whether a prediction was wrong on the way, of strings that are not too short."""
        return each.wrong and each.read == self.shortest

    def _reach(self, each: Abstract, step: tuple[Abstract, int] | None) -> None:
        self.before[each] = step
        self._pending[each] = None

    def _tops(self, known: Known) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The top cells of the network's stacks and of the machine's."""
        tops = [
            None if top == BOTTOM else self._cells[known.labels[top]][stack]
            for stack, top in enumerate(known.tops)
        ]
        own, other = tops[: self._network_stacks], tops[self._network_stacks :]
        return (
            tuple([0 if top is None else top for top in own]),
            tuple([-1 if top is None else top for top in other]),
        )

    def _key(self, each: Abstract, symbol: int) -> Key:
        return each.code, symbol, self._tops(each.known)[0]

    def _after(self, each: Abstract, symbol: int) -> Iterator[Abstract]:
        """The configurations that may follow; none where no rule fires."""
        own, other = self._tops(each.known)
        outcome = self.machine.outcome(each.state, symbol, other)
        if outcome.rule < 0:
            return
        code = self.table.steps[each.code, symbol, own]
        changes = dict(self.table.outputs[code].changes)
        changes |= {self._network_stacks + stack: action for stack, action in outcome.changes}
        pops = [stack for stack, action in changes.items() if action == POP]
        pushes = {stack: action for stack, action in changes.items() if action != POP}
        label = self._label(pushes, code, outcome.target) if pushes else None
        for known in self._uncovered(each, each.known, pops):
            tops, labels, before = list(known.tops), known.labels, known.before
            for stack in pops:
                if tops[stack] != BOTTOM:
                    tops[stack] = before[tops[stack]][stack]
            if label is not None:
                self._keep(label, cut(known, self.memory.depth))
                for stack in pushes:
                    tops[stack] = len(labels)
                labels, before = (*labels, label), (*before, known.tops)
            known = cut(Known(tuple(tops), labels, before), self.memory.depth)
            read = min(each.read + 1, self.shortest)
            yield self._judged(code, outcome.target, read, each.wrong, known)

    def _label(self, pushes: dict[int, int], code: int, state: int) -> int:
        remembered = (state, code)[: self.memory.label]
        key = tuple(sorted(pushes.items())), remembered
        if key not in self._labels:
            self._labels[key] = len(self._cells)
            self._cells.append(pushes)
            self._below[self._labels[key]], self._readers[self._labels[key]] = {}, {}
        return self._labels[key]

    def _keep(self, label: int, known: Known) -> None:
        """Keeps that an event with this label happened here; who asked before asks again."""
        if known not in self._below[label]:
            self._below[label][known] = None
            self._pending |= self._readers[label]

    def _uncovered(self, reader: Abstract, known: Known, pops: Sequence[int]) -> Iterator[Known]:
        """The same, with what lies below the tops that are popped, in every way that may be."""
        for stack in pops:
            event = known.tops[stack]
            if event != BOTTOM and known.before[event][stack] == UNKNOWN:
                label = known.labels[event]
                self._readers[label][reader] = None
                for then in list(self._below[label]):
                    more = joined(known, event, then)
                    if more is not None:
                        yield from self._uncovered(reader, more, pops)
                return
        yield known
