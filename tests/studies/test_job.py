"""A job whose runs train in the slots of a pack reports what it reports of runs one by one."""

import dataclasses
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from small_studies import small_study

from memrnn.runtime import checkpoints
from memrnn.runtime.devices import POLICIES
from memrnn.studies import (
    EvaluationFinished,
    Event,
    Job,
    JobRun,
    RunFailed,
    RunFinished,
    RunStarted,
    Study,
    plan,
    run_job,
)
from memrnn.training import Pack, Restart

STUDY = small_study(
    models=["jm-3"],
    languages=["count-3", "marked-copy"],
    freeze=["none", "memory"],
    restarts=2,
    config={"precision": "float64"},
    precisions=["float64"],
)
RUNS = 8


def job_in(folder: Path, study: Study = STUDY) -> Job:
    runs = [
        JobRun(run.id, run.experiment.to_json(), run.restart, str(folder / run.folder))
        for job in plan(study)
        for run in job
    ]
    return Job(1, tuple(runs), study.precisions)


def by_run(events: Iterable[Event]) -> dict[str, list[Event]]:
    reported: dict[str, list[Event]] = {}
    for event in events:
        reported.setdefault(event.run, []).append(event)
    return reported


def plain(event: Any, number: Callable[[float], Any] = float) -> Any:
    """An event as dictionaries, lists and what `number` makes of its numbers."""
    if isinstance(event, float):
        return number(event)
    if dataclasses.is_dataclass(event):
        event = vars(event)
    if isinstance(event, dict):
        return {key: plain(one, number) for key, one in event.items()}
    if isinstance(event, list | tuple):
        return [plain(one, number) for one in event]
    return event


def nearly(number: float) -> Any:
    return pytest.approx(number, rel=1e-9, nan_ok=True)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Event]]:
    return by_run(run_job(job_in(tmp_path_factory.mktemp("alone"))))


def test_in_slots_is_one_after_another(expected: dict[str, list[Event]], tmp_path: Path) -> None:
    """Three slots for runs of two languages and two modes: whoever ends is followed by the next."""
    events = list(run_job(job_in(tmp_path), slots=3))
    reported = by_run(events)
    assert len(reported) == RUNS and reported.keys() == expected.keys()
    for run, known in expected.items():
        assert [type(one) for one in reported[run]] == [type(one) for one in known]
        assert [type(one) for one in known] == [RunStarted, *[EvaluationFinished] * 3, RunFinished]
        for ours, theirs in zip(reported[run], known, strict=True):
            assert plain(ours) == plain(theirs, nearly)
    training, most = 0, 0
    for event in events:
        training += isinstance(event, RunStarted) - isinstance(event, RunFinished)
        most = max(most, training)
    assert most == 3


@pytest.mark.slow
def test_forty_slots(tmp_path: Path) -> None:
    """More runs than slots, of several learning rates, of which some stop early."""
    study = small_study(
        models=["lstm-4"],
        languages=["count-3", "marked-copy"],
        freeze=["none", "controller"],
        restarts=12,
        strings={"length_bins": ["3:9"]},
        config={"max_epochs": 6, "early_stopping_patience": 1, "learning_rate_range": "0.01:3"},
    )
    reported = by_run(run_job(job_in(tmp_path, study), slots=40))
    assert len(reported) == 48
    ends = [events[-1] for events in reported.values()]
    assert all(isinstance(one, RunFinished) for one in ends)
    assert len({one.progress.epochs for one in ends}) > 1
    for job_run in job_in(tmp_path, study).runs:
        (checkpoint,) = Path(job_run.folder).glob("*.safetensors")
        _, record = checkpoints.load(checkpoint)
        assert len(record["progress"]["curve"]) == reported[job_run.id][-1].progress.epochs


def test_what_was_finished_is_evaluated_again_and_not_trained(
    expected: dict[str, list[Event]], tmp_path: Path
) -> None:
    list(run_job(job_in(tmp_path)))
    for reported in by_run(run_job(job_in(tmp_path), slots=3)).values():
        assert [type(one) for one in reported] == [RunStarted, RunFinished]


