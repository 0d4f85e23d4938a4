"""Formal languages with exact distributions."""

from memrnn.languages._built_in import BUILT_IN
from memrnn.languages._checks import language_behaviour as language_behaviour
from memrnn.languages._distribution import Distribution as Distribution
from memrnn.languages._language import Language as Language
from memrnn.languages._registry import canonical_language_name as canonical_language_name
from memrnn.languages._registry import get_language as get_language
from memrnn.languages._registry import language_arguments as language_arguments
from memrnn.languages._registry import language_factory as language_factory
from memrnn.languages._registry import language_names as language_names
from memrnn.languages._registry import register_language as register_language
from memrnn.languages._template import Marker as Marker
from memrnn.languages._template import Repeat as Repeat
from memrnn.languages._template import Template as Template
from memrnn.languages._template import Word as Word
from memrnn.languages._template_language import TemplateLanguage as TemplateLanguage

for _name, _factory in BUILT_IN.items():
    register_language(_name, _factory)
