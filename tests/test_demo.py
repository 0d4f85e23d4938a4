import io
import json

import pytest
from rich.console import Console

from memrnn.demo import DemoSettings, run_demo
from memrnn.experiment import TrainingConfig

TINY = DemoSettings(
    languages=("count-3",),
    models=("elman-3",),
    restarts=2,
    options={
        "train_lengths": (3, 9),
        "batch_size": 2,
        "batches": 3,
        "validation_batches": 2,
        "length_bins": ((3, 9), (12, 18)),
        "samples_per_length": 1,
    },
    config=TrainingConfig(max_epochs=2),
)


def run(out, **changes):
    console = Console(file=io.StringIO(), width=80)
    page = run_demo(out, console=console, **{"settings": TINY, "workers": 2} | changes)
    return page, console.file.getvalue()


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return run(tmp_path_factory.mktemp("demo") / "out")


def test_the_demo_leaves_a_report(demo):
    page, printed = demo
    assert page.name == "index.html"
    assert page.exists()
    assert len(list((page.parent / "runs").glob("*/restart-*.safetensors"))) == 6
    results = json.loads((page.parent / "results.json").read_text())["results"]
    assert [result["freeze"] for result in results] == [[], ["memory"], ["controller"]]
    assert "elman-3 with memory frozen is bit-equal to the same with nothing frozen" in printed
    assert all(len(line) <= 80 for line in printed.splitlines())


def test_a_second_call_only_reports_and_says_the_same(demo):
    page, printed = demo
    before = json.loads((page.parent / "results.json").read_text())["results"]
    checkpoints = {path: path.stat().st_mtime_ns for path in page.parent.glob("runs/*/restart*")}
    assert run(page.parent)[1].count("bit-equal") == printed.count("bit-equal")
    assert json.loads((page.parent / "results.json").read_text())["results"] == before
    assert {path: path.stat().st_mtime_ns for path in checkpoints} == checkpoints


def test_other_folders_are_left_alone(demo, tmp_path):
    with pytest.raises(ValueError, match="another seed"):
        run(demo[0].parent, seed=1)
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        run(tmp_path)
    with pytest.raises(ValueError, match="is a file"):
        run(tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_demo_as_it_ships_is_a_valid_grid():
    settings = DemoSettings()
    experiments = settings.experiments(0)
    assert len(experiments) == 18
    assert settings.restarts >= 3
    for experiment in experiments:
        task = experiment.task
        assert task.length_bins[-1][1] >= 4 * task.train_lengths[1]
