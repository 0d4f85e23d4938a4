"""The Penn Treebank, which memrnn may not hold.

`MEMRNN_PTB=FOLDER pytest -m slow tests/text` reads it from a folder with Mikolov's files.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from memrnn.errors import MemrnnError
from memrnn.text import PARTS, Corpus, fit_baselines, read_corpus

FOLDER = os.environ.get("MEMRNN_PTB")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(FOLDER is None, reason="MEMRNN_PTB names no folder"),
]
NAMES = ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read_corpus(str(FOLDER))


def copy(folder: Path, names: tuple[str, ...] = NAMES) -> Path:
    for source, name in zip(NAMES, names, strict=True):
        (folder / name).write_bytes((Path(str(FOLDER)) / source).read_bytes())
    return folder


def test_counts(corpus: Corpus) -> None:
    about = corpus.about
    assert about.name == "ptb" and not about.remarks
    assert [about.counts[part].tokens for part in PARTS] == [929_589, 73_760, 82_430]
    assert [about.counts[part].lines for part in PARTS] == [42_068, 3_370, 3_761]
    assert corpus.size == 10_000 and not any(about.counts[part].replaced for part in PARTS)
    assert about.counts["test"].unknown_share == pytest.approx(0.058, abs=5e-4)


def test_baselines(corpus: Corpus) -> None:
    found = {
        name: tuple(
            round(float(np.exp(baseline(corpus.part(part)).mean())), 1) for part in PARTS[1:]
        )
        for name, baseline in fit_baselines(corpus).items()
    }
    assert found == {
        "unigram": (687.0, 639.3),
        "kneser-ney-3": (161.4, 150.6),
        "kneser-ney-5": (151.3, 143.4),
        "modified-kneser-ney-5": (148.0, 141.2),
    }


def test_a_copy_with_other_white_space(tmp_path: Path, corpus: Corpus) -> None:
    for name in NAMES:
        text = (Path(str(FOLDER)) / name).read_text()
        lines = [line.strip() for line in text.splitlines()]
        (tmp_path / name).write_text("\r\n".join(lines), newline="")
    other = read_corpus(tmp_path)
    assert other.digest == corpus.digest and other.about.name == "ptb"
    assert other.about.remarks[0].endswith("in white space only.")


def test_swapped_files(tmp_path: Path) -> None:
    names = ("ptb.train.txt", "ptb.test.txt", "ptb.valid.txt")
    with pytest.raises(MemrnnError, match="their names are swapped"):
        read_corpus(copy(tmp_path, names))
