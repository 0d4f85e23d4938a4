"""The command line's contract: what it prints, its exit status, and that errors write nothing."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from languages_reference import NAMES

import memrnn
from command_line import run
from memrnn import cli
from memrnn.languages import get_language

QUICK = [
    *("--train-lengths", "3:9", "--batch-size", "4", "--batches", "6"),
    *("--validation-batches", "5", "--max-epochs", "2", "--restarts", "2"),
]
TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "run"
    options = ("--language", "marked-copy", "--model", "jm-3", "--freeze", "memory+output")
    cli.main(["train", *options, "--out", str(folder), *QUICK, "--workers", "1"])
    return folder


def test_train_then_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "run")
    options = ("--language", "marked-copy", "--model", "jm-3", "--freeze", "memory+output")
    status, printed, told = run(capsys, "train", *options, "--out", out, *QUICK)
    assert (status, printed) == (0, "")
    assert "freeze=memory+output" in told and "exact bound" in told
    assert re.search(r"best [0-9.]+ nats above its reference", told)
    bins = ("--length-bins", "11:13", "20:30", "--samples-per-length", "2")
    status, printed, _ = run(capsys, "evaluate", out, *bins, "--json")
    assert status == 0
    result = json.loads(printed)
    assert result["task"] == "strings:marked-copy"
    assert result["freeze"] == ["memory", "output"]
    assert [entry["restart"] for entry in result["runs"]] == [0, 1]
    entry = result["runs"][result["best"]]
    assert (entry["status"], entry["epochs"]) == ("done", 2)
    assert list(entry["sets"]) == ["11:13", "20:30"]
    values = entry["sets"]["11:13"]
    assert {
        *("perplexity", "accuracy", "determined_accuracy", "sequence_accuracy"),
        *(
            "determined_perplexity",
            "illegal_mass",
            "illegal_argmax",
            "underflow_flagged",
            "not_finite",
        ),
        "groups",
    } == values.keys()
    assert list(values["groups"]) == ["11", "13"]
    assert {"bayes", "unigram", "bigram"} <= result["references"]["11:13"].keys()
    again = run(capsys, "train", *options, "--out", out, *QUICK)
    assert again[0] == 0, "the same command continues, here with nothing left to do"


def test_evaluate_as_a_table_and_in_another_precision(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--length-bins", "11:13", "--precision", "bfloat16")
    status, printed, told = run(capsys, "evaluate", str(trained), *options)
    assert status == 0 and "marked-copy" in printed
    assert "not_finite" not in told


def test_evaluate_with_few_bits(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--length-bins", "11:13", "--precision", "memory=e05m02", "--json")
    status, printed, _ = run(capsys, "evaluate", str(trained), *options)
    assert status == 0 and json.loads(printed)["precision"] == "memory=e5m2"
    options += ("--rounding", "stochastic")
    status, printed, _ = run(capsys, "evaluate", str(trained), *options)
    assert status == 0 and json.loads(printed)["precision"] == "memory=e5m2:stochastic"
    status, _, told = run(capsys, "evaluate", str(trained), "--rounding", "stochastic")
    assert status == 2 and "needs a --precision with few bits" in told


def test_evaluation_options_are_by_default_those_of_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    options = ("--task", "strings:count-3", "--model", "lstm-3", "--length-bins", "12:18")
    options += ("--samples-per-length", "1")
    assert run(capsys, "train", *options, "--out", out, *QUICK, "--workers", "1")[0] == 0
    status, printed, _ = run(capsys, "evaluate", out, "--json")
    assert status == 0
    assert list(json.loads(printed)["runs"][0]["sets"]) == ["12:18"]


def test_more_epochs_continue_and_fewer_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--language", "marked-copy", "--model", "lstm-3", "--restarts", "1"]
    command += [*QUICK[:8], "--out", str(tmp_path / "run"), "--max-epochs"]
    assert run(capsys, *command, "2")[0] == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    status, printed, told = run(capsys, *command, "1")
    assert (status, printed) == (2, "")
    assert "max_epochs 2, which may grow but not shrink to 1" in told.splitlines()[-1]
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    assert run(capsys, *command, "3")[0] == 0
    (restart,) = memrnn.load_run(tmp_path / "run").restarts
    assert restart.progress.epochs == 3


def test_the_start_is_evaluated_without_an_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In float16 the memory overflows, which a warning says; in float64 it does not."""
    out, file = str(tmp_path / "run"), str(TESTS / "growing_memory.py")
    options = ("--language", "marked-copy", "--model", "growing-4", "--max-epochs", "0")
    options = (*options, "--restarts", "1", "--batches", "1", "--validation-batches", "1")
    assert run(capsys, "train", "--import", file, *options, "--out", out)[0] == 0
    bins = ("--length-bins", "149:151", "--samples-per-length", "2")
    status, printed, told = run(capsys, "evaluate", out, *bins, "--json", "--precision", "float16")
    assert status == 0
    (warning,) = told.splitlines()
    count, _, meaning = warning.removeprefix("not finite: ").partition(". ")
    assert "none of them counts as right" in meaning
    (entry,) = json.loads(printed)["runs"]
    assert entry["epochs"] == 0 and entry["learning_rate"] is None
    values = entry["sets"]["149:151"]
    assert values["accuracy"] + values["not_finite"] <= 1 and values["perplexity"] is None
    symbols = 2 * (150 + 152)
    assert 0 < int(count) == round(values["not_finite"] * symbols)
    status, printed, told = run(capsys, "evaluate", out, *bins, "--precision", "float64")
    assert (status, told) == (0, "")


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    status, printed, _ = run(capsys, "languages", "--json")
    assert status == 0
    # Those of memrnn come first; other tests of this process may have registered more.
    assert tuple(row["name"] for row in json.loads(printed))[: len(NAMES)] == NAMES
    status, printed, _ = run(capsys, "models", "--json")
    assert status == 0
    counts = {row["name"]: row["parameters"] for row in json.loads(printed)}
    assert counts["jm-10"] == 3157
    status, printed, _ = run(capsys, "tasks", "--json")
    assert status == 0
    rows = {row["name"]: row for row in json.loads(printed)}
    assert "train_lengths" in rows["strings:LANGUAGE"]["options"]
    for command in ("languages", "models", "tasks"):
        status, printed, _ = run(capsys, command)
        assert status == 0
        assert max(map(len, printed.splitlines())) <= 80


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
    "an option of another task": (
        ("train", "--text", "kjv-small", "--train-lengths", "3:9", "--out", "OUT"),
        "--train-lengths is an option of the task strings, and not of text",
    ),
    "unknown language": (("train", "--language", "x", *TRAIN[3:]), "choose one of count-3"),
    "unknown model": ((*TRAIN[:4], "jm-x", *TRAIN[5:]), "elman, gru, lstm or lstm_capped"),
    "unknown task": (("train", "--task", "x:y", *TRAIN[3:]), "There is no task 'x'"),
    "no task": (("train", *TRAIN[3:]), "Give one of --language L, --text"),
    "two tasks": ((*TRAIN, "--task", "strings:count-3"), "Give one of --language L, --text"),
    "task without argument": (("train", "--task", "strings", *TRAIN[3:]), "language"),
    "unknown component": ((*TRAIN, "--freeze", "stack"), "embedding, controller, memory, output"),
    "no valid length": ((*TRAIN, "--train-lengths", "43:44"), "nearest valid lengths are 42"),
    "no range": ((*TRAIN, "--train-lengths", "43-44"), "write LOW:HIGH, for instance 40:100"),
    "two numbers": ((*TRAIN, "--train-lengths", "40:80", "90"), "90"),
    "empty range": ((*TRAIN, "--learning-rate-range", "0.1:0.01"), "smaller number comes first"),
    "no rate": ((*TRAIN, "--learning-rate-range", "0:0.01"), "two positive bounds"),
    "bin twice": ((*TRAIN, "--length-bins", "3:9", "3:9"), "names a bin twice"),
    "no restarts": ((*TRAIN, "--restarts", "0"), "restarts is 0, but must be at least 1"),
    "restart below 0": ((*TRAIN, "--restart-ids", "-1"), "numbers of restarts from 0"),
    "no workers": ((*TRAIN, "--workers", "0"), "must be at least 1"),
    "epochs below 0": ((*TRAIN, "--max-epochs", "-1"), "must be at least 0"),
    "no batches": ((*TRAIN, "--batches", "0"), "batches is 0, but must be at least 1"),
    "negative seed": ((*TRAIN, "--seed", "-1"), "at least 0"),
    "training precision": ((*TRAIN, "--precision", "float16"), "float64, float32"),
    "no number": ((*TRAIN, "--max-epochs", "many"), "--max-epochs"),
    "unknown flag": ((*TRAIN, "--max-epoch", "3"), "--max-epochs"),
    "missing flag": (TRAIN[:5], "--out"),
    "no file to import": ((*TRAIN, "--import", "nowhere.py"), "there is no file"),
    "no module to import": ((*TRAIN, "--import", "nowhere"), "there is no module nowhere"),
    "unknown command": (("learn",), "train"),
    "no command": ((), "train"),
    "nothing trained": (("evaluate", "OUT"), "holds no experiment"),
    "no folder": (("evaluate",), "folder that `memrnn train --out` filled"),
    "no bin": (("evaluate", "OUT", "--length-bins", "40-100"), "40:100"),
    "evaluation precision": (("evaluate", "OUT", "--precision", "int8"), "bfloat16"),
    "bits of an exponent": (("evaluate", "OUT", "--precision", "e9m2"), "2 to 8 bits of exponent"),
    "nothing to explain": (("explain", "OUT", "--string", "01#01"), "holds no experiment"),
    "length": (("sample", "--language", "count-3", "--length", "10"), "3N"),
    "count": (("sample", "--language", "count-3", "--length", "9", "--count", "0"), "at least 1"),
}

