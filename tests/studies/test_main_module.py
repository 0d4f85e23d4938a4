"""Scripts that run a study: their workers import them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_studies import STRINGS

from memrnn.studies import load_results

HEAD = f"""
import sys
from memrnn.engines import LocalEngine
from memrnn.studies import parse_study, run_study

study = parse_study({{
    "languages": ["count-3"], "models": ["lstm-4"], "restarts": 3,
    "strings": {STRINGS!r}, "config": {{"max_epochs": 3}},
}})
"""
GUARD = "if __name__ == '__main__':\n    "
RUN = "run_study(study, sys.argv[1], engine)\n"
UNGUARDED = {
    "run_study": f"{HEAD}engine = LocalEngine(2)\n{RUN}",
    "in a function": (
        f"{HEAD}engine = LocalEngine(2)\n"
        f"def main():\n    try:\n        {RUN}    except Exception:\n        raise\nmain()\n"
    ),
    "the command line": (
        "import sys\nfrom memrnn.cli import main\n"
        "main(['study', 'run', sys.argv[2], '--out', sys.argv[1], '--workers', '2'])\n"
    ),
}
STUDY_FILE = """
languages = ["count-3"]
models = ["lstm-4"]
restarts = 3
"""


def run_script(folder: Path, text: str) -> subprocess.CompletedProcess:
    script, file = folder / "script.py", folder / "study.toml"
    script.write_text(text)
    file.write_text(STUDY_FILE)
    return subprocess.run(
        [sys.executable, str(script), str(folder / "out"), str(file)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
    )


@pytest.mark.parametrize("case", UNGUARDED)
def test_a_script_without_a_guard_is_one_sentence(case: str, tmp_path: Path) -> None:
    ended = run_script(tmp_path, UNGUARDED[case])
    assert ended.returncode != 0
    assert ended.stderr.count("needs `if __name__ == '__main__':`") == 1
    if case == "the command line":
        assert ended.returncode == 2
        assert ended.stderr.startswith("memrnn: ")
        assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.count("Traceback") == (case != "the command line")
    check_untouched(tmp_path / "out")


def test_a_script_that_workers_cannot_import_fails_no_run(tmp_path: Path) -> None:
    broken = "if __name__ != '__main__':\n    raise KeyError('not in a worker')\n"
    ended = run_script(tmp_path, f"{HEAD}{broken}{GUARD}engine = LocalEngine(1)\n    {RUN}")
    assert ended.returncode != 0
    assert "KeyError: 'not in a worker'" in ended.stderr, "of the worker itself"
    assert "the import of the script that starts the study failed" in ended.stderr
    check_untouched(tmp_path / "out")


def test_an_engine_may_be_made_outside_the_guard(tmp_path: Path) -> None:
    ended = run_script(tmp_path, f"{HEAD}engine = LocalEngine(2)\n{GUARD}{RUN}")
    assert ended.returncode == 0, ended.stderr
    assert {run.status for run in load_results(tmp_path / "out").runs} == {"done"}


def check_untouched(out: Path) -> None:
    """All runs wait, and the session has ended."""
    results = load_results(out)
    assert {run.status for run in results.runs} == {"planned"}
    assert {run.reason for run in results.runs} == {None}
    assert all(session["ended"] for session in results.sessions)
