"""The networks once more: one string, one number at a time, float64, straight from the paper.

Nothing here knows of batches, padding, matrices of gates or stacks of fixed height.
"""

import math
from collections.abc import Sequence

import numpy as np

from memrnn.memories import Stratification
from memrnn.network import Network


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


CELLS = {"Elman": (elman, 1), "GRU": (gru, 1), "LSTM": (lstm, 2)}


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


def losses(network: Network, string: Sequence[int]) -> list[float]:
    """Nats of every symbol of a string and of end-of-string."""
    controller, memory = network.controller, network.memory
    weights = {
        "ih": np.asarray(controller.weight_input, np.float64),
        "hh": np.asarray(controller.weight_hidden, np.float64),
        "b_ih": np.asarray(controller.bias_input, np.float64),
        "b_hh": np.asarray(controller.bias_hidden, np.float64),
    }
    cell, vectors = CELLS[type(controller).__name__]
    symbols = network.embedding.size
    stratified = isinstance(memory, Stratification)
    if stratified:
        stacks = [ListStratification(memory.reading_size)]
    else:
        stacks = [ListStack(size, memory.depth_limit) for size in getattr(memory, "sizes", ())]
    state = (np.zeros(controller.hidden_size),) * vectors
    nats = []
    for t, target in enumerate([*string, symbols]):
        logits = np.asarray(network.classifier.weight, np.float64) @ state[0]
        logits = logits + np.asarray(network.classifier.bias, np.float64)
        nats.append(-math.log(softmax(logits)[target]))
        if t == len(string):
            break
        if t > 0 and stacks:
            h = state[0]
            actions = np.asarray(memory.weight_actions, np.float64) @ h
            actions = actions + np.asarray(memory.bias_actions, np.float64)
            if memory.weight_push is None:
                pushed = h
            else:
                pushed = np.asarray(memory.weight_push, np.float64) @ h
                pushed = pushed + np.asarray(memory.bias_push, np.float64)
                pushed = np.tanh(pushed) if stratified else sigmoid(pushed)
            begin = 0
            for k, stack in enumerate(stacks):
                own = sigmoid(actions) if stratified else softmax(actions[3 * k : 3 * k + 3])
                stack.update(*own, pushed[begin : begin + stack.size])
                begin += stack.size
        one_hot = np.eye(symbols)[target]
        u = np.concatenate([one_hot, *(stack.top() for stack in stacks)])
        state = cell(weights, u, state)
    return nats
