"""What a discrete network does along strings, and the machine that does the same there."""

import time
from collections.abc import Iterable
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32

from memrnn.automata import EMPTY, END, POP, Machine, rule
from memrnn.stability.discrete import Table

Position = tuple[int, int, tuple[int, ...]]
"""A state, the symbol read there, and the top cells of some stacks."""


class Visits(NamedTuple):
    """Of a discrete network along strings.

    Attributes:
        strings: how many there are.
        symbols: how many they have.
        wrong: determined symbols that are not predicted.
        determined: how many there are.
        codes: that were visited.
        seconds: that it took, computing what was missing in the table included.

    Examples:
        >>> import numpy as np
        >>> import memrnn
        >>> from memrnn.automata import machine_of
        >>> from memrnn.stability import Table, compile_machine, visit
        >>> model = memrnn.get_model("lstm-12:discrete+jm-2:hard")
        >>> machine = machine_of("marked-reversal")
        >>> network = compile_machine(machine, model.build(memrnn.OneHot(3), classes=4, seed=0))
        >>> table = Table(network, "float32")
        >>> visits = visit(table, machine, [np.array([0, 1, 2, 1, 0], np.int32)])
        >>> visits.strings, visits.symbols, len(visits.codes)
        (1, 5, 6)
    """

    strings: int
    symbols: int
    wrong: int
    determined: int
    codes: frozenset[int]
    seconds: float


def visit(table: Table, machine: Machine, strings: Iterable[Int32[np.ndarray, " _"]]) -> Visits:
    """Runs a discrete network on strings of a machine, whose states tell what is determined.

    Args:
        table: of a discrete network.
        machine: whose states tell what is determined.
        strings: of the machine's language.

    Examples:
        >>> import numpy as np
        >>> import memrnn
        >>> from memrnn.automata import machine_of
        >>> from memrnn.stability import Table, compile_machine, visit
        >>> model = memrnn.get_model("lstm-12:discrete+jm-2:hard")
        >>> machine = machine_of("marked-reversal")
        >>> network = compile_machine(machine, model.build(memrnn.OneHot(3), classes=4, seed=0))
        >>> table = Table(network, "float32")
        >>> visits = visit(table, machine, [np.array([0, 1, 2, 1, 0], np.int32)])
        >>> visits.wrong, visits.determined
        (0, 3)
    """
    begin, count, symbols, wrong, determined = time.perf_counter(), 0, 0, 0, 0
    codes = set[int]()
    single = np.array([*(s[0] if len(s) == 1 else -1 for s in machine.legal), -1], np.int32)
    for string in strings:
        walked = table.run(string).codes
        only = single[machine.state_numbers(machine.run(string))]
        best = np.array([output.best for output in table.outputs], np.int32)[walked]
        count, symbols = count + 1, symbols + len(string)
        wrong += int(np.sum((only >= 0) & (best != only)))
        determined += int(np.sum(only >= 0))
        codes.update(np.unique(walked).tolist())
    seconds = time.perf_counter() - begin
    return Visits(count, symbols, wrong, determined, frozenset(codes), seconds)


def extracted(
    table: Table, machine: Machine, strings: Iterable[Int32[np.ndarray, " _"]], name: str
) -> Machine:
    """The machine whose steps are those of a network along strings, with few states.

    Codes become one state where what is legal after them agrees and no step that was taken differs
    (they are merged one after another, as in Oncina & Garcia 1992). A rule tests the
    fewest stacks that tell its outcomes apart; a stack that no rule tests is left out. So the
    machine does along these strings what the network does, and elsewhere it is a guess.

    Args:
        table: of a discrete network.
        machine: whose states give the legal symbols; strings are of its language.
        strings: along which the machine is right.
        name: of the machine that is made.

    Returns:
        The machine.

    Examples:
        >>> import numpy as np
        >>> import memrnn
        >>> from memrnn.automata import machine_of
        >>> from memrnn.stability import Table, compile_machine, extracted
        >>> model = memrnn.get_model("lstm-12:discrete+jm-2:hard")
        >>> machine = machine_of("marked-reversal")
        >>> network = compile_machine(machine, model.build(memrnn.OneHot(3), classes=4, seed=0))
        >>> table = Table(network, "float32")
        >>> strings = [np.array([0, 1, 2, 1, 0], np.int32), np.array([1, 2, 1], np.int32)]
        >>> extracted(table, machine, strings, "learned").name
        'learned'
    """
    legal: dict[int, set[tuple[int, ...]]] = {}
    steps: dict[Position, int] = {}
    for string in strings:
        walked = table.run(string)
        states = machine.state_numbers(machine.run(string)).tolist()
        codes = walked.codes.tolist()
        for code, state in zip(codes[1:], states[1:], strict=True):
            legal.setdefault(code, set()).add(tuple(sorted(machine.legal[state])))
        # The shortest strings may be left out, and so what is legal at the start.
        legal.setdefault(0, set()).add(tuple(string[:1].tolist()))
        rows = zip(codes, string.tolist(), walked.tops.tolist(), codes[1:], strict=False)
        steps |= {(code, symbol, tuple(tops)): after for code, symbol, tops, after in rows}
    blocks = _merged(table, steps, legal)
    return _machine(table, machine, steps, blocks, legal, name)


