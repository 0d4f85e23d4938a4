"""The demo: a study that ships, its page, and what it says."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

import memrnn
from memrnn.cli import compare_memories, run_demo
from memrnn.studies import Study, load_results, load_study, parse_study

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


def test_the_demo_of_text_compares_a_network_with_a_memory_to_one_without(tmp_path: Path) -> None:
    lines = ["the cat sat on the mat", "a dog sat", "the dog and a cat ran on"]
    for name, count in (("train", 12), ("valid", 2), ("test", 3)):
        text = "\n".join(lines[i % 3] + f" {lines[i * 2 % 3]}" for i in range(count))
        (tmp_path / f"{name}.txt").write_text(text + "\n")
    study = parse_study(
        {
            "texts": [str(tmp_path)],
            "models": ["elman-3", "elman-3+jm-2:depth_limit=3"],
            "restarts": 1,
            "text": {"streams": 2, "segment": 5, "evaluation_streams": 1},
            "config": {"max_epochs": 1, "optimizer": "sgd"},
        }
    )
    console = Console(file=io.StringIO(), width=80)
    run_demo(study, tmp_path / "out", 1, console)
    compare_memories(load_results(tmp_path / "out"), tmp_path / "out", console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert ": kneser-ney-5" in printed and ": unigram" in printed
    assert "paired bootstrap over 3 sentences" in printed.replace("\n", " ")
    # The demo as it ships has the same parts.
    shipped = load_study("demo-text")
    assert [cell.model for cell in shipped.cells() if not cell.freeze] == [
        "lstm-64",
        "lstm-64+jm-10:depth_limit=10",
    ]
