"""External memories. A new one is one file here and one line in `MEMORIES`."""

from collections.abc import Callable

from memrnn.memories._loop import Loop as Loop
from memrnn.memories._memory import AffineMemory as AffineMemory
from memrnn.memories._memory import Memory as Memory
from memrnn.memories._none import NoMemory as NoMemory
from memrnn.memories._stratification import Stratification as Stratification
from memrnn.memories._superposition import Superposed as Superposed
from memrnn.memories._superposition import Superposition as Superposition
from memrnn.memories.nondeterministic import Action as Action
from memrnn.memories.nondeterministic import BestRun as BestRun
from memrnn.memories.nondeterministic import Nondeterministic as Nondeterministic
from memrnn.memories.nondeterministic import VectorNondeterministic as VectorNondeterministic
from memrnn.memories.nondeterministic import best_run as best_run
from memrnn.memories.nondeterministic import forward_weights as forward_weights

MEMORIES: dict[str, Callable[..., Memory]] = {
    "none": NoMemory,
    "nondeterministic": Nondeterministic,
    "stratification": Stratification,
    "superposition": Superposition,
    "vector_nondeterministic": VectorNondeterministic,
}
