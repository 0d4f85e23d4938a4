"""Text: corpora, their vocabularies, streams with carried state, n-gram baselines, comparisons."""

from memrnn.text._comparison import PairedDifference as PairedDifference
from memrnn.text._comparison import TokenGroups as TokenGroups
from memrnn.text._comparison import difference_of_sums as difference_of_sums
from memrnn.text._comparison import paired_difference as paired_difference
from memrnn.text._comparison import token_groups as token_groups
from memrnn.text._corpus import About as About
from memrnn.text._corpus import Corpus as Corpus
from memrnn.text._corpus import PartCounts as PartCounts
from memrnn.text._corpus import read_corpus as read_corpus
from memrnn.text._corpus import sentences as sentences
from memrnn.text._files import PARTS as PARTS
from memrnn.text._kjv import SHIPPED as SHIPPED
from memrnn.text._ngrams import Baseline as Baseline
from memrnn.text._ngrams import Discounts as Discounts
from memrnn.text._ngrams import KneserNey as KneserNey
from memrnn.text._ngrams import fit_baselines as fit_baselines
from memrnn.text._ngrams import unigram_nats as unigram_nats
from memrnn.text._streams import Streams as Streams
from memrnn.text._streams import lay_out as lay_out
from memrnn.text._vocabulary import EOS as EOS
from memrnn.text._vocabulary import UNK as UNK
from memrnn.text._vocabulary import make_vocabulary as make_vocabulary
