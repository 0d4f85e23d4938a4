"""`memrnn golden`: what it prints and writes, and that other commands take it."""

import json
from pathlib import Path

import numpy as np
import pytest
from machine_cases import ANBN

from command_line import run
from memrnn import load_run
from memrnn.studies import parse_study
from memrnn.training import start_from

TASK = ("--train-lengths", "2:8", "--length-bins", "10:14", "--batches", "3", "--batch-size", "2")
CHECKS = ("--verify", "60", "--dense", "20", "--precisions", "float32")


def test_a_machine_in_a_file_is_a_run_like_any_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "golden-anbn.toml", tmp_path / "golden"
    file.write_text(ANBN)
    status, printed, error = run(capsys, "golden", str(file), "--out", str(out), *TASK, *CHECKS)
    assert (status, error) == (0, f"next: memrnn evaluate {out}\n")
    assert "lstm-5+jm-1" in printed and max(map(len, printed.splitlines())) <= 80
    # The folder needs neither the file nor its place.
    file.unlink()
    moved = tmp_path / "moved"
    out.rename(moved)
    origin = load_run(moved).origin
    assert (origin.kind, origin.by) == ("constructed", "memrnn golden")
    assert origin.source.startswith("golden-anbn ")

    status, printed, _ = run(capsys, "evaluate", str(moved), "--json")
    assert status == 0
    (scores,) = json.loads(printed)["runs"]
    assert scores["epochs"] == 0
    assert scores["sets"]["10:14"]["determined_accuracy"] == 1
    assert scores["sets"]["10:14"]["determined_perplexity"] == 1
    status, printed, _ = run(capsys, "explain", str(moved), "--string", "aabb")
    assert status == 0 and "no string" not in printed

    copy = str(moved / "imports" / "golden-anbn" / "golden-anbn.toml")
    trained = tmp_path / "trained"
    status, _, error = run(
        capsys, "train", "--import", copy, "--language", "golden-anbn", "--model", "lstm-5+jm-1",
        "--start", str(moved), "--restarts", "1", "--max-epochs", "1", "--validation-batches", "1",
        "--workers", "1", "--out", str(trained), *TASK,
    )  # fmt: skip
    assert status == 0, error
    start = load_run(trained).experiment.start
    assert start is not None and start.digest == start_from(moved).digest

    study = parse_study(
        {
            "imports": [copy],
            "languages": ["golden-anbn"],
            "models": ["lstm-5+jm-1"],
            "start": [str(moved)],
            "config": {"max_epochs": 0},
            "strings": {"train_lengths": "2:8", "length_bins": ["10:14"]},
        },
        tmp_path,
    )
    (cell,) = study.cells()
    assert cell.start is not None and cell.start.digest == start.digest


def test_checks_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, printed, _ = run(
        capsys, "golden", "count-3", "--out", str(tmp_path / "g"), "--model", "jm-3.3.3",
        "--gate", "6", "--verify", "90", "--dense", "30", "--precisions", "float32", "--json",
    )  # fmt: skip
    assert status == 0
    found = json.loads(printed)
    assert (found["machine"], found["rules"], found["model"]) == ("count-3", 6, "jm-3.3.3")
    names = ["all transitions", "steps of a string", "stack cells"]
    assert [check["check"] for check in found["checks"]] == names
    assert all(check["inexact"] > 0 for check in found["checks"])  # gates of 6 leak


def test_float64_and_a_nondeterministic_stack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, printed, _ = run(
        capsys, "golden", "marked-reversal", "--out", str(tmp_path / "g"), "--model", "rns",
        "--precision", "float64", "--verify", "41", "--json",
    )  # fmt: skip
    assert status == 0
    found = json.loads(printed)
    (check,) = found["checks"]
    assert found["model"] == "lstm-12+rns-1-3"
    assert (check["precision"], check["inexact"], check["wrong"]) == ("float64", 0, 0)
    network = load_run(tmp_path / "g").restarts[0].network
    assert network.dtype == np.float64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("marked-copy",), "There is no machine for marked-copy"),
        (("nothing.toml",), "nothing.toml: No such file"),
        (("count-3", "--model", "lstm"), "The model has no stacks for count-3"),
        (("count-3", "--precision", "bfloat16"), "constructed in float64 or float32, not in"),
        (("count-3", "--precisions", "float8"), "There is no precision 'float8'"),
    ],
)
def test_refusals_write_nothing(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "g"
    status, _, error = run(capsys, "golden", *arguments, "--out", str(out))
    assert status == 2 and message in error and not out.exists()
