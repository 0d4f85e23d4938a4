"""Eager PyTorch references for the benchmarks: a superposition stack RNN and an LSTM.

Both are language models as in DuSell & Chiang, "The Surprising Computational Power of
Nondeterministic Stack RNNs" (ICLR 2023, arXiv 2210.01343), written independently from the
mathematics. The superposition stack is that of Joulin & Mikolov (2015).

The code is what a careful user of PyTorch would write without compiling: the loop over time is
Python, and all else is done once for the string (one-hot input, logits, loss). The work at a
step is so small that the time goes into dispatching operators, so the form of the stack matters
little: three concatenations on a growing stack, one concatenation with three slices, `addcmul`,
`unfold`, `bmm` and height as the leading axis lay within 10 to 15 % of each other; `einsum` and a
depthwise convolution were slower. None was clearly faster than the one here: one concatenation
and three slices per step, with rows dropped as soon as they can no longer reach the top. Adam is
the fused one. Giving up `LSTMCell` for a hand-written cell whose input product is hoisted out of
the loop, with actions and pushed vector in one product, saved another 7 to 13 %.

Timing of a string w_1..w_n of token ids below `symbols`:

* the output sees h_0 = 0 first, so the first logits are the output's bias;
* input t is the one-hot w_t followed by the reading; the end of string is only a target;
* no action comes from h_0 nor from h_n: n inputs make n - 1 updates of the stack.

Run as a script, it prints the median milliseconds per training step on the CPU. It needs
PyTorch (written for 2.13), which the package itself does not.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

CLIP = 5.0


class LSTMModel(nn.Module):
    """A language model with the fused `torch.nn.LSTM` and no memory (`lstm`)."""

    def __init__(self, symbols: int, hidden: int) -> None:
        super().__init__()
        self.symbols = symbols
        self.controller = nn.LSTM(symbols, hidden, batch_first=True)
        self.output = nn.Linear(hidden, symbols + 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits `[batch, n + 1, symbols + 1]` of ids `[batch, n]`, n >= 1."""
        inputs = functional.one_hot(tokens, self.symbols).to(self.output.weight.dtype)
        hidden, _ = self.controller(inputs)
        return self.output(functional.pad(hidden, (0, 0, 1, 0)))


