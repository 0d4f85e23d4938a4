"""A job whose runs train on a batch axis reports what it reports of runs one after another."""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import pytest
from small_studies import small_study

from memrnn.studies import (
    EvaluationFinished,
    Event,
    Job,
    RunFailed,
    RunFinished,
    RunStarted,
    plan,
    run_job,
)
from memrnn.studies import _job as job_module
from memrnn.training import Outcome, Pack, Restart

STUDY = small_study(
    models=["jm-3"], restarts=5, config={"precision": "float64"}, precisions=["float64"]
)


def job_in(folder: Path) -> Job:
    runs = [run for pack in plan(STUDY) for run in pack]
    return Job(
        1,
        runs[0].experiment.to_json(),
        tuple((run.id, run.restart, str(folder / run.folder)) for run in runs),
        STUDY.precisions,
    )


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


def test_side_by_side_is_one_after_another(
    expected: dict[str, list[Event]], tmp_path: Path
) -> None:
    """Two slots for five runs: a run that has finished is followed by the next."""
    events = list(run_job(job_in(tmp_path), together=2))
    reported = by_run(events)
    assert reported.keys() == expected.keys()
    for run, known in expected.items():
        assert [type(one) for one in reported[run]] == [type(one) for one in known]
        assert [type(one) for one in known] == [RunStarted, *[EvaluationFinished] * 3, RunFinished]
        for ours, theirs in zip(reported[run], known, strict=True):
            assert plain(ours) == plain(theirs, nearly)
    training, most = 0, 0
    for event in events:
        training += isinstance(event, RunStarted) - isinstance(event, RunFinished)
        most = max(most, training)
    assert most == 2


def test_what_was_finished_is_tested_again_and_not_trained(
    expected: dict[str, list[Event]], tmp_path: Path
) -> None:
    list(run_job(job_in(tmp_path)))
    for reported in by_run(run_job(job_in(tmp_path), together=3)).values():
        assert [type(one) for one in reported] == [RunStarted, RunFinished]


def test_a_gpu_trains_as_many_as_its_memory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    compute = Pack.compute
    monkeypatch.setattr(
        Pack,
        "compute",
        lambda pack, restarts: sizes.append(len(restarts)) or compute(pack, restarts),
    )
    list(run_job(job_in(tmp_path / "cpu")))
    assert sizes == []
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(job_module, "measure_slots", lambda _: 3)
    list(run_job(job_in(tmp_path / "gpu")))
    assert sizes == [3, 3, 3, 2, 2, 2]


def test_a_fault_of_one_run_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cannot be taken up, one cannot be saved; the others finish."""
    job = job_in(tmp_path)
    list(run_job(job))
    damaged, unsaved, *others = (run for run, _, _ in job.runs)
    for _, _, folder in job.runs:
        (checkpoint,) = Path(folder).glob("*.safetensors")
        content = checkpoint.read_bytes()
        checkpoint.unlink()
        if folder == job.runs[0][2]:
            checkpoint.write_bytes(content[:-9])
    save = Restart.record

    def record(restart: Restart, outcome: Any) -> None:
        if restart.number == 1:
            raise OSError(13, "Could not write x: Permission denied.")
        save(restart, outcome)

    monkeypatch.setattr(Restart, "record", record)
    reported = by_run(run_job(job, together=3))
    assert [type(one) for one in reported[damaged]] == [RunFailed]
    assert [type(one) for one in reported[unsaved]] == [RunStarted, RunFailed]
    assert reported[unsaved][-1] == RunFailed(
        unsaved, "Could not write x: Permission denied.", "error"
    )
    assert all(isinstance(reported[run][-1], RunFinished) for run in others)


def test_an_error_of_the_program_is_that_of_all_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(pack: Pack, restarts: list[Restart]) -> None:
        raise TypeError("no rule for this")

    job = job_in(tmp_path)
    monkeypatch.setattr(Pack, "compute", fail)
    reported = by_run(run_job(job, together=2))
    assert [[type(one) for one in reported[run]] for run, _, _ in job.runs] == [
        [RunStarted, RunFailed]
    ] * 5


def test_what_does_not_fit_trains_by_halves(
    expected: dict[str, list[Event]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    compute = Pack.compute

    def narrow(pack: Pack, restarts: list[Restart]) -> list[Outcome]:
        sizes.append(len(restarts))
        if len(restarts) > 2:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate.")
        return compute(pack, restarts)

    monkeypatch.setattr(Pack, "compute", narrow)
    reported = by_run(run_job(job_in(tmp_path), together=4))
    assert sizes == [4, 2, 2, 2, 2, 2, 2, 1, 1, 1]
    for run, known in expected.items():
        assert [type(one) for one in reported[run]] == [type(one) for one in known]


def test_without_memory_the_job_ends_and_frees_its_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(pack: Pack, restarts: list[Restart]) -> None:
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate.")

    job = job_in(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Pack, "compute", full)
        events = list(run_job(job, together=2))
        assert [type(one) for one in events] == [RunStarted, RunStarted, RunFailed]
        assert isinstance(events[-1], RunFailed) and events[-1].fault == "memory"
    # Half of a pack is what the driver gives next; the folders are free at once.
    half = dataclasses.replace(job, runs=job.runs[:2])
    assert isinstance(list(run_job(half, together=2))[-1], RunFinished)


def test_what_is_wrong_with_the_cell_is_reported_of_each_run(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    wrong = dataclasses.replace(job, experiment=job.experiment | {"model": "jm-4"})
    reported = list(run_job(wrong, together=2))
    assert reported == list(run_job(wrong))
    assert [type(one) for one in reported] == [RunFailed] * 5
