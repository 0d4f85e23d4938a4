"""The networks once more: one string, one number at a time, float64, straight from the paper.

Nothing here knows of batches, padding, matrices of gates or stacks of fixed height.
"""

import math
from collections.abc import Sequence

import numpy as np

from memrnn.nn.memories import (
    NoMemory,
    Nondeterministic,
    Stratification,
    Superposition,
)
from memrnn.nn.network import Network
from reference_nondeterministic import recurrence_readings


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - np.max(x))
    return e / e.sum()


def elman(weights: dict[str, np.ndarray], u: np.ndarray, state: tuple) -> tuple:
    (h,) = state
    return (np.tanh(weights["ih"] @ u + weights["b_ih"] + weights["hh"] @ h + weights["b_hh"]),)


def gru(weights: dict[str, np.ndarray], u: np.ndarray, state: tuple) -> tuple:
    (h,) = state
    n = len(h)
    a = weights["ih"] @ u + weights["b_ih"]
    b = weights["hh"] @ h + weights["b_hh"]
    r = sigmoid(a[:n] + b[:n])
    z = sigmoid(a[n : 2 * n] + b[n : 2 * n])
    new = np.tanh(a[2 * n :] + r * b[2 * n :])
    return ((1 - z) * new + z * h,)


def lstm(weights: dict[str, np.ndarray], u: np.ndarray, state: tuple) -> tuple:
    h, c = state
    n = len(h)
    a = weights["ih"] @ u + weights["b_ih"] + weights["hh"] @ h + weights["b_hh"]
    i, f, g, o = (a[k * n : (k + 1) * n] for k in range(4))
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def capped_lstm(weights: dict[str, np.ndarray], u: np.ndarray, state: tuple) -> tuple:
    h, c = state
    n = len(h)
    a = weights["ih"] @ u + weights["b_ih"] + weights["hh"] @ h
    i, f, g, o = (a[k * n : (k + 1) * n] for k in range(4))
    kept = sigmoid(f + 1)
    c = kept * c + np.minimum(1 - kept, sigmoid(i)) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


CELLS = {
    "Elman": (elman, 1),
    "GRU": (gru, 1),
    "LSTM": (lstm, 2),
    "CappedLSTM": (capped_lstm, 2),
}


class ListStack:
    """A superposition stack as a growing list of vectors, top first."""

    def __init__(self, size: int, depth_limit: int | None = None):
        self.size, self.depth_limit, self.rows = size, depth_limit, []

    def update(self, push: float, pop: float, keep: float, vector: np.ndarray) -> None:
        old = [*self.rows, np.zeros(self.size), np.zeros(self.size)]
        new = []
        for i in range(len(self.rows) + 1):
            above = vector if i == 0 else old[i - 1]
            new.append(push * above + pop * old[i + 1] + keep * old[i])
        self.rows = new if self.depth_limit is None else new[: self.depth_limit]

    def top(self) -> np.ndarray:
        return self.rows[0] if self.rows else np.zeros(self.size)


class ListStratification:
    """A stratification stack as a growing list of (vector, strength), bottom first."""

    def __init__(self, size: int):
        self.size, self.layers = size, []

    def update(self, push: float, pop: float, vector: np.ndarray) -> None:
        left, kept = pop, []
        for old, strength in reversed(self.layers):
            kept.append((old, max(0.0, strength - max(0.0, left))))
            left -= strength
        self.layers = [*reversed(kept), (vector, push)]

    def top(self) -> np.ndarray:
        reading, left = np.zeros(self.size), 1.0
        for vector, strength in reversed(self.layers):
            reading = reading + min(strength, max(0.0, left)) * vector
            left -= strength
        return reading


def raw(weight: np.ndarray, bias: np.ndarray, h: np.ndarray) -> np.ndarray:
    return np.asarray(weight, np.float64) @ h + np.asarray(bias, np.float64)


class NothingReference:
    """No memory."""

    def __init__(self, memory: NoMemory):
        del memory

    def update(self, h: np.ndarray) -> None:
        pass

    def reading(self) -> np.ndarray:
        return np.zeros(0)


