"""The loop over time of a controller and its memory, with a gradient that fits it.

Plain differentiation of the loop would add every weight's gradient once a step and compute
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
from jaxtyping import Array, Float

from memrnn.controllers import Controller, State
from memrnn.groups import each_group, group_size, join, split
from memrnn.memories import Memory


class Carried(NamedTuple):
    """What one segment of a long text hands to the next.

    Attributes:
        state: the controller's state.
        memory: the memory's state.
    """

    state: State
    memory: Any


def unroll(
    controller: Controller,
    memory: Memory,
    inputs: Float[Array, "time batch features"],
    carried: Carried | None = None,
    *,
    updates: int | None = None,
) -> tuple[Float[Array, "time batch hidden"], Carried]:
    """Runs a controller with its memory over a batch of input sequences.

        t = 1:   r_1 = reading(s_0)                                      no update
        t >= 2:  s_{t-1} = update(s_{t-2}, W h_{t-1} + b);   r_t = reading(s_{t-1})
        state_t = activate(W_ih [x_t; r_t] + b_ih, W_hh h_{t-1} + b_hh, state_{t-1})

    so that n inputs make n - 1 updates of the memory. Where a state is carried from an earlier
    segment, its hidden state drives one update before the first input: n inputs, n updates.

    Args:
        inputs: `x_1 ... x_n`, n >= 1, time first.
        carried: where an earlier call ended; None begins anew. No gradient flows into it
            (truncated backpropagation through time).
        updates: how many updates of the memory will follow in all, further segments included; by
            default those of this call. A memory without a window or a limit of its depth makes
            room for so many, and loses what comes after them; leave it out for all others.

    Returns:
        The hidden states `h_1 ... h_n`, and what the next segment needs.

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), section 2 and appendix B.
    """
    time, batch, features = inputs.shape
    projected = inputs @ controller.weight_input[:, :features].T + controller.bias_input[None, None]
    if carried is not None:
        hidden, carried = _scan(controller, memory, projected, *jax.lax.stop_gradient(carried))
        return hidden, carried
    memory_state = memory.initial_state(batch, time - 1 if updates is None else updates)
    state = controller.initial_state(batch)
    first = controller.activate(
        projected[0] + memory.reading(memory_state) @ controller.weight_input[:, features:].T,
        jnp.broadcast_to(controller.bias_hidden, projected[0].shape),
        state,
    )
    if time == 1:
        return first[0][None], Carried(first, memory_state)
    rest, carried = _scan(controller, memory, projected[1:], first, memory_state)
    return jnp.concatenate([first[0][None], rest]), carried


class _Stretch(NamedTuple):
    """What the way back needs of one of the memory's loops, for each group of strings.

    Attributes:
        states: the controller's states before each step, time first.
        saved: what the memory saved in each step, time first.
        carried: what the memory's loop carried at its end.
    """

    states: State
    saved: Any
    carried: Any


def _scan(
    controller: Controller,
    memory: Memory,
    projected: Float[Array, "time batch gates"],
    state: State,
    memory_state: Any,
) -> tuple[Float[Array, "time batch hidden"], Carried]:
    """Steps each of which is an update of the memory and then one of the controller."""
    parameters, static = eqx.partition((controller, memory), eqx.is_inexact_array)
    updates, batch, gates = projected.shape

    def affine(parameters: Any) -> tuple[Array, Array, Array]:
        """All that multiplies the hidden state as one matrix, and all that reads the memory."""
        controller, memory = eqx.combine(parameters, static)
        weight, bias = memory.affine()
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
        parameters: Any, projected: Array, state: State, memory_state: Any, *, gradient: bool
    ) -> tuple[Array, Carried, list[_Stretch]]:
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

        def along_time(group: Any) -> tuple[tuple[Array, Carried, list[_Stretch]], None]:
            projected, state, memory_state = group
            stretches, done = [], 0
            for length in tape.lengths(memory_state, updates):
                fixed, remembered = tape.start(memory_state)
                (state, remembered), (states, saved) = jax.lax.scan(
                    functools.partial(step, fixed),
                    (state, remembered),
                    projected[done : done + length],
                )
                memory_state = tape.stop(memory_state, remembered, length)
                stretches.append(_Stretch(states, saved, remembered))
                done += length
            hidden = [stretch.states[0] for stretch in stretches]
            hidden = jnp.concatenate([*hidden, state[0][None]])[1:]
            return (hidden, Carried(state, memory_state), stretches), None

        groups = batch // group_size(memory, batch, updates, gradient=gradient)
        strings = split(projected, groups, axis=1), *split((state, memory_state), groups)
        return each_group(along_time, strings)[0]

    @jax.custom_vjp
    def run(*arguments: Any) -> tuple[Array, Carried]:
        hidden, carried, _ = loop(*arguments, gradient=False)
        return join(hidden, axis=1), join(carried)

    def forward(*arguments: Any) -> tuple[tuple[Array, Carried], Any]:
        hidden, carried, stretches = loop(*arguments, gradient=True)
        return (join(hidden, axis=1), join(carried)), (*arguments, stretches)

    def backward(residuals: Any, cotangents: Any) -> Any:
        parameters, projected, _, memory_state, stretches = residuals
        # The carried state leaves through `stop_gradient`.
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
            remembered, d_drive = tape.step_back(fixed, remembered, now, d_reading)
            d_affine = jnp.concatenate([d_from_hidden, d_drive], axis=-1)
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
                d_span, pulls, drives = jax.tree.map(lambda leaf, span=span: leaf[span], steps)
                fixed, remembered, now = tape.start_back(after, drives, each.saved, adjoint)
                (d_controller, d_state, remembered), piece = jax.lax.scan(
                    functools.partial(step, fixed),
                    (d_controller, d_state, remembered),
                    (d_span, pulls, now),
                    reverse=True,
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
                split(memory_state, groups),
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
        return d_parameters, join(d_projected, axis=1), *join(d_first)

    run.defvjp(forward, backward)
    hidden, carried = run(parameters, projected, state, memory_state)
    return hidden, jax.lax.stop_gradient(carried)


def _products(left: Float[Array, "*steps l"], right: Float[Array, "*steps r"]) -> Array:
    """The sum of outer products over all steps of all strings, as one matrix product."""
    steps = math.prod(left.shape[:-1])
    return left.reshape(steps, left.shape[-1]).T @ right.reshape(steps, right.shape[-1])
