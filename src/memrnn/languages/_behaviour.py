"""What a language does on fixed input, as a digest."""

from itertools import islice

import numpy as np

from memrnn.errors import MemrnnError
from memrnn.languages import _checks
from memrnn.languages._language import Language
from memrnn.runtime.digests import coarse, digest

_SEARCHED = 1000
_LENGTHS = 4
_LONG = 40
_COUNT = 8


def language_behaviour(language: Language) -> str:
    """Digest of strings drawn with fixed generators, and of their log probabilities.

    Drawn are 8 strings of the 4 shortest valid lengths and of the first from 40 on, as far as
    there are any below 1,000. The log probabilities enter coarsely
    (`memrnn.runtime.digests.coarse`), the number of symbols exactly, their display names not at
    all.

    Raises:
        MemrnnError: if equal generators give different strings, or if a result is wrong.
    """
    said = _observe(language)
    if said != _observe(language):
        raise MemrnnError(
            f"The language {language.name} is wrong: sample gives different strings for equal "
            "generators; it must draw from its argument rng alone."
        )
    return digest(said)


def _observe(language: Language) -> list[object]:
    valid = [length for length in range(_SEARCHED) if language.valid(length)]
    chosen = [*valid[:_LENGTHS], *islice((n for n in valid[_LENGTHS:] if n >= _LONG), 1)]
    said: list[object] = [language.eos, bool(language.has_determined_symbols)]
    for length in chosen:
        rng = np.random.default_rng(length)
        (strings,) = _checks.sample(language, [(length, _COUNT)], rng)
        logarithms = _checks.log_probabilities(language, strings)
        said.append([length, strings.tolist(), coarse(logarithms, places=6)])
    return said
