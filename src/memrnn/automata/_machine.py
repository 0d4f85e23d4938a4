"""Deterministic machines that read one symbol per step and act once on each stack: as data.

A rule is a product of sets: states, input symbols, and for each stack a set of top symbols. It
fires where the state, the symbol read and the top of every stack lie in its sets, and gives the
next state and one action per stack: push a symbol, pop, or nothing. Where no rule fires the
machine is dead for ever.

The end of the string is a symbol that is never read: a rule for `END` says where a string may end.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32, Integer

from memrnn.errors import MemrnnError
from memrnn.runtime.digests import digest

END = "end"
"""The symbol that stands for the end of the string in rules."""
EMPTY = "empty"
"""The top of an empty stack in rules."""
POP = -1
"""Among the actions of a rule; None is no action, a number the stack symbol that is pushed."""


@dataclass(frozen=True)
class Rule:
    """A product of sets, and what happens there. `rule` writes one more briefly.

    Attributes:
        sources: states.
        symbols: input symbols; of a rule that says where strings end, `(END,)`.
        target: the next state; empty where strings end.
        top: by the name of a stack, its top symbols, `EMPTY` among them or not. A stack that is not
            named may have any.
        push: by the name of a stack, the symbol pushed.
        pop: names of the stacks popped. A pop of an empty stack does nothing.

    Examples:
        >>> from memrnn.automata import rule
        >>> rule("S", "a", "A", push={"count": "1"}).growth
        1
        >>> rule("S E", "end").ends
        True
    """

    sources: tuple[str, ...]
    symbols: tuple[str, ...]
    target: str = ""
    top: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    push: Mapping[str, str] = field(default_factory=dict)
    pop: tuple[str, ...] = ()

    @property
    def ends(self) -> bool:
        """Whether it says where strings end."""
        return END in self.symbols

    @property
    def growth(self) -> int:
        """By how many symbols the stacks grow, all together."""
        return len(self.push) - len(self.pop)

    def __str__(self) -> str:
        tops = [f"{name} {'|'.join(tops)}" for name, tops in self.top.items()]
        actions = [f"push {symbol} on {name}" for name, symbol in self.push.items()]
        actions += [f"pop {name}" for name in self.pop]
        left = ", ".join(["|".join(self.sources), "|".join(self.symbols), *tops])
        return " -> ".join([left, ", ".join([*filter(None, [self.target]), *actions])])


def rule(
    sources: str | Sequence[str],
    symbols: str | Sequence[str],
    target: str = "",
    *,
    top: Mapping[str, str | Sequence[str]] | None = None,
    push: Mapping[str, str] | None = None,
    pop: str | Sequence[str] = (),
) -> Rule:
    """A rule; in place of several names one text with spaces between them.

    Args:
        sources: states.
        symbols: input symbols, or `END`.
        target: the next state; nothing where strings end.
        top: by the name of a stack, its top symbols, `EMPTY` among them or not.
        push: by the name of a stack, the symbol pushed.
        pop: names of the stacks popped.

    Examples:
        >>> from memrnn.automata import rule
        >>> print(rule("A B", "b", "B", top={"count": "1"}, pop="count"))
        A|B, b, count 1 -> B, pop count
    """
    tops = {name: _names(value) for name, value in (top or {}).items()}
    return Rule(_names(sources), _names(symbols), target, tops, dict(push or {}), _names(pop))


def _names(value: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(value.split()) if isinstance(value, str) else tuple(value)


class Outcome(NamedTuple):
    """What a machine does in a step.

    Attributes:
        rule: number of the rule that fires, those for `END` after all others; -1 for none.
        target: number of the next state, -1 for none.
        changes: stacks and what is done there, the id of a symbol to push or `POP`.

    Examples:
        >>> from memrnn.automata import machine_of
        >>> outcome = machine_of("marked-reversal").outcome(0, 0, (-1,))
        >>> outcome.changes
        ((0, 0),)
    """

    rule: int
    target: int
    changes: tuple[tuple[int, int], ...]


class Trace(NamedTuple):
    """What a machine does along a string.

    Attributes:
        rules: the rule that fires at each symbol, -1 where the machine is dead.
        tops: top symbol of every stack before each symbol, -1 for an empty one.

    Examples:
        >>> import numpy as np
        >>> from memrnn.automata import machine_of
        >>> trace = machine_of("count-3").run(np.array([0, 0, 1, 1, 2, 2]))
        >>> trace.tops[:, 0]  # of the first stack; -1 where it is empty
        array([-1, -1,  0, -1, -1, -1], dtype=int32)
    """

    rules: Int32[np.ndarray, " length"]
    tops: Int32[np.ndarray, "length stacks"]


@dataclass(frozen=True)
class Machine:
    """A deterministic real-time machine with stacks.

    Attributes:
        name: of the machine, and of its language if it is registered.
        symbols: input symbols; their places are their ids. The id of `END` comes after the last.
        stacks: by name, the symbols of each stack.
        start: the first state.
        rules: at most one of them fires in any situation.

    Raises:
        MemrnnError: if a rule names what does not exist, or two rules overlap.

    Examples:
        >>> import numpy as np
        >>> from memrnn.automata import machine_of
        >>> machine = machine_of("count-3")
        >>> machine.states, machine.symbols, machine.stack_sizes
        (('S', 'A1', 'A', 'B', 'X', 'C', 'E'), ('a', 'b', 'c'), (1, 1))
        >>> machine.accepts(np.array([0, 0, 1, 1, 2, 2]))  # a a b b c c
        True
    """

    name: str
    symbols: tuple[str, ...]
    stacks: Mapping[str, tuple[str, ...]]
    start: str
    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        if not self.symbols or len(set(self.symbols)) < len(self.symbols):
            self._refuse("its symbols must be one or more different ones")
        if END in self.symbols or any(EMPTY in symbols for symbols in self.stacks.values()):
            self._refuse(f"{END!r} is no name of a symbol, and {EMPTY!r} none of a stack's symbol")
        for name, symbols in self.stacks.items():
            if not symbols or len(set(symbols)) < len(symbols):
                self._refuse(f"the stack {name!r} must have one or more different symbols")
        for each in self.rules:
            self._check_rule(each)
        for first, second in itertools.combinations(self.rules, 2):
            if self._overlap(first, second):
                self._refuse(f"two rules fire at once: `{first}` and `{second}`")

    def _check_rule(self, each: Rule) -> None:
        def check(what: str, names: Sequence[str], known: Sequence[str]) -> None:
            for name in names:
                if name not in known:
                    listed = ", ".join(known) or "none"
                    self._refuse(f"`{each}` names the {what} {name!r}; there is {listed}")

        stacks = tuple(self.stacks)
        if not each.sources or not each.symbols:
            self._refuse(f"`{each}` needs a state and a symbol")
        check("symbol", each.symbols, (*self.symbols, END))
        check("stack", (*each.top, *each.push, *each.pop), stacks)
        if set(each.push) & set(each.pop):
            self._refuse(f"`{each}` both pushes and pops a stack; a step acts once on each")
        for name, tops in each.top.items():
            check("stack symbol", tops, (*self.stacks[name], EMPTY))
            if not tops:
                self._refuse(f"`{each}` allows no top symbol of {name}; leave it out for any")
        for name, symbol in each.push.items():
            check("stack symbol", [symbol], self.stacks[name])
        if each.ends:
            if len(each.symbols) > 1 or each.target or each.push or each.pop:
                self._refuse(f"`{each}` ends strings; it has no other symbol, target or action")
        elif not each.target:
            self._refuse(f"`{each}` needs a target state")

    def _refuse(self, wrong: str) -> None:
        raise MemrnnError(f"The machine {self.name} is wrong: {wrong}.")

    def _overlap(self, first: Rule, second: Rule) -> bool:
        def meet(one: Sequence[str], other: Sequence[str]) -> bool:
            return not set(one).isdisjoint(other)

        return (
            meet(first.sources, second.sources)
            and meet(first.symbols, second.symbols)
            and all(
                meet(first.top[name], second.top.get(name, first.top[name])) for name in first.top
            )
        )

    @cached_property
    def moves(self) -> tuple[Rule, ...]:
        """The rules that read a symbol, in order; their numbers are those of `Trace.rules`."""
        return tuple(each for each in self.rules if not each.ends)

    @cached_property
    def states(self) -> tuple[str, ...]:
        """All states, the first one first."""
        named = [self.start]
        for each in self.rules:
            named += [*each.sources, *filter(None, [each.target])]
        return tuple(dict.fromkeys(named))

    @cached_property
    def stack_sizes(self) -> tuple[int, ...]:
        """Number of symbols of each stack."""
        return tuple(len(symbols) for symbols in self.stacks.values())

    @cached_property
    def targets(self) -> tuple[int, ...]:
        """The number of the state that each of `moves` leads to."""
        return tuple(self.states.index(each.target) for each in self.moves)

    @cached_property
    def actions(self) -> tuple[tuple[int | None, ...], ...]:
        """What each of `moves` does on each stack: push a symbol (its id), `POP` or None."""
        return tuple(
            tuple(
                symbols.index(each.push[name])
                if name in each.push
                else POP
                if name in each.pop
                else None
                for name, symbols in self.stacks.items()
            )
            for each in self.moves
        )

    @cached_property
    def legal(self) -> tuple[tuple[int, ...], ...]:
        """By the number of a state, the symbols that may come next, as ids; `END` is one of them.

        They are those of its rules. The last of them is the one that the state's phase ends with:
        `END`, else the one whose rules let the stacks grow least; of equals the one whose rule is
        written last.
        """
        growth: list[dict[str, int]] = [{} for _ in self.states]
        for each in self.rules:
            for source, symbol in itertools.product(each.sources, each.symbols):
                known = growth[self.states.index(source)]
                known[symbol] = max(known.get(symbol, each.growth), each.growth)
        ids = {symbol: number for number, symbol in enumerate((*self.symbols, END))}
        return tuple(
            tuple(ids[s] for s in sorted(known, key=lambda s: (s == END, -known[s])))
            for known in growth
        )

    @cached_property
    def digest(self) -> str:
        """Of everything but the name."""
        rules = [
            [each.sources, each.symbols, each.target, dict(each.top), dict(each.push), each.pop]
            for each in self.rules
        ]
        return digest([self.symbols, list(self.stacks.items()), self.start, rules])

    @cached_property
    def _sets(self) -> list[tuple[frozenset[int], frozenset[int], tuple[frozenset[int], ...]]]:
        """Every rule's states, symbols and tops, as numbers; -1 is the top of an empty stack."""
        symbols = {symbol: number for number, symbol in enumerate((*self.symbols, END))}
        states = {state: number for number, state in enumerate(self.states)}

        def tops(each: Rule, name: str) -> frozenset[int]:
            ids = {EMPTY: -1} | {symbol: n for n, symbol in enumerate(self.stacks[name])}
            return frozenset(ids[symbol] for symbol in each.top.get(name, ids))

        return [
            (
                frozenset(states[state] for state in each.sources),
                frozenset(symbols[symbol] for symbol in each.symbols),
                tuple(tops(each, name) for name in self.stacks),
            )
            for each in (*self.moves, *(each for each in self.rules if each.ends))
        ]

    @cached_property
    def outcomes(self) -> dict[tuple[int, int, tuple[int, ...]], "Outcome"]:
        """What `outcome` has found so far, by its arguments."""
        return {}

    def outcome(self, state: int, symbol: int, tops: tuple[int, ...]) -> "Outcome":
        """What happens in a state at a symbol, `END` among them, with these tops, -1 for empty.

        Args:
            state: its number.
            symbol: its id.
            tops: of every stack the id of the top symbol, -1 where it is empty.
        """
        key = state, symbol, tops
        if key not in self.outcomes:
            self.outcomes[key] = self._find_outcome(*key)
        return self.outcomes[key]

    def _find_outcome(self, state: int, symbol: int, tops: tuple[int, ...]) -> "Outcome":
        for number, (states, symbols, allowed) in enumerate(self._sets):
            if (
                state in states
                and symbol in symbols
                and all(top in those for top, those in zip(tops, allowed, strict=True))
            ):
                if number >= len(self.moves):
                    return Outcome(number, -1, ())
                actions = enumerate(self.actions[number])
                changes = tuple((stack, action) for stack, action in actions if action is not None)
                return Outcome(number, self.targets[number], changes)
        return Outcome(-1, -1, ())

    def run(self, string: Integer[np.ndarray, " length"]) -> Trace:
        """What the machine does along a string of symbol ids.

        Args:
            string: symbol ids.
        """
        rules = np.full(len(string), -1, np.int32)
        tops = np.full((len(string), len(self.stacks)), -1, np.int32)
        configuration = Configuration(self)
        for t, symbol in enumerate(string.tolist()):
            tops[t] = configuration.tops
            rules[t] = configuration.read(symbol)
            if rules[t] < 0:
                tops[t:] = tops[t]
                break
        return Trace(rules, tops)

    def accepts(self, string: Integer[np.ndarray, " length"]) -> bool:
        """Whether the string belongs to the machine's language.

        Args:
            string: symbol ids.
        """
        configuration = Configuration(self)
        return (
            all(configuration.read(symbol) >= 0 for symbol in string.tolist())
            and configuration.may_end
        )

    def state_numbers(self, trace: Trace) -> Int32[np.ndarray, " length_plus_1"]:
        """Numbers of the states after 0 ... n symbols, -1 where the machine is dead.

        Args:
            trace: of a string of n symbols.
        """
        targets = np.array([*self.targets, -1], np.int32)  # a rule of -1 reads the last
        return np.append(np.int32(0), targets[trace.rules])


