"""Homes that are missing, folders that are not ours, scripts that start what they import."""

import multiprocessing
import os
import warnings
from pathlib import Path

import pytest

from memrnn.errors import MemrnnError, MemrnnWarning
from memrnn.nn.models import get_model
from memrnn.nn.network import OneHot
from memrnn.runtime import (
    WORKER,
    check_main_guard,
    check_output,
    configure_matplotlib,
    explain_failed_start,
    home_folder,
    is_writable,
)
from memrnn.runtime.cache import cache_folder
from memrnn.runtime.printing import plain_output
from memrnn.tasks import Strings


def without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    for name in ("MEMRNN_CACHE", "XDG_CACHE_HOME", "MPLCONFIGDIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    without_a_home(monkeypatch)
    assert home_folder() is None and cache_folder() is None
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    assert cache_folder() == Path("/home/me/.cache/memrnn")
    monkeypatch.setenv("XDG_CACHE_HOME", "/scratch")
    assert cache_folder() == Path("/scratch/memrnn")
    monkeypatch.setenv("MEMRNN_CACHE", "/mine")
    assert cache_folder() == Path("/mine")


def test_matplotlib_gets_a_folder_where_there_is_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    configure_matplotlib()
    without_a_home(monkeypatch)
    monkeypatch.setenv("MPLCONFIGDIR", "")
    configure_matplotlib()
    assert Path(os.environ["MPLCONFIGDIR"]).is_dir()


def test_a_folder_for_output_must_be_writable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_output(tmp_path / "new" / "folder")
    assert not is_writable(tmp_path / "file" / "folder")
    with pytest.raises(MemrnnError, match="cannot be written; give another folder with --out"):
        check_output(tmp_path / "file" / "folder")


def test_a_script_must_not_start_a_study_while_it_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_main_guard()
    process = multiprocessing.current_process()
    monkeypatch.setattr(process, "_inheriting", True, raising=False)
    with pytest.raises(MemrnnError, match="if __name__ == '__main__'"):
        check_main_guard()
    monkeypatch.setattr(process, "_name", WORKER)
    with pytest.raises(SystemExit) as ended:
        check_main_guard()
    assert "if __name__ == '__main__'" in explain_failed_start(ended.value.code)  # type: ignore[arg-type]
    assert "exit status 3" in explain_failed_start(3)


def test_warnings_of_memrnn_are_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[object] = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: others.append(message))
    with plain_output():
        warnings.showwarning(MemrnnWarning("No locks here."), MemrnnWarning, "file.py", 1)
        warnings.showwarning(UserWarning("Something else."), UserWarning, "file.py", 1)
    assert capsys.readouterr().err == "memrnn: No locks here.\n"
    assert [str(one) for one in others] == ["Something else."]


def test_what_does_not_fit_into_the_memory_is_refused() -> None:
    task = Strings("marked-copy", train_lengths=(100_000, 100_001), length_bins=((3, 5),))
    network = get_model("rns-3-3").build(OneHot(3), 4, seed=0)
    with pytest.raises(MemrnnError, match=r"of length 100001 do not fit: .* x 2 workers = .* GB"):
        task.check_memory(network, training=True, workers=2)
    task.check_memory(network, training=False)
