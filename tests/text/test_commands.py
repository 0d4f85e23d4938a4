"""`memrnn text`: what it prints, and that it writes nothing."""

import json
import math
from pathlib import Path

import pytest
from small_corpora import TRAIN, write

from command_line import run


def test_prepare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "pets", TRAIN + "a <unk>\n", "the bird ran\n")
    status, printed, told = run(capsys, "text", "prepare", str(folder))
    assert (status, told) == (0, "")
    assert "pets, 8 words" in printed and "licence: not known" in printed
    assert "validation" in printed and "25.00%" in printed and "SHA-256 of valid.txt: " in printed
    assert "25% of the tokens of validation are words outside the vocabulary" in printed
    assert {path.name for path in folder.iterdir()} == {"train.txt", "valid.txt", "test.txt"}


def test_prepare_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "pets")
    status, printed, _ = run(capsys, "text", "prepare", str(folder), "--least-count", "2", "--json")
    about = json.loads(printed)
    assert status == 0 and (about["name"], about["words"]) == ("pets", 5)
    assert about["counts"]["train"]["replaced"] == 2
    assert len(about["digest"]) == len(about["digests"]["test.txt"]) == 64


def test_baselines(capsys: pytest.CaptureFixture[str]) -> None:
    status, printed, _ = run(capsys, "text", "baselines", "kjv-small", "--json")
    assert status == 0
    result = json.loads(printed)
    assert result["corpus"]["title"] == "King James Bible, Genesis and Exodus"
    score = result["baselines"]["kneser-ney-5"]["test"]
    assert score["tokens"] == 3_492
    assert score["perplexity"] == pytest.approx(math.exp(score["nats"] / 3_492))
    status, printed, _ = run(capsys, "text", "baselines", "kjv-small", "--largest-size", "500")
    assert status == 0
    assert "500 words: perplexity" in printed and "modified-kneser-ney-5" in printed
    assert "are words outside the vocabulary" in printed


@pytest.mark.parametrize("command", ["prepare", "baselines"])
def test_wrong_folders(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, printed, told = run(capsys, "text", command, str(tmp_path / "nowhere"))
    assert (status, printed) == (2, "")
    assert told.startswith("memrnn: There is no folder") and told.count("\n") == 1
    status, printed, told = run(capsys, "text", command, str(tmp_path))
    assert (status, printed) == (2, "") and "contains 'train'" in told
