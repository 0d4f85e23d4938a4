"""A stack in all states of all runs of a weighted pushdown automaton, with vectors or without."""

from memrnn.nn.memories.nondeterministic._best_run import Action as Action
from memrnn.nn.memories.nondeterministic._best_run import BestRun as BestRun
from memrnn.nn.memories.nondeterministic._best_run import best_run as best_run
from memrnn.nn.memories.nondeterministic._best_run import forward_weights as forward_weights
from memrnn.nn.memories.nondeterministic._nondeterministic import (
    Nondeterministic as Nondeterministic,
)
