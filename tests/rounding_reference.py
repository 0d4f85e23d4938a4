"""Rounding after every operation in NumPy: to the nearest number, a network step by step."""

from typing import Any

import numpy as np


def nearest(values: Any, exponent: int, mantissa: int) -> np.ndarray:
    """Rounds to the nearest number, ties to even; nothing between 0 and the smallest normal."""
    values = np.asarray(values, np.float64)
    fraction, power = np.frexp(values)
    with np.errstate(invalid="ignore"):
        found = np.ldexp(np.rint(fraction * 2.0 ** (mantissa + 1)), power - mantissa - 1)
    bias = 2 ** (exponent - 1) - 1
    found = np.where(np.abs(found) >= 2.0 ** (bias + 1), np.copysign(np.inf, found), found)
    small = np.abs(found) < 2.0 ** (1 - bias)
    return np.where(small, np.copysign(0.0, found), found).astype(np.float32)


class RoundedLSTM:
    """An LSTM with superposition stacks of one width, one string, memory and controller apart.

    Operations are computed in float64 and rounded at once; `rounds` names the components that are
    rounded, of memory, controller and output.
    """

    def __init__(self, network: Any, exponent: int, mantissa: int, rounds: tuple[str, ...]):
        self.rounds, self.bits = rounds, (exponent, mantissa)
        cell, memory, output = network.controller, network.memory, network.output
        self.inputs = self._parameters("controller", cell.weight_input, cell.bias_input)
        self.recurrent = self._parameters("controller", cell.weight_hidden, cell.bias_hidden)
        self.actions = self._parameters("memory", memory.weight_actions, memory.bias_actions)
        self.pushed = self._parameters("memory", memory.weight_push, memory.bias_push)
        self.output = self._parameters("output", output.weight, output.bias)
        self.stacks, self.width = len(memory.sizes), memory.sizes[0]

    def logits(self, string: np.ndarray) -> np.ndarray:
        """After 0 ... n symbols."""
        symbols = len(self.output[1]) - 1
        hidden = cell = np.zeros(self.recurrent[0].shape[1])
        stack = np.zeros((self.stacks, len(string) // 2 + 2, self.width))
        found = [self._affine("output", self.output, hidden)]
        for symbol in string:
            vector = np.concatenate([np.eye(symbols)[symbol], stack[:, 0].ravel()])
            hidden, cell = self._controller(vector, hidden, cell)
            stack = self._memory(stack, hidden)
            found.append(self._affine("output", self.output, hidden))
        return np.stack(found)

    def _controller(self, vector: np.ndarray, hidden: np.ndarray, cell: np.ndarray) -> Any:
        def q(x: Any) -> np.ndarray:
            return self._round("controller", x)

        gates = q(
            self._affine("controller", self.inputs, q(vector))
            + self._affine("controller", self.recurrent, hidden)
        )
        i, f, g, o = np.split(gates, 4)
        cell = q(q(q(_sigmoid(f)) * cell) + q(q(_sigmoid(i)) * q(np.tanh(g))))
        return q(q(_sigmoid(o)) * q(np.tanh(cell))), cell

    def _memory(self, stack: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        def q(x: Any) -> np.ndarray:
            return self._round("memory", x)

        hidden = q(hidden)
        logits = self._affine("memory", self.actions, hidden).reshape(-1, 3)
        vectors = q(_sigmoid(self._affine("memory", self.pushed, hidden)))
        powers = q(np.exp(q(logits - logits.max(axis=1, keepdims=True))))
        shares = q(powers / q(powers.sum(axis=1, keepdims=True)))
        push, pop, keep = (shares[:, k, None, None] for k in range(3))
        above = np.concatenate([vectors.reshape(-1, 1, self.width), stack[:, :-1]], axis=1)
        below = np.concatenate([stack[:, 1:], np.zeros_like(stack[:, :1])], axis=1)
        return q(q(q(push * above) + q(pop * below)) + q(keep * stack))

    def _round(self, component: str, values: Any) -> np.ndarray:
        values = np.asarray(values, np.float64)
        if component not in self.rounds:
            return values.astype(np.float32).astype(np.float64)
        return nearest(values.astype(np.float32), *self.bits).astype(np.float64)

    def _parameters(self, component: str, weight: Any, bias: Any) -> tuple[np.ndarray, np.ndarray]:
        return self._round(component, weight), self._round(component, bias)

    def _affine(self, component: str, layer: Any, x: np.ndarray) -> np.ndarray:
        product = self._round(component, layer[0] @ x)
        return self._round(component, product + layer[1])


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))
