"""Data flows one way: a package imports only packages before it, and no private module of another.

The order is that of the table in docs/architecture.md.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import memrnn

PACKAGES = (
    "errors",
    "runtime",
    "nn",
    "languages",
    "automata",
    "text",
    "identity",
    "tasks",
    "engines",
    "training",
    "evaluation",
    "stability",
    "explain",
    "studies",
    "reports",
    "papers",
    "cli",
)
SOURCE = Path(memrnn.__file__).parent
TESTS = Path(__file__).parent
PRIVATE_IMPORTS_IN_TESTS = 5


def imported(path: Path) -> Iterator[tuple[str, ...]]:
    """The parts of every name that a file imports from memrnn, `("nn", "unroll", "State")`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            first, *rest = name.split(".")
            if first == "memrnn" and rest:
                yield tuple(rest)


def files() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_package_imports_only_packages_before_it(path: Path) -> None:
    own = PACKAGES.index(path.relative_to(SOURCE).parts[0])
    for name in imported(path):
        if name[0] in PACKAGES:
            assert PACKAGES.index(name[0]) <= own, ".".join(name)
        if name[0] != PACKAGES[own]:
            assert not any(part.startswith("_") for part in name[:-1]), ".".join(name)


def test_every_package_has_its_place() -> None:
    # Folders of older versions may be left with nothing but bytecode in them.
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    modules = {path.stem for path in SOURCE.glob("*.py")}
    assert packages | modules - {"__init__", "__main__"} == set(PACKAGES)


def test_tests_use_public_interfaces() -> None:
    """But for a few, each with its reason beside the import."""
    private = [
        f"{path.name}: {'.'.join(name)}"
        for path in sorted(TESTS.rglob("*.py"))
        for name in imported(path)
        if any(part.startswith("_") and not part.startswith("__") for part in name)
    ]
    assert len(private) <= PRIVATE_IMPORTS_IN_TESTS, "\n".join(private)
