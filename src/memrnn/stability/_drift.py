"""How a network that training has moved differs from the one that training started from.

Along strings of the longest training length, with the gates' pre-activations a, those of the start
a0, and the logits z of a stack's actions,

    gate_margin = min sign(a0) a / min |a0|        action_gap = min (z_c - max of the other z)

where c is the action that the start prefers. Both are taken over all strings, steps and units, or
stacks. At the start the gate margin is 1, and the action gap of a constructed network nearly the D
that it was given; below 0 a gate or an action is another one than at the start. With a gap D an
action leaks about exp(-D) per step, so that the stack fails after about 0.58 exp(D) symbols
(`horizon`), unless rounding repairs it.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from memrnn.automata import Machine, machine_of
from memrnn.errors import MemrnnError
from memrnn.languages import Language, get_language
from memrnn.nn.components import COMPONENTS
from memrnn.nn.controllers import AffineController
from memrnn.nn.memories import Superposition
from memrnn.nn.network import Network
from memrnn.tasks import EvaluationSet, Strings, score_set
from memrnn.training import Restart, register_measure

TIMES = (1, 5, 20)
"""Multiples of the longest training length at which errors are counted."""
STRINGS = 10
"""Of each of these lengths."""
HORIZON = 0.58
"""Symbols after which a stack fails, times exp(-D).

