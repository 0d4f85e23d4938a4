"""A study's folder that the reader may not write, and one that was moved."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine
from small_studies import content, small_study

from command_line import run
from memrnn.studies import load_results, run_study
from processes import command


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete study of one run."""
    out = tmp_path_factory.mktemp("study") / "out"
    assert run_study(small_study(models=["lstm-4"], restarts=1), out, ScriptedEngine()) == {
        "done": 1
    }
    return out


@pytest.fixture
def readable(study: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the study that may only be read, as long as the test runs."""
    folder = tmp_path / "readable"
    shutil.copytree(study, folder)
    yield folder
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)


def forbid(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


SEVERAL = """
import contextlib, io, json, sys
from memrnn.cli import main
outcomes = []
for arguments in json.loads(sys.argv[1]):
    out, err, status = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO()), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as ended:
            status = ended.code
    for stream in (out, err):
        stream.seek(0)
    outcomes.append((status, out.read(), err.read()))
print(json.dumps(outcomes))
raise SystemExit
"""
"""Several commands in one process, which need not import memrnn anew for each."""


def test_status_export_and_report(readable: Path, tmp_path: Path) -> None:
    forbid(readable)
    before = sorted(readable.rglob("*"))
    folder, files = str(readable), {"report": "index.html", "export": "runs.csv"}
    lines = [["study", "status", folder]]
    for what in files:
        lines += [["study", what, folder], ["study", what, folder, "--out", str(tmp_path / what)]]
    home = {"HOME": str(tmp_path)}
    ended = command(json.dumps(lines), before=SEVERAL, privileged=False, **home)
    assert (ended.returncode, ended.stderr) == (0, "")
    (status, shown, error), *others = json.loads(ended.stdout)
    assert (status, error) == (0, "") and "1 of 1 runs finished" in shown
    for (what, file), refused, done in zip(files.items(), others[::2], others[1::2], strict=True):
        sentence = f"{readable / what} cannot be written; give another folder with --out."
        assert refused == [2, "", f"memrnn: {sentence}\n"]
        assert (done[0], done[2]) == (0, "")
        assert (tmp_path / what / file).is_file()
    assert sorted(readable.rglob("*")) == before


READ = """
import sys
from memrnn.studies import load_results
print([run.status for run in load_results(sys.argv[1]).runs])
raise SystemExit
"""


@pytest.mark.parametrize("index", [True, False], ids=["with -shm", "without -shm"])
def test_what_a_killed_driver_had_not_yet_moved_into_the_file_is_read(
    index: bool, readable: Path
) -> None:
    """Its last transactions lie in `ledger.db-wal` only."""
    database = sqlite3.connect(readable / "ledger.db", isolation_level=None)
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.execute("UPDATE runs SET status = 'diverged'")
    killed = readable.with_name("killed")
    shutil.copytree(readable, killed)
    database.close()
    shutil.rmtree(readable)
    killed.rename(readable)
    if not index:
        (readable / "ledger.db-shm").unlink()
    assert (readable / "ledger.db-wal").stat().st_size
    forbid(readable)
    assert read(readable) == "['diverged']"


def test_a_study_is_read_while_another_user_runs_it(readable: Path) -> None:
    database = sqlite3.connect(readable / "ledger.db", isolation_level=None)
    database.execute("UPDATE runs SET status = 'diverged'")
    forbid(readable)
    assert read(readable) == "['diverged']"
    database.close()


def test_an_empty_log_is_no_log(readable: Path) -> None:
    (readable / "ledger.db-wal").touch()
    forbid(readable)
    assert read(readable) == "['done']"


def test_a_ledger_that_may_not_be_read_is_one_sentence(readable: Path, tmp_path: Path) -> None:
    (readable / "ledger.db").chmod(0)
    shown = command("study", "status", str(readable), privileged=False, HOME=str(tmp_path))
    assert shown.returncode == 2
    assert shown.stderr.startswith(f"memrnn: {readable}/ledger.db cannot be used")
    assert len(shown.stderr.splitlines()) == 1


def read(folder: Path) -> str:
    """The status of all runs as a process without privileges sees it."""
    shown = command(str(folder), before=READ, privileged=False, HOME=str(folder.parent))
    assert shown.returncode == 0, shown.stderr
    return shown.stdout.strip()


def test_a_folder_that_was_moved(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No row of the ledger, and nothing that reads it, knows where the folder was."""
    before, moved = content(study), tmp_path / "moved"
    study.rename(moved)
    try:
        assert str(study).encode() not in (moved / "ledger.db").read_bytes()
        assert run(capsys, "study", "status", str(moved))[0] == 0
        assert run(capsys, "study", "export", str(moved))[0] == 0
        status, printed, _ = run(capsys, "study", "report", str(moved))
        assert status == 0
        assert Path(printed.strip()) == moved / "report" / "index.html"
        assert str(study) not in Path(printed.strip()).read_text()
        (record,) = load_results(moved).runs
        assert (moved / record.folder / "experiment.json").is_file()
        grown = small_study(models=["lstm-4"], restarts=2)
        assert run_study(grown, moved, ScriptedEngine()) == {"done": 2}
        assert before["epochs"] == [row for row in content(moved)["epochs"] if row[0] == record.id]
        assert {path.parent for path in moved.rglob("experiment.json")} == {
            moved / run.folder for run in load_results(moved).runs
        }
    finally:
        shutil.rmtree(moved / "report", ignore_errors=True)
        moved.rename(study)
