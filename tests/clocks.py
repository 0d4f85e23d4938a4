"""A clock that a test puts forward, so that no test depends on how fast its machine is."""

import time

import pytest


class Clock:
    """What the loops over an engine's messages take for the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        monkeypatch.setattr("memrnn.engines._run.time", self)

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def forward(self, seconds: float) -> None:
        self.ahead += seconds
