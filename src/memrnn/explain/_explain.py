"""A network along one string: its predictions, and what its memory does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float64, Int
from scipy.special import softmax

from memrnn.errors import MemrnnError
from memrnn.explain._traces import StackRun, Trace, trace
from memrnn.nn.network import Network
from memrnn.nn.unroll import State
from memrnn.runtime.precision import scope


@dataclass(frozen=True)
class Explanation:
    """What a network predicts along a string, and what its memory does.

    Update t is made after symbol t and read together with symbol t + 1, so a string of n symbols
    has n - 1 updates that are read.

    Attributes:
        tokens: the string's symbol ids.
        targets: the outputs that are right after 0 ... n symbols.
        probabilities: of each output after 0 ... n symbols.
        trace: what the memory does.
        states: the controller's state after 0 ... n symbols, one vector of it after another; the
            first is the hidden state.
        scored_from: the first target that counts in `scored` and `perplexity`.

    Examples:
        >>> import memrnn
        >>> from memrnn.explain import explain
        >>> task = memrnn.Strings("marked-copy")
        >>> network = task.build(memrnn.get_model("lstm-6+jm-2"), seed=0)
        >>> tokens = task.encode("01#01")
        >>> explanation = explain(network, tokens, task.targets(tokens))
        >>> explanation.targets, len(explanation.probability)
        ((0, 1, 2, 0, 1, 3), 6)
    """

    tokens: tuple[int, ...]
    targets: tuple[int, ...]
    probabilities: Float64[np.ndarray, "length_plus_1 classes"]
    trace: Trace
    states: tuple[Float64[np.ndarray, "length_plus_1 units"], ...] = ()
    scored_from: int = 0

    @property
    def probability(self) -> Float64[np.ndarray, " length_plus_1"]:
        """The probability of each target."""
        return self.probabilities[np.arange(len(self.targets)), self.targets]

    @property
    def right(self) -> Bool[np.ndarray, " length_plus_1"]:
        """Whether it is the most probable one."""
        return self.probabilities.argmax(axis=1) == self.targets

    @property
    def scored(self) -> Bool[np.ndarray, " scored"]:
        """`right` of the targets that count."""
        return self.right[self.scored_from :]

    @property
    def perplexity(self) -> float:
        """exp of the mean negative log-likelihood of the targets that count, infinite for a 0."""
        with np.errstate(divide="ignore"):
            return float(np.exp(-np.mean(np.log(self.probability[self.scored_from :]))))

    def to_json(self, labels: Sequence[str]) -> dict[str, Any]:
        """What `memrnn explain --json` prints.

        Args:
            labels: names of the outputs; the first ones are those of the symbols, too.
        """
        return {
            "string": [labels[token] for token in self.tokens],
            "outputs": list(labels),
            "probabilities": self.probabilities.tolist(),
            "predicted": [labels[output] for output in self.probabilities.argmax(axis=1)],
            "probability": self.probability.tolist(),
            "right": self.right.tolist(),
            "scored_from": self.scored_from,
            "controller": [vector.tolist() for vector in self.states],
            "memory": _trace_to_json(self.trace),
        }


def explain(
    network: Network,
    tokens: Sequence[int] | Int[np.ndarray, " length"],
    targets: Sequence[int] | Int[np.ndarray, " length_plus_1"],
    scored_from: int = 0,
) -> Explanation:
    """Follows a network along one string, in the network's own precision.

    Args:
        network: whose memory has an explanation.
        tokens: symbol ids, at least two.
        targets: the outputs that are right after 0 ... n symbols, see `Task.targets`.
        scored_from: as of `Explanation`, see `Task.scored_from`.

    Returns:
        Probabilities of every output, and what the memory does.

    Raises:
        MemrnnError: for a shorter string, an id that is no symbol's, or a memory without
            explanation (see `memrnn.explain.trace`), or targets that are no outputs.

    Examples:
        >>> import memrnn
        >>> from memrnn.explain import explain
        >>> task = memrnn.Strings("marked-copy")
        >>> network = task.build(memrnn.get_model("lstm-6+jm-2"), seed=0)
        >>> tokens = task.encode("01#01")
        >>> explanation = explain(network, tokens, task.targets(tokens))
        >>> explanation.probabilities.shape  # after 0 ... 5 symbols, each of 4 outputs
        (6, 4)
    """
    ids, targets = tuple(map(int, tokens)), tuple(map(int, targets))
    symbols = network.embedding.symbols
    if len(ids) < 2:
        raise MemrnnError(
            f"The string has length {len(ids)}, but a memory is updated between two symbols; "
            "give at least 2."
        )
    if not all(0 <= token < symbols for token in ids):
        raise MemrnnError(f"Symbol ids must be from 0 to {symbols - 1}; the string is {list(ids)}.")
    with scope(network.dtype.name):
        states, logits = _follow(network, jnp.asarray(ids, jnp.int32))
        memory_trace = trace(network.memory, states[0][1:-1])
    positions, outputs = logits.shape
    if len(targets) != positions or not all(0 <= target < outputs for target in targets):
        raise MemrnnError(
            f"There must be {positions} targets from 0 to {outputs - 1}, not {list(targets)}."
        )
    probabilities = softmax(np.asarray(logits, np.float64), axis=1)
    vectors = tuple(np.asarray(vector, np.float64) for vector in states)
    return Explanation(ids, targets, probabilities, memory_trace, vectors, scored_from)


@eqx.filter_jit
def _follow(network: Network, tokens: Int[Array, " length"]) -> tuple[list[Array], Array]:
    """The vectors of the controller's state, and the logits, after 0 ... n symbols."""

    def vectors(state: State) -> list[Array]:
        return [leaf.ravel() for leaf in jax.tree.leaves(state.controller)]

    def step(state: State, token: Array) -> tuple[State, list[Array]]:
        state = network.step(state, token[None])
        return state, vectors(state)

    start = network.init(1, len(tokens))
    _, later = jax.lax.scan(step, start, tokens)
    states = [
        jnp.concatenate([first[None], rest])
        for first, rest in zip(vectors(start), later, strict=True)
    ]
    return states, network.logits(states[0])


def _trace_to_json(trace: Trace) -> dict[str, Any]:
    if isinstance(trace, StackRun):
        actions = [action._asdict() for action in trace.run.actions]
        marginals = trace.marginals.tolist()
        return {**vars(trace.run), "actions": actions, "share": trace.share, "marginals": marginals}
    return {
        "stacks": [
            {
                name: value.tolist() if isinstance(value, np.ndarray) else value
                for name, value in vars(stack).items()
            }
            for stack in trace
        ]
    }
