"""External memories. A new one is one file here and one line in `MEMORIES`."""

from collections.abc import Callable

from memrnn.nn.memories._loop import Loop as Loop
from memrnn.nn.memories._memory import AffineMemory as AffineMemory
from memrnn.nn.memories._memory import Memory as Memory
from memrnn.nn.memories._none import NoMemory as NoMemory
from memrnn.nn.memories._silenced import Silenced as Silenced
from memrnn.nn.memories._stratification import Stratification as Stratification
from memrnn.nn.memories._superposition import Superposed as Superposed
from memrnn.nn.memories._superposition import Superposition as Superposition
from memrnn.nn.memories.nondeterministic import Action as Action
from memrnn.nn.memories.nondeterministic import BestRun as BestRun
from memrnn.nn.memories.nondeterministic import Nondeterministic as Nondeterministic
from memrnn.nn.memories.nondeterministic import best_run as best_run
from memrnn.nn.memories.nondeterministic import forward_weights as forward_weights

MEMORIES: dict[str, Callable[..., Memory]] = {
    "none": NoMemory,
    "nondeterministic": Nondeterministic,
    "stratification": Stratification,
    "superposition": Superposition,
    "vector_nondeterministic": Nondeterministic,  # with a `size`; runs are stored by this name
}
"""The memories by the name that `Model.memory` uses; `register_memory` adds one."""
