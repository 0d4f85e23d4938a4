"""Networks that are constructed from machines, and whether they are exact."""

from memrnn.stability.construct import golden_network as golden_network
from memrnn.stability.construct import save_golden as save_golden
from memrnn.stability.construct import verify as verify
from memrnn.stability.drift import drift as drift
from memrnn.stability.golden import STOP as STOP
from memrnn.stability.golden import Gates as Gates
from memrnn.stability.golden import compile_machine as compile_machine
from memrnn.stability.golden import default_gates as default_gates
from memrnn.stability.golden import next_probabilities as next_probabilities
from memrnn.stability.golden import smallest_model as smallest_model
from memrnn.stability.horizon import HorizonRow as HorizonRow
from memrnn.stability.horizon import Strip as Strip
from memrnn.stability.horizon import horizon_strings as horizon_strings
from memrnn.stability.horizon import measure_horizon as measure_horizon
from memrnn.stability.horizon import roundings as roundings
from memrnn.stability.horizon import strip as strip
from memrnn.stability.horizon import with_gap as with_gap
from memrnn.stability.verification import Verification as Verification
from memrnn.stability.verification import verify_hidden as verify_hidden
from memrnn.stability.verification import verify_string as verify_string
from memrnn.stability.verification import verify_transitions as verify_transitions
