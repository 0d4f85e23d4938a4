"""The driver alone, with an engine that does what the test says."""

import dataclasses
import itertools
import time
from collections import Counter
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine
from small_studies import content, small_study

from memrnn import evaluate, load_run
from memrnn.engines import WorkerLost
from memrnn.studies import RunFailed, load_results, plan, run_job, run_study
from memrnn.studies import _driver as driver_module

KILLED = WorkerLost("its worker was ended by SIGKILL", "killed")
CRASHED = WorkerLost("its worker was ended by SIGSEGV", "crashed")
NO_MEMORY = WorkerLost("the system had no memory left", "memory")


def test_everything_is_recorded(undisturbed: Path) -> None:
    results = load_results(undisturbed)
    assert [cell.model for cell in results.cells] == ["jm-3", "lstm-4"]
    for run in results.runs:
        assert (run.status, run.epochs, len(run.curve)) == ("done", 3, 3)
        assert list(run.scores) == ["float32"]
        assert list(run.scores["float32"]) == ["3:9", "12:18"]
        assert list(run.scores["float32"]["12:18"].groups) == ["12", "15", "18"]
        for point in run.curve:
            assert (
                point.train["perplexity"].denominator
                > point.validation["perplexity"].denominator
                > 0
            )
            assert point.learning_rate > 0
        assert run.reference is not None
        assert run.excess < float("inf")
        assert run.versions["source"]
        # Rules of verdicts can be dated against the runs that they judge.
        assert run.versions["rules of das_mali_2024"]
        assert run.versions["treebank_rules of das_mali_2024"]
        assert run.device
        assert run.seconds > 0
        assert (undisturbed / run.folder).is_dir()


def test_the_cell_says_what_it_is_and_what_to_compare_with(undisturbed: Path) -> None:
    results = load_results(undisturbed)
    cell = results.cells[0]
    assert (cell.task.spec, cell.memory, cell.freeze) == ("strings:count-3", "superposition", ())
    assert [one.relation for one in cell.task.sets] == ["within", "across"]
    assert cell.references == results.references[cell.task.key]
    for name in ("3:9", "12:18"):
        bayes = cell.references[name]["bayes"]
        for other in cell.references[name].values():
            accuracy = cell.task.metric("accuracy")
            assert (other.value(accuracy) or 0) <= (bayes.value(accuracy) or 0)


def test_scores_in_the_ledger_are_those_of_evaluate(undisturbed: Path) -> None:
    results = load_results(undisturbed)
    for cell in results.cells:
        found = cell.evaluation("float32")
        assert found is not None
        for run, of_run in zip(cell.runs, found.runs, strict=True):
            expected = evaluate(load_run(undisturbed / run.folder))
            assert expected.runs == (of_run,)
            assert expected.references == found.references
            assert expected.task == found.task


def test_running_twice_runs_nothing(undisturbed: Path) -> None:
    before, engine = content(undisturbed), ScriptedEngine()
    assert run_study(small_study(), undisturbed, engine) == {"done": 4}
    assert engine.jobs == []
    assert content(undisturbed) == before


def test_lost_workers_lose_nothing(tmp_path: Path, undisturbed: Path) -> None:
    deaths: Counter[int] = Counter()

    def script(job):
        for number, event in enumerate(run_job(job)):
            deaths[len(job.runs)] += 1
            if number == deaths[len(job.runs)] % 3 and deaths[len(job.runs)] < 12:
                yield KILLED
                return
            yield event

    engine = ScriptedEngine(script)
    assert run_study(small_study(), tmp_path, engine) == {"done": 4}
    assert len(engine.jobs) > 4
    assert content(tmp_path) == content(undisturbed)


@pytest.mark.parametrize(("loss", "most"), [(KILLED, "MOST_KILLED"), (CRASHED, "MOST_CRASHED")])
def test_a_run_whose_workers_always_die_fails(tmp_path: Path, loss: WorkerLost, most: str) -> None:
    def script(job):
        if job.runs[0].experiment["model"] == "jm-3" and job.runs[0].restart == 1:
            yield loss
        else:
            yield from run_job(job)

    engine = ScriptedEngine(script)
    assert run_study(small_study(), tmp_path, engine) == {"done": 3, "failed": 1}
    times = getattr(driver_module, most)
    reason = load_results(tmp_path).cells[0].runs[1].reason
    assert reason == f"{loss.reason}, {times} times without an epoch in between"
    assert len(engine.jobs) == 3 + times
    # What failed stays so, until it is asked for.
    assert run_study(small_study(), tmp_path, ScriptedEngine()) == {"done": 3, "failed": 1}
    assert run_study(small_study(), tmp_path, ScriptedEngine(), retry=True) == {"done": 4}


