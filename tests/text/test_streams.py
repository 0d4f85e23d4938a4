"""Streams: every token is a target exactly once, and state goes along the text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memrnn.errors import MemrnnError
from memrnn.text import lay_out

COUNTS = st.integers(1, 70)
SMALL = st.integers(1, 12)
OFFSETS = st.integers(-150, 150)


@given(COUNTS, SMALL, SMALL, OFFSETS)
def test_every_token_is_a_target_exactly_once(
    count: int, streams: int, segment: int, offset: int
) -> None:
    tokens = np.arange(count)[::-1]
    laid = lay_out(tokens, streams, segment, offset)
    assert sorted(laid.targets[laid.mask]) == list(range(count))
    assert (laid.in_order(laid.targets) == tokens).all()
    assert ((laid.positions >= 0) == laid.mask).all()
    assert laid.mask.any(axis=(1, 2)).all(), "no segment is empty"
    assert laid.targets.shape[1:] == (segment, streams)
    assert laid.targets.shape == lay_out(tokens, streams, segment).targets.shape


@given(COUNTS, SMALL, SMALL, OFFSETS)
def test_each_stream_reads_the_text_in_order(
    count: int, streams: int, segment: int, offset: int
) -> None:
    tokens = np.arange(count)[::-1]
    eos = tokens[-1]
    laid = lay_out(tokens, streams, segment, offset)
    position = offset
    lengths = []
    for stream in range(streams):
        inputs, targets, mask = (part[..., stream].ravel() for part in laid[:3])
        length = mask.sum()
        lengths.append(length)
        assert mask[:length].all(), "what is masked comes last"
        expected = [tokens[(position + step) % count] for step in range(length)]
        assert targets[:length].tolist() == expected
        assert inputs[:length].tolist() == [eos, *expected][:length]
        assert (inputs[length:] == eos).all() and (targets[length:] == eos).all()
        position += length
    assert max(lengths) - min(lengths) <= 1


def test_a_small_text() -> None:
    laid = lay_out(np.array([5, 6, 7, 8, 9]), streams=2, segment=2, offset=1)
    assert laid.targets[:, :, 0].tolist() == [[6, 7], [9, 9]]
    assert laid.targets[:, :, 1].tolist() == [[8, 9], [5, 9]]
    assert laid.inputs[:, :, 1].tolist() == [[9, 8], [9, 9]]
    assert laid.mask[:, :, 0].tolist() == [[True, True], [False, False]]
    assert laid.positions[:, :, 1].tolist() == [[3, 4], [0, -1]]


def test_wrong_numbers() -> None:
    for streams, segment in ((0, 1), (1, 0)):
        with pytest.raises(MemrnnError, match="at least 1"):
            lay_out(np.arange(3), streams, segment)
    with pytest.raises(MemrnnError, match="no token"):
        lay_out(np.arange(0), 1, 1)
