"""What counts in the digest of a file, and which files belong to it."""

import importlib
import linecache
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from memrnn.runtime.sources import definition_of, file_digest, local_files

PLAIN = "import util\n\ndef f(x):\n    return util.g(x) + 1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(PLAIN)
    (tmp_path / "util.py").write_text("from pkg.core import h as g\n")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/__init__.py").write_text("")
    (tmp_path / "pkg/core.py").write_text("from . import deep\nh = deep.k\n")
    (tmp_path / "pkg/deep.py").write_text("import numpy\nimport memrnn\n\ndef k(x): return x\n")
    (tmp_path / "other.py").write_text("nothing imports this\n")
    (tmp_path / "memrnn").mkdir()
    (tmp_path / "memrnn/__init__.py").write_text("")
    return tmp_path


def test_local_modules_are_found_through_the_syntax_trees(folder: Path) -> None:
    found = local_files(folder / "mine.py")
    assert list(found) == ["mine.py", "pkg/__init__.py", "pkg/core.py", "pkg/deep.py", "util.py"]
    assert found["pkg/core.py"] == folder / "pkg/core.py"


def test_modules_outside_the_folder_are_not_local(folder: Path) -> None:
    (folder / "pkg/core.py").write_text("import pkg.deep\nimport util\nfrom .. import other\n")
    assert list(local_files(folder / "pkg/core.py")) == ["__init__.py", "core.py", "deep.py"]


@pytest.mark.parametrize(
    "same",
    [
        '"""A docstring."""\n' + PLAIN,
        "# A comment\nimport   util\ndef f(\n    x,\n):\n    'Says.'\n    return (util.g(x) + 1)\n",
    ],
)
def test_comments_docstrings_and_formatting_do_not_count(folder: Path, same: str) -> None:
    before = file_digest(folder / "mine.py")
    (folder / "mine.py").write_text(same)
    assert file_digest(folder / "mine.py") == before


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("mine.py", PLAIN.replace("1", "2")),
        ("mine.py", PLAIN.replace("1", "1.0")),
        ("mine.py", PLAIN.replace("1", "None")),
        ("mine.py", PLAIN.replace("util", "other")),
        ("pkg/deep.py", "def k(x): return -x\n"),
        ("pkg/__init__.py", "x = 1"),
    ],
)
def test_changes_count_also_in_local_modules(folder: Path, file: str, text: str) -> None:
    before = file_digest(folder / "mine.py")
    (folder / "other.py").write_text("")
    (folder / file).write_text(text)
    assert file_digest(folder / "mine.py") != before


def test_the_digest_is_golden_whatever_the_folder_and_the_version_of_python(folder: Path) -> None:
    # Newer versions of Python add fields to syntax trees (type_params in 3.12), and 3.12
    # adds empty strings to f-strings.
    text = "class A(B):\n    x: int = 3\n    def f(self, *a, k=1.5): return f'{a!r:>{k}}' or None\n"
    (folder / "other.py").write_text(text)
    assert file_digest(folder / "other.py") == "e00539f96464"


def test_a_file_that_is_not_python_is_one_sentence(folder: Path) -> None:
    (folder / "util.py").write_text("def def\n")
    with pytest.raises(ValueError, match=r"mine\.py cannot be read as Python: .*\.$"):
        file_digest(folder / "mine.py")


class Notebook:
    """Cells as IPython runs them: `__main__` has no file, yet `linecache` has the sources."""

    def __init__(self) -> None:
        self.main = types.ModuleType("__main__")
        self.cells = 0

    def run(self, source: str) -> Any:
        self.cells += 1
        name = f"/tmp/ipykernel_1/{self.cells}.py"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec"), vars(self.main))
        return self.main.made


CELL = "class made(Base):\n    size = 2\n    def step(self, x): return x + 1\n"


def test_definitions_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook()
    monkeypatch.setitem(sys.modules, "__main__", notebook.main)
    base = "class Base:\n    def read(self, x): return x\nmade = Base\n"
    notebook.run(base)
    first = definition_of(notebook.run(CELL))
    assert first is not None
    assert definition_of(notebook.run("# A remark.\n" + CELL)) == first
    assert definition_of(notebook.run(CELL.replace("+", "-"))) != first
    notebook.run(base.replace("return x", "return 2 * x"))
    assert definition_of(notebook.run(CELL)) != first, "a class inherits from its base"
    functions = [notebook.run(f"def made(x): return x + {n}\n") for n in (1, 2)]
    assert None not in map(definition_of, functions)
    assert len(set(map(definition_of, functions))) == 2


def test_a_definition_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is registered is what was imported, whatever is edited later."""
    monkeypatch.syspath_prepend(str(folder))
    (folder / "edited_later.py").write_text("def made(): return 1\n")
    one = importlib.import_module("edited_later").made
    before = definition_of(one)
    (folder / "edited_later.py").write_text("def made(): return 22\n")
    assert definition_of(one) == before
    del sys.modules["edited_later"]
    other = importlib.import_module("edited_later").made
    assert definition_of(other) != before
    del sys.modules["edited_later"]


def test_a_callable_object_has_the_definition_of_its_class() -> None:
    class Factory:
        __slots__ = ()  # no weak references to it

        def __call__(self) -> None: ...

    assert definition_of(Factory()) == definition_of(Factory) is not None


def made(source: str) -> object:
    names: dict[str, object] = {"__name__": "__main__"}
    exec(source, names)
    return names["made"]


def test_definitions_with_a_file_and_without() -> None:
    class A:
        pass

    assert definition_of(A) == definition_of(A)
    assert definition_of(A) != definition_of(made)
    assert definition_of(made("made = lambda x: x")) is None
