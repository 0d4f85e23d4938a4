"""Corpora of the literature: which files they are, and which resemble them."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from memrnn.errors import MemrnnError
from memrnn.text._files import Source
from memrnn.text._vocabulary import EOS


class Known(NamedTuple):
    """A corpus of the literature.

    Attributes:
        name: short, for tables.
        title: what it is.
        licence: who may have it.
        files: names of its files begin so.
        digests: SHA-256 of the files of training, validation and test.
        words: SHA-256 of their words, `words_digest`.
        tokens, lines: of the same, `<eos>` included.
    """

    name: str
    title: str
    licence: str
    files: str
    digests: tuple[str, ...]
    words: str
    tokens: tuple[int, ...]
    lines: tuple[int, ...]


PTB = Known(
    name="ptb",
    title="Penn Treebank, words, as preprocessed by Mikolov",
    licence="Licensed by the Linguistic Data Consortium (LDC99T42); it may not be passed on.",
    files="ptb.",
    digests=(
        "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
        "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
        "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
    ),
    words="3bd022ffdf0a29efe78cb89a6f549e66c44f24871f6bdee7ae5cbb6b6326bf94",
    tokens=(929_589, 73_760, 82_430),
    lines=(42_068, 3_370, 3_761),
)

# Sections 2 to 21 and 23 of the Treebank: the split that parsers use, and Dyer et al. 2016
# (arXiv 1602.07776) for language models.
_DYER_TRAIN, _DYER_TEST = 39_832, 2_416
_DYER_UNKNOWN = "UNK-LC"


class Recognised(NamedTuple):
    """What is known of a corpus: it is `known`, or there are remarks on why it is not."""

    known: Known | None
    remarks: tuple[str, ...] = ()


def words_digest(words: Sequence[Sequence[str]]) -> str:
    """SHA-256 of the words of all parts, `<eos>` included, whatever white space separates them."""
    return hashlib.sha256("\n".join(" ".join(part) for part in words).encode()).hexdigest()


def recognise(sources: Sequence[Source], words: Sequence[Sequence[str]]) -> Recognised:
    """Which corpus of the literature this is.

    Args:
        sources: files of training, validation and test.
        words: their words, `<eos>` included.

    Raises:
        MemrnnError: if it is the Penn Treebank in another form, or with two of its parts swapped.
    """
    lines = tuple(part.count(EOS) for part in words)
    _refuse_other_treebanks(lines, words)
    digests = tuple(source.digest for source in sources)
    if digests == PTB.digests:
        return Recognised(PTB)
    if sorted(digests) == sorted(PTB.digests):
        raise MemrnnError(
            f"{sources[1].name} and {sources[2].name} are the test and the validation part of the "
            f"{PTB.title}: their names are swapped."
        )
    tokens = tuple(map(len, words))
    if (tokens, lines) == (PTB.tokens, PTB.lines):
        if words_digest(words) == PTB.words:
            remark = (
                f"The words are those of the {PTB.title}; the files differ from the known ones in "
                "white space only."
            )
            return Recognised(PTB, (remark,))
        remark = (
            f"The counts are those of the {PTB.title}, but the words are not: scores are not "
            "comparable with published ones."
        )
        return Recognised(None, (remark,))
    if all(source.name.startswith(PTB.files) for source in sources):
        remark = (
            f"The names of the files are those of the {PTB.title}, but they hold "
            f"{_listed(tokens)} tokens instead of {_listed(PTB.tokens)}: scores are not "
            "comparable with published ones."
        )
        return Recognised(None, (remark,))
    return Recognised(None)


def _refuse_other_treebanks(lines: tuple[int, ...], words: Sequence[Sequence[str]]) -> None:
    train = set(words[0])
    if lines == PTB.lines and all(len(word) == 1 for word in train - {EOS}):
        raise MemrnnError(
            "This is the Penn Treebank as characters; its scores are not comparable with those of "
            f"words, so give the folder of the {PTB.title}."
        )
    if (lines[0], lines[2]) == (_DYER_TRAIN, _DYER_TEST) or _DYER_UNKNOWN in train:
        raise MemrnnError(
            "This is the Penn Treebank as split or preprocessed for parsers (Dyer et al. 2016); "
            "its scores are not comparable with those of words in Mikolov's files, so give the "
            f"folder of the {PTB.title}."
        )


def _listed(counts: Sequence[int]) -> str:
    return " / ".join(f"{count:,}" for count in counts)
