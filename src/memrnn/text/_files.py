"""Three tokenised files in a folder: found by their names, read and checked."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from memrnn.errors import MemrnnError

PARTS = ("train", "validation", "test")
"""The parts of a corpus."""
_IN_NAMES = {"train": "train", "validation": "valid", "test": "test"}
_CHARACTERS = "char"


class Source(NamedTuple):
    """The text of a part of a corpus.

    Attributes:
        name: of the file that it comes from.
        text: one sentence per line, tokens separated by white space.
        digest: SHA-256 of the file, in hexadecimal digits.
    """

    name: str
    text: str
    digest: str


def read_files(folder: Path) -> tuple[Source, Source, Source]:
    """The files of training, validation and test.

    Each is the only one whose name contains `train`, `valid` or `test`. Hidden files do not count;
    nor do those whose name also contains `char`, if there are others, since Mikolov's archive of
    the Penn Treebank holds both.

    Raises:
        MemrnnError: if a file is missing, two files could be meant, or one is not UTF-8.
    """
    train, validation, test = (_read(_find(folder, part)) for part in PARTS)
    return train, validation, test


def _find(folder: Path, part: str) -> Path:
    word = _IN_NAMES[part]
    found = sorted(
        path
        for path in folder.iterdir()
        if word in path.name and not path.name.startswith(".") and path.is_file()
    )
    found = [path for path in found if _CHARACTERS not in path.name] or found
    if not found:
        raise MemrnnError(
            f"{folder} has no file whose name contains {word!r}; it must hold one each for train, "
            "valid and test."
        )
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise MemrnnError(
            f"{folder} has several files whose names contain {word!r} ({names}); it must hold "
            "exactly one each for train, valid and test."
        )
    return found[0]


def _read(path: Path) -> Source:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise MemrnnError(f"{path} is not UTF-8: see line {line}.") from None
    return Source(path.name, text, hashlib.sha256(content).hexdigest())