class SuperpositionModel(nn.Module):
    """A language model with superposition stacks of vector sizes `sizes`, one action each.

    The stacks lie side by side in one tensor `[batch, height, sum(sizes)]`, row 0 on top. Without
    `push_hidden` the pushed vector is a sigmoid layer of the hidden state; with it, the hidden
    state itself (`jm-hidden`).
    """

    owner: Tensor

    def __init__(
        self, symbols: int, hidden: int, sizes: Sequence[int], push_hidden: bool = False
    ) -> None:
        super().__init__()
        width = sum(sizes)
        if push_hidden and tuple(sizes) != (hidden,):
            raise ValueError(f"pushing the hidden state needs sizes=({hidden},), not {sizes}")
        self.symbols = symbols
        self.stacks = len(sizes)
        self.width = width
        # Registered in the order in which `load_parameters` expects the arrays.
        self.controller = nn.LSTMCell(symbols + width, hidden)
        self.actions = nn.Linear(hidden, 3 * len(sizes))
        self.push = None if push_hidden else nn.Linear(hidden, width)
        self.output = nn.Linear(hidden, symbols + 1)
        owner = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(list(sizes)))
        self.register_buffer("owner", owner, persistent=False)  # the stack of each column

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits `[batch, n + 1, symbols + 1]` of ids `[batch, n]`, n >= 1."""
        batch, length = tokens.shape
        inputs = functional.one_hot(tokens, self.symbols).to(self.output.weight.dtype)
        hidden = cell = inputs.new_zeros(batch, self.controller.hidden_size)
        reading = inputs.new_zeros(batch, self.width)
        stack = inputs.new_zeros(batch, 0, self.width)
        zeros = inputs.new_zeros(batch, 2, self.width)
        padding = (zeros[:, :0], zeros[:, :1], zeros)
        states = [hidden]
        for step, symbol in enumerate(inputs.unbind(1)):
            if step > 0:
                # A row at depth d needs d pops to be read, and `length - step - 1` are left.
                height = min(step, length - step)
                stack = self.update(stack, hidden, padding[height - stack.shape[1] + 1])
                reading = stack[:, 0]
            hidden, cell = self.controller(torch.cat([symbol, reading], 1), (hidden, cell))
            states.append(hidden)
        return self.output(torch.stack(states, 1))

    def update(self, stack: Tensor, hidden: Tensor, padding: Tensor) -> Tensor:
        """The mixture of push, pop and no-op; the new height is `height + rows(padding) - 1`."""
        probabilities = self.actions(hidden).unflatten(1, (self.stacks, 3)).softmax(2)
        if self.stacks > 1:  # one column of probabilities broadcasts over a single stack
            probabilities = probabilities.index_select(1, self.owner)
        push, pop, noop = probabilities.unsqueeze(1).unbind(3)
        pushed = hidden if self.push is None else torch.sigmoid(self.push(hidden))
        rows = torch.cat([pushed.unsqueeze(1), stack, padding], 1)
        height = rows.shape[1] - 2
        return push * rows[:, :height] + noop * rows[:, 1:-1] + pop * rows[:, 2:]


Model = LSTMModel | SuperpositionModel


def build_model(
    name: str,
    symbols: int = 3,
    hidden: int = 20,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Model:
    """The network called `lstm`, `jm-hidden`, `jm-10`, `jm-3.3.3`, ..., with fresh parameters."""
    model: Model
    kind, _, shape = name.partition("-")
    if name == "lstm":
        model = LSTMModel(symbols, hidden)
    elif name == "jm-hidden":
        model = SuperpositionModel(symbols, hidden, (hidden,), push_hidden=True)
    elif kind == "jm" and shape and all(p.isdecimal() and int(p) > 0 for p in shape.split(".")):
        model = SuperpositionModel(symbols, hidden, [int(p) for p in shape.split(".")])
    else:
        raise ValueError(f"unknown model {name!r}; allowed: lstm, jm-hidden, jm-M, jm-M1.M2...")
    initialize(model, torch.Generator().manual_seed(seed))
    return model.to(dtype)


@torch.no_grad()
def initialize(model: Model, generator: torch.Generator) -> None:
    """Uniform(-0.1, 0.1) for the controller; Xavier uniform and zero biases for the layers."""
    for parameter in model.controller.parameters():
        nn.init.uniform_(parameter, -0.1, 0.1, generator=generator)
    layers = [model.output]
    if isinstance(model, SuperpositionModel):
        layers += [model.actions] if model.push is None else [model.actions, model.push]
        # Every stack has an action layer of its own: 3 outputs each, not 3 per stack together.
        blocks = [*model.actions.weight.split(3)]
        blocks += [layer.weight for layer in layers if layer is not model.actions]
    else:
        blocks = [model.output.weight]
    for weight in blocks:
        nn.init.xavier_uniform_(weight, generator=generator)
    for layer in layers:
        nn.init.zeros_(layer.bias)


@torch.no_grad()
def load_parameters(model: Model, arrays: Sequence[Any]) -> None:
    """Copy arrays (anything `torch.as_tensor` takes) into the parameters.

    Order and shape: controller input weight [4H, I], hidden weight [4H, H], input bias, hidden
    bias (gates i, f, g, o); actions weight [3K, H] and bias (push, pop, no-op of stack 1, then of
    stack 2, ...); push weight [M, H] and bias (absent for `jm-hidden`); output weight, bias.
    """
    parameters = dict(model.named_parameters())
    if len(arrays) != len(parameters):
        raise ValueError(f"{len(parameters)} arrays are needed, not {len(arrays)}")
    for (name, parameter), array in zip(parameters.items(), arrays, strict=True):
        value = torch.as_tensor(array)
        if value.shape != parameter.shape:
            raise ValueError(f"{name}: shape {tuple(value.shape)}, not {tuple(parameter.shape)}")
        parameter.copy_(value)


def string_losses(model: Model, tokens: Tensor) -> Tensor:
    """Negative log-likelihood `[batch, n + 1]` of each symbol, the end of string included."""
    targets = functional.pad(tokens, (0, 1), value=model.symbols)
    return functional.cross_entropy(model(tokens).transpose(1, 2), targets, reduction="none")


def build_optimizer(model: Model, learning_rate: float = 1e-3) -> torch.optim.Adam:
    """Adam with the default betas and epsilon, in its fused implementation."""
    return torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)


def training_step(
    model: Model, optimizer: torch.optim.Optimizer, tokens: Tensor
) -> tuple[Tensor, Tensor]:
    """One update on ids `[batch, n]`; returns the loss and the gradient norm before clipping.

    The loss is the mean over the strings of the sum over their n + 1 targets.
    """
    optimizer.zero_grad()
    targets = functional.pad(tokens, (0, 1), value=model.symbols)
    logits = model(tokens).flatten(0, 1)
    total = functional.cross_entropy(logits, targets.flatten(), reduction="sum")
    loss = total / tokens.shape[0]
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()
    return loss.detach(), norm


def time_step(
    name: str,
    batch: int = 10,
    length: int = 62,
    threads: int = 1,
    repeats: int = 20,
    symbols: int = 3,
    dtype: torch.dtype = torch.float32,
) -> float:
    """Median wall seconds of one training step on the CPU, after 3 that are not timed."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        model = build_model(name, symbols, dtype=dtype)
        optimizer = build_optimizer(model)
        generator = torch.Generator().manual_seed(1)
        tokens = torch.randint(symbols, (batch, length), generator=generator)
        seconds = []
        for _ in range(3 + repeats):
            start = time.perf_counter()
            training_step(model, optimizer, tokens)
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds[3:])
    finally:
        torch.set_num_threads(before)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Milliseconds per training step, eager PyTorch.")
    parser.add_argument("models", nargs="*", default=["jm-10", "jm-3.3.3", "lstm"])
    for flag, default in (("batch", 10), ("length", 62), ("threads", 1), ("repeats", 20)):
        parser.add_argument(f"--{flag}", type=int, default=default)
    options = vars(parser.parse_args())
    for wanted in options.pop("models"):
        print(f"{wanted}\t{1e3 * time_step(wanted, **options):.2f} ms")
