"""What the pages are made from: the folders beside this file, and tables in Markdown."""

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

from memrnn.studies import StudyResults, load_results

HERE = Path(__file__).parent
ROOT = HERE.parent
DOCS = ROOT / "docs"


@functools.cache
def results_of(name: str) -> StudyResults:
    return load_results(HERE / name)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    escaped = [[text.replace("|", "\\|") for text in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)
