"""A run that nothing interrupts, to compare with."""

from pathlib import Path

import pytest

from memrnn import train
from small_experiments import small


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "unbroken"
    train(small(), folder, restarts=3)
    return folder
