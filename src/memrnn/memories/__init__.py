"""External memories. A new one is one file here and one line in `MEMORIES`."""

from collections.abc import Callable

from memrnn.memories._memory import Memory as Memory
from memrnn.memories._none import NoMemory as NoMemory
from memrnn.memories._nondeterministic import Nondeterministic as Nondeterministic
from memrnn.memories._stratification import Stratification as Stratification
from memrnn.memories._superposition import Superposition as Superposition
from memrnn.memories._vector_nondeterministic import (
    VectorNondeterministic as VectorNondeterministic,
)

MEMORIES: dict[str, Callable[..., Memory]] = {
    "none": NoMemory,
    "nondeterministic": Nondeterministic,
    "stratification": Stratification,
    "superposition": Superposition,
    "vector_nondeterministic": VectorNondeterministic,
}
