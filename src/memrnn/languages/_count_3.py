"""count-3: a^N b^N c^N."""

from memrnn.languages._language import Language
from memrnn.languages._template import Repeat, Template
from memrnn.languages._template_language import TemplateLanguage


def count_3() -> Language:
    """count-3, one string a length.

    Reference:
        DuSell & Chiang 2023 (arXiv 2210.01343), section 4.
    """
    return TemplateLanguage(
        name="count-3",
        symbols=("a", "b", "c"),
        template=Template((Repeat(0), Repeat(1), Repeat(2))),
    )
