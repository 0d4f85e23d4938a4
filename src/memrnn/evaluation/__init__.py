"""Testing: scores in bins and per length, beside the floors and the ceiling."""

from memrnn.evaluation._scores import Score as Score
from memrnn.evaluation._scores import score as score
from memrnn.evaluation._scores import skill as skill
from memrnn.evaluation._test import BINS as BINS
from memrnn.evaluation._test import mark as mark
from memrnn.evaluation._test import test as test
from memrnn.evaluation._test import test_restart as test_restart
from memrnn.evaluation._test_set import Bin as Bin
from memrnn.evaluation._test_set import Marks as Marks
from memrnn.evaluation._test_set import TestSet as TestSet
from memrnn.evaluation._test_set import make_test_sets as make_test_sets
from memrnn.evaluation._test_set import parse_bin as parse_bin
