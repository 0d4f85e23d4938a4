"""What tutorial and how-tos tell their readers to type works, in an empty folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "docs" / "howto").glob("*.md"), *(ROOT / "docs").glob("tutorial.md")])


def follow(page: Path, folder: Path, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "docs_commands.py"), str(page), *options],
        cwd=folder,
        env=os.environ | {"COLUMNS": "80"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_can_be_followed(page: Path, tmp_path: Path) -> None:
    assert follow(page, tmp_path, "--short").count("$ ") >= 1


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_can_be_followed_to_the_letter(page: Path, tmp_path: Path) -> None:
    follow(page, tmp_path)
