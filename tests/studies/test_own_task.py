"""A study of a task of one's own: its file is edited, and its folder is moved."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from memrnn.studies import Ledger, export, load_results, load_tables, study_status
from memrnn.tasks import task_names

OWN = """
from dataclasses import dataclass
from typing import ClassVar

from memrnn import Strings, register_task


@register_task
@dataclass(frozen=True)
class Own(Strings):
    # Short strings.
    name: ClassVar[str] = "own"
    revision: ClassVar[int] = {revision}
"""
STUDY = """
tasks = ["own:count-3"]
models = ["lstm-4"]
restarts = 2
imports = ["own.py"]

[own]
train_lengths = "3:12"
batch_size = 4
batches = 5
validation_batches = 2
length_bins = ["{bins}"]
samples_per_length = 2

[config]
max_epochs = 2
"""
RUN = """
import sys
from memrnn.engines import LocalEngine
from memrnn.studies import load_study, run_study

counts = run_study(load_study(sys.argv[1]), sys.argv[2], LocalEngine(1), notice=print)
print(counts)
"""


def write(folder: Path, *, revision: int = 1, bins: str = "3:9") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "own.py").write_text(OWN.format(revision=revision))
    (folder / "study.toml").write_text(STUDY.format(bins=bins))
    return folder / "study.toml"


def run(file: Path, out: Path) -> list[str]:
    """Runs the study in a process of its own, as an import is once per process; what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(file), str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study, in `out`, and its files, in `files`."""
    folder = tmp_path_factory.mktemp("own")
    assert run(write(folder / "files"), folder / "out") == ["{'done': 2}"]
    return folder


def test_a_moved_folder_is_read_and_continued(folder: Path, tmp_path: Path) -> None:
    expected = load_results(folder / "out")
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    out = moved / "out"
    (moved / "files" / "own.py").unlink()
    results = load_results(out)
    assert results.cells == expected.cells
    assert results.tasks[0].spec == "own:count-3"
    assert results.evaluations()[0].references["3:9"]["bayes"].groups
    assert load_tables(out).scores.num_rows > 0
    assert study_status(out).counts["done"] == 2
    assert export(out, tmp_path / "export")
    assert "own" not in task_names(), "reading has imported nothing"
    # The copy that the folder keeps is as good as the file was.
    (moved / "files" / "own.py").write_text((out / "imports" / "own" / "own.py").read_text())
    assert run(moved / "files" / "study.toml", out) == ["{'done': 2}"]
    assert load_results(out).cells == expected.cells


def references(out: Path) -> dict[str, list[tuple]]:
    with Ledger(out) as ledger:
        rows = ledger.rows('SELECT * FROM "references"')
    found: dict[str, list[tuple]] = {}
    for row in rows:
        found.setdefault(row["task_key"], []).append(tuple(row.values()))
    return found


def test_an_edited_task_has_runs_and_references_of_its_own(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(folder / "out", out)
    before, known = load_results(out), references(out)
    said = run(write(tmp_path / "files", revision=2), out)
    assert said[0].startswith("own:count-3 with lstm-4 means something else than before: 2 runs")
    assert said[-1] == "{'done': 2}"
    after = load_results(out)
    assert not {run.id for run in before.runs} & {run.id for run in after.runs}
    assert not {run.folder for run in before.runs} & {run.folder for run in after.runs}
    assert before.tasks[0].key != after.tasks[0].key
    assert after.references.keys() == {after.tasks[0].key}
    now = references(out)
    assert now.keys() == known.keys() | after.references.keys()
    (key,) = known
    assert now[key] == known[key], "old references are never replaced"
    with Ledger(out) as ledger:
        old = ledger.rows("SELECT id, position, status FROM runs WHERE position IS NULL")
    assert {(row["id"], row["status"]) for row in old} == {(run.id, "done") for run in before.runs}
    assert "revision: ClassVar[int] = 2" in (out / "imports" / "own" / "own.py").read_text()
    assert "revision: ClassVar[int] = 1" in (out / "imports-1" / "own" / "own.py").read_text()
    # Undone, the old runs count again; a comment changes no meaning.
    file = write(tmp_path / "files", revision=1)
    (tmp_path / "files" / "own.py").write_text(
        OWN.format(revision=1).replace("# Short strings.", "# Strings.")
    )
    run(file, out)
    assert load_results(out).cells == before.cells


def test_other_evaluation_options_only_evaluate(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(folder / "out", out)
    before, known = load_results(out), references(out)
    said = run(write(tmp_path / "files", bins="12:18"), out)
    assert "other evaluations" in said[0]
    after = load_results(out)
    assert [run.id for run in after.runs] == [run.id for run in before.runs]
    assert [run.curve for run in after.runs] == [run.curve for run in before.runs]
    for run_ in after.runs:
        assert list(run_.scores["float32"]) == ["12:18"]
    assert after.tasks[0].key != before.tasks[0].key
    assert list(after.references[after.tasks[0].key]) == ["12:18"]
    assert references(out).items() >= known.items()
    # What was evaluated before is still there.
    again = run(write(tmp_path / "files", bins="3:9"), out)
    assert again[-1] == "{'done': 2}"
    assert [run.scores for run in load_results(out).runs] == [run.scores for run in before.runs]
