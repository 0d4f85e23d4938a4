"""The command line's contract: what it prints, its exit status, and that errors write nothing."""

import json
import os
from pathlib import Path

import pytest

from command_line import run
from memrnn import cli
from memrnn.languages import get_language

QUICK = [
    *("--lengths", "3", "9", "--batch-size", "4", "--batches", "6"),
    *("--validation-batches", "5", "--epochs", "2", "--restarts", "2"),
]


def test_train_then_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "run")
    options = ("--language", "marked-copy", "--model", "jm-3", "--freeze", "memory", "output")
    status, printed, told = run(capsys, "train", *options, "--out", out, *QUICK)
    assert (status, printed) == (0, "")
    assert "freeze=memory+output" in told
    assert "exact lower bound" in told
    status, printed, _ = run(capsys, "test", out, "--bins", "11:13", "20:30", "--json")
    assert status == 0
    result = json.loads(printed)
    assert result.keys() == {"precision", "runs", "best"}
    assert [entry["restart"] for entry in result["runs"]] == [0, 1]
    entry = result["runs"][result["best"]]
    assert {"seed", "language", "model", "freeze", "valid_perplexity", "status"} <= entry.keys()
    assert [found["lengths"] for found in entry["bins"]] == [[11, 13], [20, 30]]
    assert {
        *("strings", "perplexity", "accuracy", "determined_accuracy", "exact_strings"),
        *("floors", "ceiling", "skill"),
    } <= entry["bins"][0].keys()
    assert entry["bins"][0]["ceiling"].keys() == {"accuracy", "perplexity"}
    status, printed, _ = run(capsys, "test", out, "--bins", "11:13", "--precision", "bfloat16")
    assert status == 0
    assert "marked-copy" in printed
    again = run(capsys, "train", *options, "--out", out, *QUICK)
    assert again[0] == 0, "the same command continues, here with nothing left to do"


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    status, printed, _ = run(capsys, "languages", "--json")
    assert status == 0
    assert len(json.loads(printed)) == 7
    status, printed, _ = run(capsys, "models", "--json")
    assert status == 0
    counts = {row["name"]: row["parameters"] for row in json.loads(printed)}
    assert counts["jm-10"] == 3157
    for command in ("languages", "models"):
        assert run(capsys, command)[0] == 0


def test_sample(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("sample", "--language", "marked-copy:k=3", "--length", "9", "--count", "5")
    status, printed, _ = run(capsys, *options, "--seed", "3")
    assert status == 0
    language = get_language("marked-copy:k=3")
    strings = printed.split()
    assert len(strings) == 5
    assert all(language.contains(language.encode(string)) for string in strings)
    assert run(capsys, *options, "--seed", "3")[1] == printed
    assert run(capsys, *options, "--seed", "4")[1] != printed


TRAIN = ("train", "--language", "count-3", "--model", "lstm", "--out", "OUT")

WRONG = {
    "unknown language": (("train", "--language", "x", *TRAIN[3:]), "choose one of count-3"),
    "unknown model": ((*TRAIN[:4], "jm-x", *TRAIN[5:]), "there are elman, gru or lstm"),
    "unknown part": ((*TRAIN, "--freeze", "stack"), "embedding, controller, memory, output"),
    "no valid length": ((*TRAIN, "--lengths", "43", "44"), "nearest valid lengths are 42 and 45"),
    "no restarts": ((*TRAIN, "--restarts", "0"), "restarts is 0, but must be at least 1"),
    "restart below 0": ((*TRAIN, "--only", "-1"), "numbers of restarts from 0"),
    "no workers": ((*TRAIN, "--workers", "0"), "must be at least 1"),
    "no epochs": ((*TRAIN, "--epochs", "0"), "must be at least 1"),
    "negative seed": ((*TRAIN, "--seed", "-1"), "at least 0"),
    "training precision": ((*TRAIN, "--precision", "float16"), "float64, float32"),
    "no number": ((*TRAIN, "--epochs", "many"), "--epochs"),
    "unknown flag": ((*TRAIN, "--epoch", "3"), "--epochs"),
    "missing flag": (TRAIN[:5], "--out"),
    "unknown command": (("learn",), "train"),
    "no command": ((), "train"),
    "nothing trained": (("test", "OUT"), "holds no experiment"),
    "wrong bin": (("test", "OUT", "--bins", "40-100"), "40:100"),
    "test precision": (("test", "OUT", "--precision", "int8"), "bfloat16"),
    "length": (("sample", "--language", "count-3", "--length", "10"), "3N"),
    "count": (("sample", "--language", "count-3", "--length", "9", "--count", "0"), "at least 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_and_status_2(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, allowed = WRONG[case]
    out = tmp_path / "out"
    status, printed, told = run(
        capsys, *(str(out) if argument == "OUT" else argument for argument in arguments)
    )
    assert (status, printed) == (2, "")
    assert told.count("\n") == 1
    assert told.startswith("memrnn: ")
    assert allowed in told
    assert not out.exists()


def test_damaged_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    command = ("train", *TRAIN[1:5], "--out", str(out), *QUICK)
    assert run(capsys, *command)[0] == 0
    path = out / "restart-001.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    for again in (command, ("test", str(out))):
        status, _, told = run(capsys, *again)
        assert status == 2
        assert "restart-001.safetensors is damaged" in told.splitlines()[-1]
    (out / "experiment.json").write_text("{")
    status, _, told = run(capsys, "test", str(out))
    assert status == 2
    assert "experiment.json is damaged" in told


def test_a_full_disk_is_one_line_and_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    status, _, told = run(capsys, *TRAIN[:6], str(tmp_path / "run"), *QUICK)
    assert status == 1
    assert "the disk is full" in told.splitlines()[-1]


def test_faults_of_ours_keep_their_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ValueError that another library raises is no wrong input."""
    monkeypatch.setattr(cli.np.random, "default_rng", lambda seed: int("x"))
    with pytest.raises(ValueError, match="invalid literal"):
        cli.main(["sample", "--language", "count-3", "--length", "9"])


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, "memrnn 0.1.0\n", "")
