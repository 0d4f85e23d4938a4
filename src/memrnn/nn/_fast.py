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
from memrnn.nn.groups import group_size, join, map_and_sum, split
from memrnn.nn.memories import AffineMemory
from memrnn.runtime.devices import policy


def fast_hidden_states(
    controller: AffineController,
    memory: AffineMemory,
    xs: Float[Array, "time batch features"],
    state: Any,
    memory_state: Any,
    mask: Float[Array, "batch hidden"] | None = None,
    gate_noise: Float[Array, "time batch gates"] | None = None,
    *,
    fresh: bool,
) -> tuple[Float[Array, "time batch hidden"], Any, Any]:
    """The hidden states after at least one input, and the last states of controller and memory.

    A step of the loop is an update of the memory and then one of the controller. The controller's
    first step and the memory's last update are outside it. So one matrix product per step gives
    all that is affine in the hidden state, and where nobody uses the memory's last state, the
    compiler removes its update. `fresh` says that both states are as `init` made them.
    """
    time, _, features = xs.shape
    projected = xs @ controller.weight_input[:, :features].T + controller.bias_input[None, None]
    if gate_noise is not None:
        projected = projected + gate_noise
    from_reading = controller.weight_input[:, features:].T
    weight, bias = controller.hidden_map
    from_hidden = jnp.broadcast_to(bias, projected[0].shape)
    if not fresh:  # else the hidden state is 0
        from_hidden = _masked(state[0], mask) @ weight.T + from_hidden
    from_input = projected[0] + memory.read(memory_state) @ from_reading
    state = controller.activate(from_input, from_hidden, state)
    hidden = state[0][None]
    loop = memory.loop()
    layout = loop.layout_of(memory_state, time, fresh=fresh)
    if time > 1:
        rest, state, layout = _fast_scan(controller, memory, projected[1:], state, layout, mask)
        hidden = jnp.concatenate([hidden, rest])
    weight, bias = memory.controls()
    constants, carry = loop.start(layout)
    carry, _, _ = loop.step(constants, carry, _masked(state[0], mask) @ weight.T + bias[None])
    return hidden, state, loop.state_of(loop.stop(layout, carry, 1), memory_state)


def _masked(hidden: Array, mask: Array | None) -> Array:
    return hidden if mask is None else hidden * mask


class _Residuals(NamedTuple):
    """What the backward pass needs of one of the memory's loops, for each group of strings."""

    states: Any  # the controller's states before each step, time first
    affine: Any  # all that is affine in the hidden state, time first
    memory: Any  # the memory's residuals of each step, time first
    carry: Any  # what the memory's loop carried at its end


