"""What a process needs of its machine: cores, files, folders, terminal."""

from memrnn.runtime._console import plain_output as plain_output
from memrnn.runtime._console import say as say
from memrnn.runtime._cores import cores as cores
from memrnn.runtime._files import where_supported as where_supported
from memrnn.runtime._folders import home_folder as home_folder
from memrnn.runtime._folders import is_writable as is_writable
from memrnn.runtime._folders import settle_matplotlib as settle_matplotlib
