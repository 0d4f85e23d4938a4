"""The rule FAST: the loop over time with a hand-written gradient.

Plain differentiation of the loop would add every weight's gradient once per step and compute
every derivative inside the loop. Here the backward loop carries only what truly depends on the
next step, the cotangent of the state. Before it, the derivatives of all steps are computed at
once (they depend on saved states only); after it, the gradient of each weight is one matrix
product over all steps and strings.
"""

import functools
import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from memrnn.nn._scan import scan
from memrnn.nn.controllers import AffineController
from memrnn.nn.groups import each_group, group_size, join, split
from memrnn.nn.memories import AffineMemory
from memrnn.runtime.devices import policy


def fast_hidden_states(
    controller: AffineController,
    memory: AffineMemory,
    xs: Float[Array, "time batch features"],
    state: Any,
    memory_state: Any,
    *,
    fresh: bool,
) -> tuple[Float[Array, "time batch hidden"], Any, Any]:
    """Runs a controller with its memory over at least one input.

    A step of the loop is an update of the memory and then one of the controller. The controller's
    first step and the memory's last update are outside it. So one matrix product per step gives
    all that is affine in the hidden state, and where nobody uses the memory's last state, the
    compiler removes its update.

    Args:
        state, memory_state: those of controller and memory before the first step.
        fresh: whether both states are as `init` made them.

    Returns:
        The hidden states, and the states of controller and memory after the last step.
    """
    time, _, features = xs.shape
    projected = xs @ controller.weight_input[:, :features].T + controller.bias_input[None, None]
    from_reading = controller.weight_input[:, features:].T
    from_hidden = jnp.broadcast_to(controller.bias_hidden, projected[0].shape)
    if not fresh:  # else the hidden state is 0
        from_hidden = state[0] @ controller.weight_hidden.T + from_hidden
    from_input = projected[0] + memory.read(memory_state) @ from_reading
    state = controller.activate(from_input, from_hidden, state)
    hidden = state[0][None]
    tape = memory.loop()
    layout = tape.enter(memory_state, time, fresh=fresh)
    if time > 1:
        rest, state, layout = _scan(controller, memory, projected[1:], state, layout)
        hidden = jnp.concatenate([hidden, rest])
    weight, bias = memory.controls()
    fixed, carry = tape.start(layout)
    carry, _, _ = tape.step(fixed, carry, state[0] @ weight.T + bias[None])
    return hidden, state, tape.leave(tape.stop(layout, carry, 1), memory_state, time)


class _Stretch(NamedTuple):
    """What the way back needs of one of the memory's loops, for each group of strings.

    Attributes:
        states: the controller's states before each step, time first.
        saved: what the memory saved in each step, time first.
        carried: what the memory's loop carried at its end.
    """

    states: Any
    saved: Any
    carried: Any