def _fast_scan(
    controller: AffineController,
    memory: AffineMemory,
    projected: Float[Array, "time batch gates"],
    state: Any,
    layout: Any,
    mask: Float[Array, "batch hidden"] | None,
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
        maps = controller.hidden_map, memory.controls()
        weights, biases = zip(*maps, strict=True)
        features = controller.weight_input.shape[1] - memory.reading_size
        return (
            jnp.concatenate(weights).T,
            jnp.concatenate(biases),
            controller.weight_input[:, features:].T,
        )

    def activate(controller: Any, from_input: Array, from_hidden: Array, state: Any) -> Any:
        return eqx.combine(controller, static[0]).activate(from_input, from_hidden, state)

    def forward_pass(
        parameters: Any, projected: Array, state: Any, layout: Any, mask: Any, *, gradient: bool
    ) -> tuple[Array, Any, list[_Residuals]]:
        """Everything that it returns comes in groups of strings."""
        weight, bias, from_reading = affine(parameters)
        loop = eqx.combine(parameters, static)[1].loop()
        # Transposed once, before the loop.
        rows = jax.lax.optimization_barrier(weight.T)

        def step(constants: Any, mask: Any, carry: Any, projected: Array) -> Any:
            state, memory_carry = carry
            affine_hidden = _apply(rows, _masked(state[0], mask)) + bias[None]
            controls = affine_hidden[:, gates:]
            memory_carry, reading, residuals = loop.step(constants, memory_carry, controls)
            from_input = projected + reading @ from_reading
            after = activate(parameters[0], from_input, affine_hidden[:, :gates], state)
            return (after, memory_carry), (state, affine_hidden, residuals)

        def run_group(group: Any) -> tuple[tuple[Array, Any, list[_Residuals]], None]:
            projected, state, layout, mask = group
            residuals, begin = [], 0
            for length in loop.lengths(layout, updates):
                constants, carry = loop.start(layout)
                (state, carry), (states, affines, saved) = scan(
                    functools.partial(step, constants, mask),
                    (state, carry),
                    projected[begin : begin + length],
                    unroll=unrolled,
                )
                layout = loop.stop(layout, carry, length)
                residuals.append(_Residuals(states, affines, saved, carry))
                begin += length
            hidden = [each.states[0] for each in residuals]
            hidden = jnp.concatenate([*hidden, state[0][None]])[1:]
            return (hidden, (state, layout), residuals), None

        groups = batch // group_size(memory, batch, updates, gradient=gradient)
        strings = split(projected, groups, axis=1), *split((state, layout, mask), groups)
        return map_and_sum(run_group, strings)[0]

    @jax.custom_vjp
    def run(*arguments: Any) -> tuple[Array, Any]:
        hidden, after, _ = forward_pass(*arguments, gradient=False)
        return join(hidden, axis=1), join(after)

    def forward(*arguments: Any) -> tuple[tuple[Array, Any], Any]:
        hidden, after, residuals = forward_pass(*arguments, gradient=True)
        return (join(hidden, axis=1), join(after)), (*arguments, residuals)

    def backward(saved: Any, cotangents: Any) -> Any:
        parameters, projected, _, layout, mask, residuals = saved
        d_hidden, _ = cotangents
        groups = len(residuals[0].states[0])
        d_hidden, projected = split((d_hidden, projected), groups, axis=1)
        loop = eqx.combine(parameters, static)[1].loop()
        (weight, _, from_reading), pull_affine = jax.vjp(affine, parameters)

        def over_time(*pieces: Array) -> Array:
            return jnp.concatenate(pieces, axis=1)

        states = jax.tree.map(over_time, *(each.states for each in residuals))
        mask = split(mask, groups)
        masked = states[0] if mask is None else states[0] * mask[:, None]
        affine_hidden = over_time(*(each.affine for each in residuals))
        readings = [jax.vmap(loop.readings)(each.carry, each.memory) for each in residuals]
        readings = over_time(*readings)
        # The derivatives of every step, computed outside the loop as batches over time.
        pull_steps = jax.vmap(lambda *step: jax.vjp(activate, parameters[0], *step)[1])
        pull_activate = jax.vmap(pull_steps)(
            projected + readings @ from_reading, affine_hidden[..., :gates], states
        )

        def step(constants: Any, mask: Any, carry: Any, inputs: Any) -> Any:
            d_controller, d_state, memory_carry = carry
            d_hidden, pull_activate, memory_inputs = inputs
            d_state = (d_state[0] + d_hidden, *d_state[1:])
            d_activate, d_input, d_from_hidden, d_state = pull_activate(d_state)
            memory_carry, d_controls = loop.step_backward(
                constants, memory_carry, memory_inputs, d_input @ from_reading.T
            )
            d_affine = jnp.concatenate([d_from_hidden, d_controls], axis=-1)
            d_state = (d_state[0] + _masked(_apply(weight, d_affine), mask), *d_state[1:])
            d_controller = jax.tree.map(jnp.add, d_controller, d_activate)
            # Where the two are added, as in an LSTM, they have one cotangent; it is saved once.
            d_from_hidden = None if d_from_hidden is d_input else d_from_hidden
            saved = d_input, d_from_hidden, d_controls
            return (d_controller, d_state, memory_carry), saved

        def run_group(group: Any) -> Any:
            first, mask, residuals, steps = group
            spans, layout, begin = [], first, 0
            for each in residuals:
                end = begin + len(each.states[0])
                layout = loop.stop(layout, each.carry, end - begin)
                spans.append((slice(begin, end), layout, each.memory))
                begin = end
            d_controller, d_memory = jax.tree.map(jnp.zeros_like, parameters)
            d_state = jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), residuals[0].states)
            adjoint, pieces = None, []
            for span, after, saved in reversed(spans):
                d_span, pulls, controls = jax.tree.map(lambda leaf, span=span: leaf[span], steps)
                constants, carry, inputs = loop.start_backward(after, controls, saved, adjoint)
                (d_controller, d_state, carry), piece = scan(
                    functools.partial(step, constants, mask),
                    (d_controller, d_state, carry),
                    (d_span, pulls, inputs),
                    reverse=True,
                    unroll=unrolled,
                )
                adjoint, d_direct = loop.stop_backward(carry, saved, adjoint)
                if d_direct is not None:
                    d_memory = jax.tree.map(jnp.add, d_memory, d_direct)
                pieces.append(piece)
            d_steps = jax.tree.map(lambda *each: jnp.concatenate(each), *pieces[::-1])
            d_first = d_state, loop.layout_cotangent(first, adjoint)
            return (d_steps, d_first), (d_controller, d_memory)

        steps = d_hidden, pull_activate, affine_hidden[..., gates:]
        ((d_projected, d_from_hidden, d_controls), d_first), d_direct = map_and_sum(
            run_group, (split(layout, groups), mask, residuals, steps)
        )
        d_affine = d_projected if d_from_hidden is None else d_from_hidden, d_controls
        (d_from_affine,) = pull_affine(
            (
                jnp.concatenate([_products(masked, each) for each in d_affine], axis=1),
                jnp.concatenate([each.sum((0, 1, 2)) for each in d_affine]),
                _products(readings, d_projected),
            )
        )
        d_parameters = jax.tree.map(jnp.add, d_direct, d_from_affine)
        d_state, d_layout = join(d_first)
        integers = jax.tree.map(
            lambda leaf: np.zeros(leaf.shape, jax.dtypes.float0),
            eqx.filter(layout, eqx.is_inexact_array, inverse=True),
        )
        d_layout = eqx.combine(d_layout, integers)
        return d_parameters, join(d_projected, axis=1), d_state, d_layout, None

    run.defvjp(forward, backward)
    hidden, (state, layout) = run(parameters, projected, state, layout, mask)
    return hidden, state, layout


def _apply(matrix: Float[Array, "rows columns"], vectors: Float[Array, "batch columns"]) -> Array:
    """The matrix times each vector, [batch, rows].

    XLA's CPU backend copies the right factor of a product at every step; the policy says whether
    the matrix must be the left one. The barrier keeps XLA from exchanging them.
    """
    if policy().matrix_left:
        return jax.lax.optimization_barrier(matrix @ vectors.T).T
    return vectors @ matrix.T


def _products(left: Float[Array, "*steps l"], right: Float[Array, "*steps r"]) -> Array:
    """The sum of outer products over all steps of all strings, as one matrix product."""
    steps = math.prod(left.shape[:-1])
    return left.reshape(steps, left.shape[-1]).T @ right.reshape(steps, right.shape[-1])
