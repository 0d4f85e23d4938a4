"""Eager PyTorch reference of the nondeterministic stack RNNs: `rns-Q-S` and `vrns-Q-S-m`.

Language models as in DuSell & Chiang, "The Surprising Computational Power of Nondeterministic
Stack RNNs" (ICLR 2023, arXiv 2210.01343), written independently from the mathematics: gamma, zeta,
alpha and eta by their recurrences, in log space. Q states, S stack symbols, vectors of length m.

The code is what a careful user of PyTorch would write without compiling and without a gradient of
his own: Python loops over time alone; sums over states and symbols are matrix products of
exponentials, each row and column divided by its maximum. The long sum, over all times at which a
popped symbol may have been pushed, has two forms:

    products    a product of exponentials, too; a column's exponentials are taken once and kept
    logsumexp   `torch.logsumexp` over all terms at once, the plain way to write it

A third form, exponentials taken anew at every step, took up to 1.4 times as long as `products`.

A column is shifted so that alpha sums to one, which no reading sees. Without that the two factors
of the long sum rise and fall by several nats a step, and their maxima no longer meet.

Timing of a string and the script's output are those of `torch_reference`: n inputs make n - 1
updates, the first reading is that of the initial stack.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time

import torch
from torch import Tensor, nn
from torch.nn import functional

from torch_reference import build_optimizer, string_losses, training_step

__all__ = ["build_model", "build_optimizer", "stack_readings", "string_losses", "training_step"]

ZERO = -torch.inf  # the logarithm of no weight
FORMS = ("products", "logsumexp")
LOW = -1e30  # finite, but its exponential is 0 beside that of any logarithm that occurs
SLACK = 20.0  # a row's kept exponentials may exceed one by this many nats


def safe_log(weights: Tensor) -> Tensor:
    """Logarithm whose gradient is 0, not NaN, where the weight is 0."""
    alive = weights > 0
    return torch.where(alive, weights, 1).log().masked_fill(~alive, ZERO)


def maximum(logs: Tensor, dim: int) -> Tensor:
    """The largest along an axis, finite even if all are minus infinity; a constant."""
    return logs.detach().amax(dim, keepdim=True).clamp_min(torch.finfo(logs.dtype).min)


def log_matmul(left: Tensor, right: Tensor) -> Tensor:
    rows, columns = maximum(left, -1), maximum(right, -2)
    return safe_log((left - rows).exp() @ (right - columns).exp()) + rows + columns


def log_add(left: Tensor, right: Tensor) -> Tensor:
    shift = maximum(torch.stack([left, right]), 0)[0]
    return safe_log((left - shift).exp() + (right - shift).exp()) + shift


class Stack:
    """The tables of one batch of strings, one update after the other.

    Component 0 of a column is gamma, the others are zeta, one for each number of a vector. Column
    t is `[batch, component, i + 1, (q, x), (r, y)]`. With `bottom_scope` "bottom" only (q0,
    bottom) has the bottom's vector at the start, with "all" every state and symbol has it.
    """

    def __init__(
        self,
        batch: int,
        states: int,
        symbols: int,
        log_bottom: Tensor,
        bottom_scope: str = "bottom",
        form: str = "products",
    ) -> None:
        self.states, self.symbols, self.form = states, symbols, form
        pairs = states * symbols
        start = log_bottom.new_full((pairs, pairs), ZERO)
        start[0, 0] = 0
        scope = start if bottom_scope == "bottom" else torch.zeros_like(start)
        first = torch.cat([start[None], log_bottom[:, None, None] + scope])
        self.components = len(first)
        self.column = first[:, None].expand(batch, -1, -1, -1, -1)
        self.alpha = start[0].expand(batch, 2, pairs)  # of times -1, 0, ...
        # What popping uncovers, [batch, y, component, i + 1, (q, x), (k, u)]: exp(columns - peaks),
        # or in the form `logsumexp` the columns themselves, without peaks.
        self.table = self.peaks = log_bottom.new_zeros(0)

    def initial_reading(self) -> Tensor:
        """[batch, reading], order (r, y) or (r, y, number)."""
        weights = self.column[:, :, 0, 0].exp()
        if self.components == 1:
            return weights.flatten(1)
        return weights[:, 1:].transpose(1, 2).flatten(1)

    def update(self, operations: Tensor, log_vectors: Tensor) -> Tensor:
        """Make the next column and read; operations `[batch, (q, x), push | repl | pop]`."""
        states, symbols, old = self.states, self.symbols, self.column
        _, components, rows, pairs, _ = old.shape
        push, repl, pop = operations.split([pairs, pairs, states], 2)
        new = log_matmul(old.flatten(1, 3), repl).unflatten(1, (components, rows, pairs))
        if rows > 1:
            # gamma' [k, u, y, r]: pushed after k onto (u, y), now popped. The bottom never is.
            gone = log_matmul(old[:, 0, 1:].flatten(1, 2), pop)
            gone = gone.unflatten(1, (rows - 1, states, symbols))
            uncovered = self.uncover(gone.permute(0, 3, 1, 2, 4).flatten(2, 3))
            new = torch.cat([log_add(new[:, :, :-1], uncovered), new[:, :, -1:]], 2)
        weights = functional.pad(log_vectors, (1, 0))  # gamma pushes 1
        pushed = push[:, None, None] + weights[:, :, None, None, None]
        new = torch.cat([new, pushed], 2)

        ends = (new + self.alpha[:, None, :, :, None]).flatten(2, 3).logsumexp(2)
        shift = ends[:, :1].detach().logsumexp(2, keepdim=True)
        ends = ends - shift
        self.keep(old)
        self.column = new - shift[..., None, None]
        self.alpha = torch.cat([self.alpha, ends[:, :1]], 1)
        total = ends[:, :1].logsumexp(2, keepdim=True)
        if components == 1:
            return (ends - total).exp().flatten(1)
        return (ends[:, 1:] - total).exp().transpose(1, 2).flatten(1)

    def keep(self, column: Tensor) -> None:
        """Add a column to the table; at the next update its symbols may be uncovered."""
        column = column.unflatten(4, (self.states, self.symbols)).permute(0, 5, 1, 2, 3, 4)
        if self.form == "logsumexp":
            column = column.clamp_min(LOW)
            if self.table.numel():
                table = functional.pad(self.table, (0, 0, 0, 0, 0, 1), value=LOW)
                column = torch.cat([table, column], 5)
            self.table = column
            return
        peaks = maximum(column, -1)
        if not self.table.numel():
            self.table, self.peaks = (column - peaks).exp(), peaks
            return
        table, kept = self.table, torch.cat([self.peaks, peaks[:, :, :, -1:]], 3)
        if ((peaks - kept) > SLACK).any():  # rare, for columns are shifted
            kept = torch.maximum(kept, peaks)
            table = table * (self.peaks - kept[:, :, :, :-1]).exp()
        table = functional.pad(table, (0, 0, 0, 0, 0, 1))  # the new row i has no earlier columns
        self.table, self.peaks = torch.cat([table, (column - kept).exp()], 5), kept

    def uncover(self, gone: Tensor) -> Tensor:
        """The sum over (k, u) of table and `gone` `[batch, y, (k, u), r]`, as a column."""
        if self.form == "logsumexp":
            # LOW for minus infinity: a sum of nothing has the gradient 0 then, not NaN.
            terms = gone.transpose(-1, -2).clamp_min(LOW)[:, :, None, None, None]
            logs = (self.table[..., None, :] + terms).logsumexp(-1)
            logs = logs.masked_fill(logs < LOW / 2, ZERO)
            return logs.permute(0, 2, 3, 4, 5, 1).flatten(4, 5)
        columns = maximum(gone, -2)
        product = self.table.flatten(2, 4) @ (gone - columns).exp()
        logs = safe_log(product).unflatten(2, self.table.shape[2:5])
        logs = logs + self.peaks + columns[:, :, :, None, None]
        return logs.permute(0, 2, 3, 4, 5, 1).flatten(4, 5)


def stack_readings(
    operations: Tensor,
    log_vectors: Tensor,
    log_bottom: Tensor,
    states: int,
    symbols: int,
    bottom_scope: str = "bottom",
    form: str = "products",
) -> Tensor:
    """The stack alone: readings `[batch, n + 1, ...]` of n updates that are known beforehand.

    Operations `[batch, n, (q, x), push (r, y) | repl (r, y) | pop r]` are logarithms. Without
    vectors, `log_vectors` is `[batch, n, 0]` and `log_bottom` `[0]`.
    """
    stack = Stack(len(operations), states, symbols, log_bottom, bottom_scope, form)
    readings = [stack.initial_reading()]
    for step, vectors in zip(operations.unbind(1), log_vectors.unbind(1), strict=True):
        readings.append(stack.update(step, vectors))
    return torch.stack(readings, 1)


class NondeterministicModel(nn.Module):
    """A language model with a nondeterministic stack; `size` is m, or 0 without vectors."""

    def __init__(
        self,
        symbols: int,
        hidden: int,
        states: int,
        stack_symbols: int,
        size: int = 0,
        bottom_scope: str = "bottom",
        form: str = "products",
    ) -> None:
        super().__init__()
        pairs = states * stack_symbols
        self.symbols, self.states, self.stack_symbols = symbols, states, stack_symbols
        self.size, self.bottom_scope, self.form = size, bottom_scope, form
        self.bottom = nn.Parameter(torch.zeros(size)) if size else None
        self.controller = nn.LSTMCell(symbols + pairs * max(size, 1), hidden)
        self.operations = nn.Linear(hidden, pairs * (2 * pairs + states))
        self.push = nn.Linear(hidden, size) if size else None
        self.output = nn.Linear(hidden, symbols + 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits `[batch, n + 1, symbols + 1]` of ids `[batch, n]`, n >= 1."""
        inputs = functional.one_hot(tokens, self.symbols).to(self.output.weight.dtype)
        batch, pairs = len(tokens), self.states * self.stack_symbols
        hidden = cell = inputs.new_zeros(batch, self.controller.hidden_size)
        log_vectors = inputs.new_zeros(batch, 0)
        log_bottom = inputs.new_zeros(0)
        if self.bottom is not None:
            log_bottom = functional.logsigmoid(self.bottom)
        shape = self.states, self.stack_symbols
        stack = Stack(batch, *shape, log_bottom, self.bottom_scope, self.form)
        reading = stack.initial_reading()
        states = [hidden]
        for step, symbol in enumerate(inputs.unbind(1)):
            if step > 0:
                operations = self.operations(hidden).unflatten(1, (pairs, -1))
                if self.push is not None:
                    log_vectors = functional.logsigmoid(self.push(hidden))
                reading = stack.update(operations, log_vectors)
            hidden, cell = self.controller(torch.cat([symbol, reading], 1), (hidden, cell))
            states.append(hidden)
        return self.output(torch.stack(states, 1))


