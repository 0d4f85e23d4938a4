"""What names stand for, and the seeds that follow."""

from memrnn.identity._behaviour import module_behaviour as module_behaviour
from memrnn.identity._differences import differences as differences
from memrnn.identity._identity import identity_of as identity_of
from memrnn.identity._identity import language_identity as language_identity
from memrnn.identity._identity import model_identity as model_identity
from memrnn.identity._identity import restart_seed as restart_seed
