"""Importing files of one's own, and the copies that make a folder independent of them."""

import shutil
import sys
from pathlib import Path

import pytest

from memrnn.runtime.imports import copy_imports, import_files

COUNT = "import beside_mine\nbeside_mine.counted.append(1)\n"


@pytest.fixture(autouse=True)
def own_modules() -> object:
    """Forgets the modules that a test imports."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "beside_mine.py").write_text("counted = []\n")
    (folder / "mine.py").write_text(COUNT)
    return folder / "mine.py"


def counted() -> int:
    return len(sys.modules["beside_mine"].counted)


def test_a_file_is_imported_once_and_so_is_its_copy(mine: Path, tmp_path: Path) -> None:
    path = list(sys.path)
    import_files([str(mine), str(mine)])
    copy = tmp_path / "mine.py"
    copy.write_text("# the same\n" + COUNT)
    shutil.copy(mine.parent / "beside_mine.py", tmp_path)
    import_files([str(copy)])
    assert counted() == 1
    assert sys.path == path
    mine.write_text(COUNT + "x = 1\n")
    import_files([str(mine)])
    assert counted() == 2, "an edited file is another one"


def test_an_edit_within_a_second_is_seen(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytecode is valid for files of equal size and equal second of change."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for number in "12345":
        (mine.parent / "beside_mine.py").write_text(f"counted = [0] * {number}\n")
        import_files([str(mine)])
        assert counted() == int(number) + 1
        del sys.modules["beside_mine"]


def test_the_running_script_is_not_imported_again(
    mine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(mine), raising=False)
    (entry,) = copy_imports([str(mine)], tmp_path / "results")
    import_files([str(mine), str(tmp_path / "results" / entry)])
    assert "beside_mine" not in sys.modules


def test_missing_files_and_modules_are_one_sentence(mine: Path) -> None:
    with pytest.raises(ValueError, match=r"imports: there is no file .*absent\.py\.$"):
        import_files(["absent.py"])
    with pytest.raises(ValueError, match=r"imports: there is no module no_such\.part; give"):
        import_files(["no_such.part"])
    with pytest.raises(ValueError, match=r"there is no file .*absent\.py\.$"):
        copy_imports(["absent.py"], mine.parent)
    import_files(["json.decoder"])


def test_errors_in_a_file_keep_type_and_place(mine: Path) -> None:
    mine.write_text("import absent_part_of_mine\n")
    with pytest.raises(ModuleNotFoundError, match="absent_part_of_mine"):
        import_files([str(mine)])
    mine.write_text("x = 1\nraise KeyError('x')\n")
    for _ in range(2):
        with pytest.raises(KeyError) as caught:
            import_files([str(mine)])
        assert (caught.traceback[-1].path, caught.traceback[-1].lineno) == (mine, 1)
        told = f"imports: {mine.resolve()} cannot be imported; see its line 2."
        assert caught.value.__notes__ == [told]


def test_errors_in_a_module_keep_their_type(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(mine.parent)
    (mine.parent / "broken_mine.py").write_text("import absent_part_of_mine\n")
    with pytest.raises(ModuleNotFoundError, match="No module named 'absent_part_of_mine'"):
        import_files(["broken_mine"])


def test_a_local_module_with_a_taken_name_is_refused(mine: Path, tmp_path: Path) -> None:
    import_files([str(mine)])
    other = tmp_path / "other"
    other.mkdir()
    (other / "beside_mine.py").write_text("counted = [0]\n")
    (other / "mine.py").write_text(COUNT)
    with pytest.raises(ValueError, match=r"another module named beside_mine was imported before"):
        import_files([str(other / "mine.py")])
    (other / "sys.py").write_text("")
    (other / "mine.py").write_text("import sys\n")
    with pytest.raises(ValueError, match="sys was imported before, from Python itself; rename"):
        import_files([str(other / "mine.py")])


def test_a_moved_folder_needs_nothing_else(mine: Path, tmp_path: Path) -> None:
    (mine.parent / "pkg").mkdir()
    (mine.parent / "pkg/__init__.py").write_text("")
    mine.write_text(COUNT + "import pkg\n")
    results = tmp_path / "results"
    entries = copy_imports([str(mine), "json"], results)
    assert entries == ("imports/mine/mine.py", "json")
    moved = tmp_path / "moved"
    results.rename(moved)
    shutil.rmtree(mine.parent)
    import_files([str(moved / entries[0])])
    assert counted() == 1
    assert sys.modules["beside_mine"].__file__ == str(moved / "imports/mine/beside_mine.py")
    assert copy_imports([str(moved / entries[0])], moved) == ("imports/mine/mine.py",)


def test_a_copy_is_refreshed_or_the_change_refused(mine: Path, tmp_path: Path) -> None:
    copy_imports([str(mine)], tmp_path)
    copy = tmp_path / "imports/mine/mine.py"
    mine.write_text("# remark\n" + COUNT)
    copy_imports([str(mine)], tmp_path)
    assert copy.read_text() == mine.read_text()
    (mine.parent / "beside_mine.py").write_text("counted = [1]\n")
    with pytest.raises(ValueError, match=r"mine\.py differs from .*imports/mine/mine"):
        copy_imports([str(mine)], tmp_path)
    assert (tmp_path / "imports/mine/beside_mine.py").read_text() == "counted = []\n"


def test_a_copy_that_is_up_to_date_is_not_written(mine: Path, tmp_path: Path) -> None:
    copy_imports([str(mine)], tmp_path)
    copy = tmp_path / "imports/mine/mine.py"
    before = copy.stat()
    copy_imports([str(mine)], tmp_path)
    assert (copy.stat().st_ino, copy.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_two_files_of_one_name_are_refused(mine: Path, tmp_path: Path) -> None:
    other = tmp_path / "mine.py"
    other.write_text("")
    with pytest.raises(ValueError, match="have one name; rename one of them"):
        copy_imports([str(mine), str(other)], tmp_path / "results")
    assert not (tmp_path / "results").exists()