class _Blocks:
    """A partition of codes whose blocks can be merged, and what each block does."""

    def __init__(self, table: Table, steps: dict[Position, int], legal: dict):
        self.table, self.legal = table, legal
        self.block = {code: code for code in legal}
        self.steps: dict[int, dict[tuple[int, tuple[int, ...]], int]] = {c: {} for c in legal}
        for (code, symbol, tops), after in steps.items():
            self.steps[code][symbol, tops] = after

    def try_to_merge(self, one: int, other: int) -> bool:
        """Merges two blocks, and those that follow from that; nothing if some cannot be."""
        block, changed = dict(self.block), dict[int, dict]()

        def find(code: int) -> int:
            while block[code] != code:
                code = block[code]
            return code

        pairs = [(one, other)]
        while pairs:
            keep, drop = sorted(map(find, pairs.pop()))
            if keep == drop:
                continue
            if self.legal[keep] != self.legal[drop]:
                return False
            block[drop] = keep
            steps = dict(changed.get(keep, self.steps[keep]))
            for position, after in changed.get(drop, self.steps[drop]).items():
                if position not in steps:
                    steps[position] = after
                elif self.table.outputs[steps[position]].changes != (
                    self.table.outputs[after].changes
                ):
                    return False
                else:
                    pairs.append((steps[position], after))
            changed[keep] = steps
        self.block = {code: find(code) for code in block}
        self.steps |= changed
        return True


def _merged(table: Table, steps: dict[Position, int], legal: dict) -> dict[int, int]:
    """The block of each code, by the smallest code in it."""
    blocks = _Blocks(table, steps, legal)
    kept: list[int] = []
    for code in sorted(legal):
        if blocks.block[code] == code and not any(blocks.try_to_merge(k, code) for k in kept):
            kept.append(code)
    return blocks.block


def _machine(
    table: Table, machine: Machine, steps: dict, blocks: dict[int, int], legal: dict, name: str
) -> Machine:
    outcomes: dict[tuple[int, int], dict[tuple[int, ...], tuple[int, tuple]]] = {}
    for (code, symbol, tops), after in steps.items():
        outcome = blocks[after], table.outputs[after].changes
        outcomes.setdefault((blocks[code], symbol), {})[tops] = outcome
    tested = {place: _tested(found) for place, found in outcomes.items()}
    used = sorted({stack for stacks in tested.values() for stack in stacks})
    states = {block: f"q{number}" for number, block in enumerate(sorted(set(blocks.values())))}
    names = {stack: f"stack{stack + 1}" for stack in used}
    cells: dict[int, set[int]] = {stack: set() for stack in used}
    rules = []
    for (block, symbol), found in outcomes.items():
        rows: dict[tuple, set[int]] = {}  # rules that differ in the last top become one
        for tops, (target, changes) in found.items():
            changes = tuple((stack, action) for stack, action in changes if stack in used)
            seen = tuple(tops[stack] for stack in tested[block, symbol])
            rows.setdefault((target, changes, seen[:-1]), set()).update(seen[-1:])
        for (target, changes, first), last in rows.items():
            seen = [*({cell} for cell in first), *([last] if last else [])]
            top: dict[str, list[str]] = {}
            for stack, values in zip(tested[block, symbol], seen, strict=True):
                cells[stack].update(values)
                texts = [_text(table, stack, cell) for cell in sorted(values)]
                top[names[stack]] = [*texts, EMPTY] if 0 in values else texts
            push = {stack: action for stack, action in changes if action != POP}
            for stack, cell in push.items():
                cells[stack].add(cell)
            rules.append(
                rule(
                    states[block],
                    machine.symbols[symbol],
                    states[target],
                    top=top,
                    push={names[s]: _text(table, s, cell) for s, cell in push.items()},
                    pop=[names[stack] for stack, action in changes if action == POP],
                )
            )
    end = len(machine.symbols)
    ends = [states[b] for b in sorted(states) if any(end in symbols for symbols in legal[b])]
    stacks = {names[s]: tuple(_text(table, s, cell) for cell in sorted(cells[s])) for s in used}
    rules += [rule(ends, END)] if ends else []
    return Machine(name, machine.symbols, stacks, states[blocks[0]], tuple(rules))


def _tested(found: dict[tuple[int, ...], tuple]) -> tuple[int, ...]:
    """The fewest stacks whose tops tell outcomes apart."""
    stacks = range(len(next(iter(found))))
    for count in range(len(stacks) + 1):
        for chosen in combinations(stacks, count):
            seen: dict[tuple[int, ...], tuple] = {}
            if all(
                seen.setdefault(tuple(tops[s] for s in chosen), outcome) == outcome
                for tops, outcome in found.items()
            ):
                return chosen
    raise AssertionError("all stacks tell all outcomes apart")


def _text(table: Table, stack: int, cell: int) -> str:
    """A cell as its coordinates, the first one first."""
    return "".join(str(cell >> bit & 1) for bit in range(table.stacks[stack]))
