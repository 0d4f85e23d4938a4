"""Networks that are constructed from machines, and whether they are exact."""

from memrnn.stability.construct import golden_network as golden_network
from memrnn.stability.construct import save_golden as save_golden
from memrnn.stability.construct import verify as verify
from memrnn.stability.discrete import Table as Table
from memrnn.stability.extract import Visits as Visits
from memrnn.stability.extract import extracted as extracted
from memrnn.stability.extract import visit as visit
from memrnn.stability.golden import STOP as STOP
from memrnn.stability.golden import Gates as Gates
from memrnn.stability.golden import compile_machine as compile_machine
from memrnn.stability.golden import default_gates as default_gates
from memrnn.stability.golden import next_probabilities as next_probabilities
from memrnn.stability.golden import smallest_model as smallest_model
from memrnn.stability.product import Equality as Equality
from memrnn.stability.product import compare as compare
from memrnn.stability.verification import Verification as Verification
from memrnn.stability.verification import verify_hidden as verify_hidden
from memrnn.stability.verification import verify_string as verify_string
from memrnn.stability.verification import verify_transitions as verify_transitions
