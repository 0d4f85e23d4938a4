"""Commands in any terminal, with any path and any symbol, with and without a home."""

import io
import os
from pathlib import Path

import pytest
from explanations import printed
from results_synthetic import make_result
from rich.console import Console

from command_line import run
from memrnn.cli import RunDisplay
from memrnn.cli import _study as study_commands
from memrnn.explain import explain
from memrnn.languages import Repeat, Template, TemplateLanguage, register_language
from memrnn.nn.models import get_model
from memrnn.nn.network import OneHot
from memrnn.reports import overview_table, result_table
from memrnn.studies import StatusCounts, StudyStatus
from processes import command

MARKUP = ("[bold]x", "[/]", ":bug:")
QUICK = [
    *("--language", "count-3", "--model", "jm-3", "--train-lengths", "3:9", "--batch-size", "4"),
    *("--batches", "3", "--validation-batches", "2", "--max-epochs", "1", "--restarts", "1"),
]


@pytest.mark.parametrize("brief", [False, True])
@pytest.mark.parametrize("terminal", [False, True])
def test_progress_is_bars_in_a_terminal_and_a_line_per_run(
    terminal: bool, brief: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")  # a dumb terminal has no bars
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with RunDisplay(console, 2, title="[/]", brief=brief) as display:
        display.running("restart 0", "epoch 1/2", 0.5)
        display.ended("restart 0", "restart 0: [bold]done")
    shown = console.file.getvalue()
    assert shown.count("[/]") == 1
    assert ("restart 0: [bold]done" in shown) == (not brief)
    assert ("1 of 2 runs" in shown) == terminal


@pytest.mark.parametrize("name", MARKUP)
def test_paths_are_printed_as_they_are(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / name.replace("/", "")
    status, _, told = run(capsys, "train", *QUICK, "--out", str(out))
    assert status == 0
    assert told.endswith(f"next: memrnn evaluate {out}\n")


def test_a_study_says_paths_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing_to_do(*_: object, notice, **__: object) -> dict[str, int]:
        notice("0 finished runs are taken from [/].")
        return {}

    monkeypatch.setattr(study_commands, "run_study", nothing_to_do)
    status, _, told = run(capsys, "study", "run", "smoke", "--out", str(tmp_path / "[bold]"))
    assert status == 0
    assert "taken from [/].\n" in told
    assert told.endswith(f"next: memrnn study report {tmp_path}/[bold]\n")


def test_names_and_symbols_are_printed_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memrnn.languages._registry._FACTORIES", {})
    template = Template((Repeat(0), Repeat(1)))
    symbols = ("[red]", "[/]")
    register_language("[bold]x", lambda: TemplateLanguage("[bold]x", symbols, template))
    status, shown, _ = run(capsys, "languages")
    assert status == 0
    assert "[bold]x" in shown and "[red] [/]" in shown
    console = Console(file=io.StringIO(), width=100)
    found = make_result("[/]", "[bold]m", ("memory",))
    for table in (result_table(found), overview_table([found])):
        console.print(table)
    assert console.file.getvalue().count("[/]") == 2
    assert console.file.getvalue().count("[bold]m") == 2
    explanation = explain(get_model("jm-3").build(OneHot(3), 4, seed=0), [0, 1, 2], [0, 1, 2, 3])
    assert {"[/]", "[red]", ":bug:"} <= set(printed(explanation, ("[/]", "[red]", ":bug:")).split())


def test_a_status_prints_names_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {"planned": 0, "running": 0, "done": 1, "diverged": 0, "failed": 0}
    status = StudyStatus(
        driver=False,
        engine=None,
        workers=0,
        counts=counts,
        progress=(StatusCounts("[/]", "[bold]m", counts),),
        epochs=1,
        core_seconds=1.0,
        runs_per_hour=None,
        seconds_left=None,
        faults=(),
        left_behind=0,
        exported=False,
        notes=(),
    )
    monkeypatch.setattr(study_commands, "study_status", lambda _: status)
    code, shown, _ = run(capsys, "study", "status", "anywhere")
    assert code == 0
    assert "[/]" in shown and "[bold]m" in shown


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("terminal") / "run"
    done = command("train", *QUICK, "--out", str(out), MEMRNN_CACHE=os.environ["MEMRNN_CACHE"])
    assert done.returncode == 0, done.stderr
    return out


def test_what_an_encoding_lacks_is_replaced(trained: Path) -> None:
    variables = {"PYTHONIOENCODING": "latin-1", "MEMRNN_CACHE": os.environ["MEMRNN_CACHE"]}
    shown = command("explain", str(trained), "--string", "aabbcc", **variables)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "?" in shown.stdout, "the mark of a wrong prediction is in no such encoding"


def test_names_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    shown = command("evaluate", os.fsdecode(b"/nothing/\xff"), HOME=str(tmp_path))
    assert shown.returncode == 2
    assert shown.stderr.startswith("memrnn: /nothing/? holds no experiment")


NO_HOME = "import pwd\ndef no(user): raise KeyError(user)\npwd.getpwuid = no"


def test_without_a_home_all_works_without_a_cache(trained: Path, tmp_path: Path) -> None:
    figure = tmp_path / "figure.svg"
    shown = command(
        *("explain", str(trained), "--string", "aabbcc", "--out", str(figure)), before=NO_HOME
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert figure.is_file()


def test_a_cache_that_cannot_be_written_is_not_used(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    done = command(
        *("train", *QUICK, "--out", str(tmp_path / "run")),
        privileged=False,
        MEMRNN_CACHE=str(locked / "deeper"),
    )
    assert done.returncode == 0
    assert "Warning" not in done.stderr
    assert "restart 0: epoch 1/1" in done.stderr


def test_warnings_of_ours_are_one_line(tmp_path: Path) -> None:
    no_locks = "import fcntl\ndef no(*_): raise OSError(37, 'No locks available')\nfcntl.flock = no"
    done = command(
        "train",
        *QUICK,
        "--out",
        str(tmp_path / "x"),
        before=no_locks,
        MEMRNN_CACHE=os.environ["MEMRNN_CACHE"],
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "locks" in line]
    assert line.startswith("memrnn: The file system of the output folder has no locks")