def test_a_killed_worker_goes_on_from_its_last_checkpoints(
    expected: dict[str, list[Event]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of half of the pack were written, as if it was killed in the middle of writing."""
    monkeypatch.setitem(POLICIES, "cpu", POLICIES["cpu"]._replace(checkpoint_seconds=0.0))
    save, written = checkpoints.save, list[Path]()

    def some(path: Path, *content: Any) -> None:
        if len(written) < 3:
            written.append(path)
            save(path, *content)

    job = job_in(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", some)
        events = run_job(job, slots=RUNS)
        while not isinstance(next(events), EvaluationFinished):
            pass
        for _ in range(RUNS):  # the next epoch's first: the first lot has been handed over
            next(events)
        events.close()
    assert len(written) == 3
    reported = by_run(run_job(job, slots=RUNS))
    begun = {run: events[0].progress.epochs for run, events in reported.items()}
    assert sorted(begun.values()) == [0] * (RUNS - 3) + [1] * 3
    for run, known in expected.items():
        assert plain(reported[run][-1]) == plain(known[-1], nearly)


def test_who_stops_a_job_keeps_the_last_epoch(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    events = run_job(job, slots=RUNS)
    while not isinstance(next(events), EvaluationFinished):
        pass
    events.close()
    for reported in by_run(run_job(job, slots=RUNS)).values():
        assert isinstance(reported[0], RunStarted) and reported[0].progress.epochs == 1


def test_a_device_has_as_many_slots_as_suit_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = sizes_of(monkeypatch)
    list(run_job(job_in(tmp_path / "cpu")))
    assert set(sizes) == {1}
    sizes.clear()
    monkeypatch.setitem(POLICIES, "cpu", POLICIES["cpu"]._replace(slots=5))
    list(run_job(job_in(tmp_path / "gpu")))
    assert sizes == [5, 5, 5, 3, 3, 3]


def sizes_of(monkeypatch: pytest.MonkeyPatch, most: int = 99) -> list[int]:
    """How many runs are in the pack at each epoch from now on; more than `most` do not fit."""
    sizes: list[int] = []
    together, alone = Pack.advance, Restart.advance

    def check(size: int) -> None:
        sizes.append(size)
        if size > most:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate.")

    def narrow(pack: Pack) -> None:
        check(len(pack.active))
        together(pack)

    def narrowest(restart: Restart) -> None:
        check(1)
        alone(restart)

    monkeypatch.setattr(Pack, "advance", narrow)
    monkeypatch.setattr(Restart, "advance", narrowest)
    return sizes


def test_a_fault_of_one_run_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cannot be taken up, one cannot be saved; the others finish."""
    job = job_in(tmp_path)
    list(run_job(job))
    damaged, unsaved, *others = job.runs
    for run in job.runs:
        (checkpoint,) = Path(run.folder).glob("*.safetensors")
        content = checkpoint.read_bytes()
        checkpoint.unlink()
        if run is damaged:
            checkpoint.write_bytes(content[:-9])
    save = Restart.save

    def refuse(restart: Restart) -> None:
        if unsaved.folder in str(restart.path):
            raise OSError(13, "Could not write x: Permission denied.")
        save(restart)

    monkeypatch.setattr(Restart, "save", refuse)
    reported = by_run(run_job(job, slots=3))
    assert [type(one) for one in reported[damaged.id]] == [RunFailed]
    assert reported[unsaved.id][-1] == RunFailed(
        unsaved.id, "Could not write x: Permission denied.", "error"
    )
    assert all(isinstance(reported[run.id][-1], RunFinished) for run in others)


def test_a_full_disk_ends_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the thread that writes: the next checkpoint finds it, and the folders are free again."""
    monkeypatch.setitem(POLICIES, "cpu", POLICIES["cpu"]._replace(checkpoint_seconds=0.0))
    write = checkpoints.write_bytes

    def full(path: Path, content: bytes) -> None:
        if path.suffix == ".safetensors":
            raise OSError(28, f"Could not write {path}: the disk is full.")
        write(path, content)

    job = job_in(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_bytes", full)
        *_, last = run_job(job, slots=4)
        assert isinstance(last, RunFailed) and last.fault == "disk"
        assert last.reason.endswith("the disk is full.")
    assert isinstance(list(run_job(job, slots=4))[-1], RunFinished)


def test_a_full_disk_is_an_error_when_the_job_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing follows that could report that the last checkpoint was not written."""
    monkeypatch.setitem(POLICIES, "cpu", POLICIES["cpu"]._replace(checkpoint_seconds=math.inf))
    job = job_in(tmp_path)
    with monkeypatch.context() as patch:
        steps = run_job(job, slots=4)
        next(one for one in steps if isinstance(one, EvaluationFinished))
        patch.setattr(checkpoints, "write_bytes", full_disk)
        with pytest.raises(OSError, match="the disk is full"):
            steps.close()
    assert isinstance(list(run_job(job, slots=4))[-1], RunFinished)


def full_disk(path: Path, _: bytes) -> None:
    raise OSError(28, f"Could not write {path}: the disk is full.")


def test_an_error_of_the_program_is_that_of_all_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(pack: Pack) -> None:
        raise TypeError("no rule for this")

    job = job_in(tmp_path)
    monkeypatch.setattr(Pack, "advance", fail)
    reported = by_run(run_job(job, slots=2))
    assert [[type(one) for one in reported[run.id]] for run in job.runs] == [
        [RunStarted, RunFailed]
    ] * RUNS


def test_what_does_not_fit_trains_by_halves(
    expected: dict[str, list[Event]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = sizes_of(monkeypatch, most=2)
    reported = by_run(run_job(job_in(tmp_path), slots=4))
    assert sizes == [4] + [2] * 12
    for run, known in expected.items():
        assert [type(one) for one in reported[run]] == [type(one) for one in known]
        assert plain(reported[run][-1]) == plain(known[-1], nearly)


def test_without_memory_the_job_ends_and_frees_its_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_in(tmp_path)
    with monkeypatch.context() as patch:
        sizes_of(patch, most=0)
        *_, last = run_job(job, slots=2)
        assert isinstance(last, RunFailed) and last.fault == "memory"
    # Half of a pack is what the driver gives next; the folders are free at once.
    half = dataclasses.replace(job, runs=job.runs[:2])
    assert isinstance(list(run_job(half, slots=2))[-1], RunFinished)


def test_what_is_wrong_with_a_cell_is_reported_of_each_of_its_runs(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    wrong = [
        dataclasses.replace(run, experiment=dict(run.experiment) | {"model": "jm-4"})
        for run in job.runs
    ]
    faulty = dataclasses.replace(job, runs=tuple(wrong))
    reported = list(run_job(faulty, slots=2))
    assert reported == list(run_job(faulty))
    assert [type(one) for one in reported] == [RunFailed] * RUNS