Measured on marked-reversal in float64 with D = 3 ... 8.
"""
ON = math.tanh(1.0)


class _Gates(NamedTuple):
    """Along strings, [steps, strings, ...]; None where the network has none.

    Attributes:
        activations: of the controller's gates, before the sigmoid.
        actions: logits of push, pop and no operation, of every stack.
    """

    activations: Array | None
    actions: Array | None


def drift(restart: Restart, network: Network) -> Mapping[str, float]:
    """What has become of the network that a restart started from; the measure `drift`.

    Per component that has parameters `change.COMPONENT`, the largest |difference| from the start,
    and `gradient.COMPONENT`, the L2 norm of the gradient of the first training batch's loss, of
    frozen components, too. `gate_margin`, `action_gap` and `horizon` (see above), where the
    controller has gates and the memory superposition stacks. On strings of 1, 5 and 20 times the
    longest training length: `wrong_1x`, ... predictions per string whose most probable symbol is
    illegal, and `free_nats`, `determined_nats` per string of the first. `departure`: of the longest
    strings, the fewest symbols after which the units that are on are not those of the language's
    machine; NaN if they always are.

    Args:
        restart: as it is trained; its start is what is compared with.
        network: at the evaluation point.

    Returns:
        Numbers by name.

    Raises:
        MemrnnError: if the task is not one of strings.

    Examples:
        >>> import memrnn
        >>> task = memrnn.Strings("marked-reversal")
        >>> memrnn.Experiment(task, "lstm-12+jm-2", measure=("drift",)).measure
        ('drift',)
    """
    task, start = restart.experiment.task, restart.initial_network()
    if not isinstance(task, Strings):
        raise MemrnnError(f"The measure drift is one of the task strings, not of {task.name}.")
    numbers = _changes(start, network) | _gradients(restart, task, network)
    sets = _sets(task)
    first, last = jnp.asarray(_tokens(sets[TIMES[0]])), _tokens(sets[TIMES[-1]])
    numbers |= _margins(_gates(start, first), _gates(network, first))
    scores = {times: score_set(task, network, each) for times, each in sets.items()}
    for times, each in scores.items():
        if "illegal_argmax" in each:
            numbers[f"wrong_{times}x"] = float(each["illegal_argmax"][0].mean())
    of_first = scores[TIMES[0]]
    nats = float(of_first["perplexity"][0].mean())
    determined = of_first.get("determined_perplexity")
    certain = 0.0 if determined is None else float(determined[0].mean())
    numbers |= {"determined_nats": certain, "free_nats": nats - certain}
    machine = _machine(task.language)
    if machine is not None and len(machine.moves) < network.controller.hidden_size:
        numbers["departure"] = _departure(machine, network, last)
    return numbers


register_measure("drift", drift)


def _changes(start: Network, network: Network) -> dict[str, float]:
    return {
        f"change.{component}": max(float(np.max(np.abs(a - b))) for a, b in pairs)
        for component in COMPONENTS
        if (pairs := list(zip(_leaves(network, component), _leaves(start, component), strict=True)))
    }


def _gradients(restart: Restart, task: Strings, network: Network) -> dict[str, float]:
    batch = jax.tree.map(jnp.asarray, task.batch(restart.data, 0, task.widths[-1]))
    gradient = _gradient(task, network, batch)
    return {
        f"gradient.{component}": math.sqrt(sum(float(np.sum(leaf**2)) for leaf in leaves))
        for component in COMPONENTS
        if (leaves := _leaves(gradient, component))
    }


def _leaves(network: Network, component: str) -> list[np.ndarray]:
    """The parameters of a component in float64."""
    tree = eqx.filter(getattr(network, component), eqx.is_inexact_array)
    return [np.asarray(leaf).astype(np.float64) for leaf in jax.tree.leaves(tree) if leaf.size]


@eqx.filter_jit
def _gradient(task: Strings, network: Network, batch: Any) -> Network:
    return eqx.filter_grad(lambda network: task.loss(network, (), batch, jax.random.key(0))[0])(
        network
    )


@functools.lru_cache(maxsize=8)
def _sets(task: Strings) -> dict[int, EvaluationSet]:
    """Strings of the lengths at which errors are counted, by the multiple."""
    language, longest = get_language(task.language), task.train_lengths[1]
    found: dict[int, EvaluationSet] = {}
    for times in TIMES:
        length = _valid_length(language, times * longest)
        one = dataclasses.replace(task, length_bins=((length, length),), samples_per_length=STRINGS)
        found[times] = one.evaluation_set(f"{length}:{length}")
    return found


def _valid_length(language: Language, most: int) -> int:
    """The largest valid length up to a number; training has one, so there is one."""
    return next(length for length in range(most, -1, -1) if language.valid(length))


def _tokens(evaluation_set: EvaluationSet) -> np.ndarray:
    """All strings of a set whose strings have one length."""
    rows = zip(evaluation_set.batches, evaluation_set.items, strict=True)
    return np.concatenate([batch.tokens[items >= 0] for batch, items in rows])


@eqx.filter_jit
def _gates(network: Network, tokens: Array) -> _Gates:
    """Along strings, one step after another."""
    controller, memory = network.controller, network.memory
    inputs = network.embedding(tokens.T, network.dtype)

    def step(state: Any, x: Array) -> tuple[Any, _Gates]:
        joined = jnp.concatenate([x, memory.read(state.memory)], axis=1)
        activations = actions = None
        if isinstance(controller, AffineController):
            weight, bias = controller.hidden_map
            activations = joined @ controller.weight_input.T + controller.bias_input[None]
            activations += state.hidden @ weight.T + bias[None]
        after = controller.step(state.controller, joined)
        hidden = jax.tree.leaves(after)[0]
        if isinstance(memory, Superposition):
            rows, offset = memory.controls()
            actions, _ = memory.actions(hidden @ rows.T + offset[None])
        following = state._replace(controller=after, memory=memory.step(state.memory, hidden))
        return following, _Gates(activations, actions)

    return jax.lax.scan(step, network.init(len(tokens), tokens.shape[1]), inputs)[1]


def _margins(start: _Gates, now: _Gates) -> dict[str, float]:
    """What is left of the distances from the thresholds.

    Units that are always 0 at the start, such as those that a constructed network does not use, do
    not count.
    """
    numbers: dict[str, float] = {}
    if start.activations is not None and now.activations is not None:
        before, after = np.asarray(start.activations), np.asarray(now.activations)
        used = before != 0
        smallest = np.min(np.abs(before[used]))
        numbers["gate_margin"] = float(np.min((np.sign(before) * after)[used]) / smallest)
    if start.actions is not None and now.actions is not None:
        chosen = np.argmax(np.asarray(start.actions), axis=-1)[..., None]
        logits = np.asarray(now.actions)
        others = np.where(np.arange(3) == chosen, -np.inf, logits).max(axis=-1)
        gap = float(np.min(np.take_along_axis(logits, chosen, axis=-1)[..., 0] - others))
        numbers |= {"action_gap": gap, "horizon": HORIZON * math.exp(min(gap, 700)) * (gap > 0)}
    return numbers


def _machine(language: str) -> Machine | None:
    try:
        return machine_of(language)
    except MemrnnError:
        return None


def _departure(machine: Machine, network: Network, tokens: np.ndarray) -> float:
    """The fewest symbols after which other units are on than the machine's rule and the clock."""
    clock = len(machine.moves)
    on = np.asarray(_hidden(network, jnp.asarray(tokens)))[..., : clock + 1] > ON / 2
    rules = np.stack([machine.run(string).rules for string in tokens], axis=1)
    expected = np.arange(clock + 1) == rules[..., None]
    expected[..., clock] = True
    (wrong,) = np.nonzero(np.any(on != expected, axis=(1, 2)))
    return float(wrong[0] + 1) if len(wrong) else math.nan


@eqx.filter_jit
def _hidden(network: Network, tokens: Array) -> Array:
    return network.hidden(tokens.T)[0]
