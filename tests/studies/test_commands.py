"""`memrnn study ...` as a user calls it."""

import json
from pathlib import Path

import pytest
from test_local import FILE

from command_line import run
from memrnn import load_run
from memrnn.studies import load_results


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "study.toml"
    path.write_text(FILE.format(restarts=2, epochs=2))
    return path


def test_run_status_export_report(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(file.parent / "out")
    status, printed, told = run(capsys, "study", "run", str(file), "--out", out, "--workers", "1")
    assert (status, printed) == (0, "")
    assert told.count("done     count-3  jm-3  freeze=none  restart") == 2
    assert told.count(" epochs, validation perplexity ") == 4
    assert "4 of 4 runs finished, 0 of them diverged, 0 failed." in told
    status, printed, _ = run(capsys, "study", "status", out)
    assert status == 0
    assert "It is complete." in printed
    assert all(len(line) <= 80 for line in printed.splitlines())
    status, printed, _ = run(capsys, "study", "status", out, "--json")
    assert json.loads(printed)["counts"]["done"] == 4
    status, printed, _ = run(capsys, "study", "export", out, "--format", "csv")
    assert status == 0
    assert {Path(line).suffix for line in printed.split()} == {".csv"}
    tables = str(file.parent / "tables")
    status, printed, _ = run(capsys, "study", "export", out, "--out", tables, "--networks")
    kept = [Path(line) for line in printed.splitlines() if Path(line).is_dir()]
    assert status == 0 and [path.parent.name for path in kept] == ["networks", "networks"]
    for path, cell in zip(kept, load_results(tables).cells, strict=True):
        found, best = load_run(path), cell.best
        assert best and found.origin.source.startswith(f"run {best.id}, restart {best.restart}, ")
        assert found.experiment.model == cell.model
    status, printed, told = run(capsys, "study", "export", tables, "--networks")
    assert status == 2 and "holds exported tables, and no networks" in told
    status, printed, _ = run(capsys, "study", "report", out)
    assert status == 0
    assert "4 of 4 runs" in Path(printed.strip()).read_text()
    status, _, told = run(capsys, "study", "run", str(file), "--out", out)
    assert status == 0
    assert "done     " not in told, "nothing is left to do"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "nothing", "--out", "OUT"], "There is no study file 'nothing'"),
        (["run", "FOLDER", "--out", "OUT"], "There is no study file"),
        (["run", "nothing.toml", "--out", "OUT"], "nothing.toml: No such file"),
        (["run", "FILE"], "--out"),
        (["run", "FILE", "--out", "OUT", "--workers", "0"], "workers is 0"),
        (["run", "FILE", "--out", "OUT", "--engine", "slurm"], "local"),
        (["run", "FILE", "--out", "OUT", "--address", "x:1"], "--address is of a Ray cluster"),
        (["run", "FILE", "--out", "FILE"], "is a file"),
        (["status", "OUT"], "holds no study"),
        (["report", "OUT"], "holds no study"),
        (["export", "OUT"], "holds no study"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    file: Path,
    tmp_path: Path,
    arguments: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {"FILE": str(file), "OUT": str(tmp_path / "out"), "FOLDER": str(file.parent)}
    filled = [places.get(argument, argument) for argument in arguments]
    status, printed, told = run(capsys, "study", *filled)
    assert (status, printed) == (2, "")
    assert complaint in told
    assert len(told.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_failed_runs_are_status_1(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file.parent / "late.toml"
    path.write_text("time_limit = 0.01\n" + file.read_text())
    out = str(file.parent / "late")
    status, _, told = run(capsys, "study", "run", str(path), "--out", out, "--workers", "1")
    assert status == 1
    assert "4 of 4 runs failed" in told
    assert "not done after the time limit of 0.01 s" in told
    assert "--retry" in told