def build_model(
    name: str,
    symbols: int = 3,
    hidden: int = 20,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    bottom_scope: str = "bottom",
    form: str = "products",
) -> NondeterministicModel:
    """The network called `rns-3-3`, `vrns-3-3-5`, ..., with fresh parameters."""
    match = re.fullmatch(r"rns-(\d+)-(\d+)|vrns-(\d+)-(\d+)-(\d+)", name)
    sizes = [int(number) for number in match.groups() if number] if match else [0]
    if min(sizes) < 1:
        raise ValueError(f"unknown model {name!r}; allowed: rns-Q-S, vrns-Q-S-m")
    if form not in FORMS:
        raise ValueError(f"unknown form {form!r}; allowed: {', '.join(FORMS)}")
    model = NondeterministicModel(symbols, hidden, *sizes, bottom_scope=bottom_scope, form=form)
    initialize(model, torch.Generator().manual_seed(seed))
    return model.to(dtype)


@torch.no_grad()
def initialize(model: NondeterministicModel, generator: torch.Generator) -> None:
    """Xavier uniform and zero biases for the output; Uniform(-0.1, 0.1) for all else."""
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.1, 0.1, generator=generator)
    nn.init.xavier_uniform_(model.output.weight, generator=generator)
    nn.init.zeros_(model.output.bias)


def time_step(
    name: str, batch: int, length: int, threads: int, repeats: int, form: str = "products"
) -> float:
    """Median wall seconds of one training step on the CPU, after one that is not timed."""
    torch.set_num_threads(threads)
    model = build_model(name, form=form)
    optimizer = build_optimizer(model)
    tokens = torch.randint(3, (batch, length), generator=torch.Generator().manual_seed(1))
    seconds = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        training_step(model, optimizer, tokens)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Milliseconds per training step, eager PyTorch.")
    parser.add_argument("models", nargs="*", default=["rns-3-3", "vrns-3-3-5"])
    for flag, default in (("batch", 10), ("length", 62), ("threads", 1), ("repeats", 3)):
        parser.add_argument(f"--{flag}", type=int, default=default)
    parser.add_argument("--form", choices=FORMS, default="products")
    options = vars(parser.parse_args())
    for wanted in options.pop("models"):
        print(f"{wanted}\t{1e3 * time_step(wanted, **options):.1f} ms", flush=True)