def together(job):
    """As a worker on a GPU does it."""
    return run_job(job, slots=2)


def test_runs_side_by_side_are_recorded_as_their_own(tmp_path: Path, undisturbed: Path) -> None:
    engine = ScriptedEngine(together, workers=1, runs_in_a_job=2)
    assert run_study(small_study(), tmp_path, engine) == {"done": 4}
    assert [len(job.runs) for job, _ in engine.jobs] == [2, 2]
    known = {run.folder: run for run in load_results(undisturbed).runs}
    for run in load_results(tmp_path).runs:
        perplexities = [
            [one.curve[number].validation["perplexity"].numerator for number in range(3)]
            for one in (run, known[run.folder])
        ]
        assert perplexities[0] == pytest.approx(perplexities[1], rel=1e-3)
        assert run.seconds > 0


@pytest.mark.parametrize("loss", [KILLED, CRASHED, NO_MEMORY])
def test_a_lost_job_loses_nothing(tmp_path: Path, loss: WorkerLost) -> None:
    """Whoever might be at fault is looked for in halves; a kill is nobody's fault."""
    lost: list[int] = []

    def script(job):
        for number, event in enumerate(together(job)):
            if number == 5 and not lost:
                lost.append(job.number)
                yield loss
                return
            yield event

    engine = ScriptedEngine(script, workers=1, runs_in_a_job=4)
    assert run_study(small_study(models=["lstm-4"], restarts=4), tmp_path, engine) == {"done": 4}
    sizes = [len(job.runs) for job, _ in engine.jobs]
    assert sizes == ([4, 4] if loss is KILLED else [4, 2, 2])


def test_a_run_that_makes_its_worker_crash_fails_alone(tmp_path: Path) -> None:
    def script(job):
        if any(run.restart == 2 for run in job.runs):
            yield from itertools.islice(together(job), len(job.runs))
            yield CRASHED
        else:
            yield from together(job)

    engine = ScriptedEngine(script, workers=1, runs_in_a_job=4)
    study = small_study(models=["lstm-4"], restarts=4)
    assert run_study(study, tmp_path, engine) == {"done": 3, "failed": 1}
    assert load_results(tmp_path).cells[0].runs[2].status == "failed"


