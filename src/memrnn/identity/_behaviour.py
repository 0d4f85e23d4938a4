"""What a controller or a memory does on fixed input, as a digest.

Parameters and inputs are drawn with fixed generators. All is computed on the CPU and in
float64, so that machines differ by little (see `memrnn.runtime.digests.coarse`); a module that
refuses float64 is computed in the default precision.
"""

import contextlib
import functools
import json
from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from memrnn.errors import MemrnnError
from memrnn.nn._init import SCALE
from memrnn.nn.controllers import Controller
from memrnn.nn.memories import Memory
from memrnn.runtime.digests import canonical_json, coarse, digest

_STEPS = 4
_BATCH = 2
_INPUTS = 5
_PLACES = 3

Module = TypeVar("Module", bound=eqx.Module)


def controller_behaviour(build: Callable[..., Controller], hidden_size: int = 20) -> str:
    """Digest of the states after each of 4 steps from `init`.

    Raises:
        MemrnnError: if two controllers from equal generators differ.
    """
    return _controller_behaviour(build, hidden_size)


@functools.cache
def _controller_behaviour(build: Callable[..., Controller], hidden_size: int) -> str:
    def observe() -> list[Any]:
        rng = np.random.default_rng(0)
        cell = _in_default_type(build(_INPUTS, hidden_size, scale=SCALE, rng=rng))
        states = [cell.init(_BATCH)]
        for _ in range(_STEPS):
            states.append(_step(cell, states[-1], _draw(rng, _INPUTS)))
        return states

    return _observed(observe, "controller", build)


def memory_behaviour(
    build: Callable[..., Memory], options: Mapping[str, Any], hidden_size: int = 20
) -> str:
    """Digest of what is read before each of 4 steps from `init`, and of the last state.

    Raises:
        MemrnnError: if two memories from equal generators differ.
    """
    return _memory_behaviour(build, canonical_json(dict(options)), hidden_size)


@functools.cache
def _memory_behaviour(build: Callable[..., Memory], options: str, hidden_size: int) -> str:
    def observe() -> list[Any]:
        rng = np.random.default_rng(0)
        memory = _in_default_type(build(hidden_size, rng=rng, **json.loads(options)))
        state = memory.init(_BATCH, _STEPS)
        seen: list[Any] = []
        for _ in range(_STEPS):
            seen.append(_read(memory, state))
            state = _step(memory, state, _draw(rng, hidden_size))
        return [*seen, state]

    return _observed(observe, "memory", build)


@eqx.filter_jit
def _step(module: Controller | Memory, state: Any, inputs: Float[Array, "batch size"]) -> Any:
    return module.step(state, inputs)


@eqx.filter_jit
def _read(memory: Memory, state: Any) -> Float[Array, "batch reading"]:
    return memory.read(state)


def _observed(observe: Callable[[], list[Any]], what: str, thing: Any) -> str:
    try:
        with _float64():
            said = _describe(observe())
            again = _describe(observe())
    except Exception:
        # Not every module can compute in float64. What is wrong with it in float32, too, is
        # raised here.
        said, again = _describe(observe()), _describe(observe())
    if said != again:
        raise MemrnnError(
            f"The {what} {thing.__name__} gives different results for equal generators; it must "
            "draw from its argument rng alone."
        )
    return digest(said)


def _describe(trees: list[Any]) -> list[str]:
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(trees) if eqx.is_inexact_array(leaf)]
    return coarse(np.concatenate([leaf.astype(np.float64).ravel() for leaf in leaves]), _PLACES)


@contextlib.contextmanager
def _float64() -> Generator[None]:
    try:
        device = jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX runs without its CPU backend
        device = None
    with (
        jax.enable_x64(True),
        jax.numpy_dtype_promotion("standard"),
        jax.default_device(device),
    ):
        yield


def _in_default_type(module: Module) -> Module:
    """The module with parameters in the default float type, whatever type it drew them in."""
    floats, rest = eqx.partition(module, eqx.is_inexact_array)
    dtype = jnp.result_type(float)
    return eqx.combine(jax.tree.map(lambda leaf: leaf.astype(dtype), floats), rest)


def _draw(rng: np.random.Generator, size: int) -> Float[Array, "batch {size}"]:
    return jnp.asarray(rng.uniform(-1, 1, (_BATCH, size)), jnp.result_type(float))
