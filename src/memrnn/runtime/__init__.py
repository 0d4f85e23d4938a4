"""What a process needs of its machine: cores, files, folders, databases, terminal."""

from memrnn.runtime._folders import check_output as check_output
from memrnn.runtime._folders import configure_matplotlib as configure_matplotlib
from memrnn.runtime._folders import home_folder as home_folder
from memrnn.runtime._folders import is_writable as is_writable
from memrnn.runtime._limits import cores as cores
from memrnn.runtime._limits import memory as memory
from memrnn.runtime._main_module import WORKER as WORKER
from memrnn.runtime._main_module import check_main_guard as check_main_guard
from memrnn.runtime._main_module import explain_failed_start as explain_failed_start
from memrnn.runtime._sqlite import connect as connect
