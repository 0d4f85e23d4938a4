"""What a controller or a memory does on fixed input, as a digest.

Parameters and inputs are drawn with fixed generators. All is computed on the CPU and in
float64, so that machines differ by little (see `memrnn.runtime.digests.coarse`); a module that
refuses float64 is computed in the default precision.
"""

import contextlib
import functools
import inspect
import json
import traceback
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from memrnn.errors import MemrnnError
from memrnn.nn.controllers import Controller
from memrnn.nn.initialisation import SCALE
from memrnn.nn.memories import Memory
from memrnn.runtime.digests import canonical_json, coarse, digest

_STEPS = 4
_BATCH = 2
_INPUTS = 5
_HIDDEN = 20
_PLACES = 3

Module = TypeVar("Module", bound=eqx.Module)


def module_behaviour(
    kind: type[Controller] | type[Memory], options: Mapping[str, Any] | None = None
) -> str:
    """Digest of 4 steps from `init`: a controller's states, or a memory's readings and last state.

    Args:
        kind: what is built.
        options: keyword arguments of its constructor, as JSON can hold them.

    Raises:
        MemrnnError: if two modules from equal generators differ. An error of its own is raised with
            a note that names it.
    """
    return _behaviour(kind, canonical_json(dict(options or {})))


@functools.cache
def _behaviour(kind: Any, options: str) -> str:
    run = _run_memory if issubclass(kind, Memory) else _run_controller

    def observe() -> list[str]:
        return _describe(run(kind, json.loads(options)))

    what = "memory" if run is _run_memory else "controller"
    try:
        with _float64():
            first, second = observe(), observe()
    except Exception:
        try:  # Not every module can compute in float64.
            first, second = observe(), observe()
        except Exception as error:
            error.add_note(f"The {what} {kind.__name__} fails on small input{_place(kind, error)}.")
            raise error from None
    if first != second:
        raise MemrnnError(
            f"The {what} {kind.__name__} gives different results for equal generators; it must "
            "draw from its argument rng alone."
        )
    return digest(first)


def _place(kind: Any, error: Exception) -> str:
    """The file of a class, with its last line that an error came through, for people."""
    try:
        path = Path(inspect.getfile(kind)).resolve()
    except (TypeError, OSError):  # made without a file
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == path]
    return f" ({path}, line {lines[-1]})" if lines else f" ({path})"


def _run_controller(kind: Any, options: dict[str, Any]) -> list[Any]:
    rng = np.random.default_rng(0)
    controller = _in_default_type(kind(_INPUTS, _HIDDEN, scale=SCALE, rng=rng, **options))
    states = [controller.init(_BATCH)]
    for _ in range(_STEPS):
        states.append(_step(controller, states[-1], _draw(rng, _INPUTS)))
    return states


def _run_memory(kind: Any, options: dict[str, Any]) -> list[Any]:
    rng = np.random.default_rng(0)
    memory = _in_default_type(kind(_HIDDEN, rng=rng, **options))
    state = memory.init(_BATCH, _STEPS)
    readings: list[Any] = []
    for _ in range(_STEPS):
        readings.append(_read(memory, state))
        state = _step(memory, state, _draw(rng, _HIDDEN))
    return [*readings, state]


@eqx.filter_jit
def _step(module: Controller | Memory, state: Any, inputs: Float[Array, "batch size"]) -> Any:
    return module.step(state, inputs)


@eqx.filter_jit
def _read(memory: Memory, state: Any) -> Float[Array, "batch reading"]:
    return memory.read(state)


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
