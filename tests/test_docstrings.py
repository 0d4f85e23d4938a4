"""Every public object is in the API reference and has an example; all examples run.

Public is what `:::` names on a page in docs/api/. Classes and functions need an example of their
own. Their methods need none, nor do constants, which are every other kind of object.
"""

import ast
import contextlib
import doctest
import inspect
import pkgutil
import re
import warnings
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

import memrnn

PAGES = Path(__file__).parents[1] / "docs" / "api"
PUBLIC = [
    name
    for page in sorted(PAGES.glob("*.md"))
    for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)
]
REGISTRIES = (
    "memrnn.languages._registry._FACTORIES",
    "memrnn.nn.controllers.CONTROLLERS",
    "memrnn.nn.memories.MEMORIES",
    "memrnn.nn.models._REGISTERED",
    "memrnn.tasks._registry._TASKS",
    "memrnn.training._measures.MEASURES",
)


def examples() -> Iterator[doctest.DocTest]:
    """Those of all modules, each in a namespace like that of a script."""
    finder = doctest.DocTestFinder()
    for module in pkgutil.walk_packages(memrnn.__path__, "memrnn."):
        if not module.name.endswith("__main__"):
            found = finder.find(pkgutil.resolve_name(module.name), globs={"__name__": "__main__"})
            yield from (example for example in found if example.examples)


OBJECTS = [pkgutil.resolve_name(name) for name in PUBLIC]
EXAMPLES = {example.name: example for example in examples()}


def test_what_memrnn_exports_is_on_a_page() -> None:
    exported: set[str] = set()
    for node in ast.parse(Path(memrnn.__file__).read_text()).body:
        if isinstance(node, ast.ImportFrom):  # as type checkers see it: what keeps its name
            exported |= {alias.name for alias in node.names if alias.name == alias.asname}
        elif isinstance(node, ast.Assign):
            exported |= {ast.unparse(target) for target in node.targets}
    assert len(exported) > 50
    assert {f"memrnn.{name}" for name in exported - {"__version__"}} <= set(PUBLIC)


def test_an_object_is_on_one_page() -> None:
    assert [name for name, count in Counter(PUBLIC).items() if count > 1] == []


def test_classes_and_functions_have_an_example() -> None:
    things = [thing for thing in OBJECTS if inspect.isclass(thing) or inspect.isroutine(thing)]
    assert len(things) > 150
    paths = [f"{thing.__module__}.{thing.__qualname__}" for thing in things]
    assert [path for path in paths if path not in EXAMPLES] == []


def test_functions_say_what_their_arguments_are() -> None:
    missing: dict[str, set[str]] = {}
    for function in filter(inspect.isfunction, OBJECTS):
        described = re.findall(r"^    (\w+): ", inspect.getdoc(function) or "", re.MULTILINE)
        if undescribed := set(inspect.signature(function).parameters) - set(described):
            missing[function.__qualname__] = undescribed
    assert missing == {}


@pytest.fixture
def registries() -> Generator[None]:
    """What an example registers is forgotten after it."""
    before = [(one, dict(one)) for one in map(pkgutil.resolve_name, REGISTRIES)]
    yield
    for registry, known in before:
        registry.clear()
        registry.update(known)


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name: str, tmp_path: Path) -> None:
    said: list[str] = []
    with contextlib.chdir(tmp_path), warnings.catch_warnings():
        result = doctest.DocTestRunner().run(EXAMPLES[name], out=said.append)
    assert result.failed == 0, "".join(said)
