"""Formal languages with exact distributions; a new one is one file and one line here."""

from memrnn.languages._behaviour import language_behaviour as language_behaviour
from memrnn.languages._count_3 import count_3
from memrnn.languages._count_and_copy import count_and_copy
from memrnn.languages._distribution import Distribution as Distribution
from memrnn.languages._language import Language as Language
from memrnn.languages._marked_copy import marked_copy
from memrnn.languages._marked_reverse_and_copy import marked_reverse_and_copy
from memrnn.languages._registry import canonical_language_name as canonical_language_name
from memrnn.languages._registry import get_language as get_language
from memrnn.languages._registry import language_factory as language_factory
from memrnn.languages._registry import language_names as language_names
from memrnn.languages._registry import register_language as register_language
from memrnn.languages._template import Marker as Marker
from memrnn.languages._template import Repeat as Repeat
from memrnn.languages._template import Template as Template
from memrnn.languages._template import Word as Word
from memrnn.languages._template_language import TemplateLanguage as TemplateLanguage
from memrnn.languages._unmarked_copy import unmarked_copy
from memrnn.languages._unmarked_copy_different_alphabets import unmarked_copy_different_alphabets
from memrnn.languages._unmarked_reverse_and_copy import unmarked_reverse_and_copy

register_language("count-3", count_3)
register_language("marked-reverse-and-copy", marked_reverse_and_copy)
register_language("count-and-copy", count_and_copy)
register_language("marked-copy", marked_copy)
register_language("unmarked-copy-different-alphabets", unmarked_copy_different_alphabets)
register_language("unmarked-reverse-and-copy", unmarked_reverse_and_copy)
register_language("unmarked-copy", unmarked_copy)
