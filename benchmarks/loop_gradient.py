"""What memrnn's own gradient of the loop over time gains over plain differentiation.

One core, batch 10, float32, loss and gradient of a whole network, `jm-10` unless told otherwise:

    formula   `lax.scan` over the memory's formula, differentiated by JAX
    update    the same loop with the memory's own gradient of one update
    unroll    `memrnn.unroll`: the gradient of the loop written out, too

    python benchmarks/loop_gradient.py [--model jm-10] [--length 62] [--rounds 15]
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before any thread pool starts

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import memrnn
from memrnn.memories import Memory, Superposition
from memrnn.network import OneHot

STEPS = 20


def plain(update: Callable):
    """The network's hidden states by `lax.scan`, for autodiff."""

    def hidden(controller, memory: Memory, inputs):
        time, batch, _ = inputs.shape
        weight, bias = memory.affine()

        def activate(x, reading, state):
            u = jnp.concatenate([x, reading], axis=-1)
            return controller.activate(
                u @ controller.weight_input.T + controller.bias_input,
                state[0] @ controller.weight_hidden.T + controller.bias_hidden,
                state,
            )

        def step(carry, x):
            state, stack = carry
            stack = update(memory, stack, state[0] @ weight.T + bias)
            state = activate(x, memory.reading(stack), state)
            return (state, stack), state[0]

        stack = memory.initial_state(batch, time - 1)
        state = activate(inputs[0], memory.reading(stack), controller.initial_state(batch))
        _, rest = jax.lax.scan(step, (state, stack), inputs[1:])
        return jnp.concatenate([state[0][None], rest])

    return hidden


def formula(memory: Memory, stack, drive):
    """One stack, p * pushed + o * popped + n * kept, as one would write it down."""
    if not isinstance(memory, Superposition) or len(memory.sizes) != 1:
        return memory.update(stack, drive)
    push, pop, keep = jnp.split(jax.nn.softmax(drive[:, :3]), 3, axis=1)
    vector = drive[:, 3:] if memory.weight_push is None else jax.nn.sigmoid(drive[:, 3:])
    width = vector.shape[1]
    pushed = jnp.concatenate([vector, stack[:, :-width]], axis=1)
    popped = jnp.concatenate([stack[:, width:], jnp.zeros_like(vector)], axis=1)
    return push * pushed + pop * popped + keep * stack


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="jm-10")
    parser.add_argument("--length", type=int, default=62)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    network = memrnn.get_model(arguments.model).build(OneHot(3), 4, seed=0)
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 3, (arguments.length, 10))
    targets = jax.nn.one_hot(rng.integers(0, 4, (arguments.length, 10)), 4)
    inputs = jax.nn.one_hot(tokens, 3)

    def timed(hidden: Callable) -> Callable[[], float]:
        def loss(network):
            logits = network.output(hidden(network.controller, network.memory, inputs))
            return -jnp.sum(jax.nn.log_softmax(logits) * targets) / 10

        def step(network, _):
            gradient = jax.grad(loss)(network)
            return jax.tree.map(lambda p, g: p - 1e-6 * g, network, gradient), None

        @eqx.filter_jit
        def steps(network):
            return jax.lax.scan(step, network, None, length=STEPS)[0]

        def run() -> float:
            begin = time.perf_counter()
            jax.block_until_ready(jax.tree.leaves(steps(network)))
            return (time.perf_counter() - begin) / STEPS * 1e3

        run()
        return run

    variants = {
        "formula": timed(plain(formula)),
        "update": timed(plain(lambda memory, *rest: memory.update(*rest))),
        "unroll": timed(memrnn.unroll),
    }
    rounds = [[run() for run in variants.values()] for _ in range(arguments.rounds)]
    print(f"{arguments.model}, batch 10, length {arguments.length}, one core")
    for number, name in enumerate(variants):
        median = statistics.median(row[number] for row in rounds)
        ratio = statistics.median(row[0] / row[number] for row in rounds)
        print(f"{name:<10}{median:8.2f} ms a step   {ratio:5.2f} times as fast as the formula")


if __name__ == "__main__":
    main()
