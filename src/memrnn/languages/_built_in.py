"""The built-in languages; one that follows a template is one row below.

Sources: DuSell & Chiang 2023 (arXiv 2210.01343), section 4, with k = 2 word symbols, for the seven
languages of the paper; `marked-reversal` from DuSell & Chiang 2020 (arXiv 2010.04674), section 5.
"""

from collections.abc import Callable

from memrnn.languages._dyck import Dyck
from memrnn.languages._language import Language
from memrnn.languages._template import Marker, Repeat, Segment, Template, Word
from memrnn.languages._template_language import TemplateLanguage

WORD_SYMBOLS = 2
"""k where a name does not give it."""


def _count_3() -> Language:
    template = Template((Repeat(0), Repeat(1), Repeat(2)))
    return TemplateLanguage("count-3", ("a", "b", "c"), template)


def _with_word(
    name: str, markers: str, segments: Callable[[int], tuple[Segment, ...]]
) -> Callable[..., Language]:
    """A factory of the language over k word symbols.

    Args:
        markers: display names of the last symbols; the others are displayed as their ids.
        segments: the template's for a k.
    """

    def build(k: int = WORD_SYMBOLS) -> Language:
        template = Template(segments(k), word_symbols=k)
        digits = map(str, range(template.eos - len(markers)))
        full_name = name if k == WORD_SYMBOLS else f"{name}:k={k}"
        return TemplateLanguage(full_name, (*digits, *markers), template)

    return build


_W, _REVERSED = Word(), Word(reverse=True)
_ROWS: list[tuple[str, str, Callable[[int], tuple[Segment, ...]]]] = [
    ("marked-reverse-and-copy", "#", lambda k: (_W, Marker(k), _REVERSED, Marker(k), _W)),
    ("count-and-copy", "#", lambda k: (_W, Repeat(k), _W)),
    ("marked-copy", "#", lambda k: (_W, Marker(k), _W)),
    ("unmarked-copy-different-alphabets", "", lambda k: (_W, Word(shift=k))),
    ("unmarked-reverse-and-copy", "", lambda _: (_W, _REVERSED, _W)),
    ("unmarked-copy", "", lambda _: (_W, _W)),
    ("marked-reversal", "#", lambda k: (_W, Marker(k), _REVERSED)),
]
"""Name, markers and segments of each language with a word."""

BUILT_IN: dict[str, Callable[..., Language]] = {
    "count-3": _count_3,
    **{name: _with_word(name, markers, segments) for name, markers, segments in _ROWS},
    "dyck": Dyck,
}
"""Factories by name, as `register_language` takes them."""
