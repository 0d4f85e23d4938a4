"""Stacks in all states of all runs of a weighted pushdown automaton, with vectors or without."""

from memrnn.memories.nondeterministic._best_run import Action as Action
from memrnn.memories.nondeterministic._best_run import BestRun as BestRun
from memrnn.memories.nondeterministic._best_run import best_run as best_run
from memrnn.memories.nondeterministic._best_run import forward_weights as forward_weights
from memrnn.memories.nondeterministic._nondeterministic import Nondeterministic as Nondeterministic
from memrnn.memories.nondeterministic._stack import Stack as Stack
from memrnn.memories.nondeterministic._vector_nondeterministic import (
    VectorNondeterministic as VectorNondeterministic,
)
