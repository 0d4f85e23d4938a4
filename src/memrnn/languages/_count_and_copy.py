"""count-and-copy: w #^N w, with N the length of w."""

from memrnn.languages._language import Language
from memrnn.languages._template import Repeat, Template, Word
from memrnn.languages._template_language import TemplateLanguage
from memrnn.languages._word_alphabet import DEFAULT_WORD_SYMBOLS, digits, parametrised_name


def count_and_copy(k: int = DEFAULT_WORD_SYMBOLS) -> Language:
    """count-and-copy over k word symbols.

    Raises:
        MemrnnError: If k < 1.

    Reference:
        DuSell & Chiang 2023 (arXiv 2210.01343), section 4, with k = 2.
    """
    return TemplateLanguage(
        name=parametrised_name("count-and-copy", k),
        symbols=(*digits(k), "#"),
        template=Template((Word(), Repeat(k), Word()), word_symbols=k),
    )
