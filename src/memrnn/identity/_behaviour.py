"""What a controller or a memory does on fixed input: a digest, and whether it keeps the rules.

Parameters and inputs are drawn with fixed generators. The digest is computed on the CPU and in
float64, so that machines differ by little (see `memrnn.runtime.digests.coarse`); a module that
refuses float64 is computed in the default precision. The rules are checked in the default
precision, in which a module is trained.
"""

import contextlib
import functools
import inspect
import json
import traceback
from collections.abc import Callable, Generator, Mapping
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
from memrnn.nn.memories import AffineMemory, Memory
from memrnn.runtime.digests import canonical_json, coarse, digest

_STEPS = 4
_BATCH = 2
_INPUTS = 5
_HIDDEN = 20
_PLACES = 3
_TOLERANCE = 1e-3
"""Largest difference, absolute or relative, between numbers that only rounding may make differ."""

Module = TypeVar("Module", bound=eqx.Module)


def module_behaviour(
    kind: type[Controller] | type[Memory], options: Mapping[str, Any] | None = None
) -> str:
    """Digest of 4 steps from `init`: a controller's states, or a memory's readings and last state.

    Args:
        kind: what is built.
        options: keyword arguments of its constructor, as JSON can hold them.

    Raises:
        MemrnnError: if two modules from equal generators differ, or if one breaks a rule whose
            breach would go unnoticed or end far away: shapes and types of readings, hidden states
            and states; and that what a string gets depends neither on the other strings of its
            batch nor on the horizon. An error of its own is raised with a note that names it.
    """
    return _behaviour(kind, canonical_json(dict(options or {})))


@functools.cache
def _behaviour(kind: Any, options: str) -> str:
    is_memory = issubclass(kind, Memory)
    what = "memory" if is_memory else "controller"
    run = _run_memory if is_memory else _run_controller
    check = _check_memory if is_memory else _check_controller

    def observe() -> list[str]:
        return _describe(run(kind, json.loads(options)))

    try:
        # Those of memrnn are checked by its tests, which saves a second at every start.
        if not kind.__module__.startswith("memrnn."):
            with _on_cpu():
                check(kind, json.loads(options))
        try:
            with _float64():
                first, second = observe(), observe()
        except Exception:  # Not every module can compute in float64.
            first, second = observe(), observe()
    except MemrnnError:
        raise
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
def _read(memory: Memory, state: Any) -> Any:  # whatever a user's memory gives
    return memory.read(state)


def _check_controller(kind: Any, options: dict[str, Any]) -> None:
    name = f"The controller {kind.__name__}"
    rng = np.random.default_rng(0)
    controller = _in_default_type(kind(_INPUTS, _HIDDEN, scale=SCALE, rng=rng, **options))
    if (sizes := (controller.input_size, controller.hidden_size)) != (_INPUTS, _HIDDEN):
        raise MemrnnError(
            f"{name} was built for input_size {_INPUTS} and hidden_size {_HIDDEN}, but says "
            f"{sizes[0]} and {sizes[1]}."
        )
    inputs = [_draw(rng, _INPUTS) for _ in range(_STEPS)]

    def hidden_states(rows: slice) -> list[Any]:
        batch = len(inputs[0][rows])
        state, hidden = controller.init(batch), list[Any]()
        for each in [None, *inputs]:
            if each is not None:
                before, state = state, _step(controller, state, each[rows])
                _check_state(name, "step", before, state)
            hidden.append((jax.tree.leaves(state) or [None])[0])
            subject = f"{name} has a state whose first leaf, the hidden state,"
            _check_array(subject, hidden[-1], (batch, _HIDDEN), "hidden_size")
        return hidden

    _check_alone(f"{name} mixes the strings of a batch: of a string alone it computes other "
                 "hidden states than of the same string beside another one.",
                 hidden_states)  # fmt: skip


