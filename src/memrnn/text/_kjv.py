"""The King James Bible, which ships with memrnn; `data/README.md` says where it is from."""

import hashlib
import importlib.resources
import lzma
from typing import NamedTuple

from memrnn.text._files import Source

_FILE = "kjv.txt"
_EVERY, _VALIDATION, _TEST = 20, 9, 19


class Shipped(NamedTuple):
    """A corpus that ships.

    Attributes:
        title: for tables and figures.
        books: those that it holds; all if there are none.
        least_count: words that occur fewer times in the training part are `<unk>` by default.
    """

    title: str
    books: tuple[str, ...] = ()
    least_count: int = 2


SHIPPED = {
    "kjv": Shipped("King James Bible"),
    "kjv-small": Shipped("King James Bible, Genesis and Exodus", ("Genesis", "Exodus")),
}
"""The corpora that ship with memrnn, by the name that `read_corpus` takes."""
LICENCE = "Public domain; in the United Kingdom under letters patent of the Crown."


def read_shipped(corpus: Shipped) -> tuple[Source, Source, Source]:
    """Its training, validation and test part.

    Chapters are counted from 0 through the whole Bible; of every 20 number 9 is validation, number
    19 is test, and all others are training.
    """
    file = importlib.resources.files("memrnn.text").joinpath(f"data/{_FILE}.xz")
    content = lzma.decompress(file.read_bytes())
    parts: tuple[list[str], ...] = ([], [], [])
    for number, chapter in enumerate(content.decode().split("# ")[1:]):
        heading, verses = chapter.split("\n", 1)
        book = heading.rpartition(" ")[0]
        if not corpus.books or book in corpus.books:
            part = {_VALIDATION: 1, _TEST: 2}.get(number % _EVERY, 0)
            parts[part].append(verses)
    digest = hashlib.sha256(content).hexdigest()
    train, validation, test = (Source(_FILE, "".join(part), digest) for part in parts)
    return train, validation, test
