"""unmarked-copy-different-alphabets: w φ(w), with φ(i) = k + i."""

from memrnn.languages._language import Language
from memrnn.languages._template import Template, Word
from memrnn.languages._template_language import TemplateLanguage
from memrnn.languages._word_alphabet import DEFAULT_WORD_SYMBOLS, digits, parametrised_name


def unmarked_copy_different_alphabets(k: int = DEFAULT_WORD_SYMBOLS) -> Language:
    """unmarked-copy-different-alphabets over k word symbols.

    Raises:
        MemrnnError: If k < 1.

    Reference:
        DuSell & Chiang 2023 (arXiv 2210.01343), section 4, with k = 2.
    """
    return TemplateLanguage(
        name=parametrised_name("unmarked-copy-different-alphabets", k),
        symbols=digits(2 * k),
        template=Template((Word(), Word(shift=k)), word_symbols=k),
    )
