"""What a process needs of its machine: cores, files, terminal."""

from memrnn.runtime._cores import cores as cores
from memrnn.runtime._files import where_supported as where_supported
