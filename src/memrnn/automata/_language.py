"""The language of a machine of one's own, without exact probabilities."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NoReturn, final

import numpy as np
from jaxtyping import Float64, Int32

from memrnn.automata._check import check_machine
from memrnn.automata._machine import Machine
from memrnn.automata._machines import MACHINES, VARIANTS
from memrnn.automata._prefetch import prefetch
from memrnn.automata._walk import walk
from memrnn.errors import MemrnnError
from memrnn.languages import Language, get_language, language_arguments, register_language
from memrnn.languages.predictors import NextSymbol
from memrnn.runtime import formats

COUNTED_STRINGS = 20
"""Strings from which baselines are fitted, per length."""


@final
@dataclass(frozen=True, eq=False)
class MachineLanguage(Language):
    """The strings that a machine accepts, drawn by `walk`.

    Membership, determined symbols and valid lengths follow from the machine, valid lengths as far
    as walks find strings. Walks have no probabilities that could be given, so there is no
    Bayes-optimal predictor; baselines are fitted on strings drawn.

    Args:
        machine: whose states tell the legal next symbols (`check_machine`).

    Examples:
        >>> import numpy as np
        >>> from memrnn.automata import MachineLanguage, machine_of
        >>> language = MachineLanguage(machine_of("dyck:k=1"))
        >>> language.decode(language.sample(6, 1, np.random.default_rng(0))[0])
        '((()))'
    """

    exact: ClassVar[bool] = False
    machine: Machine

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.machine.name

    @property
    def symbols(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.machine.symbols

    @property
    def source(self) -> str:
        return self.machine.digest

    @property
    def has_determined_symbols(self) -> bool:
        return any(len(legal) == 1 for legal in self.machine.legal)

    def describe(self) -> str:
        return f"strings of a machine with {len(self.machine.moves)} rules, drawn by random walks"

    def valid(self, length: int) -> bool:
        return length >= 0 and _found(self.machine.digest, self, length)

    def sample(
        self, length: int, count: int, rng: np.random.Generator
    ) -> Int32[np.ndarray, "{count} {length}"]:
        strings = np.empty((count, length), np.int32)
        for row in range(count):
            string = walk(self.machine, length, rng)
            if string is None:
                raise MemrnnError(
                    f"Random walks found no string of {self.name} of length {length}; give "
                    "another length."
                )
            strings[row] = string
        return strings

    def log_probabilities(self, strings: np.ndarray) -> np.ndarray:
        """0 for strings of the language, -inf for others: a walk has no probabilities."""
        return np.array([0.0 if self.machine.accepts(s) else -np.inf for s in strings])

    def determined(self, strings: np.ndarray) -> np.ndarray:
        return self.legal(strings).sum(axis=-1) == 1

    def legal(self, strings: np.ndarray) -> np.ndarray:
        table = np.zeros((len(self.machine.states) + 1, self.eos + 1), bool)  # the last is death
        for row, symbols in zip(table, self.machine.legal, strict=False):
            row[list(symbols)] = True
        states = [self.machine.state_numbers(self.machine.run(string)) for string in strings]
        return table[np.array(states, np.int64).reshape(len(strings), -1)]

    def transition_counts(self, length: int) -> Float64[np.ndarray, "outputs outputs"]:
        """Mean counts of adjacent pairs in strings drawn with a fixed seed."""
        strings = self.sample(length, COUNTED_STRINGS, np.random.default_rng([0, length]))
        strings = np.pad(strings, ((0, 0), (1, 1)), constant_values=self.eos)
        counts = np.zeros((self.eos + 1, self.eos + 1))
        np.add.at(counts, (strings[:, :-1], strings[:, 1:]), 1 / COUNTED_STRINGS)
        return counts

    def entropy(self, length: int) -> float:
        self._refuse()

    def next_symbol_probabilities(self, strings: np.ndarray, lengths: Sequence[int]) -> NextSymbol:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise MemrnnError(f"The strings of {self.name} are drawn by walks without probabilities.")


@functools.lru_cache(maxsize=100_000)
def _found(key: str, language: MachineLanguage, length: int) -> bool:
    rng, machine = np.random.default_rng([1, length]), language.machine
    # Where the first phase goes on for long, nearly every walk can be as long as is asked for.
    stop = 1 / (4 * max(length, 1))
    found = walk(machine, length, rng, stop=stop, attempts=4)
    return found is not None or walk(machine, length, rng, attempts=4) is not None


@dataclass(frozen=True)
class _Given:
    """The factory of a machine's language."""

    language: MachineLanguage

    def __call__(self) -> MachineLanguage:
        return self.language


def register_machine(machine: Machine) -> Machine:
    """Makes the language of a machine known under the machine's name.

    Args:
        machine: any; its `prefetch` is taken where its states do not tell the legal next symbols.

    Returns:
        The machine whose states tell what may come next: this one, or its `prefetch`.

    Raises:
        MemrnnError: if neither is such a machine (`check_machine`), or if another language has the
            name.

    Examples:
        >>> import memrnn
        >>> from memrnn.automata import Machine, register_machine, rule
        >>> rules = rule("S", "a", "A"), rule("A", "b", "S"), rule("S", "end")
        >>> machine = register_machine(Machine("ab-star", ("a", "b"), {}, "S", rules))
        >>> memrnn.get_language("ab-star").valid(4)
        True
    """
    machine = predicting(machine)
    register_language(machine.name, _Given(MachineLanguage(machine)))
    return machine


def predicting(machine: Machine) -> Machine:
    """The machine if its states tell the legal next symbols, else its `prefetch`.

    Raises:
        MemrnnError: if that machine does not, either: some prefix has no completion.
    """
    try:
        check_machine(machine)
    except MemrnnError:
        machine = prefetch(machine)
        check_machine(machine)
    return machine


def machine_of(language: str) -> Machine:
    """The machine of a language, by the language's name.

    Args:
        language: a name for `get_language`.

    Raises:
        MemrnnError: if there is no such language, or no machine for it.

    Examples:
        >>> from memrnn.automata import machine_of
        >>> machine_of("dyck:k=1").symbols
        ('(', ')')
    """
    made = get_language(language)
    if isinstance(made, MachineLanguage):
        return made.machine
    name, parameters = language_arguments(language)
    if name not in MACHINES:
        raise MemrnnError(
            f"There is no machine for {language}: none with stacks is known whose state tells "
            f"what comes next. There are machines for {formats.listed(list(MACHINES))}, and yours "
            "can be a TOML file."
        )
    return MACHINES[name](**parameters)


def machines_of(language: str) -> tuple[Machine, ...]:
    """All machines that are known for a language, that of `machine_of` first.

    Args:
        language: a name for `get_language`.

    Raises:
        MemrnnError: as `machine_of`.

    Examples:
        >>> from memrnn.automata import machines_of
        >>> [machine.name for machine in machines_of("count-3")]
        ['count-3', 'count-3 at once']
    """
    first = machine_of(language)
    name, parameters = language_arguments(language)
    return first, *(make(**parameters) for make in VARIANTS.get(name, ()))
