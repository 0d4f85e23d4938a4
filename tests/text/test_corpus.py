"""Corpora from folders: ids, vocabulary, what they are, and what is refused."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from small_corpora import TEST, TRAIN, lines_of_words, write

from memrnn.errors import MemrnnError
from memrnn.text import EOS, PARTS, UNK, Corpus, make_vocabulary, read_corpus, sentences


def words(corpus: Corpus, part: str) -> list[str]:
    return [corpus.vocabulary[number] for number in corpus.part(part)]


def test_a_folder_as_arrays(tmp_path: Path) -> None:
    corpus = read_corpus(write(tmp_path / "pets"))
    assert corpus.vocabulary == ("cat", "dog", "ran", "sat", "the", EOS)
    assert words(corpus, "train") == TRAIN.replace("\n", f" {EOS} ").split()
    assert (corpus.size, corpus.eos) == (6, 5)
    assert corpus.train.dtype == np.int32 and not corpus.train.flags.writeable
    assert sentences(corpus.train, corpus.eos).tolist() == [0] * 4 + [1] * 4 + [2] + [3] * 4
    about = corpus.about
    assert (about.name, about.title, about.licence, about.remarks) == ("pets", "pets", "", ())
    assert about.words == 6 and list(about.digests) == ["train.txt", "valid.txt", "test.txt"]
    assert dataclasses.astuple(about.counts["train"]) == (13, 4, 6, 0, 0)
    assert dataclasses.astuple(about.counts["test"]) == (3, 1, 3, 0, 0)
    with pytest.raises(MemrnnError, match="no part 'dev'; its parts are train"):
        corpus.part("dev")


@pytest.mark.parametrize(
    "names",
    [
        ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"),
        ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"),
        ("my-train", "my-validation", "my-test"),
    ],
)
def test_names_of_files(tmp_path: Path, names: tuple[str, str, str]) -> None:
    folder = write(tmp_path / "one", names=names)
    (folder / ".train.txt.swp").write_text("hidden")
    (folder / "README").write_text("another file")
    write(
        folder, "a b\n", "a\n", "b\n", ("p.char.train.txt", "p.char.valid.txt", "p.char.test.txt")
    )
    assert list(read_corpus(folder).about.digests) == list(names)


def test_the_form_of_the_files_does_not_matter(tmp_path: Path) -> None:
    plain = read_corpus(write(tmp_path / "plain"))
    other = write(tmp_path / "other", " " + TRAIN.replace("\n", " \r\n ").rstrip(), test=TEST[:-1])
    (other / "valid.txt").write_bytes(b"\xef\xbb\xbfthe  dog\tran")
    assert read_corpus(other).digest == plain.digest
    assert read_corpus(other).about.digests != plain.about.digests
    changed = read_corpus(write(tmp_path / "changed", test="the dog\n"))
    assert changed.digest != plain.digest


def test_vocabulary() -> None:
    text = ["b", EOS, "a", "a", "c", "c", "c", EOS]
    assert make_vocabulary(text) == ("a", "b", "c", EOS)
    assert make_vocabulary([*text, UNK]) == ("a", "b", "c", UNK, EOS)
    assert make_vocabulary(text, least_count=2) == ("a", "c", UNK, EOS)
    assert make_vocabulary(text, largest_size=4) == ("a", "b", "c", EOS)
    assert make_vocabulary(text, largest_size=3) == ("c", UNK, EOS)
    assert make_vocabulary([*text, UNK], largest_size=4) == ("a", "c", UNK, EOS)
    assert make_vocabulary(["d", "b", "c"], largest_size=3) == ("b", UNK, EOS)
    for wrong in ({"least_count": 0}, {"largest_size": 2}):
        with pytest.raises(MemrnnError, match="must be at least"):
            make_vocabulary(text, **wrong)


def test_words_outside_the_vocabulary(tmp_path: Path) -> None:
    folder = write(tmp_path / "one", TRAIN + "a <unk>\n", "the bird ran\n", "the cat <unk>\n")
    corpus = read_corpus(folder)
    assert words(corpus, "validation") == ["the", UNK, "ran", EOS]
    counts = corpus.about.counts
    assert [(counts[part].unknown, counts[part].replaced) for part in PARTS] == [
        *((1, 0), (1, 1), (1, 0)),
    ]
    assert counts["validation"].unknown_share == 0.25
    assert "25% of the tokens of validation" in corpus.about.remarks[0]
    rare = read_corpus(folder, least_count=2)
    assert rare.vocabulary == ("cat", "sat", "the", UNK, EOS)
    assert words(rare, "train")[4:8] == ["the", UNK, "sat", EOS]
    assert rare.about.counts["train"].replaced == 3
    assert rare.encode("the bird").tolist() == [2, 3]


def test_encode_without_an_unknown_word(tmp_path: Path) -> None:
    corpus = read_corpus(write(tmp_path / "one"))
    assert corpus.encode("sat the\n cat").tolist() == [3, 4, 0]
    with pytest.raises(MemrnnError, match="'bird' is not in the vocabulary of one"):
        corpus.encode("the bird")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("a b c\n", "a\n", " \n\n"), "test.txt is empty"),
        (("a b c\n", "", "a\n"), "valid.txt is empty"),
        (("a b c\n", "a\n", "a \n"), "valid.txt and test.txt of one hold the same words"),
        (("a\n", "a b c\n", "b\n"), "not the largest .tokens: train.txt 2, valid.txt 4"),
        (("a b c d\n\n", "a\nb <eos>\n", "b\n"), "Line 2 of valid.txt contains <eos>"),
        (
            ("a b c\n", "x y\n", "a\n"),
            r"validation part \(valid.txt\) has 2 words .* lacks, such as 'x'",
        ),
    ],
)
def test_wrong_texts(tmp_path: Path, texts: tuple[str, str, str], message: str) -> None:
    with pytest.raises(MemrnnError, match=message):
        read_corpus(write(tmp_path / "one", *texts))


def test_wrong_folders(tmp_path: Path) -> None:
    with pytest.raises(MemrnnError, match=r"no folder nowhere, as seen from .* are kjv, kjv-small"):
        read_corpus("nowhere")
    folder = write(tmp_path / "one")
    (folder / "valid.txt").rename(folder / "dev.txt")
    with pytest.raises(MemrnnError, match="no file whose name contains 'valid'"):
        read_corpus(folder)
    (folder / "dev.txt").rename(folder / "valid.txt")
    (folder / "train.old").write_text("a\n")
    with pytest.raises(MemrnnError, match=r"several .* contain 'train' \(train.old, train.txt\)"):
        read_corpus(folder)
    (folder / "train.old").unlink()
    (folder / "test.txt").write_bytes(b"the cat\nthe \xff\n")
    with pytest.raises(MemrnnError, match=r"test.txt is not UTF-8: see line 2"):
        read_corpus(folder)


TREEBANK_LINES = (42_068, 3_370, 3_761)
TREEBANK_TOKENS = (929_589, 73_760, 82_430)


def test_other_treebanks_are_refused(tmp_path: Path) -> None:
    train, valid, test = ("a b _\n" * lines for lines in TREEBANK_LINES)
    with pytest.raises(MemrnnError, match="Penn Treebank as characters"):
        read_corpus(write(tmp_path / "characters", train, valid, test))
    train, valid, test = ("The cat .\n" * lines for lines in (39_832, 1_700, 2_416))
    with pytest.raises(MemrnnError, match=r"Dyer et al. 2016"):
        read_corpus(write(tmp_path / "parsers", train, valid, test))
    with pytest.raises(MemrnnError, match=r"Dyer et al. 2016"):
        read_corpus(write(tmp_path / "classes", TRAIN + "the UNK-LC\n"))


def test_what_only_looks_like_the_treebank_is_said(tmp_path: Path) -> None:
    names = ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt")
    about = read_corpus(write(tmp_path / "name", names=names)).about
    assert about.name == "name" and len(about.remarks) == 1
    assert "they hold 13 / 4 / 3 tokens instead of 929,589 / 73,760 / 82,430" in about.remarks[0]
    train, valid, test = map(lines_of_words, TREEBANK_TOKENS, TREEBANK_LINES)
    about = read_corpus(write(tmp_path / "counts", train, valid, test)).about
    assert about.name == "counts" and not about.licence
    assert "The counts are those of the Penn Treebank" in about.remarks[0]
