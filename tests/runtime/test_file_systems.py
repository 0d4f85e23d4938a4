"""File systems that lack locks or the flushing of folders, by the errors that they give."""

import errno
import fcntl
import os
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from memrnn.errors import MemrnnError, MemrnnWarning
from memrnn.runtime import checkpoints
from memrnn.runtime.locks import hold, is_held

Inject = Callable[[object, str, int], None]


@pytest.fixture
def inject(monkeypatch: pytest.MonkeyPatch) -> Inject:
    """Makes a system call fail."""

    def install(module: object, name: str, number: int) -> None:
        def fail(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(module, name, fail)

    return install


@pytest.mark.parametrize("name", ["ENOLCK", "ENOTSUP", "EOPNOTSUPP", "EINVAL", "ENOSYS", "EBADF"])
def test_without_locks_work_goes_on_with_a_warning(
    name: str, tmp_path: Path, inject: Inject
) -> None:
    inject(fcntl, "flock", getattr(errno, name))
    with (
        pytest.warns(MemrnnWarning, match="has no locks .* run only one at a time"),
        hold(tmp_path, "training"),
    ):
        assert not is_held(tmp_path)


@pytest.mark.parametrize("name", ["EWOULDBLOCK", "EACCES"])
def test_a_folder_that_is_held_is_refused(name: str, tmp_path: Path, inject: Inject) -> None:
    inject(fcntl, "flock", getattr(errno, name))
    with (
        pytest.raises(MemrnnError, match="Another process is training"),
        hold(tmp_path, "training"),
    ):
        pass
    assert is_held(tmp_path)


def test_a_lock_that_fails_otherwise_is_an_error(tmp_path: Path, inject: Inject) -> None:
    inject(fcntl, "flock", errno.EIO)
    with pytest.raises(OSError, match="Input/output error"), hold(tmp_path, "training"):
        pass


def test_another_process_that_holds_a_folder_is_seen(tmp_path: Path) -> None:
    with hold(tmp_path, "training"):
        code = "import sys, memrnn.runtime.locks as l; print(l.is_held(sys.argv[1]))"
        command = [sys.executable, "-c", code, str(tmp_path)]
        assert subprocess.run(command, capture_output=True, check=True).stdout == b"True\n"
    assert not is_held(tmp_path)


def test_the_warning_is_shown_once(tmp_path: Path, inject: Inject) -> None:
    inject(fcntl, "flock", errno.ENOLCK)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            with hold(tmp_path / name, "training"):
                pass
    assert len(caught) == 1


@pytest.mark.parametrize("name", ["EINVAL", "ENOTSUP", "EPERM", "ENOSYS"])
def test_files_are_written_where_folders_cannot_be_flushed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for_folders(monkeypatch, getattr(errno, name))
    checkpoints.write_bytes(tmp_path / "file", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"content"


@pytest.mark.parametrize("name", ["ENOSPC", "EIO"])
def test_real_failures_stay_errors(
    name: str, tmp_path: Path, inject: Inject, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for_folders(monkeypatch, getattr(errno, name))
    with pytest.raises(OSError, match=r"Could not write .*file") as caught:
        checkpoints.write_bytes(tmp_path / "file", b"content")
    assert caught.value.errno == getattr(errno, name)
    inject(os, "replace", getattr(errno, name))
    with pytest.raises(OSError, match=r"Could not write .*other"):
        checkpoints.write_bytes(tmp_path / "other", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_files_are_as_readable_as_any(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        checkpoints.write_bytes(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def fail_for_folders(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    flush = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
