"""What a named thing means, and the seeds that follow."""

from memrnn.identity._behaviour import controller_behaviour as controller_behaviour
from memrnn.identity._behaviour import memory_behaviour as memory_behaviour
from memrnn.identity._identity import identity_of as identity_of
from memrnn.identity._identity import language_identity as language_identity
from memrnn.identity._identity import model_identity as model_identity
from memrnn.identity._identity import restart_seed as restart_seed
