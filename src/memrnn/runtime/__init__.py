"""What a process needs of its machine: cores, files, terminal."""

from memrnn.runtime._cores import cores as cores
