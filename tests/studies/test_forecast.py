"""What a study takes, before and while it runs."""

from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine
from small_studies import small_study

from memrnn.errors import MemrnnError
from memrnn.nn.components import parameter_count
from memrnn.runtime.options import parse_duration
from memrnn.studies import export, forecast, load_results, run_study


def test_before_and_after_some_runs(tmp_path: Path) -> None:
    study = small_study(models=["jm-3"], freeze=["none", "memory"], config={"max_epochs": 1})
    before = forecast(study, tmp_path / "out", workers=2)
    assert (before.runs, before.finished, before.programs, before.seconds) == (4, 0, 2, None)
    assert before.disk > 4 * 3000
    assert any("not known" in line for line in before.lines())
    assert not (tmp_path / "out").exists()
    half = small_study(models=["jm-3"], freeze=["none"], config={"max_epochs": 1})
    run_study(half, tmp_path / "out", ScriptedEngine())
    run_study(study, tmp_path / "out", ScriptedEngine(), stop_after=1e-9)
    after = forecast(study, tmp_path / "out", workers=1)
    assert (after.runs, after.finished) == (4, 2)
    mean = sum(run.seconds for run in load_results(tmp_path / "out").runs) / 2
    assert after.seconds == pytest.approx(2 * mean)
    assert not any("not known" in line for line in after.lines())
    export(tmp_path / "out", tmp_path / "tables")
    for out in ("elsewhere", "out"):  # a run that both have counts once
        found = forecast(study, tmp_path / out, workers=1, import_results=[tmp_path / "tables"])
        assert (found.runs, found.finished) == (4, 2)


def test_languages_share_programs(tmp_path: Path) -> None:
    study = small_study(languages=["count-3", "marked-copy"], models=["lstm-4", "rns-2-2"])
    found = forecast(study, tmp_path / "out", workers=2)
    assert (found.runs, found.programs) == (8, 2)
    assert found.memory > 0
    two_symbols = small_study(languages=["count-3", "unmarked-copy"], models=["lstm-4"])
    assert forecast(two_symbols, tmp_path / "out", workers=2).programs == 2


def test_memory_and_disk_are_those_of_the_cell_that_takes_most(tmp_path: Path) -> None:
    found = {
        (optimizer, workers): forecast(
            small_study(models=["lstm-4", "jm-3"], config={"optimizer": optimizer}),
            tmp_path / "out",
            workers=workers,
        )
        for optimizer in ("adam", "sgd")
        for workers in (1, 2)
    }
    adam, sgd = found["adam", 1], found["sgd", 1]
    cells = list(small_study(models=["lstm-4", "jm-3"]).cells())
    sizes = [4 * parameter_count(cell.task.build(cell.definition, 0)) for cell in cells]
    # Two networks, and two moments and a counter of Adam; two restarts of each cell.
    assert (sgd.disk, adam.disk) == (2 * 2 * sum(sizes), 2 * (4 * sum(sizes) + 2 * 4))
    jm = cells[1].task.check_memory(cells[1].task.build(cells[1].definition, 0), training=True)
    # Strings of 12 symbols, 4 at a time: 12 steps, each with two stacks of 6 rows of 3 numbers,
    # and a counter.
    assert jm == 4 * 12 * 2 * 4 * (6 * 3 + 1)
    assert sgd.memory == jm + 9 * sizes[1]
    assert found["sgd", 2].memory == 2 * sgd.memory
    assert "with 1 worker, besides Python" in "\n".join(sgd.lines())


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90.0), ("9m", 540.0), ("1.5h", 5400.0)])
def test_times(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "9", "m", "-1m", "0s", "infs", "9 days"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(MemrnnError, match="is not a time; write a number with s, m or h"):
        parse_duration(text)