@pytest.mark.parametrize("reported", [True, False])
def test_a_job_out_of_memory_is_split_and_then_runs_alone(
    tmp_path: Path, reported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memrnn.studies._study.LEAST_JOBS", 1)
    study = small_study(restarts=8, models=["lstm-4"], config={"max_epochs": 1})

    def script(job):
        beside = len(engine.running) > 1
        if len(job.runs) > 1 or (beside and job.runs[0].restart == 6):
            yield RunFailed(job.runs[0].id, "Out of memory.", "memory") if reported else NO_MEMORY
        else:
            yield from run_job(job)

    engine = ScriptedEngine(script)
    assert run_study(study, tmp_path, engine) == {"done": 8}
    sizes = Counter(len(job.runs) for job, _ in engine.jobs)
    assert (sizes[8], sizes[4], sizes[2]) == (1, 2, 4)
    assert sizes[1] >= 8
    alone = [beside for job, beside in engine.jobs if [run.restart for run in job.runs] == [6]]
    assert alone[-1] == 0


def test_messages_after_the_end_of_a_job_are_ignored(tmp_path: Path) -> None:
    """A worker that is out of memory says so, ends its job, and both are read at once."""
    short = {"left": 2}

    class Eager(ScriptedEngine):
        def poll(self, seconds):
            return [message for _ in range(3) for message in super(Eager, self).poll(seconds)]

    def script(job):
        if short["left"]:
            short["left"] -= 1
            yield RunFailed(job.runs[0].id, "Out of memory.", "memory")
        else:
            yield from run_job(job)

    assert run_study(small_study(), tmp_path, Eager(script)) == {"done": 4}
    assert short["left"] == 0


def test_waiting_for_a_worker_costs_no_time(tmp_path: Path) -> None:
    class Busy(ScriptedEngine):
        """A cluster on which every job waits for two seconds."""

        def poll(self, seconds):
            if self.taken:
                time.sleep(2)
            return super().poll(seconds)

    run_study(small_study(models=["lstm-4"], restarts=1), tmp_path / "warm", ScriptedEngine())
    study = small_study(models=["lstm-4"], time_limit=2)
    assert run_study(study, tmp_path / "out", Busy(workers=1)) == {"done": 2}


def test_what_does_not_fit_even_alone_fails(tmp_path: Path) -> None:
    def script(job):
        if job.runs[0].restart == 1 and job.runs[0].experiment["model"] == "jm-3":
            yield NO_MEMORY
        else:
            yield from run_job(job)

    assert run_study(small_study(), tmp_path, ScriptedEngine(script)) == {"done": 3, "failed": 1}
    assert load_results(tmp_path).cells[0].runs[1].reason == (
        "out of memory, even with nothing else running"
    )


def test_a_run_that_never_ends_is_ended(tmp_path: Path) -> None:
    class Hanging(ScriptedEngine):
        """Reports nothing of one run, for ever."""

        def poll(self, seconds):
            hung = {job.number for job, _ in self.jobs if job.runs[0].folder.endswith(run.folder)}
            kept = {number: self.running.pop(number) for number in hung & self.running.keys()}
            messages = super().poll(seconds)
            self.running |= kept
            if not messages:
                time.sleep(seconds)
            return messages

    study = small_study(time_limit=6)
    run, engine = plan(study)[0][0], Hanging()
    assert run_study(study, tmp_path, engine) == {"done": 3, "failed": 1}
    failed = load_results(tmp_path).cells[0].runs[0]
    assert failed.reason == "not done after the time limit of 6 s"
    assert 6 <= failed.seconds < 20
    assert len(engine.cancelled) == 1


def test_a_fault_of_one_run_is_its_own(tmp_path: Path) -> None:
    study = small_study()
    broken = tmp_path / "broken"
    run_study(study, broken, ScriptedEngine())
    run = load_results(broken).cells[1].runs[0]
    (checkpoint,) = (broken / run.folder).glob("*.safetensors")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-9])
    (broken / "ledger.db").unlink()
    assert run_study(study, broken, ScriptedEngine()) == {"done": 3, "failed": 1}
    failed = load_results(broken).cells[1].runs[0]
    assert failed.reason is not None
    assert "damaged" in failed.reason
    # A ledger that is lost is made again from the checkpoints: nothing was trained anew.
    assert load_results(broken).cells[0].runs[0].epochs == 3


def test_a_full_disk_stops_the_study_and_loses_nothing(tmp_path: Path, undisturbed: Path) -> None:
    def script(job):
        for number, event in enumerate(run_job(job)):
            if number == 2:
                yield RunFailed(job.runs[0].id, "Could not write x: the disk is full.", "disk")
                return
            yield event

    engine = ScriptedEngine(script)
    with pytest.raises(OSError, match="the disk is full"):
        run_study(small_study(), tmp_path, engine)
    assert engine.closed
    results = load_results(tmp_path)
    assert {run.status for run in results.runs} == {"planned"}
    assert results.sessions[-1]["outcome"] == "stopped: Could not write x: the disk is full."
    assert run_study(small_study(), tmp_path, ScriptedEngine()) == {"done": 4}
    assert content(tmp_path) == content(undisturbed)


def test_folders_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(ValueError, match="not empty and holds no study"):
        run_study(small_study(), tmp_path, ScriptedEngine())
    with pytest.raises(ValueError, match="is a file"):
        run_study(small_study(), tmp_path / "mine", ScriptedEngine())
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_two_drivers_do_not_meet(tmp_path: Path) -> None:
    def script(job):
        with pytest.raises(ValueError, match="Another process is running the study"):
            run_study(small_study(), tmp_path, ScriptedEngine())
        yield from run_job(job)

    assert run_study(small_study(), tmp_path, ScriptedEngine(script)) == {"done": 4}


def test_a_worker_for_which_names_mean_something_else_runs_nothing(tmp_path: Path) -> None:
    """Its seeds would be others, and its numbers those of another run."""

    def script(job):
        runs = tuple(dataclasses.replace(run, id=f"{run.id[:-1]}x") for run in job.runs)
        for event in run_job(dataclasses.replace(job, runs=runs)):
            assert isinstance(event, RunFailed)
            yield dataclasses.replace(event, run=job.runs[0].id)

    study = small_study(models=["lstm-4"], restarts=1)
    assert run_study(study, tmp_path, ScriptedEngine(script)) == {"failed": 1}
    (run,) = load_results(tmp_path).runs
    assert run.reason is not None
    assert "means something else for this worker" in run.reason
    assert not (tmp_path / run.folder).exists()
