"""Checkpoint files: what is written is read, and nothing else is."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from memrnn.runtime import checkpoints

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.zeros((0, 4)),
    "c": np.int32(3),
}
RECORD = {"text": "ü", "number": 0.1, "infinite": float("inf")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.safetensors"
    checkpoints.save(path, {name: np.asarray(array) for name, array in ARRAYS.items()}, RECORD)
    return path


def test_what_is_saved_is_loaded(path: Path) -> None:
    arrays, record = checkpoints.load(path)
    assert record == RECORD
    assert arrays.keys() == ARRAYS.keys()
    for name, array in arrays.items():
        assert array.dtype == np.asarray(ARRAYS[name]).dtype
        np.testing.assert_array_equal(array, ARRAYS[name])


def test_the_same_content_is_the_same_file(path: Path) -> None:
    content = path.read_bytes()
    checkpoints.save(path, {name: np.asarray(array) for name, array in ARRAYS.items()}, RECORD)
    assert path.read_bytes() == content


def test_any_damaged_byte_is_noticed(path: Path) -> None:
    content = path.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        try:
            arrays, record = checkpoints.load(path)
        except ValueError:
            continue
        # White space in a header may change without changing what is read.
        assert record == RECORD
        assert all(np.array_equal(arrays[name], ARRAYS[name]) for name in ARRAYS)


def test_any_truncated_file_is_refused(path: Path) -> None:
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="damaged or no checkpoint"):
            checkpoints.load(path)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(2)}))
    with pytest.raises(ValueError, match="no checkpoint of memrnn"):
        checkpoints.load(path)


def test_arrays_of_another_shape_are_refused() -> None:
    tree = {"x": np.zeros(3)}
    with pytest.raises(ValueError, match=r"belongs to another network: \['x'\] is missing"):
        checkpoints.restore(tree, {})
    with pytest.raises(ValueError, match=r"is float64\[2\], but should be float64\[3\]"):
        checkpoints.restore(tree, {"['x']": np.zeros(2)})


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"Could not write .*absent"):
        checkpoints.write_bytes(tmp_path / "absent" / "file", b"")
