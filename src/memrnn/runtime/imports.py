"""Imports of files and modules that register languages, memories, models and tasks of one's own.

A file is Python, or of a kind that a package has a reader for (`register_reader`).
"""

import importlib
import importlib.util
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from memrnn.errors import MemrnnError
from memrnn.runtime import formats
from memrnn.runtime.checkpoints import write_output
from memrnn.runtime.digests import digest
from memrnn.runtime.sources import file_digest, local_files

IMPORTS_FOLDER = "imports"
"""Where a folder of results keeps its copy of the imported files."""

_LOCK = threading.RLock()
_READERS: dict[str, Callable[[Path], None]] = {}


def register_reader(suffix: str, reader: Callable[[Path], None]) -> None:
    """Makes files with a suffix importable: `reader` registers what such a file holds.

    It is called for a file as often as the file is imported.
    """
    _READERS[suffix] = reader


def is_file_entry(entry: str) -> bool:
    """Whether an entry of imports is the path of a file, and not the name of a module."""
    return Path(entry).suffix in (".py", *_READERS)


def import_files(entries: Sequence[str]) -> None:
    """Imports modules, and files by their path, each once per process.

    A file counts as imported if a file of the same name and content (see
    `memrnn.runtime.sources.file_digest`) was: a copy is not imported beside its original, and the
    script that runs (`__main__`) is not imported again. A file may import modules beside it: while
    it is imported, its folder comes first on `sys.path`.

    Args:
        entries: paths of files that end in `.py` or a suffix with a reader, and names of modules.

    Raises:
        MemrnnError: if a file or module does not exist, or if a module beside a file has the name
            of another module that was imported before. An error that a file itself raises keeps
            its type and its traceback, and has a note that names the file and the line.
    """
    with _LOCK:
        for entry in entries:
            if Path(entry).suffix in _READERS:
                _READERS[Path(entry).suffix](_existing(entry))
            elif is_file_entry(entry):
                _import_file(_existing(entry))
            else:
                _import_module(entry)


def copy_imports(entries: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Copies files and the local modules that they import into a folder, which then needs no other.

    The copy of `mine.py` is `FOLDER/imports/mine/mine.py`, with its local modules beside it (see
    `memrnn.runtime.sources.local_files`). A copy that differs in comments only is refreshed. A
    module given by name is not copied, nor are other files that Python files read.

    Args:
        entries: as for `import_files`. A file in the copy itself stays where it is.

    Returns:
        The entries, where files are paths relative to `folder`.

    Raises:
        MemrnnError: if a file does not exist, if two files have one name, or if the folder has a
            copy with other content. Then nothing is written.
        OSError: if a file cannot be read or written.
    """
    sources = {entry: _existing(entry) for entry in entries if is_file_entry(entry)}
    copies: dict[Path, Path] = {}
    for source in sources.values():
        copy = Path(IMPORTS_FOLDER) / source.stem / source.name
        if copies.setdefault(copy, source) != source:
            raise MemrnnError(
                f"imports: {copies[copy]} and {source} have one name; rename one of them."
            )
        if (folder / copy).is_file() and not _same(folder / copy, source):
            raise MemrnnError(
                f"imports: {source} differs from {folder / copy}, with which the runs in {folder} "
                "were made; give another folder, or undo the change."
            )
    for copy, source in copies.items():
        for name, path in local_files(source).items():
            _copy(path, (folder / copy).parent / name)
    relative = {source: copy.as_posix() for copy, source in copies.items()}
    return tuple(relative[sources[entry]] if entry in sources else entry for entry in entries)


def _existing(entry: str) -> Path:
    path = Path(entry).resolve()
    if not path.is_file():
        raise MemrnnError(f"imports: there is no file {path}.")
    return path


def _copy(source: Path, target: Path) -> None:
    text = source.read_bytes()
    if not target.is_file() or target.read_bytes() != text:
        write_output(target, text)


def _import_module(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name != missing and not name.startswith(f"{missing}."):
            raise  # a module that the user's own module does not find
        raise MemrnnError(
            f"imports: there is no module {name}; give an installed module, or a path "
            f"that ends in {formats.listed(['.py', *_READERS], 'or')}."
        ) from error


def _import_file(path: Path) -> None:
    main = getattr(sys.modules["__main__"], "__file__", None)
    if main is not None and Path(main).name == path.name and _same(Path(main), path):
        return
    name = f"memrnn_import_{digest([path.name, file_digest(path)])}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # of a file named *.py there always is
    module = importlib.util.module_from_spec(spec)
    _check_local_modules(path)
    sys.modules[name] = module
    try:
        with _first_on_path(path.parent):
            spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, Exception) and not isinstance(error, MemrnnError):
            error.add_note(f"imports: {path} cannot be imported{_line(path, error)}.")
        raise


def _line(path: Path, error: Exception) -> str:
    """The last line of a file that an error came through, for people."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f"; see its line {lines[-1]}" if lines else ""


def _check_local_modules(path: Path) -> None:
    """Refuses a local module that would be taken from elsewhere, since its name is in use."""
    for relative, file in local_files(path).items():
        name = relative.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        loaded = sys.modules.get(name)
        if file == path or loaded is None:
            continue
        other = getattr(loaded, "__file__", None)
        if other is None or not _same(Path(other), file):
            raise MemrnnError(
                f"imports: {path} imports {file}, but another module named {name} was imported "
                f"before, from {other or 'Python itself'}; rename the file."
            )


def _same(first: Path, second: Path) -> bool:
    """Whether two files are one, or equal but for comments."""
    if first.resolve() == second.resolve():
        return True
    return (
        is_file_entry(str(first)) and first.is_file() and file_digest(first) == file_digest(second)
    )


@contextmanager
def _first_on_path(folder: Path) -> Generator[None]:
    """Lets modules of the folder be imported.

    No bytecode is written: Python takes a file for unchanged that was edited within a second.
    """
    entry, writes = str(folder), sys.dont_write_bytecode
    sys.path.insert(0, entry)
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes
        if entry in sys.path:
            sys.path.remove(entry)
