"""Small corpora for the tests of text."""

from pathlib import Path

import numpy as np

FILES = ("train.txt", "valid.txt", "test.txt")
TRAIN = "the cat sat\nthe dog sat\n\nthe cat ran\n"
VALID = "the dog ran\n"
TEST = "the cat\n"


def write(
    folder: Path,
    train: str = TRAIN,
    validation: str = VALID,
    test: str = TEST,
    names: tuple[str, str, str] = FILES,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in zip(names, (train, validation, test), strict=True):
        (folder / name).write_text(text, "utf-8")
    return folder


def lines_of_words(tokens: int, lines: int) -> str:
    """A text of so many tokens, `<eos>` included, in so many lines."""
    words = np.full(lines, (tokens - lines) // lines)
    words[: (tokens - lines) % lines] += 1
    return "".join(" ".join(["word"] * count) + "\n" for count in words)


def random_tokens(rng: np.random.Generator, size: int, count: int) -> np.ndarray:
    """Tokens below `size`, frequent and rare ones, that end with `<eos>` as lines do."""
    weights = 1 / np.arange(2, size + 2)
    tokens = rng.choice(size, count, p=weights[::-1] / weights.sum())
    tokens[-1] = size - 1
    return tokens.astype(np.int32)
