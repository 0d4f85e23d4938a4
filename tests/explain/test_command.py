"""What a net does along a string, by command."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from memrnn import cli
from memrnn.tasks import Strings

QUICK = [
    *("--train-lengths", "3:9", "--batch-size", "4", "--batches", "6"),
    *("--validation-batches", "5", "--max-epochs", "1", "--restarts", "2"),
    *("--workers", "1"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = str(tmp_path_factory.mktemp("runs") / "run")
    cli.main(["train", "--language", "marked-copy", "--model", "gru+jm-3", "--out", out, *QUICK])
    return out


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    status = 0
    try:
        cli.main(["explain", *arguments])
    except SystemExit as exit:
        status = int(exit.code or 0)
    return status, *capsys.readouterr()


def test_explain_prints_and_draws(
    trained: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    string = ("--string", "0 1 1 # 0 1 1")
    status, table, told = run(capsys, trained, *string)
    assert (status, told) == (0, "")
    assert "marked-copy  gru+jm-3  freeze=none, restart" in table
    assert "no string of" not in table
    assert not list(tmp_path.iterdir()), "a figure is written only where one is asked for"
    out = tmp_path / "figures" / "figure.svg"  # no such folder yet
    status, again, _ = run(capsys, trained, "--string", "011#011", "--out", str(out))
    assert (status, again) == (0, table)
    ElementTree.fromstring(out.read_text())
    restarts = []
    for number in ("0", "1"):
        status, text, _ = run(capsys, trained, *string, "--restart", number, "--json")
        assert status == 0
        restarts.append(json.loads(text))
    assert [found["restart"] for found in restarts] == [0, 1]
    assert restarts[0]["probability"] != restarts[1]["probability"]
    found = restarts[0]
    assert found["string"] == ["0", "1", "1", "#", "0", "1", "1"]
    assert found["outputs"] == ["0", "1", "#", "end"]
    assert len(found["probability"]) == len(found["right"]) == len(found["predicted"]) == 8
    (stack,) = found["memory"]["stacks"]
    assert np.shape(stack["weights"]) == (6, 3)
    assert len(stack["heights"]) == len(stack["contents"]) == 7
    status, text, _ = run(capsys, trained, "--string", "01##")
    assert status == 0
    assert "This is no string of marked-copy." in text


def test_symbols_of_several_characters_need_spaces() -> None:
    task = Strings("marked-copy:k=12")
    assert list(task.encode(" 10 11  # 10 11")) == [10, 11, 12, 10, 11]
    with pytest.raises(ValueError, match="'1011' is not a symbol"):
        task.encode("1011")


WRONG = {
    "symbol": (("RUN", "--string", "0x1"), "'01#'"),
    "one symbol": (("RUN", "--string", "0"), "at least 2"),
    "no symbol": (("RUN", "--string", " "), "at least 2"),
    "restart": (("RUN", "--string", "011", "--restart", "7"), "there are 0, 1"),
    "suffix": (("RUN", "--string", "011", "--out", "figure.gif"), ".svg, .pdf or .png"),
    "nothing trained": (("nowhere", "--string", "011"), "holds no experiment"),
    "no string": (("RUN",), "--string"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_and_status_2(
    case: str,
    trained: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    capsys.readouterr()
    monkeypatch.chdir(tmp_path)
    arguments, allowed = WRONG[case]
    status, printed, told = run(
        capsys, *(trained if argument == "RUN" else argument for argument in arguments)
    )
    assert (status, printed) == (2, "")
    assert told.count("\n") == 1
    assert told.startswith("memrnn: ")
    assert allowed in told
    assert not list(tmp_path.iterdir())