OLD = {
    ("--lengths", "3", "9"): "--train-lengths SHORTEST:LONGEST",
    ("--bins", "3:9"): "--length-bins",
    ("--strings-per-length", "3"): "--samples-per-length",
    ("--epochs", "3"): "--max-epochs",
    ("--epochs=3",): "--max-epochs",
    ("--learning-rate", "0.1", "0.2"): "--learning-rate-range LOW:HIGH",
    ("--clip", "5"): "--max-grad-norm",
    ("--decay", "0.5"): "--lr-decay",
    ("--decay-patience", "3"): "--lr-patience",
    ("--stop-patience", "3"): "--early-stopping-patience",
    ("--only", "3"): "--restart-ids",
}


def refused(
    arguments: tuple[str, ...], said: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit status 2, nothing written."""
    words = [str(out) if argument == "OUT" else argument for argument in arguments]
    status, printed, told = run(capsys, *words)
    assert (status, printed) == (2, "")
    assert told.count("\n") == 1 and told.startswith("memrnn: ")
    assert said in told
    assert not out.exists()


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_and_status_2(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(*WRONG[case], tmp_path / "out", capsys)


@pytest.mark.parametrize("flags", OLD, ids=lambda flags: flags[0])
def test_flags_of_version_0_1_name_the_new_ones(
    flags: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused((*TRAIN, *flags), f"is now {OLD[flags]}.", tmp_path / "out", capsys)


def test_commands_of_version_0_1_name_the_new_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "test of version 0.1 is now evaluate."
    refused(("test", "OUT", "--bins", "3:9"), said, tmp_path / "out", capsys)


def test_wrong_evaluation_leaves_the_folder_as_it_is(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    for flags, said in (
        (("--length-bins", "10:10"), "nearest valid lengths are 9 and 11"),
        (("--train-lengths", "3:9"), "--train-lengths"),
        (("--samples-per-length", "0"), "must be at least 1"),
        (("--precision", "int8"), "bfloat16"),
    ):
        status, printed, told = run(capsys, "evaluate", str(trained), *flags)
        assert (status, printed, told.count("\n")) == (2, "", 1)
        assert said in told
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before


def test_damaged_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    command = ("train", *TRAIN[1:5], "--out", str(out), *QUICK)
    assert run(capsys, *command, "--workers", "1")[0] == 0
    path = out / "restart-001.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    for again in (command, ("evaluate", str(out))):
        status, _, told = run(capsys, *again)
        assert status == 2
        assert "restart-001.safetensors is damaged" in told.splitlines()[-1]
    path = out / "experiment.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    status, _, told = run(capsys, "evaluate", str(out))
    assert status == 2
    assert "experiment.json has format 2, but this version reads format 1." in told
    path.write_text("{")
    status, _, told = run(capsys, "evaluate", str(out))
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
    monkeypatch.setattr(np.random, "default_rng", lambda seed: int("x"))
    with pytest.raises(ValueError, match="invalid literal"):
        cli.main(["sample", "--language", "count-3", "--length", "9"])


def test_a_module_that_a_file_lacks_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text("import json\nimport absent_part_of_mine\n")
    status, _, told = run(capsys, "models", "--import", str(tmp_path / "mine.py"))
    assert status == 2 and told.count("\n") == 1
    assert "mine.py cannot be imported; see its line 2. No module named 'absent_part" in told


def test_a_folder_above_runs_names_one(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (tmp_path / "study", tmp_path / "study" / "runs" / "cell"):
        shutil.copytree(trained, tmp_path / "study" / "runs" / "cell" / "000", dirs_exist_ok=True)
        status, _, told = run(capsys, "explain", str(folder), "--string", "01#01")
        assert status == 2 and f"give the folder of one run, such as {tmp_path}" in told


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, f"memrnn {memrnn.__version__}\n", "")


def test_devices_are_listed_with_their_policy(capsys: pytest.CaptureFixture[str]) -> None:
    status, printed, _ = run(capsys, "devices", "--json")
    (device,) = json.loads(printed)
    assert status == 0
    assert (device["device"], device["slots"], device["unroll"]) == ("cpu:0", 1, 1)
    assert device["cores"] >= 1 and device["memory_gb"] > 0
    status, printed, _ = run(capsys, "devices")
    assert status == 0 and "checkpoint_seconds" in printed
