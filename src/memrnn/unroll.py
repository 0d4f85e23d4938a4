"""The loop over time of a controller and its memory, with a gradient that fits it.

Plain differentiation of the loop would add every weight's gradient once a step and compute
every derivative inside the loop. Here the backward loop carries only what truly depends on the
next step, the cotangent of the state. Before it, the derivatives of all steps are computed at
once (they depend on saved states only); after it, the gradient of each weight is one matrix
product over all steps and strings.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from memrnn.controllers import Controller
from memrnn.memories import Memory


def unroll(
    controller: Controller, memory: Memory, inputs: Float[Array, "time batch features"]
) -> Float[Array, "time batch hidden"]:
    """Runs a controller with its memory over a batch of input sequences.

        t = 1:   r_1 = reading(s_0)                                      no update
        t >= 2:  s_{t-1} = update(s_{t-2}, W h_{t-1} + b);   r_t = reading(s_{t-1})
        state_t = activate(W_ih [x_t; r_t] + b_ih, W_hh h_{t-1} + b_hh, state_{t-1})

    so that n inputs make n - 1 updates of the memory.

    Args:
        inputs: `x_1 ... x_n`, n >= 1, time first.

    Returns:
        The hidden states `h_1 ... h_n`.

    Source: DuSell & Chiang 2023 (arXiv 2210.01343), section 2.
    """
    time, batch, features = inputs.shape
    projected = inputs @ controller.weight_input[:, :features].T + controller.bias_input[None, None]
    memory_state = memory.initial_state(batch, updates=time - 1)
    state = controller.initial_state(batch)
    first = controller.activate(
        projected[0] + memory.reading(memory_state) @ controller.weight_input[:, features:].T,
        jnp.broadcast_to(controller.bias_hidden, projected[0].shape),
        state,
    )
    rest = _scan(controller, memory, projected[1:], first, memory_state)
    return jnp.concatenate([first[0][None], rest])


def _scan(
    controller: Controller,
    memory: Memory,
    projected: Float[Array, "time batch gates"],
    state: Any,
    memory_state: Any,
) -> Float[Array, "time batch hidden"]:
    """Steps 2 ... n, each of them an update of the memory and then one of the controller."""
    parameters, static = eqx.partition((controller, memory), eqx.is_inexact_array)
    gates = projected.shape[-1]

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

    def remember(parameters: Any, state: Any, drive: Array) -> tuple[Any, Array]:
        _, memory = eqx.combine(parameters, static)
        state = memory.update(state, drive)
        return state, memory.reading(state)

    def activate(parameters: Any, from_input: Array, from_hidden: Array, state: Any) -> Any:
        controller, _ = eqx.combine(parameters, static)
        return controller.activate(from_input, from_hidden, state)

    def loop(step_outputs: Callable, parameters: Any, projected: Array, state: Any, memory: Any):
        weight, bias, from_reading = affine(parameters)

        def step(carry: Any, projected: Array) -> Any:
            state, memory_state = carry
            affine_hidden = state[0] @ weight + bias[None]
            remembered, reading = remember(parameters, memory_state, affine_hidden[:, gates:])
            from_input = projected + reading @ from_reading
            following = activate(parameters, from_input, affine_hidden[:, :gates], state)
            return (following, remembered), step_outputs(following, carry)

        return jax.lax.scan(step, (state, memory), projected)

    @jax.custom_vjp
    def run(*arguments: Any) -> Array:
        return loop(lambda state, _: state[0], *arguments)[1]

    def forward(parameters: Any, projected: Array, *states: Any) -> tuple[Array, Any]:
        (last, remembered), carries = loop(lambda _, carry: carry, parameters, projected, *states)
        hidden = jnp.concatenate([carries[0][0], last[0][None]])[1:]
        return hidden, (parameters, projected, carries, remembered)

    def backward(residuals: Any, d_hidden: Array) -> Any:
        parameters, projected, (states, memory_states), remembered = residuals
        # What was read in a step is in the memory's next state: cheaper read again than saved.
        _, memory = eqx.combine(parameters, static)
        readings = jax.vmap(memory.reading)(memory_states)
        readings = jnp.concatenate([readings[1:], memory.reading(remembered)[None]])
        (weight, bias, from_reading), pull_affine = jax.vjp(affine, parameters)
        affine_hidden = states[0] @ weight + bias[None, None]
        # The derivatives of every step, computed outside the loop as batches over time.
        pull_activate = jax.vmap(lambda *step: jax.vjp(activate, parameters, *step)[1])(
            projected + readings @ from_reading, affine_hidden[..., :gates], states
        )
        pull_remember = jax.vmap(lambda *step: jax.vjp(remember, parameters, *step)[1])(
            memory_states, affine_hidden[..., gates:]
        )

        def step(carry: Any, now: Any) -> Any:
            d_parameters, d_state, d_memory_state = carry
            d_hidden, pull_activate, pull_remember = now
            d_state = (d_state[0] + d_hidden, *d_state[1:])
            d_activate, d_input, d_from_hidden, d_state = pull_activate(d_state)
            d_reading = d_input @ from_reading.T
            d_remember, d_memory_state, d_drive = pull_remember((d_memory_state, d_reading))
            d_affine = jnp.concatenate([d_from_hidden, d_drive], axis=-1)
            d_state = (d_state[0] + d_affine @ weight.T, *d_state[1:])
            d_parameters = jax.tree.map(lambda *d: sum(d), d_parameters, d_activate, d_remember)
            return (d_parameters, d_state, d_memory_state), (d_input, d_affine)

        zeros = jax.tree.map(
            jnp.zeros_like,
            (parameters, *jax.tree.map(lambda leaf: leaf[0], (states, memory_states))),
        )
        (d_parameters, d_state, d_memory_state), (d_projected, d_affine) = jax.lax.scan(
            step, zeros, (d_hidden, pull_activate, pull_remember), reverse=True
        )
        (d_from_affine,) = pull_affine(
            (
                jnp.einsum("tbh,tbz->hz", states[0], d_affine),
                d_affine.sum((0, 1)),
                jnp.einsum("tbr,tbg->rg", readings, d_projected),
            )
        )
        d_parameters = jax.tree.map(jnp.add, d_parameters, d_from_affine)
        return d_parameters, d_projected, d_state, d_memory_state

    run.defvjp(forward, backward)
    return run(parameters, projected, state, memory_state)
