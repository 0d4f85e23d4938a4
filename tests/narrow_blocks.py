"""Nondeterministic stacks in blocks so narrow that short strings have several."""

import pytest

# Private, since the widths are tuned and no user sets them.
from memrnn.nn.memories.nondeterministic import _layout, _stack


def narrow_blocks(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of this many columns in states, and of 3 in the fast rule."""
    monkeypatch.setattr(_layout, "block_width", lambda *_: width)
    monkeypatch.setattr(_stack, "WIDTH", 3)