def _check_memory(kind: Any, options: dict[str, Any]) -> None:
    name = f"The memory {kind.__name__}"
    rng = np.random.default_rng(0)
    memory = _in_default_type(kind(_HIDDEN, rng=rng, **options))
    inputs = [_draw(rng, _HIDDEN) for _ in range(_STEPS)]

    def readings(rows: slice, horizon: int = _STEPS) -> list[Any]:
        batch = len(inputs[0][rows])
        state = memory.init(batch, horizon)
        read: list[Any] = []
        for each in inputs:
            read.append(_read(memory, state))
            _check_array(f"{name} gives a reading that", read[-1],
                         (batch, memory.reading_size), "reading_size")  # fmt: skip
            before, state = state, _step(memory, state, each[rows])
            what = "update" if isinstance(memory, AffineMemory) else "step"
            _check_state(name, what, before, state)
        return read

    _check_alone(f"{name} mixes the strings of a batch: of a string alone it gives other readings "
                 "than of the same string beside another one.", readings)  # fmt: skip
    if not _agree(readings(slice(None)), readings(slice(None), _STEPS + 3)):
        raise MemrnnError(
            f"{name} gives readings that depend on the horizon: with a horizon of {_STEPS + 3} "
            f"the first {_STEPS} readings are others than with one of {_STEPS}. Scores of a "
            "string would depend on the length to which its batch is padded."
        )


def _check_array(subject: str, value: Any, shape: tuple[int, int], size: str) -> None:
    known = isinstance(value, jax.Array)
    if known and value.shape == shape and jnp.issubdtype(value.dtype, jnp.floating):
        return
    found = _shapes(value) if known else type(value).__name__
    raise MemrnnError(
        f"{subject} is {found} for a batch of {shape[0]}, but must be floating-point numbers of "
        f"shape [{shape[0]}, {shape[1]}]: [batch, {size}]."
    )


def _check_state(name: str, method: str, before: Any, after: Any) -> None:
    if _signature(before) != _signature(after):
        raise MemrnnError(
            f"{name} has a method {method} that makes of a state {_shapes(before)} a state "
            f"{_shapes(after)}; it must keep structure, shapes and types."
        )


def _check_alone(complaint: str, run: Callable[[slice], list[Any]]) -> None:
    """Raises a MemrnnError if the rows of a batch are not what each row is alone."""
    together = run(slice(None))
    for row in range(_BATCH):
        rows = slice(row, row + 1)
        if not _agree([leaf[rows] for leaf in together], run(rows)):
            raise MemrnnError(complaint)


def _agree(some: list[Any], others: list[Any]) -> bool:
    return all(
        np.allclose(one, other, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)
        for one, other in zip(some, others, strict=True)
    )


def _signature(state: Any) -> tuple[Any, list[Any]]:
    leaves = [(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in jax.tree.leaves(state)]
    return jax.tree.structure(state), leaves


def _shapes(tree: Any) -> str:
    """The types and shapes of arrays, for people: `float32[2, 20]`."""
    leaves = [
        f"{jnp.result_type(leaf)}{list(jnp.shape(leaf))}".replace("[]", "")
        for leaf in jax.tree.leaves(tree)
    ]
    return f"({', '.join(leaves)})" if len(leaves) != 1 else leaves[0]


def _describe(trees: list[Any]) -> list[str]:
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(trees) if eqx.is_inexact_array(leaf)]
    numbers = [leaf.astype(np.float64).ravel() for leaf in leaves]
    return coarse(np.concatenate([np.zeros(0), *numbers]), _PLACES)


@contextlib.contextmanager
def _float64() -> Generator[None]:
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"), _on_cpu():
        yield


@contextlib.contextmanager
def _on_cpu() -> Generator[None]:
    try:
        device = jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX runs without its CPU backend
        device = None
    with jax.default_device(device):
        yield


def _in_default_type(module: Module) -> Module:
    """The module with parameters in the default float type, whatever type it drew them in."""
    floats, rest = eqx.partition(module, eqx.is_inexact_array)
    dtype = jnp.result_type(float)
    return eqx.combine(jax.tree.map(lambda leaf: leaf.astype(dtype), floats), rest)


def _draw(rng: np.random.Generator, size: int) -> Float[Array, "batch {size}"]:
    return jnp.asarray(rng.uniform(-1, 1, (_BATCH, size)), jnp.result_type(float))
