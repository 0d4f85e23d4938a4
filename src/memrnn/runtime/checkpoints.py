"""Files that are either whole or absent: arrays in safetensors, everything else as JSON."""

import contextlib
import errno
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import numpy as np
import safetensors
import safetensors.numpy

from memrnn.errors import MemrnnError

T = TypeVar("T")

FORMAT = 1
_KEY = "memrnn"
_PARTIAL = ".partial"
_UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.ENOSYS)
"""Errors of file systems that cannot flush a folder: FAT, some network and user-space ones."""


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file so that a crash at any moment leaves the old file or the new one, whole.

    Raises:
        OSError: naming the file; what was there before is untouched.
    """
    temporary = path.with_name(f"{secrets.token_hex(8)}{_PARTIAL}")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
        raise OSError(error.errno, f"Could not write {path}: {reason}.") from error


def write_output(path: Path, content: bytes) -> None:
    """The same for a file that somebody asked for by name: its folder need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content)


def _flush_folder(folder: Path) -> None:
    """Makes a rename survive a crash of the machine, on file systems that can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def remove_partial(folder: Path) -> None:
    """Removes what writes that were killed left behind."""
    for path in filter(is_partial, folder.iterdir()):
        path.unlink()


def is_partial(path: Path) -> bool:
    """Whether this file is a write that was not finished."""
    return path.name.endswith(_PARTIAL)


def save(path: Path, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
    """Writes arrays and a JSON record as one file, with a digest over both."""
    text = json.dumps(record, sort_keys=True)
    header = json.dumps({"format": FORMAT, "digest": _digest(arrays, text), "record": text})
    write_bytes(path, safetensors.numpy.save(dict(arrays), {_KEY: header}))


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Reads what `save` wrote.

    Raises:
        MemrnnError: if the file is not a checkpoint of memrnn, or damaged.
        OSError: if it cannot be read.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {}).get(_KEY)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise MemrnnError(f"{path} is damaged or no checkpoint: {error}.") from error
    if header is None:
        raise MemrnnError(f"{path} is a safetensors file, but no checkpoint of memrnn.")
    try:
        content = json.loads(header)
        version, digest, text = content["format"], content["digest"], content["record"]
    except (ValueError, KeyError, TypeError) as error:
        raise MemrnnError(f"{path} is damaged: its header cannot be read.") from error
    if version != FORMAT:
        raise MemrnnError(f"{path} has format {version}, but this version reads format {FORMAT}.")
    if digest != _digest(arrays, text):
        raise MemrnnError(f"{path} is damaged: its content does not match its digest.")
    return arrays, json.loads(text)


def arrays_of(tree: Any) -> dict[str, np.ndarray]:
    """The array leaves of a tree by their paths, `network.controller.weight_input` and so on."""
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(tree, eqx.is_array))
    return {_name(path): np.asarray(leaf) for path, leaf in leaves}


def restore(tree: T, arrays: Mapping[str, np.ndarray]) -> T:
    """A copy of `tree` with every array leaf replaced by the stored one of the same name.

    Raises:
        MemrnnError: if one is missing or has another shape or type.
    """

    def stored(path: Any, leaf: Any) -> Any:
        if not eqx.is_array(leaf):
            return leaf
        name = _name(path)
        array = arrays.get(name)
        if array is None or array.shape != leaf.shape or array.dtype != leaf.dtype:
            what = "is missing" if array is None else f"is {array.dtype}{list(array.shape)}"
            raise MemrnnError(
                f"The checkpoint belongs to another network: {name} {what}, "
                f"but should be {leaf.dtype}{list(leaf.shape)}."
            )
        return jax.device_put(array)

    return jax.tree_util.tree_map_with_path(stored, tree)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path).removeprefix(".")


def _digest(arrays: Mapping[str, np.ndarray], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
