"""Digests of what Python files define: their syntax trees and those of local modules they import.

Comments, docstrings and formatting do not count. A module is local if its file lies in the
folder of the importing program or below it.
"""

import ast
import functools
import hashlib
import inspect
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from memrnn.errors import MemrnnError
from memrnn.runtime.digests import digest

_PACKAGE = __name__.partition(".")[0]
_WITHOUT_MEANING = frozenset({"ctx", "kind", "type_comment"})
_DEFINITIONS: WeakKeyDictionary[Any, str | None] = WeakKeyDictionary()


def local_files(file: Path) -> dict[str, Path]:
    """A file and the local modules that it imports, directly or not, by sorted relative paths.

    An import is found wherever it stands in the syntax tree, also in a function. A module that is
    imported by a computed name is not found. A TOML file imports nothing.

    Raises:
        SyntaxError: if a file is not Python.
        OSError: if a file cannot be read.
    """
    folder = file.resolve().parent
    files: dict[str, Path] = {}
    pending = [folder / file.name]
    while pending:
        path = pending.pop()
        name = path.relative_to(folder).as_posix()
        if name in files:
            continue
        files[name] = path
        if path.suffix == ".toml":
            continue
        for module, roots in _imports(path, folder):
            pending += [local for local in _resolve(module, roots) if local.is_relative_to(folder)]
    return dict(sorted(files.items()))


def file_digest(file: Path) -> str:
    """Digest of the syntax trees of `local_files(file)` and of their relative paths.

    Of a TOML file that of its keys and values.

    Raises:
        MemrnnError: if the file or a local module is not Python.
        OSError: if one cannot be read.
    """
    if file.suffix == ".toml":
        try:
            return digest(tomllib.loads(file.read_text(encoding="utf-8")))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise MemrnnError(f"{file} is not TOML: {error}.") from error
    try:
        files = local_files(file)
        return digest({name: _tree_digest(_parse(path)) for name, path in files.items()})
    except (SyntaxError, UnicodeDecodeError) as error:
        raise MemrnnError(f"{file} cannot be read as Python: {error}.") from error


def is_built_in(thing: Any) -> bool:
    """Whether a class or function is part of memrnn."""
    return str(_named(thing).__module__).partition(".")[0] == _PACKAGE


def definition_of(thing: Any) -> str | None:
    """Digest of the definition of a class or function, read once per object.

    It covers the object's name in its file, the file and the local modules that the file
    imports. Of an object without a file, as in a notebook, only its own source counts, and of a
    class also that of its bases without a file. None where there is no source.

    The first call reads the source, so it belongs where the object is registered: a file that is
    edited later does not change what the running process computes.
    """
    try:
        if thing not in _DEFINITIONS:
            _DEFINITIONS[thing] = _read_definition(thing)
        return _DEFINITIONS[thing]
    except TypeError:  # neither weakly referable nor hashable: read each time
        return _read_definition(thing)


def _named(thing: Any) -> Any:
    """A class or function itself, of any other callable its class."""
    return thing if inspect.isclass(thing) or inspect.isroutine(thing) else type(thing)


def _read_definition(thing: Any) -> str | None:
    if isinstance(thing, functools.partial):
        inner = definition_of(thing.func)
        return inner and digest([inner, repr(thing.args), repr(sorted(thing.keywords.items()))])
    thing = _named(thing)
    if file := _file_of(thing):
        return digest([thing.__qualname__, file_digest(file)])
    bases = thing.__mro__[1:] if inspect.isclass(thing) else ()
    in_notebook = [base for base in bases if base.__module__ == "__main__" and not _file_of(base)]
    sources = [source for each in (thing, *in_notebook) if (source := _own_source(each))]
    return digest([thing.__qualname__, sources]) if sources else None


def _file_of(thing: Any) -> Path | None:
    file = getattr(sys.modules.get(thing.__module__), "__file__", None)
    code = getattr(inspect.unwrap(thing), "__code__", None)
    # `exec` in a module names that module, yet the code is not in its file.
    executed = code is not None and code.co_filename.startswith("<")
    if executed or file is None or not file.endswith(".py") or not Path(file).is_file():
        return None
    return Path(file)


def _own_source(thing: Any) -> str | None:
    """Digest of the source of a class or function; of a class without one, of its functions."""
    code = getattr(inspect.unwrap(thing), "__code__", None)
    if code is not None and code.co_filename == "<string>":
        # From Python 3.13 on the text of `python -c` has this name; that of `exec` has it, too, and
        # is not kept.
        return None
    try:
        return _tree_digest(ast.parse(textwrap.dedent(inspect.getsource(thing))))
    except SyntaxError:  # a lambda inside an expression
        return None
    except (OSError, TypeError):
        if not inspect.isclass(thing):
            return None
    functions = {
        name: _own_source(value)
        for name, value in vars(thing).items()
        # What a decorator puts there, such as `__replace__` of dataclasses, is not the class's own.
        if inspect.isfunction(value) and value.__module__ == thing.__module__
    }
    return digest(functions) if any(functions.values()) else None


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def _tree_digest(tree: ast.AST) -> str:
    return hashlib.sha256(_to_text(tree).encode()).hexdigest()[:12]


def _to_text(node: Any) -> str:
    """A syntax tree as text that no version of Python changes, unlike `ast.dump`.

    Empty fields are left out, since newer versions add fields, and empty pieces of f-strings,
    which Python 3.12 adds. Statements that are only a constant (docstrings, and `...`) are left
    out, since they do nothing.
    """
    if isinstance(node, ast.JoinedStr):
        pieces = [piece for piece in node.values if getattr(piece, "value", None) != ""]
        node = ast.JoinedStr(pieces)
    if isinstance(node, list):
        return f"[{' '.join(_to_text(item) for item in node if not _does_nothing(item))}]"
    if not isinstance(node, ast.AST):
        return f"{type(node).__name__}:{node!r}"
    fields = [
        f"{name}={_to_text(value)}"
        for name, value in ast.iter_fields(node)
        if name not in _WITHOUT_MEANING and value is not None and value != []
    ]
    return f"{type(node).__name__}({' '.join(fields)})"


def _does_nothing(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _imports(path: Path, folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """Dotted names that a file may import, and where they are looked up.

    `from MODULE import NAME` may import the module, and each name as a module.
    """
    # An absolute import is looked up in the folder, and in that of the package it is part of.
    top = folder
    while (top / "__init__.py").is_file() and top != top.parent:
        top = top.parent
    absolute = [folder] if top == folder else [folder, top]
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, absolute) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            roots = [path.parents[node.level - 1]] if node.level else absolute
            if node.module:
                yield node.module, roots
            for alias in node.names:
                yield f"{node.module}.{alias.name}" if node.module else alias.name, roots


def _resolve(name: str, roots: list[Path]) -> list[Path]:
    """The files that importing the dotted name runs, from the first root that has it.

    memrnn itself is never local, even where its folder is beside the file.
    """
    if name.partition(".")[0] == _PACKAGE:
        return []
    for root in roots:
        files: list[Path] = []
        path = root
        for part in name.split("."):
            path = path / part
            if (path / "__init__.py").is_file():
                files.append(path / "__init__.py")
            elif path.with_name(f"{part}.py").is_file():
                files.append(path.with_name(f"{part}.py"))
                break
            elif not path.is_dir():
                break
        if files:
            return files
    return []
