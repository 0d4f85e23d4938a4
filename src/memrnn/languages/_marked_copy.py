"""marked-copy: w # w."""

from memrnn.languages._language import Language
from memrnn.languages._template import Marker, Template, Word
from memrnn.languages._template_language import TemplateLanguage
from memrnn.languages._word_alphabet import DEFAULT_WORD_SYMBOLS, digits, parametrised_name


def marked_copy(k: int = DEFAULT_WORD_SYMBOLS) -> Language:
    """marked-copy over k word symbols.

    Raises:
        MemrnnError: If k < 1.

    Reference:
        DuSell & Chiang 2023 (arXiv 2210.01343), section 4, with k = 2.
    """
    return TemplateLanguage(
        name=parametrised_name("marked-copy", k),
        symbols=(*digits(k), "#"),
        template=Template((Word(), Marker(k), Word()), word_symbols=k),
    )
