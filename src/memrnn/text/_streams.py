"""A text as parallel streams, cut into segments from which state is carried to the next."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Int32, Shaped

from memrnn.errors import MemrnnError

Laid = Int32[np.ndarray, "segments segment streams"]


class Streams(NamedTuple):
    """A text as streams: entry [k, t, s] is time step t of segment k of stream s.

    A stream's state is zero at the start of segment 0 and goes from each segment to the next. The
    shapes depend on the number of tokens, of streams and the length of a segment only.

    Attributes:
        inputs: ids of the tokens that go in.
        targets: ids of the tokens to predict.
        mask: whether there is a target; elsewhere input and target are `<eos>`.
        positions: where the targets stand in the text; -1 where there is none.

    Examples:
        >>> import numpy as np
        >>> from memrnn.text import lay_out
        >>> tokens = np.array([4, 5, 6, 7, 8, 9])
        >>> laid = lay_out(tokens, streams=2, segment=2)
        >>> laid.mask.sum()
        np.int64(6)
        >>> laid.in_order(laid.targets)
        array([4, 5, 6, 7, 8, 9], dtype=int32)
    """

    inputs: Laid
    targets: Laid
    mask: Bool[np.ndarray, "segments segment streams"]
    positions: Laid

    def in_order(
        self, values: Shaped[np.ndarray, "segments segment streams"]
    ) -> Shaped[np.ndarray, " tokens"]:
        """Values of targets in the order of the text."""
        ordered = np.empty(int(self.mask.sum()), values.dtype)
        ordered[self.positions[self.mask]] = values[self.mask]
        return ordered


def lay_out(
    tokens: Int[np.ndarray, " tokens"], streams: int, segment: int, offset: int = 0
) -> Streams:
    """Lays a text out as parallel streams in which every token is a target exactly once.

    Of n tokens, read in a circle from token `offset`, stream s of S holds those from number
    floor(s n / S) up to floor((s + 1) n / S). So lengths differ by at most one, and where they end
    within a segment the rest of it is masked: no token is dropped. The input of a target is the
    token before it in the text; that of a stream's first target is `<eos>`, so a prediction that
    starts with no state starts as at a line's beginning.

    Args:
        tokens: ids of a text that ends with `<eos>`.
        streams: S. More streams than tokens leave some of them empty.
        segment: time steps per segment.
        offset: which token comes first, modulo n. A new one in every epoch moves the points at
            which streams and segments begin.

    Returns:
        Inputs, targets, mask and positions, each [segments, segment, streams].

    Raises:
        MemrnnError: if there is no token, or `streams` or `segment` is below 1.

    Examples:
        >>> import numpy as np
        >>> from memrnn.text import lay_out
        >>> laid = lay_out(np.array([4, 5, 6, 7, 8, 9]), streams=2, segment=3)  # 9 is <eos>
        >>> laid.inputs[0].T
        array([[9, 4, 5],
               [9, 7, 8]], dtype=int32)
        >>> laid.targets[0].T
        array([[4, 5, 6],
               [7, 8, 9]], dtype=int32)
    """
    if not len(tokens):
        raise MemrnnError("There is no token to lay out.")
    if streams < 1 or segment < 1:
        raise MemrnnError("streams and segment must be at least 1.")
    bounds = np.arange(streams + 1) * len(tokens) // streams
    lengths = np.diff(bounds)
    segments = -(-int(lengths.max()) // segment)
    steps = np.arange(segments * segment)[:, None]
    mask = steps < lengths
    positions = (offset + bounds[:-1] + steps) % len(tokens)
    eos = tokens[-1]
    inputs = np.where(mask, tokens[positions - 1], eos)
    inputs[0] = eos
    targets = np.where(mask, tokens[positions], eos)
    shape = segments, segment, streams
    return Streams(
        inputs.astype(np.int32).reshape(shape),
        targets.astype(np.int32).reshape(shape),
        mask.reshape(shape),
        np.where(mask, positions, -1).astype(np.int32).reshape(shape),
    )
