from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine
from small_studies import small_study

from memrnn.studies import run_study


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small study as it is when nothing happens; to be read only."""
    out = tmp_path_factory.mktemp("undisturbed")
    assert run_study(small_study(), out, ScriptedEngine()) == {"done": 4}
    return out