class SuperpositionReference:
    """A list of vectors for each stack."""

    def __init__(self, memory: Superposition):
        self.memory = memory
        self.stacks = [ListStack(size, memory.depth_limit) for size in memory.sizes]

    def update(self, h: np.ndarray) -> None:
        memory = self.memory
        actions = raw(memory.weight_actions, memory.bias_actions, h)
        pushed = h
        if memory.weight_push is not None:
            pushed = sigmoid(raw(memory.weight_push, memory.bias_push, h))
        begin = 0
        for k, stack in enumerate(self.stacks):
            own = softmax(actions[3 * k : 3 * k + 3])
            stack.update(*own, pushed[begin : begin + stack.size])
            begin += stack.size

    def reading(self) -> np.ndarray:
        return np.concatenate([stack.top() for stack in self.stacks])


class StratificationReference:
    """A list of vectors with their strengths."""

    def __init__(self, memory: Stratification):
        self.memory, self.stack = memory, ListStratification(memory.reading_size)

    def update(self, h: np.ndarray) -> None:
        memory = self.memory
        strengths = sigmoid(raw(memory.weight_actions, memory.bias_actions, h))
        pushed = np.tanh(raw(memory.weight_push, memory.bias_push, h))
        self.stack.update(*strengths, pushed)

    def reading(self) -> np.ndarray:
        return self.stack.top()


class NondeterministicReference:
    """All logits so far; every reading is computed from the first update on."""

    def __init__(self, memory: Nondeterministic):
        self.memory, self.weights, self.vectors = memory, [], []

    def update(self, h: np.ndarray) -> None:
        memory, cells = self.memory, self.memory.states * self.memory.symbols
        actions = raw(memory.weight_actions, memory.bias_actions, h).reshape(
            memory.states, memory.symbols, 2 * cells + memory.states
        )
        pairs = (memory.states, memory.symbols) * 2
        push, replace = actions[..., :cells], actions[..., cells : 2 * cells]
        self.weights.append(
            (push.reshape(pairs), replace.reshape(pairs), actions[..., 2 * cells :])
        )
        if memory.size:
            self.vectors.append(sigmoid(raw(memory.weight_push, memory.bias_push, h)))

    def reading(self) -> np.ndarray:
        memory, pairs = self.memory, (self.memory.states, self.memory.symbols) * 2
        empty = np.zeros((0, *pairs)), np.zeros((0, *pairs)), np.zeros((0, *pairs[:3]))
        weights = [np.array(w) for w in zip(*self.weights, strict=True)] or empty
        options = {"window": memory.window}
        if memory.size:
            bottom = {"zero": 0.0, "one": 1.0}.get(memory.bottom_vector)
            if bottom is None:
                bottom = sigmoid(np.asarray(memory.bottom, np.float64))
            vectors = np.array(self.vectors).reshape(-1, memory.size)
            weights = [*weights, vectors, np.broadcast_to(bottom, memory.size)]
            options["bottom_scope"] = memory.bottom_scope
        return recurrence_readings(*weights, **options)[-1]


REFERENCES = {
    NoMemory: NothingReference,
    Superposition: SuperpositionReference,
    Stratification: StratificationReference,
    Nondeterministic: NondeterministicReference,
}


def losses(network: Network, string: Sequence[int]) -> list[float]:
    """Nats of every symbol of a string and of end-of-string."""
    controller = network.controller
    weights = {
        "ih": np.asarray(controller.weight_input, np.float64),
        "hh": np.asarray(controller.weight_hidden, np.float64),
        "b_ih": np.asarray(controller.bias_input, np.float64),
    }
    if controller.bias_hidden is not None:
        weights["b_hh"] = np.asarray(controller.bias_hidden, np.float64)
    cell, vectors = CELLS[type(controller).__name__]
    symbols = network.embedding.size
    memory = REFERENCES[type(network.memory)](network.memory)
    state = (np.zeros(controller.hidden_size),) * vectors
    nats = []
    for t, target in enumerate([*string, symbols]):
        logits = raw(network.output.weight, network.output.bias, state[0])
        nats.append(-math.log(softmax(logits)[target]))
        if t == len(string):
            break
        if t > 0:
            memory.update(state[0])
        u = np.concatenate([np.eye(symbols)[target], memory.reading()])
        state = cell(weights, u, state)
    return nats
