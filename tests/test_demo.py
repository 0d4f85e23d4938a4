"""The demo: a study that ships, its page, and what it says."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

import memrnn
from memrnn.cli import run_demo
from memrnn.studies import Study, load_study, parse_study

TINY = {
    "languages": ["count-3"],
    "models": ["elman-3"],
    "freeze": ["none", "memory", "controller"],
    "restarts": 2,
    "seed": 0,
    "strings": {
        "train_lengths": "3:9",
        "batch_size": 2,
        "batches": 3,
        "validation_batches": 2,
        "length_bins": ["3:9", "12:18"],
        "samples_per_length": 1,
    },
    "config": {"max_epochs": 2},
}


def run(out: Path, study: Study | None = None) -> tuple[Path, str]:
    console = Console(file=io.StringIO(), width=80)
    page = run_demo(study or parse_study(TINY), out, 1, console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    # A slow machine reports progress in between.
    return page, re.sub(r"(?m)^\d of 6 runs finished\.\n", "", printed)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return run(tmp_path_factory.mktemp("demo") / "out")


def test_the_demo_leaves_a_report(demo: tuple[Path, str]) -> None:
    page, printed = demo
    assert page.name == "index.html" and page.exists()
    assert len(list(page.parent.glob("runs/**/restart-*.safetensors"))) == 6
    assert "elman-3 scores the same with memory frozen as with nothing frozen" in printed
    assert "Do these networks learn the task" in page.read_text()
    assert all(len(line) <= 80 for line in printed.splitlines())


def test_a_second_call_only_reports_and_says_the_same(demo: tuple[Path, str]) -> None:
    page, printed = demo
    checkpoints = {path: path.stat().st_mtime_ns for path in page.parent.glob("runs/**/restart*")}
    assert run(page.parent)[1] == printed
    assert {path: path.stat().st_mtime_ns for path in checkpoints} == checkpoints


def test_other_folders_are_left_alone(demo: tuple[Path, str], tmp_path: Path) -> None:
    with pytest.raises(memrnn.MemrnnError, match="seed"):
        run(demo[0].parent, parse_study(TINY | {"seed": 1}))
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(memrnn.MemrnnError, match="not empty"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_demo_as_it_ships_evaluates_far_beyond_what_it_trains_on() -> None:
    study = load_study("demo")
    cells = list(study.cells())
    assert len(cells) == 18 and study.restarts >= 3
    for cell in cells:
        assert cell.task.length_bins[-1][1] >= 4 * cell.task.train_lengths[1]  # type: ignore[attr-defined]