class Configuration:
    """A state and the content of the stacks, which `read` changes.

    Attributes:
        state: its number; -1 when the machine is dead.
        stacks: symbols of every stack, the top last.

    Examples:
        >>> from memrnn.automata import Configuration, machine_of
        >>> configuration = Configuration(machine_of("count-3"))
        >>> [configuration.read(symbol) for symbol in (0, 0, 1)]  # the rules that fire
        [0, 1, 2]
        >>> configuration.stacks, configuration.may_end
        ([[], [0]], False)
    """

    def __init__(self, machine: Machine):
        self._machine = machine
        self.state = 0
        self.stacks: list[list[int]] = [[] for _ in machine.stacks]

    @property
    def tops(self) -> tuple[int, ...]:
        return tuple([stack[-1] if stack else -1 for stack in self.stacks])

    @property
    def may_end(self) -> bool:
        """Whether the string may end here."""
        return self._machine.outcome(self.state, len(self._machine.symbols), self.tops).rule >= 0

    @property
    def key(self) -> tuple:
        """Equal for equal configurations."""
        return self.state, *map(tuple, self.stacks)

    def copy(self) -> "Configuration":
        other = Configuration(self._machine)
        other.state, other.stacks = self.state, [list(stack) for stack in self.stacks]
        return other

    def read(self, symbol: int) -> int:
        """Reads a symbol.

        Args:
            symbol: its id.

        Returns:
            The number of the rule that fires, -1 for none: the machine is then dead.
        """
        key = self.state, symbol, tuple([stack[-1] if stack else -1 for stack in self.stacks])
        outcome = self._machine.outcomes.get(key) or self._machine.outcome(*key)
        number, self.state, changes = outcome
        for stack, action in changes:
            if action != POP:
                self.stacks[stack].append(action)
            elif self.stacks[stack]:
                self.stacks[stack].pop()
        return number if self.state >= 0 else -1
