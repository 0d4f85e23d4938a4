"""Corpora: three parts as arrays of token ids, their vocabulary, and what they are."""

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int, Int32

from memrnn.errors import MemrnnError
from memrnn.text._files import PARTS, Source, read_files
from memrnn.text._kjv import LICENCE, SHIPPED, read_shipped
from memrnn.text._known import Known, recognise
from memrnn.text._vocabulary import EOS, UNK, make_vocabulary

_REPLACED_SHARE = 0.1
"""Above this share of replaced tokens in a part there is a remark."""


@dataclass(frozen=True)
class PartCounts:
    """How much a part holds.

    Attributes:
        tokens: with one `<eos>` per line.
        lines: sentences.
        types: different tokens, `<unk>` and `<eos>` included.
        unknown: tokens that are `<unk>`.
        replaced: how many of these were another word in the file.

    Examples:
        >>> from memrnn.text import read_corpus
        >>> counts = read_corpus("kjv-small").about.counts["test"]
        >>> counts.tokens, counts.lines, round(counts.unknown_share, 3)
        (3492, 108, 0.034)
    """

    tokens: int
    lines: int
    types: int
    unknown: int
    replaced: int

    @property
    def unknown_share(self) -> float:
        """Share of tokens that are `<unk>`."""
        return self.unknown / self.tokens


