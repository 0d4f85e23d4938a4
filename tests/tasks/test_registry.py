"""Tasks by name, and what is said of wrong names and options."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

import memrnn
from memrnn import MemrnnError, Strings, make_task, register_task
from memrnn.tasks import parse_task, task_class, task_names

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_task.py"


def run_file(path: Path, name: str) -> ModuleType:
    """The module that a file defines, made anew for each name."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def own_modules() -> object:
    """Forgets the modules that a test defines."""
    yield
    for name in ("first", "second", "other"):
        sys.modules.pop(name, None)


def test_a_file_may_register_its_task_twice() -> None:
    run_file(EXAMPLE, "first")
    second = run_file(EXAMPLE, "second")
    assert "recognition" in task_names()
    assert task_class("recognition") is second.Recognition


def test_another_class_of_the_same_name_is_refused() -> None:
    @dataclass(frozen=True)
    class Other(Strings):
        name = "strings"

    with pytest.raises(MemrnnError, match="There is a task 'strings' already"):
        register_task(Other)
    assert task_class("strings") is Strings


def test_a_class_of_the_same_name_in_another_file_is_refused(tmp_path: Path) -> None:
    run_file(EXAMPLE, "first")
    other = tmp_path / "other.py"
    other.write_text(EXAMPLE.read_text().replace("seed, 1], 300)", "seed, 1], 200)"))
    assert other.read_text() != EXAMPLE.read_text()
    known = task_class("recognition")
    with pytest.raises(MemrnnError, match="There is a task 'recognition' already"):
        run_file(other, "other")
    assert task_class("recognition") is known


def test_names_of_tasks_are_identifiers() -> None:
    @dataclass(frozen=True)
    class Wrong(Strings):
        name = "my:task"

    with pytest.raises(MemrnnError, match="'my:task' cannot name a task"):
        register_task(Wrong)


def test_a_task_by_its_spec() -> None:
    task = parse_task("strings:count-3", {"batches": 7, "train_lengths": "3:9"})
    assert task == Strings("count-3", train_lengths=(3, 9), batches=7)
    assert parse_task("strings:marked-copy:k=3", {}).spec == "strings:marked-copy:k=3"


WRONG = {
    "unknown task": (lambda: parse_task("x:y"), "There is no task 'x'; there are strings"),
    "no argument": (lambda: parse_task("strings"), "needs a value for language"),
    "argument twice": (
        lambda: parse_task("strings:count-3", {"language": "count-3"}),
        "takes no argument",
    ),
    "unknown language": (lambda: parse_task("strings:x"), "choose one of count-3"),
    "unknown key": (
        lambda: make_task("strings", {"language": "count-3", "length": 3}),
        "[strings] has no key 'length'; its keys are language, train_lengths",
    ),
    "no valid length": (
        lambda: parse_task("strings:count-3", {"train_lengths": "43:44"}),
        "nearest valid lengths are 42 and 45",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_names_and_options_are_one_sentence(case: str) -> None:
    call, said = WRONG[case]
    with pytest.raises(memrnn.MemrnnError) as error:
        call()
    assert said in str(error.value) and "\n" not in str(error.value)


def test_an_argument_that_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memrnn.tasks._registry._TASKS", {})

    @dataclass(frozen=True)
    class Sized(memrnn.Task):
        name = "sized"
        sets = metrics = ()
        size: int

    monkeypatch.setattr(Sized, "__abstractmethods__", frozenset())
    register_task(Sized)
    assert parse_task("sized:12") == Sized(12)  # type: ignore[abstract]
    with pytest.raises(MemrnnError, match=r"\[sized\]: Expected `int`, got `str` in size"):
        parse_task("sized:many")


def test_a_class_without_what_tables_need_is_refused() -> None:
    metric = memrnn.Metric("nats", "min")
    for attributes, told in [
        ({"name": None}, "The task Own needs a class attribute `name`"),
        (
            {"name": "own", "metrics": (metric,), "selection": (metric,)},
            "The task own has a `selection` that is none of its `metrics`",
        ),
    ]:
        with pytest.raises(MemrnnError, match=told):
            register_task(type("Own", (memrnn.Task,), attributes))
    assert "own" not in task_names()