def _scan(
    controller: AffineController,
    memory: AffineMemory,
    projected: Float[Array, "time batch gates"],
    state: Any,
    layout: Any,
) -> tuple[Float[Array, "time batch hidden"], Any, Any]:
    """Steps each of which is an update of the memory and then one of the controller.

    A gradient through the states that it returns is not computed; `memrnn.unroll` forbids it.
    """
    parameters, static = eqx.partition((controller, memory), eqx.is_inexact_array)
    updates, batch, gates = projected.shape
    unrolled = policy().unroll if memory.loop().small else 1

    def affine(parameters: Any) -> tuple[Array, Array, Array]:
        """All that multiplies the hidden state as one matrix, and all that reads the memory."""
        controller, memory = eqx.combine(parameters, static)
        weight, bias = memory.controls()
        features = controller.weight_input.shape[1] - memory.reading_size
        return (
            jnp.concatenate([controller.weight_hidden, weight]).T,
            jnp.concatenate([controller.bias_hidden, bias]),
            controller.weight_input[:, features:].T,
        )

    def activate(controller: Any, from_input: Array, from_hidden: Array, state: Any) -> Any:
        controller = eqx.combine(controller, static[0])
        return controller.activate(from_input, from_hidden, state)

    def loop(
        parameters: Any, projected: Array, state: Any, layout: Any, *, gradient: bool
    ) -> tuple[Array, Any, list[_Stretch]]:
        """Everything that it returns comes in groups of strings."""
        weight, bias, from_reading = affine(parameters)
        tape = eqx.combine(parameters, static)[1].loop()

        def step(fixed: Any, carry: Any, projected: Array) -> Any:
            state, remembered = carry
            affine_hidden = state[0] @ weight + bias[None]
            remembered, reading, saved = tape.step(fixed, remembered, affine_hidden[:, gates:])
            from_input = projected + reading @ from_reading
            following = activate(parameters[0], from_input, affine_hidden[:, :gates], state)
            return (following, remembered), (state, saved)

        def along_time(group: Any) -> tuple[tuple[Array, Any, list[_Stretch]], None]:
            projected, state, layout = group
            stretches, done = [], 0
            for length in tape.lengths(layout, updates):
                fixed, remembered = tape.start(layout)
                (state, remembered), (states, saved) = scan(
                    functools.partial(step, fixed),
                    (state, remembered),
                    projected[done : done + length],
                    unroll=unrolled,
                )
                layout = tape.stop(layout, remembered, length)
                stretches.append(_Stretch(states, saved, remembered))
                done += length
            hidden = [stretch.states[0] for stretch in stretches]
            hidden = jnp.concatenate([*hidden, state[0][None]])[1:]
            return (hidden, (state, layout), stretches), None

        groups = batch // group_size(memory, batch, updates, gradient=gradient)
        strings = split(projected, groups, axis=1), *split((state, layout), groups)
        return each_group(along_time, strings)[0]

    @jax.custom_vjp
    def run(*arguments: Any) -> tuple[Array, Any]:
        hidden, after, _ = loop(*arguments, gradient=False)
        return join(hidden, axis=1), join(after)

    def forward(*arguments: Any) -> tuple[tuple[Array, Any], Any]:
        hidden, after, stretches = loop(*arguments, gradient=True)
        return (join(hidden, axis=1), join(after)), (*arguments, stretches)

    def backward(residuals: Any, cotangents: Any) -> Any:
        parameters, projected, _, layout, stretches = residuals
        d_hidden, _ = cotangents
        groups = len(stretches[0].states[0])
        d_hidden, projected = split((d_hidden, projected), groups, axis=1)
        tape = eqx.combine(parameters, static)[1].loop()
        (weight, bias, from_reading), pull_affine = jax.vjp(affine, parameters)

        def over_time(*pieces: Array) -> Array:
            return jnp.concatenate(pieces, axis=1)

        states = jax.tree.map(over_time, *(each.states for each in stretches))
        affine_hidden = states[0] @ weight + jnp.broadcast_to(bias, (1, 1, 1, len(bias)))
        readings = [jax.vmap(tape.readings)(each.carried, each.saved) for each in stretches]
        readings = over_time(*readings)
        # The derivatives of every step, computed outside the loop as batches over time.
        pull_each = jax.vmap(lambda *step: jax.vjp(activate, parameters[0], *step)[1])
        pull_activate = jax.vmap(pull_each)(
            projected + readings @ from_reading, affine_hidden[..., :gates], states
        )

        def step(fixed: Any, carry: Any, inputs: Any) -> Any:
            d_controller, d_state, remembered = carry
            d_hidden, pull_activate, now = inputs
            d_state = (d_state[0] + d_hidden, *d_state[1:])
            d_activate, d_input, d_from_hidden, d_state = pull_activate(d_state)
            d_reading = d_input @ from_reading.T
            remembered, d_controls = tape.step_back(fixed, remembered, now, d_reading)
            d_affine = jnp.concatenate([d_from_hidden, d_controls], axis=-1)
            d_state = (d_state[0] + d_affine @ weight.T, *d_state[1:])
            d_controller = jax.tree.map(jnp.add, d_controller, d_activate)
            return (d_controller, d_state, remembered), (d_input, d_affine)

        def against_time(group: Any) -> Any:
            first, stretches, steps = group
            d_controller, d_memory = jax.tree.map(jnp.zeros_like, parameters)
            d_state = jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), stretches[0].states)
            lengths = [len(each.states[0]) for each in stretches]
            afters = [first]
            for length, each in zip(lengths, stretches, strict=True):
                afters.append(tape.stop(afters[-1], each.carried, length))
            adjoint, pieces, end = None, [], updates
            for length, each, after in zip(
                lengths[::-1], stretches[::-1], afters[:0:-1], strict=True
            ):
                span = slice(end - length, end)
                d_span, pulls, controls = jax.tree.map(lambda leaf, span=span: leaf[span], steps)
                fixed, remembered, now = tape.start_back(after, controls, each.saved, adjoint)
                (d_controller, d_state, remembered), piece = scan(
                    functools.partial(step, fixed),
                    (d_controller, d_state, remembered),
                    (d_span, pulls, now),
                    reverse=True,
                    unroll=unrolled,
                )
                adjoint, d_piece = tape.stop_back(remembered, each.saved, adjoint)
                if d_piece is not None:
                    d_memory = jax.tree.map(jnp.add, d_memory, d_piece)
                pieces.insert(0, piece)
                end = span.start
            d_steps = [jnp.concatenate(piece) for piece in zip(*pieces, strict=True)]
            d_first = d_state, tape.cotangent(first, adjoint)
            return (d_steps, d_first), (d_controller, d_memory)

        ((d_projected, d_affine), d_first), d_direct = each_group(
            against_time,
            (
                split(layout, groups),
                stretches,
                (d_hidden, pull_activate, affine_hidden[..., gates:]),
            ),
        )
        (d_from_affine,) = pull_affine(
            (
                _products(states[0], d_affine),
                d_affine.sum((0, 1, 2)),
                _products(readings, d_projected),
            )
        )
        d_parameters = jax.tree.map(jnp.add, d_direct, d_from_affine)
        d_state, d_layout = join(d_first)
        no_bits = jax.tree.map(
            lambda leaf: np.zeros(leaf.shape, jax.dtypes.float0),
            eqx.filter(layout, eqx.is_inexact_array, inverse=True),
        )
        return d_parameters, join(d_projected, axis=1), d_state, eqx.combine(d_layout, no_bits)

    run.defvjp(forward, backward)
    hidden, (state, layout) = run(parameters, projected, state, layout)
    return hidden, state, layout


def _products(left: Float[Array, "*steps l"], right: Float[Array, "*steps r"]) -> Array:
    """The sum of outer products over all steps of all strings, as one matrix product."""
    steps = math.prod(left.shape[:-1])
    return left.reshape(steps, left.shape[-1]).T @ right.reshape(steps, right.shape[-1])