@dataclass(frozen=True)
class About:
    """What a corpus is, for reports.

    Attributes:
        name: short, for tables: of a corpus that is known, or of the folder.
        title: in words.
        licence: a sentence on rights and provenance; empty if it is not known.
        digests: SHA-256 in hexadecimal digits, by the name of the file.
        words: size of the vocabulary.
        counts: by the name of the part.
        remarks: sentences for whoever compares its scores with those of others.

    Examples:
        >>> from memrnn.text import read_corpus
        >>> about = read_corpus("kjv-small").about
        >>> about.title, sorted(about.counts)
        ('King James Bible, Genesis and Exodus', ['test', 'train', 'validation'])
    """

    name: str
    title: str
    licence: str
    digests: Mapping[str, str]
    words: int
    counts: Mapping[str, PartCounts]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Corpus:
    """A corpus as ids: 0 ... V - 1 number the words of its vocabulary.

    Each part is one array of all its lines, in order, each with `<eos>` at its end. The arrays are
    read-only.

    Attributes:
        train: ids of the tokens of the training part.
        validation: of the validation part.
        test: of the test part.
        vocabulary: the V words, see `make_vocabulary`; `<eos>` is the last.
        about: name, licence, checksums and counts.

    Examples:
        >>> from memrnn.text import read_corpus
        >>> corpus = read_corpus("kjv-small")
        >>> corpus.encode("in the beginning")
        array([ 922, 1816,  154], dtype=int32)
        >>> corpus.vocabulary[corpus.eos]
        '<eos>'
    """

    train: Int32[np.ndarray, " train"]
    validation: Int32[np.ndarray, " validation"]
    test: Int32[np.ndarray, " test"]
    vocabulary: tuple[str, ...]
    about: About

    @property
    def size(self) -> int:
        """V, the number of words, `<unk>` and `<eos>` included."""
        return len(self.vocabulary)

    @property
    def eos(self) -> int:
        """The id of `<eos>`."""
        return self.size - 1

    def part(self, name: str) -> Int32[np.ndarray, " tokens"]:
        """The part of this name: train, validation or test."""
        if name not in PARTS:
            raise MemrnnError(f"A corpus has no part {name!r}; its parts are {', '.join(PARTS)}.")
        return getattr(self, name)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of vocabulary and tokens: equal for equal corpora, however they are stored."""
        state = hashlib.sha256("\n".join(self.vocabulary).encode())
        for name in PARTS:
            tokens = self.part(name).astype("<i4")
            state.update(len(tokens).to_bytes(8, "little") + tokens.tobytes())
        return state.hexdigest()

    def encode(self, text: str) -> Int32[np.ndarray, " words"]:
        """The ids of the words of a text; words outside the vocabulary are `<unk>`.

        Raises:
            MemrnnError: if there is such a word and the vocabulary has no `<unk>`.
        """
        words = text.split()
        outside = sorted(set(words) - self._ids.keys())
        if outside and UNK not in self._ids:
            raise MemrnnError(
                f"{outside[0]!r} is not in the vocabulary of {self.about.name}, which has no {UNK}."
            )
        return _encode(words, self._ids)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.vocabulary)}


def sentences(tokens: Int[np.ndarray, " tokens"], eos: int) -> Int[np.ndarray, " tokens"]:
    """The number of the sentence, from 0, that each token belongs to; `<eos>` ends one.

    Args:
        tokens: ids of a text.
        eos: the id of `<eos>`.

    Examples:
        >>> import numpy as np
        >>> from memrnn.text import sentences
        >>> sentences(np.array([3, 5, 9, 9, 4, 9]), eos=9)
        array([0, 0, 0, 1, 2, 2])
    """
    ends = tokens == eos
    return np.cumsum(ends) - ends


def read_corpus(
    folder_or_name: str | Path, *, least_count: int | None = None, largest_size: int | None = None
) -> Corpus:
    """A corpus from a folder, or one that ships with memrnn: `kjv` or `kjv-small`.

    The folder holds three tokenised files, one sentence per line with spaces between tokens. Each
    is the only one whose name contains `train`, `valid` or `test`, as `train.txt`,
    `ptb.valid.txt` and `wiki.test.tokens` do. `<eos>` is added to every line, empty ones included.
    Words of any part that are not in the vocabulary become `<unk>`.

    Args:
        folder_or_name: a folder or a name; a name comes first, `./kjv` is a folder.
        least_count: words that occur fewer times in the training part become `<unk>`; by default 1,
            and 2 for what ships.
        largest_size: of the vocabulary, see `make_vocabulary`; by default any.

    Returns:
        The corpus. `kjv` takes seconds to read, `kjv-small` less than one.

    Raises:
        MemrnnError: if a file is missing, could be another one, is empty or not UTF-8; a line holds
            `<eos>`; two files are equal; the training file is not the largest; words are outside a
            vocabulary that has no `<unk>`; or it is the Penn Treebank in a form whose scores are
            not comparable with others.

    Examples:
        >>> from memrnn.text import read_corpus
        >>> corpus = read_corpus("kjv-small")
        >>> corpus.size, len(corpus.train)
        (2097, 77082)
    """
    shipped = SHIPPED.get(str(folder_or_name))
    if shipped:
        return make_corpus(
            read_shipped(shipped),
            str(folder_or_name),
            shipped.title,
            LICENCE,
            least_count=shipped.least_count if least_count is None else least_count,
            largest_size=largest_size,
        )
    folder = Path(folder_or_name)
    if not folder.is_dir():
        raise MemrnnError(
            f"There is no folder {folder}, as seen from {Path.cwd()}; corpora that ship with "
            f"memrnn are {', '.join(SHIPPED)}."
        )
    return make_corpus(
        read_files(folder),
        folder.resolve().name,
        least_count=1 if least_count is None else least_count,
        largest_size=largest_size,
    )


def make_corpus(
    sources: Sequence[Source],
    name: str,
    title: str = "",
    licence: str = "",
    *,
    least_count: int = 1,
    largest_size: int | None = None,
) -> Corpus:
    """A corpus from the texts of training, validation and test.

    Name, title and licence are those of a corpus of the literature if the texts are its.
    """
    words = [_words(source) for source in sources]
    for (one, its), (other, others) in itertools.combinations(zip(sources, words, strict=True), 2):
        if its == others:
            raise MemrnnError(
                f"{one.name} and {other.name} of {name} hold the same words; the parts of a corpus "
                "must differ."
            )
    if len(words[0]) <= max(len(words[1]), len(words[2])):
        counts = ", ".join(
            f"{source.name} {len(part):,}" for source, part in zip(sources, words, strict=True)
        )
        raise MemrnnError(
            f"The training part of {name} is not the largest (tokens: {counts}); are its files "
            "swapped?"
        )
    known, remarks = recognise(sources, words)
    vocabulary = make_vocabulary(words[0], least_count=least_count, largest_size=largest_size)
    ids = {word: number for number, word in enumerate(vocabulary)}
    if UNK not in ids:
        _refuse_foreign_words(sources, words, ids)
    arrays = [_encode(part, ids) for part in words]
    counts = {
        part: PartCounts(
            tokens=len(array),
            lines=int(np.sum(array == ids[EOS])),
            types=len(np.unique(array)),
            unknown=int(np.sum(array == ids[UNK])) if UNK in ids else 0,
            replaced=int(np.sum(array == ids[UNK])) - in_file.count(UNK) if UNK in ids else 0,
        )
        for part, array, in_file in zip(PARTS, arrays, words, strict=True)
    }
    about = About(
        name=known.name if known else name,
        title=known.title if known else title or name,
        licence=known.licence if known else licence,
        digests={source.name: source.digest for source in sources},
        words=len(vocabulary),
        counts=counts,
        remarks=(*remarks, *_remarks_on_replaced(known, counts)),
    )
    train, validation, test = arrays
    return Corpus(train, validation, test, vocabulary, about)


def _words(source: Source) -> list[str]:
    """All words of a text, with `<eos>` after every line."""
    text = source.text if source.text.endswith("\n") else source.text + "\n"
    if text.isspace():
        raise MemrnnError(f"{source.name} is empty.")
    if EOS in text and EOS in text.split():
        lines = text.split("\n")
        line = next(number for number, one in enumerate(lines, 1) if EOS in one.split())
        raise MemrnnError(
            f"Line {line} of {source.name} contains {EOS}, which memrnn itself adds to every line; "
            "remove it from the file."
        )
    return text.replace("\n", f" {EOS} ").split()


def _refuse_foreign_words(
    sources: Sequence[Source], words: Sequence[Sequence[str]], ids: Mapping[str, int]
) -> None:
    for part, source, in_file in zip(PARTS, sources, words, strict=True):
        if foreign := sorted(set(in_file) - ids.keys()):
            raise MemrnnError(
                f"The {part} part ({source.name}) has {len(foreign):,} words that the training "
                f"part lacks, such as {foreign[0]!r}, and there is no {UNK} for them: either the "
                f"files are not of one corpus, or a least count of 2 must make rare words {UNK}."
            )


def _remarks_on_replaced(known: Known | None, counts: Mapping[str, PartCounts]) -> Iterator[str]:
    if known and any(one.replaced for one in counts.values()):
        yield (
            f"Words of the {known.title} became {UNK}, since its vocabulary was cut: scores are "
            "not comparable with published ones."
        )
    for part, one in counts.items():
        share = one.replaced / one.tokens
        if share > _REPLACED_SHARE:
            yield (
                f"{share:.0%} of the tokens of {part} are words outside the vocabulary, which "
                f"became {UNK}: a small vocabulary, or files of different corpora."
            )


def _encode(words: Sequence[str], ids: Mapping[str, int]) -> Int32[np.ndarray, " words"]:
    """Ids of words, which are read-only; what `ids` lacks is `<unk>`."""
    numbers = map(ids.get, words, itertools.repeat(ids.get(UNK)))
    array = np.fromiter(numbers, np.int32, len(words))
    array.setflags(write=False)
    return array
