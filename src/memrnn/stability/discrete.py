"""A discrete network as a finite machine with stacks, whose table is filled as it is needed.

Where a controller's state holds nothing but -1, 0 and 1, it has finitely many states, here called
*codes*. Where, moreover, each stack is pushed, popped or left as it is, and what is pushed is
binary, a stack is a list of binary vectors, here called *cells*. The next code follows from the
code, the input symbol and the top of every stack; a code alone gives the actions, the pushed
vectors and the prediction. A network like that *is* a deterministic machine with stacks.

**Exact steps.** A hard action is exactly (1, 0, 0), (0, 1, 0) or (0, 0, 1), so a stack moves by
whole cells, since 1 x + 0 y + 0 z = x in floating point. A table of steps from exact states is
therefore the network at every depth and length. Each step is computed by both rules of
`memrnn.unroll`, which add the same numbers in different orders, and refused where they differ. What
is assumed is that a step computes the same code whether it is computed alone or among others.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int32, Integer

from memrnn.automata import POP
from memrnn.errors import MemrnnError
from memrnn.nn.controllers import DiscreteController
from memrnn.nn.memories import NoMemory, Superposed, Superposition
from memrnn.nn.network import Network
from memrnn.nn.unroll import FAST, REFERENCE, Rule, State
from memrnn.runtime.precision import cast, scope

Key = tuple[int, int, tuple[int, ...]]
"""What a step follows from: a code, a symbol, and the top cell of every stack, 0 for none."""

WIDTHS = (16, 1024)
"""Steps that are computed at once: a program is compiled for each."""
BELOW_TOP, BELOW_THAT = 2, 3
"""What no binary vector holds, in the two rows below the top: they tell what a step did."""
WIDEST = 31
"""Coordinates of a vector that fit into the number of a cell, of 32 bits with a sign."""


class Output(NamedTuple):
    """What follows from a code.

    Attributes:
        changes: stacks and what is done there, the cell that is pushed or `POP`.
        best: the most probable next symbol, -1 where a logit is not finite.
        log_probabilities: of the next symbol, the end of the string last.
    """

    changes: tuple[tuple[int, int], ...]
    best: int
    log_probabilities: Float[np.ndarray, " outputs"]


class Walk(NamedTuple):
    """What a discrete network does along a string.

    Attributes:
        codes: after 0 ... n symbols.
        tops: top cell of every stack before each symbol, 0 for an empty one.
    """

    codes: Int32[np.ndarray, " length_plus_1"]
    tops: Int32[np.ndarray, "length stacks"]


class Table:
    """The steps of a discrete network that have been asked for.

    Cells are numbers: bit i is coordinate i of the vector. An empty stack reads as the vector of
    zeros does, and both are 0. Code 0 is the state before the first symbol, after which the stacks
    are as they were; a state of zeros that is reached later is another code.

    Attributes:
        network: in the number format in which steps are computed.
        precision: the name of that format.
        stacks: length of the vectors of each stack.
        outputs: by code.
        steps: the next code, by what it follows from.

    Raises:
        MemrnnError: if the network is not discrete; later, by whatever asks for a step, if a state
            or what is done to a stack is not finite, or if the two rules differ.

    Examples:
        >>> import numpy as np
        >>> import memrnn
        >>> from memrnn.automata import machine_of
        >>> from memrnn.stability import Table, compile_machine
        >>> model = memrnn.get_model("lstm-12:discrete+jm-2:hard")
        >>> machine = machine_of("marked-reversal")
        >>> network = compile_machine(machine, model.build(memrnn.OneHot(3), classes=4, seed=0))
        >>> table = Table(network, "float32")
        >>> walk = table.run(np.array([0, 1, 2, 1, 0]))
        >>> table.outputs[walk.codes[-1]].best  # the end of the string
        3
    """

    def __init__(self, network: Network, precision: str):
        self.stacks = _stacks(network)
        self.precision = precision
        self.outputs: list[Output] = []
        self.steps: dict[Key, int] = {}
        self._codes: dict[bytes, int] = {}
        self._states: list[np.ndarray] = []
        with scope(precision):
            self.network = cast(network, precision)
            start = jnp.concatenate(self.network.controller.init(1), axis=1)
            hidden = self.network.controller.init(1)[0]
            logits = np.asarray(_float32(self.network.logits(hidden)))
        self._add(np.asarray(_float32(start))[0], logits[0], ())  # no step leads here

    @property
    def symbols(self) -> int:
        """How many symbols there are; the end of the string has the id after the last."""
        return self.network.embedding.symbols

    def state(self, code: int) -> Float[np.ndarray, " state"]:
        """The vectors of the controller's state one after another, the hidden state first."""
        return self._states[code]

    def fill(self, keys: Iterable[Key]) -> None:
        """Computes those of the steps that are missing.

        Args:
            keys: code, symbol and tops of each step.
        """
        missing = [key for key in dict.fromkeys(keys) if key not in self.steps]
        while missing:
            width = WIDTHS[len(missing) > WIDTHS[0]]
            self._compute(missing[:width], width)
            missing = missing[width:]

    def step(self, code: int, symbol: int, tops: tuple[int, ...]) -> int:
        """The next code.

        Args:
            code: the controller's state.
            symbol: its id.
            tops: top cell of every stack, 0 where it is empty.
        """
        key = code, symbol, tops
        if key not in self.steps:
            self.fill([key])
        return self.steps[key]

    def run(self, string: Integer[np.ndarray, " length"]) -> Walk:
        """What the network does along a string: in constant time per step once it is known.

        Args:
            string: symbol ids.
        """
        # A loop with local names, since strings may have a million symbols.
        steps, outputs = self.steps, self.outputs
        stacks: list[list[int]] = [[0] for _ in self.stacks]  # a 0 lies below every bottom
        code, codes, all_tops = 0, [0], list[tuple[int, ...]]()
        for symbol in string.tolist():
            tops = tuple([stack[-1] for stack in stacks])
            all_tops.append(tops)
            after = steps.get((code, symbol, tops))
            code = self.step(code, symbol, tops) if after is None else after
            codes.append(code)
            for stack, action in outputs[code].changes:
                if action != POP:
                    stacks[stack].append(action)
                elif len(stacks[stack]) > 1:
                    stacks[stack].pop()
        tops = np.array(all_tops, np.int32).reshape(len(string), len(self.stacks))
        return Walk(np.array(codes, np.int32), tops)

    def _compute(self, keys: Sequence[Key], width: int) -> None:
        rows = [*keys, *[keys[0]] * (width - len(keys))]
        states = np.stack([self._states[code] for code, _, _ in rows])
        symbols = np.array([symbol for _, symbol, _ in rows], np.int32)
        tops = np.array([tops for _, _, tops in rows], np.int32).reshape(width, len(self.stacks))
        begun = self._cells(tops)
        stacks, widest = width * len(self.stacks), begun.shape[-1]
        with scope(self.precision):
            given = (
                jnp.asarray(states),
                jnp.asarray(symbols),
                jnp.asarray(begun.reshape(stacks, 3 * widest)),
            )
            both = [_step(self.network, *given, rule) for rule in (REFERENCE, FAST)]
        (state, cells, logits), (fast_state, fast_cells, _) = [
            map(np.asarray, each) for each in both
        ]
        same = np.array_equal(state, fast_state) and np.array_equal(
            cells, fast_cells, equal_nan=True
        )
        if not same:
            raise MemrnnError(
                "The network's next state depends on the order of a sum: the rules REFERENCE and "
                "FAST round it differently. Take another --precision, or train another restart."
            )
        for row, key in enumerate(keys):
            known = self._codes.get(state[row].tobytes())
            if known is None:
                changes = self._changes(begun[row], cells[row].reshape(begun[row].shape))
                known = self._codes[state[row].tobytes()] = len(self.outputs)
                self._add(state[row], logits[row], changes)
            self.steps[key] = known

    def _cells(
        self, tops: Int32[np.ndarray, "steps stacks"]
    ) -> Float[np.ndarray, "steps stacks 3 widest"]:
        """Stacks of three rows, the tops first."""
        widest = max(self.stacks, default=0)
        cells = np.zeros((len(tops), len(self.stacks), 3, widest), np.float32)
        cells[:, :, 0] = tops[:, :, None] >> np.arange(widest) & 1
        for stack, size in enumerate(self.stacks):
            cells[:, stack, 1, :size], cells[:, stack, 2, :size] = BELOW_TOP, BELOW_THAT
        return cells

    def _changes(
        self,
        before: Float[np.ndarray, "stacks 3 widest"],
        after: Float[np.ndarray, "stacks 3 widest"],
    ) -> tuple[tuple[int, int], ...]:
        """What happened to stacks of `_cells`.

        Raises:
            MemrnnError: if it is neither of push, pop and nothing.
        """
        changes: list[tuple[int, int]] = []
        for stack, (old, new) in enumerate(zip(before, after, strict=True)):
            if np.array_equal(new, old):
                continue
            if np.array_equal(new[:2], old[1:]) and not new[2].any():
                changes.append((stack, POP))
            elif np.array_equal(new[1:], old[:2]) and np.isin(new[0], (0, 1)).all():
                changes.append((stack, int((new[0] == 1) @ (1 << np.arange(new.shape[1])))))
            else:
                raise MemrnnError(
                    f"What the network does to its stack {stack + 1} is not finite; train another "
                    "restart, or take another --precision."
                )
        return tuple(changes)

    def _add(self, state: np.ndarray, logits: np.ndarray, changes: tuple) -> None:
        if not np.isin(state, (-1, 0, 1)).all():
            raise MemrnnError("The network has a state that is not finite; train another restart.")
        best = int(logits.argmax()) if np.isfinite(logits).all() else -1
        logs = logits - np.logaddexp.reduce(logits.astype(np.float64))
        self.outputs.append(Output(changes, best, logs))
        self._states.append(state)


