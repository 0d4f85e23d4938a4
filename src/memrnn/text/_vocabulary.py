"""The vocabulary of a corpus: which words of the training part it holds, and in what order."""

from collections import Counter
from collections.abc import Iterable

from memrnn.errors import MemrnnError

UNK = "<unk>"
"""Stands for every word outside the vocabulary."""
EOS = "<eos>"
"""Ends every line."""


def make_vocabulary(
    words: Iterable[str], *, least_count: int = 1, largest_size: int | None = None
) -> tuple[str, ...]:
    """The vocabulary of training words: sorted words, then `<unk>` if there is any, then `<eos>`.

    Words are sorted by code points. There is an `<unk>` if it occurs among the words, or if an
    option drops a word.

    Args:
        words: the words of the training part; `<eos>` may be among them.
        least_count: words that occur fewer times are dropped.
        largest_size: of the vocabulary, `<unk>` and `<eos>` included. If there are more words, the
            most frequent ones are kept; of equally frequent ones those that sort first.

    Raises:
        MemrnnError: if `least_count` is below 1 or `largest_size` below 3.

    Examples:
        >>> from memrnn.text import make_vocabulary
        >>> make_vocabulary(["the", "stack", "the", "queue"], least_count=2)
        ('the', '<unk>', '<eos>')
    """
    if least_count < 1:
        raise MemrnnError("least_count must be at least 1.")
    if largest_size is not None and largest_size < 3:
        raise MemrnnError("largest_size must be at least 3: a word, <unk> and <eos>.")
    counts = Counter(words)
    counts.pop(EOS, None)
    unknown = counts.pop(UNK, 0) > 0
    kept = [word for word, count in counts.items() if count >= least_count]
    unknown |= len(kept) < len(counts)
    if largest_size is not None and len(kept) + unknown + 1 > largest_size:
        unknown = True
        kept = sorted(kept, key=lambda word: (-counts[word], word))[: largest_size - 2]
    return (*sorted(kept), *([UNK] if unknown else []), EOS)