def _stacks(network: Network) -> tuple[int, ...]:
    """Lengths of the vectors of a discrete network's stacks."""
    controller, memory = network.controller, network.memory
    if isinstance(controller, DiscreteController) and controller.discrete:
        if isinstance(memory, NoMemory):
            return ()
        if (
            isinstance(memory, Superposition)
            and memory.hard
            and memory.weight_push is not None
            and memory.depth_limit is None
        ):
            if max(memory.sizes) > WIDEST:
                raise MemrnnError(
                    f"A stack holds vectors of {max(memory.sizes)} numbers, but a table at most "
                    f"of {WIDEST}."
                )
            return memory.sizes
    raise MemrnnError(
        "Only a discrete network is a finite machine with stacks: elman, gru or lstm:discrete, "
        "with hard superposition stacks of learned vectors without a depth limit or with no "
        "memory, such as lstm:discrete+jm-3.3.3:hard."
    )


@eqx.filter_jit
def _step(
    network: Network,
    states: Float[Array, "steps state"],
    symbols: Int[Array, " steps"],
    cells: Float[Array, "rows cells"],
    rule: Rule,
) -> tuple[Float[Array, "steps state"], Float[Array, "steps _"], Array]:
    """One step of the network each: the controller's state, the stacks' cells and the logits."""
    controller, steps = network.controller, len(symbols)
    vectors = len(controller.init(1))
    own = tuple(jnp.split(states.astype(network.dtype), vectors, axis=1))
    memory: Any = network.memory.init(steps, 1)
    if isinstance(network.memory, Superposition):
        memory = Superposed(cells.astype(network.dtype), None)
    hidden, after = network.hidden(symbols[None], State(own, memory), rule=rule)
    left = after.memory.cells if isinstance(after.memory, Superposed) else jnp.zeros((steps, 0))
    return (
        _float32(jnp.concatenate(after.controller, axis=1)),
        _float32(left.reshape(steps, -1)),
        _float32(network.logits(hidden[0])),
    )


def _float32(array: Array) -> Array:
    """What is discrete is exact in float32; logits keep float64."""
    return array if array.dtype == jnp.float64 else array.astype(jnp.float32)
